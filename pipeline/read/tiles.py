"""The grid of MODIS and VIIRS tiles: where it comes from when nothing but a name tells it."""

import re

import pystac
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs.modis import SINUSOIDAL
from pipeline.read.errors import ReadError

SIDE_M = 1111950.51977
"""Side of a tile on the sphere: 36 of them go around it (stactools-modis, constants)."""

LEFT_M, TOP_M = -20015109.3558, 10007554.6779

_TILE = re.compile(r"\.h(\d\d)v(\d\d)\.")


def tile_geobox(item: pystac.Item, resolution_m: float) -> GeoBox:
    """The pixels of about ``resolution_m`` of the tile that the item's id names."""
    if (named := _TILE.search(f"{item.id}.")) is None:
        raise ReadError(
            f"item {item.id} names no MODIS tile such as h18v04, so its grid is unknown; correct "
            f"the item's id"
        )
    pixels = round(SIDE_M / resolution_m)
    side = SIDE_M / pixels
    left, top = LEFT_M + int(named[1]) * SIDE_M, TOP_M - int(named[2]) * SIDE_M
    return GeoBox((pixels, pixels), Affine(side, 0.0, left, 0.0, -side, top), SINUSOIDAL)
