"""How a blind fusion of one tile and date compares with what was seen; answers add up."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.metrics import changed, edge, lbp, only
from pipeline.additive import Additive
from pipeline.bootstrap import BLOCK_M, BlockErrors
from pipeline.validate.moments import Moments
from pipeline.validate.ratios import Ratios


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Additive):
    """A score of images that is no sum over pixels: its mean over tiles, weighed by pixels."""

    total: float = 0.0
    weight: float = 0.0

    @classmethod
    def of(cls, score: float, pixels: int) -> Self:
        """NaN, where an image defines no score, weighs nothing."""
        return cls(total=score * pixels, weight=pixels) if np.isfinite(score) else cls()

    @property
    def mean(self) -> float:
        return self.total / self.weight if self.weight else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A method on some tiles and dates."""

    moments: tuple[Moments, ...]
    """(band,) of all pixels,"""
    changed: tuple[Moments, ...]
    """and of those that are not what time alone predicts, ``model.metrics.changed``."""

    edge: Weighted
    lbp: Weighted
    """Texture, ``model.metrics.texture``: below 0 the fusion is smoother than the truth."""

    blocks: BlockErrors
    """Squared errors by blocks of ground, for ``pipeline.bootstrap``."""

    ratios: Ratios
    """How far they reach beyond the uncertainty that was stated."""

    @classmethod
    def of(
        cls,
        fused: Array,
        sigma: Array | None,
        truth: Array,
        linear: Array,
        scored: NDArray[np.bool_],
        *,
        pixel_m: float,
    ) -> Self:
        """Of images (band, y, x), on the pixels ``scored`` (y, x), where all of them are known."""
        large = changed(truth, linear, scored=scored)
        image, pixels = only(fused, scored), int(scored.sum())

        def moments(use: NDArray[np.bool_]) -> tuple[Moments, ...]:
            stated = [None] * len(fused) if sigma is None else list(sigma)
            return tuple(
                Moments.of(a[use], b[use], None if s is None else s[use])
                for a, b, s in zip(fused, truth, stated, strict=True)
            )

        block_px = max(round(BLOCK_M / pixel_m), 1)
        error = fused - truth
        stated = None if sigma is None else Ratios.of(error[:, scored], sigma[:, scored])
        return cls(
            moments=moments(scored),
            changed=moments(large),
            edge=Weighted.of(edge(image, truth), pixels),
            lbp=Weighted.of(lbp(image, truth), pixels),
            blocks=BlockErrors.of(error, scored, block_px=block_px),
            ratios=Ratios.none() if stated is None else stated,
        )

    def __add__(self, other: Self) -> Self:
        def added(a: tuple[Moments, ...], b: tuple[Moments, ...]) -> tuple[Moments, ...]:
            return tuple(one + two for one, two in zip(a, b, strict=True))

        return type(self)(
            moments=added(self.moments, other.moments),
            changed=added(self.changed, other.changed),
            edge=self.edge + other.edge,
            lbp=self.lbp + other.lbp,
            blocks=BlockErrors(
                pixels=np.concatenate([self.blocks.pixels, other.blocks.pixels]),
                squared=np.concatenate([self.blocks.squared, other.blocks.squared]),
            ),
            ratios=self.ratios + other.ratios,
        )

    @property
    def pixels(self) -> int:
        """Scored; the same in all bands."""
        return self.moments[0].pixels

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` gives equal sums."""
        return {
            "moments": [asdict(one) for one in self.moments],
            "changed": [asdict(one) for one in self.changed],
            "edge": [self.edge.total, self.edge.weight],
            "lbp": [self.lbp.total, self.lbp.weight],
            "blocks": [self.blocks.pixels.tolist(), self.blocks.squared.tolist()],
            "ratios": self.ratios.to_dict(),
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """The sums that ``to_dict`` wrote."""
        pixels, squared = known["blocks"]
        bands = len(known["moments"])
        return cls(
            moments=tuple(Moments(**one) for one in known["moments"]),
            changed=tuple(Moments(**one) for one in known["changed"]),
            edge=Weighted(total=known["edge"][0], weight=known["edge"][1]),
            lbp=Weighted(total=known["lbp"][0], weight=known["lbp"][1]),
            blocks=BlockErrors(
                pixels=np.array(pixels, np.float64),
                squared=np.array(squared, np.float64).reshape(-1, bands),
            ),
            # Answers written before there were ratios have other names: nobody asks for them, but
            # their lines are in the same file.
            ratios=Ratios.from_dict(known.get("ratios", {})),
        )
