"""How far errors reach beyond the interval that was stated of them, counted; counts add up.

The ratio of a pixel and band is its error over half the width of its 90 % interval: at 1 it lies
on the edge.  Ratios are counted between ``FACTORS``, 32 to each doubling from a half to eight.
Were the uncertainty multiplied by one of these, the share covered and the interval score would
follow from the sums exactly, so no pixel need be kept.  All of them are whole numbers: the order
in which they are added does not matter.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.proper_scores import SHARE, Z90
from pipeline.additive import Additive

STEPS = 32
"""Factors to a doubling: neighbours are 2.2 % apart, of which coverage moves by .7 %."""

FACTORS = 2.0 ** (np.arange(-STEPS, 3 * STEPS + 1) / STEPS)
"""What an uncertainty may be multiplied by: one that is farther off is not to be calibrated."""

AS_STATED = STEPS
"""The place of 1 among them."""

UNIT = 1e-6
"""Reflectance, of the sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios(Additive):
    """Of the pixels and bands of some tiles and dates, by the factor that would cover them: the
    first, ..., the last, none."""

    count: NDArray[np.int64]
    half: NDArray[np.int64]
    """Half widths of the 90 % intervals, in ``UNIT``,"""
    error: NDArray[np.int64]
    """and errors without their sign."""

    @classmethod
    def none(cls) -> Self:
        """Of a method that states no uncertainty."""
        zeros = np.zeros(len(FACTORS) + 1, np.int64)
        return cls(count=zeros, half=zeros, error=zeros)

    @classmethod
    def of(cls, error: Array, sigma: Array) -> Self:
        """Of forecast minus truth and what was stated of it, equal shapes without NaN."""
        size = np.abs(error.astype(np.float64)).ravel()
        half = np.maximum(Z90 * sigma.astype(np.float64).ravel(), UNIT)
        place = np.searchsorted(FACTORS, size / half)

        def sums(weights: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
            found = np.bincount(place, weights, minlength=len(FACTORS) + 1)
            return np.rint(found if weights is None else found / UNIT).astype(np.int64)

        return cls(count=sums(), half=sums(half), error=sums(size))

    @property
    def stated(self) -> int:
        """Pixels and bands of which an uncertainty was stated."""
        return int(self.count.sum())

    def covered(self, place: int) -> int:
        """How many of them the interval holds, multiplied by the factor at ``place``."""
        return int(self.count[: place + 1].sum())

    def score(self, place: int) -> float:
        """Sum of their interval scores then, ``model.proper_scores.interval_score``."""
        factor = float(FACTORS[place])
        beyond = slice(place + 1, None)
        outside = int(self.error[beyond].sum()) - factor * int(self.half[beyond].sum())
        return UNIT * (2 * factor * int(self.half.sum()) + 2 / (1 - SHARE) * outside)

    @property
    def least(self) -> int:
        """The place of the least factor whose interval holds 90 % of them, the last if none's."""
        held = np.cumsum(self.count[:-1])
        enough = int(np.searchsorted(held, np.ceil(SHARE * self.stated)))
        return min(enough, len(FACTORS) - 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, short where there are none; ``from_dict`` gives equal sums."""
        if not self.stated:
            return {}
        return {name: getattr(self, name).tolist() for name in ("count", "half", "error")}

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """The sums that ``to_dict`` wrote."""
        if not known:
            return cls.none()
        return cls(**{name: np.array(values, np.int64) for name, values in known.items()})


def place_of(factor: float) -> int:
    """Where a factor stands among ``FACTORS``."""
    return int(np.argmin(np.abs(FACTORS - factor)))
