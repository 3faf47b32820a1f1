"""What a raster says of itself, against what its item and our tables say of it.

A loader pastes pixels by nearest where grids lie less than a pixel apart, and casts numbers to the
type it is told: a wrong ``proj:transform`` would shift a scene, and reflectance stored as floats
would turn into fill, both without a word.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.io import DatasetReader

from catalogs import Band, local_path
from pipeline.read.errors import ReadError
from pipeline.resample import transformer

NEAR_PX = 0.05
"""Pixels by which a file may lie off the window: rounding in metadata is far below it."""


IMAGES = ("GTiff", "JP2OpenJPEG")
"""Drivers of files that hold their own pixels."""


@contextmanager
def opened(address: str) -> Iterator[DatasetReader]:
    """A raster, open.  ReadError where it is a server's and holds none of its pixels.

    GDAL goes by what is in a file, not by its name, and a VRT names files of this machine and of
    others; it opens them when pixels are asked for.
    """
    with rasterio.open(address) as file:
        if local_path(address) is None and file.driver not in IMAGES:
            raise ReadError(
                f"it is {file.driver}, and of servers only {' and '.join(IMAGES)} are read"
            )
        yield file


def check(
    file: DatasetReader, bands: Sequence[Band], words: Collection[Band], window: GeoBox
) -> None:
    """Raise ReadError unless the layers are of their type and their pixels those of ``window``.

    A pixel of the file may hold several of the window's.  A QA word must have exactly its own
    type: bits that a narrower one lacks would say "no".
    """
    for band in bands:
        if band.index > file.count:
            raise ReadError(f"it has no layer {band.index}, only {file.count}")
        found, wanted = np.dtype(file.dtypes[band.index - 1]), np.dtype(band.dtype)
        fits = found == wanted or (
            band not in words and (wanted.kind == "f" or np.can_cast(found, wanted, "safe"))
        )
        if not fits:
            raise ReadError(f"its numbers are {found}, where {wanted} is expected")
    if file.transform == Affine.identity():
        raise ReadError("it does not say where it lies")
    _check_place(GeoBox(file.shape, file.transform, file.crs or window.crs), window)


def _check_place(own: GeoBox, window: GeoBox) -> None:
    a, b = own.affine, window.affine
    factor = max(1, round(abs(a.a / b.a)))
    height, width = window.shape.yx
    x, y = np.array([b.c, b.c + b.a * width]), np.array([b.f, b.f + b.e * height])
    if (to_own := transformer(window, own)) is not None:
        x, y = to_own.transform(x, y)
    # In pixels of the window, from the file's corner.
    cols, rows = (x - a.c) / a.a * factor, (y - a.f) / a.e * factor
    off = max(np.abs(v - np.round(v)).max() for v in (cols, rows))
    size = max(abs(cols[1] - cols[0] - width), abs(rows[1] - rows[0] - height))
    if not max(off, size) <= NEAR_PX:
        raise ReadError(
            f"its item has it on another grid than it is: its pixels of {abs(a.a):g} x "
            f"{abs(a.e):g} m from {a.c:.2f}, {a.f:.2f} lie off those of the item by "
            f"{max(off, size):.2g} pixels; correct proj:transform and proj:shape of the item, or "
            f"leave them out"
        )
