"""Reading the input cubes: each chunk once a task, coarse days filled in time."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from model.block import COARSE_PAD
from model.coarse_calm import calm_coarse
from model.coarse_fill import fill_coarse
from pipeline import local_store
from pipeline.chunk_cache import read_day
from pipeline.corrections import AS_SEEN, Corrections
from pipeline.cube import HIGH_AEROSOL, day_date, day_number, unpack
from pipeline.store import CubeError

Window = tuple[slice, slice]
Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


FineImage = tuple[Float, Bool, NDArray[np.uint8]]
"""Reflectance (band, y, x), NaN where not clear; clear (y, x); surface bits (y, x)."""


class FineImages:
    """Fine images of one window.  A day is read once, however often it is asked for."""

    def __init__(self, root: zarr.Group, bands: Sequence[str], at: Window) -> None:
        self._bands = [array_of(root, band) for band in bands]
        self._clear, self._surface = array_of(root, "clear"), array_of(root, "surface")
        self._place = {day: place for place, day in enumerate(day_axis(root))}
        self._at = at
        self._shape = at[0].stop - at[0].start, at[1].stop - at[1].start
        self._masks: dict[date, Bool] = {}
        self._images: dict[date, FineImage] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(band, y, x) of an image."""
        return len(self._bands), self._shape[0], self._shape[1]

    def clear(self, day: date) -> Bool:
        """(y, x) where the day was seen clear; nowhere on a day without an image."""
        if day not in self._masks:
            place = self._place.get(day_number(day))
            self._masks[day] = (
                np.zeros(self._shape, np.bool_)
                if place is None
                else read_day(self._clear, place, self._at) != 0
            )
        return self._masks[day]

    def read(self, day: date) -> FineImage:
        """The image of a day, not to be changed."""
        if day not in self._images:
            self._images[day] = self._read(day)
        return self._images[day]

    def read_once(self, day: date) -> Float:
        """The reflectance of a day that nobody will ask for again: it is not kept."""
        return self._images[day][0] if day in self._images else self._read(day)[0]

    def nothing(self, day: date) -> FineImage:
        """As ``read`` of a day without an image."""
        image = np.full((len(self._bands), *self._shape), np.nan, np.float32)
        return image, np.zeros(self._shape, np.bool_), np.zeros(self._shape, np.uint8)

    def _read(self, day: date) -> FineImage:
        clear = self.clear(day)
        if not clear.any():
            return self.nothing(day)
        image = np.empty((len(self._bands), *self._shape), np.float32)
        place = self._place[day_number(day)]
        for target, band in zip(image, self._bands, strict=True):
            target[...] = unpack(read_day(band, place, self._at))
        clear = clear & np.all(np.isfinite(image), axis=0)
        image[:, ~clear] = np.nan
        return image, clear, np.where(clear, read_day(self._surface, place, self._at), np.uint8(0))


class CoarseImages:
    """Coarse images of a block with ``COARSE_PAD`` cells around, filled in time.

    Days are read once each, as they are needed: those asked for and all within the fill
    window around them, by which they are calmed too, if ``corrections`` say so; none after
    ``until``.
    """

    def __init__(
        self,
        root: zarr.Group,
        bands: Sequence[str],
        cells: Window,
        *,
        fill_days: int,
        until: date | None = None,
        corrections: Corrections = AS_SEEN,
    ) -> None:
        self._clear, self._surface = array_of(root, "clear"), array_of(root, "surface")
        self._bands = [array_of(root, band) for band in bands]
        self._window = fill_days
        self._axis = [
            number for number in day_axis(root) if until is None or number <= day_number(until)
        ]
        self._place = {day: at for at, day in enumerate(self._axis)}
        self._corrections = corrections
        # The padded window, cut at the region's edge and repeated from there.
        self._read_at: list[slice] = []
        self._keep: list[slice] = []
        self._pad = [(0, 0)]
        for side, length in zip(cells, self._clear.shape[1:], strict=True):
            start, stop = side.start - COARSE_PAD, side.stop + COARSE_PAD
            first, last = max(start, 0), min(stop, length)
            read = slice(max(first - corrections.margin, 0), min(last + corrections.margin, length))
            self._read_at.append(read)
            self._keep.append(slice(first - read.start, last - read.start))
            self._pad.append((max(-start, 0), max(stop - length, 0)))
        self._raw: dict[int, Float] = {}
        self._filled: dict[int, tuple[Float, Bool]] = {}

    def clear_share(self, days: Sequence[date], cells: Window) -> Float:
        """(time,) share of ``cells`` seen clear."""
        places = [self._place.get(day_number(day)) for day in days]
        shares = [
            0.0 if at is None else float((read_day(self._clear, at, cells) != 0).mean())
            for at in places
        ]
        return np.array(shares, np.float32)

    def poor(self, day: date, cells: Window) -> Bool:
        """(row, col) which of ``cells`` are of low quality; none on a day without an image."""
        place = self._place.get(day_number(day))
        if place is None:
            return np.zeros([side.stop - side.start for side in cells], np.bool_)
        return (read_day(self._surface, place, cells) & HIGH_AEROSOL) != 0

    def fill(self, days: Sequence[date]) -> None:
        """Make ``image`` ready for ``days``."""
        numbers = sorted({day_number(day) for day in days} - set(self._filled))
        near = sorted({n + k for n in numbers for k in range(-self._window, self._window + 1)})
        axis = [n for n in near if n in self._place]
        self._load(axis)
        if not axis:
            return
        stack = np.stack([self._raw[n] for n in axis])
        images, filled = fill_coarse(stack, axis, window=self._window)
        asked = [number for number in numbers if number in self._place]
        places = [axis.index(number) for number in asked]
        images = images[places]
        if self._corrections.calm:
            images = calm_coarse(stack, axis, at=asked, window=self._window)
        for number, image, where in zip(asked, images, filled[places], strict=True):
            self._filled[number] = image, where

    def image(self, day: date) -> tuple[Float, Bool]:
        """(band, row, col) of a day that ``fill`` was asked for, and where it was filled."""
        number = day_number(day)
        if number not in self._filled:
            raise CubeError(
                f"{day} is not on the time axis of the coarse cube "
                f"({day_date(self._axis[0])} to {day_date(self._axis[-1])})"
            )
        image, filled = self._filled[number]
        return (
            np.pad(image, self._pad, mode="edge"),
            np.pad(filled, self._pad[1:], mode="edge"),
        )

    def _load(self, numbers: Sequence[int]) -> None:
        rows, cols = self._read_at
        for number in numbers:
            if number not in self._raw:
                place = self._place[number]
                image = np.stack(
                    [unpack(read_day(band, place, (rows, cols))) for band in self._bands]
                )
                corrected = self._corrections.apply(image, day_date(number))
                self._raw[number] = corrected[:, *self._keep]


def open_input(inputs: Path, role: str) -> zarr.Group:
    path = inputs / f"{role}.zarr"
    if not local_store.exists(path):
        raise CubeError(f"there is no {role} cube at {path}; read the scenes first")
    return local_store.open_group(path, "r")


def array_of(root: zarr.Group, name: str) -> zarr.Array[Any]:
    array = root[name]
    assert isinstance(array, zarr.Array)
    return array


def read_array(root: zarr.Group, name: str, at: Any) -> NDArray[Any]:
    return np.asarray(array_of(root, name)[at])


def day_axis(root: zarr.Group) -> list[int]:
    """Day numbers of the time axis."""
    return [int(second) // 86400 for second in read_array(root, "time", slice(None))]
