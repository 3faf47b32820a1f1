"""An answer against the truth, in numbers that can be pooled.

All methods of a scene are scored on the same pixels: those whose truth is known and that every
method answered.  Of a scene of several days each day is scored, and means over days are taken.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.classical.naive import day_of
from model.metrics import (
    BandScores,
    Scores,
    changed,
    classification,
    mean_scores,
    only,
    score_patches,
)
from model.metrics import score as score_image
from pipeline.bootstrap import BLOCK_M, BlockErrors
from pipeline.real_sets import Scene

Mask = NDArray[np.bool_]

CLASS_SCORES = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a scene is scored on: days that have a pixel to score."""

    days: tuple[int, ...]
    """Places on the time axis of the scene."""

    scored: tuple[Mask, ...]
    """(y, x) of each: known, and answered by all."""

    changed: tuple[Mask, ...]
    """(y, x) of each, of those: not what time alone predicts (``model.metrics.changed``)."""

    truth: tuple[Array, ...]
    """(band, y, x) of each, NaN where not scored."""

    @classmethod
    def of(cls, scene: Scene, answered: Mask) -> Self:
        """``answered``: (time, y, x)."""
        inside = scene.block.core or (slice(None), slice(None))
        days, scored, large, truths = [], [], [], []
        for at, truth in enumerate(scene.truth[..., *inside]):
            use = np.isfinite(truth).all(0) & answered[at, *inside]
            if not use.any():
                continue
            linear = day_of(scene.block, at).linear[:, *inside]
            days.append(at)
            scored.append(use)
            large.append(changed(truth, linear, scored=use))
            truths.append(np.where(use, truth, np.float32(np.nan)))
        return cls(
            days=tuple(days), scored=tuple(scored), changed=tuple(large), truth=tuple(truths)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScores:
    """A method on a scene."""

    whole: Scores
    """Of whole images,"""

    patches: Scores
    """and means over patches, as the papers report."""

    classes: Mapping[str, float]
    """``CLASS_SCORES`` of K-means maps."""

    errors: BlockErrors
    """Squared errors in blocks of 1.5 km,"""

    changed: BlockErrors
    """and those of the changed pixels."""

    @classmethod
    def of(cls, scene: Scene, grounds: Grounds, answer: Array) -> Self:
        """``answer``: (time, band, y, x) of the whole block."""
        inside = scene.block.core or (slice(None), slice(None))
        block_px = max(round(BLOCK_M / scene.pixel_m), 1)
        wholes, patches, maps, errors, large = [], [], [], [], []
        for at, use, moved, truth in zip(
            grounds.days, grounds.scored, grounds.changed, grounds.truth, strict=True
        ):
            image = only(answer[at][:, *inside], use).astype(np.float32)
            wholes.append(score_image(image, truth))
            patches.append(score_patches(image, truth))
            maps.append(classification(image, truth))
            errors.append(BlockErrors.of(image - truth, use, block_px=block_px))
            large.append(BlockErrors.of(image - truth, moved, block_px=block_px))
        return cls(
            whole=mean_scores(wholes),
            patches=mean_scores(patches),
            classes={
                name: float(np.mean([getattr(one, name) for one in maps])) for name in CLASS_SCORES
            },
            errors=BlockErrors.joined(errors),
            changed=BlockErrors.joined(large),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "whole": asdict(self.whole),
            "patches": asdict(self.patches),
            "classes": dict(self.classes),
            "errors": self.errors.to_json(),
            "changed": self.changed.to_json(),
        }

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        return cls(
            whole=_scores(known["whole"]),
            patches=_scores(known["patches"]),
            classes={name: _number(value) for name, value in known["classes"].items()},
            errors=BlockErrors.from_json(known["errors"]),
            changed=BlockErrors.from_json(known["changed"]),
        )


def _scores(known: Mapping[str, Any]) -> Scores:
    def band(values: Any) -> BandScores:
        # asdict makes a NamedTuple a NamedTuple again, which JSON writes as a list.
        return BandScores(*map(_number, values))

    return Scores(
        mean=band(known["mean"]),
        bands=tuple(map(band, known["bands"])),
        ergas=_number(known["ergas"]),
        sam=_number(known["sam"]),
        pixels=known["pixels"],
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
