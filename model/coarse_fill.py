"""Cloudy coarse cells, filled in time.

A cell that is cloudy on a day takes the straight line, in time, between its own nearest clear
days on both sides, or the value of the one side that has any.  Bands are filled one by one:
some products lose a band where the others are good.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def fill_coarse(
    reflectance: NDArray[np.float32], days: Sequence[int], *, window: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fill unknown values from the nearest known ones at most ``window`` days away.

    ``reflectance`` (time, band, row, col), NaN unknown; ``days`` (time,) ascending day numbers,
    not necessarily without gaps.  Returns the same with fewer NaN, and where any band of a
    cell was filled, (time, row, col).  A value ``window`` days before or after a day is used,
    one further away never is.
    """
    known = np.isfinite(reflectance)
    before, after = nearest_known(known)
    number = np.asarray(days, np.int64)
    time = np.arange(len(number)).reshape(-1, 1, 1, 1)
    age = number[time] - number[before]
    wait = number[after] - number[time]
    left = np.take_along_axis(reflectance, before, 0)
    right = np.take_along_axis(reflectance, after, 0)
    # An index without a known value points at the day itself, whose value is NaN.
    has_left = np.isfinite(left) & (age <= window)
    has_right = np.isfinite(right) & (wait <= window)
    share = (age / np.maximum(age + wait, 1)).astype(np.float32)
    filled = np.where(has_left, left, right)
    filled = np.where(has_left & has_right, left + share * (right - left), filled)
    filled = np.where(has_left | has_right, filled, np.float32(np.nan))
    filled = np.where(known, reflectance, filled)
    return filled, np.any(np.isfinite(filled) & ~known, axis=1)


def nearest_known(known: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Index along the first axis of the last known value at or before, and the next at or after.

    Where there is none, the index of the place itself.
    """
    length = len(known)
    place = np.arange(length).reshape(-1, *[1] * (known.ndim - 1))
    before = np.maximum.accumulate(np.where(known, place, -1), 0)
    after = np.minimum.accumulate(np.where(known, place, length)[::-1], 0)[::-1]
    return np.where(before < 0, place, before), np.where(after == length, place, after)


def fillable(
    known: Iterable[NDArray[np.bool_]], days: Sequence[int], *, window: int
) -> Iterator[NDArray[np.bool_]]:
    """Day by day, where ``fill_coarse`` would leave a value: known at most ``window`` days away.

    ``known`` are images of the ascending ``days``, taken one by one; only those of a window are
    held at once, for the images of a large region and of years do not fit into memory.
    """
    coming = zip(days, known, strict=True)
    near: deque[tuple[int, NDArray[np.bool_]]] = deque()
    for day in days:
        while not near or near[-1][0] < day + window:
            if (one := next(coming, None)) is None:
                break
            near.append(one)
        while near[0][0] < day - window:
            near.popleft()
        yield np.logical_or.reduce([image for at, image in near if at <= day + window])
