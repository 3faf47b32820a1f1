"""Is a method better than another beyond chance?  A paired bootstrap over blocks of ground.

Errors of neighbouring pixels are alike, so pixels are no independent draws; blocks of 1.5 km
nearly are.  Both methods are resampled together, each scene from its own blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

BLOCK_M = 1500.0
DRAWS = 2000
LEAST_BLOCKS = 8
"""Fewer blocks in all give no interval worth its name."""


class Interval(NamedTuple):
    """A difference and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockErrors:
    """Squared errors of a method on one scene, summed by block."""

    pixels: NDArray[np.float64]
    """(block,) scored pixels, 1 or more."""

    squared: NDArray[np.float64]
    """(block, band)"""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The blocks of several images, one after the other; of none, no block of no band."""
        if not parts:
            return cls(pixels=np.zeros(0), squared=np.zeros((0, 0)))
        return cls(
            pixels=np.concatenate([one.pixels for one in parts]),
            squared=np.concatenate([one.squared for one in parts]),
        )

    @property
    def rmse(self) -> float:
        """Root of the mean squared error of all pixels, mean over bands; NaN without a pixel."""
        return float(np.mean(self.rmse_by_band)) if self.pixels.size else float("nan")

    @property
    def rmse_by_band(self) -> NDArray[np.float64]:
        """(band,)"""
        return np.asarray(np.sqrt(self.squared.sum(0) / self.pixels.sum()))

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"pixels": self.pixels.astype(int).tolist(), "squared": self.squared.tolist()}

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        pixels = np.array(known["pixels"], np.float64)
        shape = (pixels.size, -1 if pixels.size else 0)
        squared = np.array(known["squared"], np.float64).reshape(shape)
        return cls(pixels=pixels, squared=squared)

    @classmethod
    def of(cls, error: NDArray[np.float32], scored: NDArray[np.bool_], *, block_px: int) -> Self:
        """Of an image's error (band, y, x) where ``scored`` (y, x)."""
        y, x = (np.arange(length) // block_px for length in scored.shape)
        block = (y[:, None] * (x[-1] + 1) + x)[scored]
        pixels = np.bincount(block)
        squared = [np.bincount(block, band[scored].astype(np.float64) ** 2) for band in error]
        held = pixels > 0
        return cls(
            pixels=pixels[held].astype(np.float64),
            squared=np.stack(squared, 1)[held].astype(np.float64),
        )


def rmse_difference(
    ours: Sequence[BlockErrors],
    theirs: Sequence[BlockErrors],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Interval | None:
    """RMSE of one method less that of another, each a mean over bands, pooled over scenes.

    Negative: ours is better.  Scenes stand in the same order and hold the same blocks for both.
    None where all scenes together have fewer than ``LEAST_BLOCKS``.
    """
    if sum(one.pixels.size for one in ours) < LEAST_BLOCKS:
        return None
    rng = np.random.default_rng(seed)
    drawn = _Sums.zero(draws, ours[0].squared.shape[1])
    whole = _Sums.zero(1, ours[0].squared.shape[1])
    for a, b in zip(ours, theirs, strict=True):
        blocks = a.pixels.size
        times = rng.multinomial(blocks, np.full(blocks, 1 / blocks), draws)
        drawn.add(times.astype(np.float64), a, b)
        whole.add(np.ones((1, blocks)), a, b)
    low, high = np.percentile(drawn.difference(), (2.5, 97.5))
    return Interval(float(whole.difference()[0]), float(low), float(high))


@dataclass(slots=True)
class _Sums:
    """Running sums over scenes: (draw,) pixels and (draw, band) squared errors of both."""

    pixels: NDArray[np.float64]
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]

    @classmethod
    def zero(cls, draws: int, bands: int) -> Self:
        return cls(np.zeros((draws, 1)), np.zeros((draws, bands)), np.zeros((draws, bands)))

    def add(self, times: NDArray[np.float64], ours: BlockErrors, theirs: BlockErrors) -> None:
        self.pixels += (times @ ours.pixels)[:, None]
        self.ours += times @ ours.squared
        self.theirs += times @ theirs.squared

    def difference(self) -> NDArray[np.float64]:
        ours, theirs = (np.sqrt(s / self.pixels).mean(1) for s in (self.ours, self.theirs))
        return np.asarray(ours - theirs)
