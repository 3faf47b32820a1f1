"""Centre and spread of a region's reflectance, which scale what a network sees.

They are taken from how often each stored number occurs in the clear fine pixels: neither years nor
a large region are ever held at once.  Each day is counted once, by any worker, when it has been
read, and its counts are kept beside the input cubes; a day is taken out again by its counts alone.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cf import FILL, SCALE, VALID_MAX, VALID_MIN
from pipeline.cube import day_number
from pipeline.images import array_of, day_axis, open_input, read_array
from pipeline.store import read_tables

Float = NDArray[np.float32]
Counts = NDArray[np.int64]
"""(band, number): how often each of ``VALID_MIN`` .. ``VALID_MAX`` occurs."""

_SPREAD_FLOOR = 0.01
_SAMPLE = 200_000
"""Pixels a band and day that are looked at."""

_HELD = 64
"""Days whose counts are held in memory, a megabyte each: dates are hidden together in new sets."""


def region_statistics(
    inputs: Path, bands: Sequence[str], *, without: Collection[date] = ()
) -> tuple[Float, Float]:
    """Those of all days but the ones ``without``, see ``statistics_of``.

    They must not move while a cube grows: keep them in the plan.
    """
    return statistics_of(DayCounts(inputs, bands).total(without=without))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTask:
    """The address of a day whose numbers are to be counted."""

    inputs: str
    bands: tuple[str, ...]
    day: date
    images: str
    """Identity of what is counted: the day's images, and how far they were read."""

    def __str__(self) -> str:
        return f"statistics of {self.day}"


def count_tasks(inputs: Path, bands: Sequence[str]) -> list[CountTask]:
    """The days that were not counted yet, or were read anew since."""
    return [task for task in _every(inputs, bands) if not _is_kept(task)]


def count_day(task: CountTask) -> None:
    """Count a day, and keep it: the day's file is replaced as a whole."""
    path = _path(task)
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        np.savez_compressed(file, images=np.array(task.images), counts=_count(task))
    beside.replace(path)


class DayCounts:
    """The counts of each day of a region's fine images, as they stand now.

    A day that ``count_day`` has not kept, or not of the images there are, is counted here.
    """

    def __init__(self, inputs: Path, bands: Sequence[str]) -> None:
        self._tasks = {task.day: task for task in _every(inputs, bands)}
        self._nothing = np.zeros((len(bands), VALID_MAX - VALID_MIN + 1), np.int64)

    def of(self, day: date) -> Counts:
        """Those of a day, not to be changed."""
        return _held(self._tasks[day])

    def total(self, *, without: Collection[date] = ()) -> Counts:
        """Those of all days but the ones ``without``."""
        seen = (_counts(task) for day, task in self._tasks.items() if day not in without)
        return reduce(add, seen, self._nothing)


def statistics_of(counts: Counts) -> tuple[Float, Float]:
    """Median and interquartile range (at least 0.01) of reflectance, each (band,).

    0 and 1 where a band has no clear pixel at all.
    """
    if not counts.any(1).all():
        return np.zeros(len(counts), np.float32), np.ones(len(counts), np.float32)
    quartiles = np.array([[_quantile(row, share) for share in (0.25, 0.5, 0.75)] for row in counts])
    spread = np.maximum(quartiles[:, 2] - quartiles[:, 0], _SPREAD_FLOOR)
    return quartiles[:, 1].astype(np.float32), spread.astype(np.float32)


def _every(inputs: Path, bands: Sequence[str]) -> Iterator[CountTask]:
    """Each day of the fine cube."""
    tables = read_tables(inputs / "fine.zarr")
    prints, done = tables.arrays["fingerprint"], tables.arrays["done"]
    for day, print_, read in zip(tables.days, prints, done, strict=True):
        images = f"{print_:x} {bytes(read).hex()} {' '.join(bands)} {_SAMPLE}"
        yield CountTask(inputs=str(inputs), bands=tuple(bands), day=day, images=images)


def _path(task: CountTask) -> Path:
    return Path(task.inputs) / "counts" / f"{task.day}.npz"


def _counts(task: CountTask) -> Counts:
    if not _is_kept(task):
        return _count(task)
    with np.load(_path(task)) as known:
        return np.asarray(known["counts"])


_held = lru_cache(maxsize=_HELD)(_counts)


def _is_kept(task: CountTask) -> bool:
    """Whether ``count_day`` has kept the counts of just these images."""
    path = _path(task)
    if not path.exists():
        return False
    with np.load(path) as known:
        return str(known["images"]) == task.images


def _count(task: CountTask) -> Counts:
    """The stored numbers of a day's clear fine pixels, of every n-th row and column."""
    bands, root = task.bands, open_input(Path(task.inputs), "fine")
    height, width = array_of(root, "clear").shape[1:]
    every = slice(None, None, max(1, round((height * width / _SAMPLE) ** 0.5)))
    counts = np.zeros((len(bands), VALID_MAX - VALID_MIN + 1), np.int64)
    place = day_axis(root).index(day_number(task.day))
    clear = read_array(root, "clear", (place, every, every)) != 0
    for row, band in zip(counts, bands, strict=True) if clear.any() else ():
        dn = read_array(root, band, (place, every, every))[clear]
        row += np.bincount(dn[dn != FILL].astype(np.intp) - VALID_MIN, minlength=row.size)
    return counts


def _quantile(counts: Counts, share: float) -> float:
    """Of the numbers as reflectance, as ``np.quantile`` of them all, one by one."""
    upto = np.cumsum(counts)
    place = share * float(upto[-1] - 1)
    low, high = np.searchsorted(upto, (np.floor(place), np.ceil(place)), side="right")
    dn = low + (place - np.floor(place)) * (high - low) + VALID_MIN
    return float(dn * SCALE)
