"""An item's own grid, and the part of it around a region."""

import threading
from functools import lru_cache

import numpy as np
import pystac
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs import CollectionSpec, local_path, native_crs
from pipeline.read.access import Pass
from pipeline.read.errors import ReadError
from pipeline.read.file_check import opened
from pipeline.read.retry import in_time, patiently
from pipeline.read.tiles import tile_geobox
from pipeline.resample import transformer


def native_geobox(item: pystac.Item, asset: str, spec: CollectionSpec) -> GeoBox:
    """The grid of an asset: from the item's proj fields, else from the file.

    A file of several data sets has the grid of its finest bands, which its MODIS tile tells.
    """
    if asset not in item.assets:
        raise ReadError(
            f"item {item.id} has no asset {asset!r} (has: {', '.join(sorted(item.assets))})"
        )
    if spec.container != "raster":
        own = [band for band in spec.bands.values() if band.asset == asset]
        return tile_geobox(item, min(band.resolution_m or spec.resolution_m for band in own))
    crs = native_crs(item, asset, spec)
    fields = {**item.properties, **item.assets[asset].extra_fields}
    shape, transform = fields.get("proj:shape"), fields.get("proj:transform")
    if crs and shape and transform:
        return GeoBox((int(shape[0]), int(shape[1])), Affine(*map(float, transform[:6])), crs)
    return _file_geobox(item.assets[asset].href, item.id, asset, crs)


@lru_cache(maxsize=1024)
def _file_geobox(href: str, item: str, asset: str, crs: str | None) -> GeoBox:
    def read(ticket: Pass) -> GeoBox:
        with opened(ticket.address) as file:
            return GeoBox(file.shape, file.transform, file.crs or crs)

    def job(over: threading.Event) -> GeoBox:
        return patiently(read, over, item=item, asset=asset, href=href)

    return in_time({asset: job}, f"item {item}", remote=local_path(href) is None)[asset]


def window_around(whole: GeoBox, target: GeoBox, margin: int) -> GeoBox | None:
    """The part of a scene's grid that covers ``target`` and a margin, None where none does.

    It may reach beyond the scene: reading gives nodata there.
    """
    box = target.boundingbox
    bounds = (box.left, box.bottom, box.right, box.top)
    if (to_scene := transformer(target, whole)) is not None:
        bounds = to_scene.transform_bounds(*bounds, densify_pts=32)
    if not np.isfinite(bounds).all():
        return None
    a = whole.affine
    cols = sorted((x - a.c) / a.a for x in (bounds[0], bounds[2]))
    rows = sorted((y - a.f) / a.e for y in (bounds[1], bounds[3]))
    height, width = whole.shape.yx
    if cols[1] <= 0 or rows[1] <= 0 or cols[0] >= width or rows[0] >= height:
        return None
    # A bound that is an edge but for rounding must not pull in one pixel more on some machines.
    left, right = int(np.floor(cols[0] + 1e-6)) - margin, int(np.ceil(cols[1] - 1e-6)) + margin
    top, bottom = int(np.floor(rows[0] + 1e-6)) - margin, int(np.ceil(rows[1] - 1e-6)) + margin
    affine = Affine(a.a, 0.0, a.c + left * a.a, 0.0, a.e, a.f + top * a.e)
    return GeoBox((bottom - top, right - left), affine, whole.crs)
