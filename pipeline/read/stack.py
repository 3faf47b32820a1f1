"""The loader stackstac: one layer a file, and only CRS that have an EPSG code.

It comes late: with it come dask's arrays, which the other loader does without.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from catalogs import Band
from pipeline.read.access import Pass
from pipeline.read.errors import ReadError
from pipeline.read.lean import lean_item


def can_hold(bands: Sequence[Band], window: GeoBox) -> bool:
    """Whether stackstac can read these layers on such a grid."""
    epsg = None if window.crs is None else window.crs.epsg
    return epsg is not None and all(band.index == 1 for band in bands)


def read(ticket: Pass, bands: Sequence[Band], window: GeoBox) -> Mapping[Band, NDArray[Any]]:
    """The layer of one file on ``window``, (y, x), by nearest."""
    import stackstac

    if not can_hold(bands, window):
        raise ReadError(
            "stackstac holds no CRS without an EPSG code (MODIS's sinusoidal grid has none) and "
            "reads one layer a file; use loader: odc-stac"
        )
    (band,) = bands
    assert window.crs is not None
    box = window.boundingbox
    item = lean_item(ticket.address, bands, window)
    # Told by its property alone, and given all three of epsg, resolution and bounds: with less
    # stackstac raises, or takes a grid of its own without a word.
    item.properties["proj:epsg"] = window.crs.epsg
    dtype = np.dtype(band.dtype)
    stack = stackstac.stack(
        [item.to_dict()],
        assets=[band.asset],
        epsg=window.crs.epsg,
        resolution=(abs(window.affine.a), abs(window.affine.e)),
        bounds=(box.left, box.bottom, box.right, box.top),
        snap_bounds=False,
        resampling=Resampling.nearest,
        dtype=dtype,
        fill_value=dtype.type(0 if band.nodata is None else band.nodata),
        rescale=False,
        xy_coords=False,
        properties=False,
        band_coords=False,
        chunksize=-1,
    )
    if stack.shape[2:] != window.shape.yx:
        raise ReadError(f"stackstac made a grid of {stack.shape[2:]} for {window.shape.yx}")
    # In this thread: its GDAL settings, and the token among them, are this thread's own.
    return {band: stack.data[0, 0].compute(scheduler="synchronous")}
