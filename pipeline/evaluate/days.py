"""Days of scenes as a reader is told them.

A simulated world has no calendar: its days are counted from the first of its season.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64] | NDArray[np.int64]

FIRST_PASS = 934
"""Days from 1970-01-01 to Landsat 1's first image, 1972-07-23: what is less is of a world."""

SEASON = "day of the season"
"""What an axis of days without a calendar is called."""

_EPOCH = date(1970, 1, 1)


def told(day: int) -> str:
    """2001-12-31, or day 12 of the season."""
    return f"day {day} of the season" if day < FIRST_PASS else f"{_EPOCH + timedelta(day)}"


def axis_of(days: Sequence[int]) -> Days:
    """(time,) dates, or the numbers of days of a season."""
    numbers: NDArray[Any] = np.array(days, np.int64)
    return numbers if numbers.size and numbers.max() < FIRST_PASS else numbers.astype("M8[D]")
