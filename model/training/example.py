"""What a network is trained on: one example, and where examples come from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.block import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Two reference pairs and a target day of one patch, all on the fine grid.

    Images are (band, y, x) surface reflectance without NaN; a band that is not ``present``
    holds 0 in all of them.
    """

    fine_before: Array
    coarse_before: Array
    fine_after: Array
    coarse_after: Array
    coarse: Array

    truth: Array
    """The fine image of the target day; NaN where it is unknown and nothing is scored."""

    filled: NDArray[np.bool_]
    """(image, y, x) in the order of the five images above: True where an image was not seen
    that day but filled from others."""

    centre: Array
    """(band,) median reflectance of the region."""

    spread: Array
    """(band,) its interquartile range, 0.01 or more."""

    present: NDArray[np.bool_]
    """(band,)"""

    days: tuple[int, int, int]
    """Earlier reference, target, later reference.  One-sided: both references are the same pair,
    and the first and last number too."""

    ratio: int
    """Fine pixels along one side of a coarse cell."""


class Source(Protocol):
    """Where examples come from.

    ``example`` is a pure function of its arguments: a resumed run, another number of loader
    workers or of processes sees the same examples.
    """

    @property
    def bands(self) -> tuple[str, ...]: ...

    def __len__(self) -> int:
        """Examples in an epoch."""

    def example(self, epoch: int, index: int) -> Example:
        """Example ``index`` of ``epoch``; both count from 0."""
