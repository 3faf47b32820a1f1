"""A method on all scenes of a group: the rows of the tables.

RMSE, bias and the changed pixels are of all pixels of the group's scenes together; what is not
made of single pixels (CC, SSIM, ERGAS, SAM, texture, classes) is the mean over scenes.  The floor
is ``anomaly`` (model.classical.naive): a method's gain is its RMSE less that of ``anomaly``, with
the interval of a paired bootstrap (pipeline.bootstrap).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.metrics import Box, Scores, mean_scores
from pipeline.bootstrap import BlockErrors, Interval, rmse_difference
from pipeline.evaluate.scores import CLASS_SCORES, AnswerScores

FLOOR = "anomaly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method on the scenes of a group."""

    set: str
    group: str
    method: str

    scenes: int
    pixels: int
    """Scored, of one band."""

    values: Mapping[str, float]
    """By the names of ``model.metrics.NAMES``, ``changed`` and ``CLASS_SCORES``."""

    patches: Mapping[str, float]
    """Means over patches and scenes, by ``model.metrics.NAMES``."""

    rmse_by_band: tuple[float, ...]
    """Of all pixels together, as ``values["rmse"]``, which is their mean."""

    bands: Scores
    """Of every band, means over scenes."""

    gain: Interval | None
    """RMSE less that of ``anomaly``; negative is better.  None: too few blocks to tell."""

    better: int
    """Scenes on which the RMSE is below that of ``anomaly``."""

    box: Box
    """RMSE of the changed pixels of each block of 1.5 km that has some."""


def row_of(
    name: str,
    group: str,
    method: str,
    ours: Sequence[AnswerScores],
    floor: Sequence[AnswerScores],
) -> Row:
    """Pool the scores of a method and of ``anomaly`` on the same scenes, one or more."""
    errors = BlockErrors.joined([one.errors for one in ours])
    parts = [one.changed for one in ours if one.changed.pixels.size]
    changed = BlockErrors.joined(parts)
    means, patches = (
        mean_scores([one.whole for one in ours]),
        mean_scores([one.patches for one in ours]),
    )
    return Row(
        set=name,
        group=group,
        method=method,
        scenes=len(ours),
        pixels=int(errors.pixels.sum()),
        values={
            **means.means(),
            "rmse": errors.rmse,
            "bias": float(
                np.average(
                    [one.whole.mean.bias for one in ours],
                    weights=[one.errors.pixels.sum() for one in ours],
                )
            ),
            "changed": changed.rmse,
            **{key: float(np.mean([one.classes[key] for one in ours])) for key in CLASS_SCORES},
        },
        patches=patches.means(),
        rmse_by_band=tuple(errors.rmse_by_band.tolist()),
        bands=means,
        gain=rmse_difference([one.errors for one in ours], [one.errors for one in floor]),
        better=sum(a.errors.rmse < b.errors.rmse for a, b in zip(ours, floor, strict=True)),
        box=Box.of(np.sqrt(changed.squared / changed.pixels[:, None]).mean(1) if parts else []),
    )
