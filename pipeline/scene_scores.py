"""Methods on real scenes: every score on the same pixels, with what chance would allow.

The floor of each table is ``anomaly`` (model.classical.naive): a method's gain is its RMSE less
that of ``anomaly``, with the interval of a paired bootstrap (pipeline.bootstrap).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.classical.naive import NaiveFuser, day_of
from model.fuser import Fuser
from model.metrics import changed
from pipeline.bootstrap import BLOCK_M, BlockErrors, Interval, rmse_difference
from pipeline.real_sets import Scene
from pipeline.validate.moments import Moments

FLOOR = "anomaly"


class Bands(NamedTuple):
    """A score of each band."""

    rmse: tuple[float, ...]
    cc: tuple[float, ...]
    bias: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method on all scenes of a group; means over bands."""

    set: str
    group: str
    method: str
    rmse: float
    cc: float
    bias: float
    changed: float
    """RMSE of the pixels in the top tenth of |truth - linear|, and above .05 there, in some
    band; NaN where there are none."""

    gain: Interval | None
    """RMSE less that of ``anomaly``; negative is better.  None: too few blocks to tell."""

    scenes: int
    scenes_better: int
    """Of them, those on which the RMSE is below that of ``anomaly``."""

    pixels: int
    bands: tuple[str, ...]
    by_band: Bands


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneErrors:
    """A method on one scene."""

    moments: tuple[Moments, ...]
    changed: tuple[Moments, ...]
    """Both (band,)."""

    blocks: BlockErrors

    @property
    def rmse(self) -> float:
        return _mean(self.moments, "rmse")


def score(scenes: Iterable[Scene], fusers: Mapping[str, Fuser]) -> list[Row]:
    """One row a group and method; the scenes of a group share their bands.

    ``anomaly`` is run even where ``fusers`` has it not.  A fuser answers for all scenes given.
    """
    if FLOOR not in fusers:
        fusers = {FLOOR: NaiveFuser(name=FLOOR), **fusers}
    rows = []
    for (name, group), listed in _groups(scenes).items():
        errors = [scene_errors(scene, fusers) for scene in listed]
        for method in fusers:
            ours = [one[method] for one in errors if one]
            theirs = [one[FLOOR] for one in errors if one]
            rows.append(_row(name, group, method, listed[0].bands, ours, theirs))
    return rows


def scene_errors(scene: Scene, fusers: Mapping[str, Fuser]) -> dict[str, SceneErrors]:
    """Errors of each method on the pixels that are known and that all of them answered."""
    truth = scene.truth[0]
    answers = {name: fuser.fuse(scene.block).reflectance[0] for name, fuser in fusers.items()}
    finite = [np.isfinite(image).all(0) for image in (truth, *answers.values())]
    scored = np.logical_and.reduce(finite)
    if not scored.any():
        return {}
    large = changed(truth, day_of(scene.block, 0).linear, scored=scored)
    block_px = max(round(BLOCK_M / scene.pixel_m), 1)
    return {
        name: SceneErrors(
            moments=_moments(image, truth, scored),
            changed=_moments(image, truth, large),
            blocks=BlockErrors.of(image - truth, scored, block_px=block_px),
        )
        for name, image in answers.items()
    }


def _groups(scenes: Iterable[Scene]) -> dict[tuple[str, str], list[Scene]]:
    groups: dict[tuple[str, str], list[Scene]] = {}
    for scene in scenes:
        groups.setdefault((scene.set, scene.group), []).append(scene)
    return groups


def _moments(image: Array, truth: Array, use: NDArray[np.bool_]) -> tuple[Moments, ...]:
    return tuple(Moments.of(a[use], b[use]) for a, b in zip(image, truth, strict=True))


def _row(
    name: str,
    group: str,
    method: str,
    bands: tuple[str, ...],
    ours: Sequence[SceneErrors],
    theirs: Sequence[SceneErrors],
) -> Row:
    total = _pooled([one.moments for one in ours])
    gain = rmse_difference([one.blocks for one in ours], [one.blocks for one in theirs])
    return Row(
        set=name,
        group=group,
        method=method,
        rmse=_mean(total, "rmse"),
        cc=_mean(total, "cc"),
        bias=_mean(total, "bias"),
        changed=_mean(_pooled([one.changed for one in ours]), "rmse"),
        gain=gain,
        scenes=len(ours),
        scenes_better=sum(a.rmse < b.rmse for a, b in zip(ours, theirs, strict=True)),
        pixels=total[0].pixels,
        bands=bands,
        by_band=Bands(*(tuple(getattr(m, what) for m in total) for what in Bands._fields)),
    )


def _pooled(scenes: Sequence[Sequence[Moments]]) -> tuple[Moments, ...]:
    return tuple(sum(of_band, Moments()) for of_band in zip(*scenes, strict=True))


def _mean(bands: Sequence[Moments], what: str) -> float:
    return float(np.mean([getattr(one, what) for one in bands]))
