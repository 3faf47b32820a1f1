"""Centre and spread of a region's reflectance, which scale what a network sees.

They are taken from how often each stored number occurs in the clear fine pixels: neither years nor
a large region are ever held at once, and a day is taken out again by reading that day alone.
"""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cf import FILL, SCALE, VALID_MAX, VALID_MIN
from pipeline.cube import day_date
from pipeline.images import array_of, day_axis, open_input, read_array

Float = NDArray[np.float32]
Counts = NDArray[np.int64]
"""(band, number): how often each of ``VALID_MIN`` .. ``VALID_MAX`` occurs."""

_SPREAD_FLOOR = 0.01
_SAMPLE = 200_000
"""Pixels a band and day that are looked at."""


def region_statistics(
    inputs: Path, bands: Sequence[str], *, without: Collection[date] = ()
) -> tuple[Float, Float]:
    """Those of all days but the ones ``without``, see ``statistics_of``.

    They must not move while a cube grows: keep them in the plan.
    """
    days = map(day_date, day_axis(open_input(inputs, "fine")))
    return statistics_of(count(inputs, bands, {day for day in days if day not in without}))


def count(inputs: Path, bands: Sequence[str], days: Collection[date]) -> Counts:
    """The stored numbers of the clear fine pixels on ``days``, of every n-th row and column."""
    root = open_input(inputs, "fine")
    height, width = array_of(root, "clear").shape[1:]
    every = slice(None, None, max(1, round((height * width / _SAMPLE) ** 0.5)))
    counts = np.zeros((len(bands), VALID_MAX - VALID_MIN + 1), np.int64)
    for place, number in enumerate(day_axis(root)):
        if day_date(number) not in days:
            continue
        clear = read_array(root, "clear", (place, every, every)) != 0
        for row, band in zip(counts, bands, strict=True) if clear.any() else ():
            dn = read_array(root, band, (place, every, every))[clear]
            row += np.bincount(dn[dn != FILL].astype(np.intp) - VALID_MIN, minlength=row.size)
    return counts


def statistics_of(counts: Counts) -> tuple[Float, Float]:
    """Median and interquartile range (at least 0.01) of reflectance, each (band,).

    0 and 1 where a band has no clear pixel at all.
    """
    if not counts.any(1).all():
        return np.zeros(len(counts), np.float32), np.ones(len(counts), np.float32)
    quartiles = np.array([[_quantile(row, share) for share in (0.25, 0.5, 0.75)] for row in counts])
    spread = np.maximum(quartiles[:, 2] - quartiles[:, 0], _SPREAD_FLOOR)
    return quartiles[:, 1].astype(np.float32), spread.astype(np.float32)


def _quantile(counts: Counts, share: float) -> float:
    """Of the numbers as reflectance, as ``np.quantile`` of them all, one by one."""
    upto = np.cumsum(counts)
    place = share * float(upto[-1] - 1)
    low, high = np.searchsorted(upto, (np.floor(place), np.ceil(place)), side="right")
    dn = low + (place - np.floor(place)) * (high - low) + VALID_MIN
    return float(dn * SCALE)
