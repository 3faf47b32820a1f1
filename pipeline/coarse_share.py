"""How much of each tile the coarse images show, day by day: what planning needs of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from model.coarse_fill import fillable
from pipeline.cube import day_date, day_number
from pipeline.images import Bool, Float, Window, day_axis, open_input, read_array


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseShare:
    """How much of each window the coarse images show."""

    days: tuple[date, ...]
    known: Float
    """(time, window) share of its cells that have a value after filling."""
    clear: Float
    """(time, window) before filling."""


def coarse_share(
    inputs: Path,
    windows: Sequence[Window],
    *,
    coarse_fill_days: int,
    until: date | None = None,
) -> CoarseShare:
    """Survey the coarse cube by its ``clear`` layer, for ``windows`` in rows and columns of cells.

    Outside the first and the last day that has an item nothing is filled: beyond the end of a
    record there is no image that a cloud could hide.  With ``until`` the record ends there, and
    only the days up to it that are filled otherwise for that are told.
    """
    root = open_input(inputs, "coarse")
    axis = day_axis(root)
    first, last = axis[0], axis[-1]
    if until is not None:
        last = day_number(until)
        first = last - coarse_fill_days + 1
    start = bisect_left(axis, first - coarse_fill_days)  # a day is filled from so many before it
    days = axis[start : bisect_right(axis, last)]
    recorded = np.flatnonzero(read_array(root, "fingerprint", slice(None, start + len(days))))
    known, clear = (np.zeros((len(days), len(windows)), np.float32) for _ in range(2))

    def images() -> Iterator[Bool]:
        for at in range(len(days)):
            image = read_array(root, "clear", start + at) != 0
            clear[at] = [image[y, x].mean(dtype=np.float32) for y, x in windows]
            yield image

    for at, image in enumerate(fillable(images(), days, window=coarse_fill_days)):
        if recorded.size and recorded[0] <= start + at <= recorded[-1]:
            known[at] = [image[y, x].mean(dtype=np.float32) for y, x in windows]
    told = slice(bisect_left(days, first), None)
    return CoarseShare(days=tuple(map(day_date, days[told])), known=known[told], clear=clear[told])
