"""Files of named data sets: HDF4 by pyhdf, HDF5 by GDAL; both whole and on this machine."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from catalogs import Band
from catalogs.spec import Container
from pipeline.read.errors import ReadError

_ONE = threading.Lock()
"""The HDF4 library knows no threads."""

Part = Callable[[int, int, int, int], NDArray[Any]]
"""Row, column, height, width of a data set to its numbers."""

Layer = tuple[tuple[int, int], Part]
"""Shape of a data set and how to read of it."""


def read(
    path: Path, container: Container, bands: Sequence[Band], window: GeoBox, whole: GeoBox
) -> Mapping[Band, NDArray[Any]]:
    """The layers of a file on ``window``, (y, x) each, nodata beyond the tile.

    ``whole`` is the grid of the finest layer, of which ``window`` is a part; each pixel of a
    coarser one stands for all of ``whole``'s that it holds.
    """
    with ExitStack() as stack:
        layer_of = (_open_hdf4 if container == "hdf4" else _open_hdf5)(path, stack)
        return {band: _window(layer_of(str(band.layer)), band, window, whole) for band in bands}


def _window(layer: Layer, band: Band, window: GeoBox, whole: GeoBox) -> NDArray[Any]:
    (height, width), part = layer
    factor = whole.shape.y // height
    if (height * factor, width * factor) != whole.shape.yx:
        raise ReadError(
            f"its layer {band.layer} has {height} x {width} pixels, which do not divide the "
            f"{whole.shape.y} x {whole.shape.x} of its tile; is it another product?"
        )
    row = round((window.affine.f - whole.affine.f) / whole.affine.e)
    col = round((window.affine.c - whole.affine.c) / whole.affine.a)
    fill = 0 if band.nodata is None else band.nodata
    result = np.full(window.shape.yx, fill, band.dtype)
    top, left = max(row, 0), max(col, 0)
    bottom = min(row + window.shape.y, whole.shape.y)
    right = min(col + window.shape.x, whole.shape.x)
    if top >= bottom or left >= right:
        return result
    first_row, first_col = top // factor, left // factor
    rows, cols = -(-bottom // factor) - first_row, -(-right // factor) - first_col
    numbers = part(first_row, first_col, rows, cols)
    if numbers.dtype != result.dtype:
        raise ReadError(
            f"its layer {band.layer} holds {numbers.dtype}, where {band.dtype} is expected; is it "
            f"another version of the product?"
        )
    fine = numbers.repeat(factor, axis=0).repeat(factor, axis=1)
    y, x = top - first_row * factor, left - first_col * factor
    result[top - row : bottom - row, left - col : right - col] = fine[
        y : y + bottom - top, x : x + right - left
    ]
    return result


def _open_hdf4(path: Path, stack: ExitStack) -> Callable[[str], Layer]:
    try:
        from pyhdf.error import HDF4Error
        from pyhdf.SD import SD
    except ImportError:
        raise ReadError("it is HDF4, which needs pyhdf: pip install 'daily30[hdf4]'") from None
    stack.enter_context(_ONE)
    try:
        file = SD(str(path))
    except HDF4Error as error:
        raise ReadError(f"it is no whole HDF4 file ({error})") from None
    stack.callback(file.end)
    known = file.datasets()

    def layer_of(name: str) -> Layer:
        if name not in known:
            raise ReadError(_no_layer(name, known))
        data = file.select(name)
        stack.callback(data.endaccess)

        def part(row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
            try:
                return np.asarray(data.get(start=(row, col), count=(rows, cols)))
            except HDF4Error as error:
                raise ReadError(f"its layer {name} cannot be read ({error})") from None

        height, width = known[name][1]
        return (height, width), part

    return layer_of


def _open_hdf5(path: Path, stack: ExitStack) -> Callable[[str], Layer]:
    # The tile's name tells the grid, so that of the file is not asked for.
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    with rasterio.open(path, driver="HDF5") as file:
        known = {name.partition("://")[2]: name for name in file.subdatasets}

    def layer_of(name: str) -> Layer:
        # GDAL writes data sets' paths without blanks.  Version 1 calls its grids VNP_Grid_...
        inside = name.replace(" ", "_")
        last = inside.rpartition("/")[2]
        same = [path for path in known if path == inside] or [
            path for path in known if path.rpartition("/")[2] == last and "GRIDS/" in path
        ]
        if len(same) != 1:
            raise ReadError(_no_layer(name, known))
        data = stack.enter_context(rasterio.open(known[same[0]]))

        def part(row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
            return np.asarray(data.read(1, window=((row, row + rows), (col, col + cols))))

        return (data.height, data.width), part

    return layer_of


def _no_layer(name: str, known: Mapping[str, Any]) -> str:
    return f"it has no layer {name} (has: {', '.join(sorted(known)[:40]) or 'none'})"
