"""Decoded chunks of the input cubes, kept for the next task of this process.

Neighbouring tiles and days are made from the same images.  Zarr spends some milliseconds on
every selection, whatever its size, so reading them anew took longer than fusing.  A chunk is
known by its file, which is more than a path: a chunk written again is another file, and so is
the one that takes its path when the days of a cube are renumbered, by hard links that keep
their time of writing.
"""

from collections import OrderedDict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

KEPT_BYTES = 192 * 2**20
"""Most that the chunks of a process take in memory."""


_Key = tuple[Path, int, int, int]
"""Path, inode, nanosecond of writing and size of a file."""


class _Kept:
    """Chunks by file, the least lately used one given up first."""

    def __init__(self) -> None:
        self.chunks: OrderedDict[_Key, NDArray[Any]] = OrderedDict()
        self.size = 0

    def get(self, key: _Key) -> NDArray[Any] | None:
        if key in self.chunks:
            self.chunks.move_to_end(key)
        return self.chunks.get(key)

    def add(self, key: _Key, chunk: NDArray[Any]) -> None:
        self.chunks[key] = chunk
        self.size += chunk.nbytes
        while self.size > KEPT_BYTES:
            self.size -= self.chunks.popitem(last=False)[1].nbytes


_kept = _Kept()


def read_day(array: zarr.Array[Any], place: int, at: tuple[slice, slice]) -> NDArray[Any]:
    """Window ``at`` (y, x) of day number ``place`` of an array (time, y, x) chunked by day."""
    height, width = array.chunks[1:]
    window = np.empty([side.stop - side.start for side in at], array.dtype)
    rows = range(at[0].start // height, -(-at[0].stop // height))
    cols = range(at[1].start // width, -(-at[1].stop // width))
    for row, col in product(rows, cols):
        chunk = _chunk(array, place, row, col)
        (top, bottom), (left, right) = (
            (max(side.start, index * size), min(side.stop, (index + 1) * size))
            for side, index, size in zip(at, (row, col), (height, width), strict=True)
        )
        window[
            top - at[0].start : bottom - at[0].start, left - at[1].start : right - at[1].start
        ] = chunk[
            top - row * height : bottom - row * height, left - col * width : right - col * width
        ]
    return window


def _chunk(array: zarr.Array[Any], place: int, row: int, col: int) -> NDArray[Any]:
    height, width = array.chunks[1:]
    inside = (
        place,
        slice(row * height, min((row + 1) * height, array.shape[1])),
        slice(col * width, min((col + 1) * width, array.shape[2])),
    )
    store = array.store
    if not isinstance(store, LocalStore):  # no file to know it by
        return np.asarray(array[inside])
    path = Path(store.root, array.path, array.metadata.encode_chunk_key((place, row, col)))
    try:
        file = path.stat()
    except FileNotFoundError:  # nothing but fill values
        return np.asarray(array[inside])
    key = (path, file.st_ino, file.st_mtime_ns, file.st_size)
    chunk = _kept.get(key)
    if chunk is None:
        chunk = np.asarray(array[inside])
        chunk.flags.writeable = False
        _kept.add(key, chunk)
    return chunk
