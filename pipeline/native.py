"""One item as it was made: its grid, and its DN and QA words around a region.

Read by odc-stac on the item's own grid, so that nothing is interpolated and every word arrives
whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import odc.stac
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs import Band, CollectionSpec, native_crs, needed, redact
from pipeline.resample import transformer

GDAL = {
    # Reads that hang for ever and errors that are remembered are the common trouble of remote
    # reads; several decoding threads have given corrupt pixels without an error (GDAL 12426).
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MAX_RETRY": "5",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_NUM_THREADS": "1",
}

PROJ = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"


class ReadError(OSError):
    """An asset that cannot be read, or whose numbers cannot be reflectance."""


def native_geobox(item: pystac.Item, asset: str, spec: CollectionSpec) -> GeoBox:
    """The grid of an asset: from the item's proj fields, else from the file."""
    if asset not in item.assets:
        raise ReadError(
            f"item {item.id} has no asset {asset!r} (has: {', '.join(sorted(item.assets))})"
        )
    crs = native_crs(item, asset, spec)
    fields = {**item.properties, **item.assets[asset].extra_fields}
    shape, transform = fields.get("proj:shape"), fields.get("proj:transform")
    if crs and shape and transform:
        return GeoBox((int(shape[0]), int(shape[1])), Affine(*map(float, transform[:6])), crs)
    return _file_geobox(item.assets[asset].href, item.id, asset, crs)


@lru_cache(maxsize=1024)
def _file_geobox(href: str, item: str, asset: str, crs: str | None) -> GeoBox:
    try:
        with rasterio.Env(**GDAL), rasterio.open(href) as file:
            return GeoBox(file.shape, file.transform, file.crs or crs)
    except rasterio.errors.RasterioError as error:
        raise _unreadable(item, asset, href, error) from error


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


def words_of(item: pystac.Item, spec: CollectionSpec) -> Iterator[tuple[str, Band]]:
    """The QA words an item has."""
    for key, band in spec.qa.items():
        if band.required or band.asset in item.assets:
            yield key, band


def read_layers(
    item: pystac.Item,
    spec: CollectionSpec,
    bands: Sequence[str],
    window: GeoBox,
    *,
    angles: Sequence[str] = (),
) -> Mapping[tuple[str, int], NDArray[Any]]:
    """DN and QA words (y, x) on ``window``, by asset and index, in one odc-stac load.

    ``angles``: those of ``spec.angles`` to read too.
    """
    asked = (*needed(spec, bands), *(spec.angles[name] for name in angles))
    layers = [band for band in asked if band.required or band.asset in item.assets]
    lean = _lean(item, spec, layers)
    names = [f"{band.asset}.{band.index}" for band in layers]
    try:
        with rasterio.Env(**GDAL):
            data = odc.stac.load([lean], bands=names, geobox=window, resampling="nearest")
    except Exception as error:
        # odc-stac does not say which of the files broke; nothing is caught for good here.
        raise _name_culprit(lean, layers, window, error) from error
    return {
        (band.asset, band.index): data[name].values[0]
        for band, name in zip(layers, names, strict=True)
    }


def _lean(item: pystac.Item, spec: CollectionSpec, layers: Sequence[Band]) -> pystac.Item:
    """An item of only what is read, its CRS repaired and its types told.

    Without a type odc-stac reads QA words as float32, which has no room for 32 bits.
    """
    for band in layers:
        if band.asset not in item.assets:
            raise ReadError(
                f"item {item.id} has no asset {band.asset!r} (has: "
                f"{', '.join(sorted(item.assets))}); correct or remove the item"
            )
    lean = pystac.Item(
        item.id,
        None,
        None,
        item.datetime or item.common_metadata.start_datetime,
        {},
        stac_extensions=[PROJ, RASTER],
        collection=spec.name,
    )
    for asset in {band.asset for band in layers}:
        own = [band for band in layers if band.asset == asset]
        geobox = native_geobox(item, asset, spec)
        assert geobox.crs is not None
        lean.add_asset(
            asset,
            pystac.Asset(
                item.assets[asset].href,
                media_type="image/tiff; application=geotiff",
                roles=["data"],
                extra_fields={
                    "proj:wkt2": geobox.crs.to_wkt(),
                    "proj:shape": list(geobox.shape.yx),
                    "proj:transform": list(geobox.affine[:6]),
                    "raster:bands": [
                        {"data_type": own[0].dtype, "nodata": own[0].nodata}
                        for _ in range(max(band.index for band in own))
                    ],
                },
            ),
        )
    return lean


def _name_culprit(
    lean: pystac.Item, layers: Sequence[Band], window: GeoBox, error: Exception
) -> ReadError:
    for band in layers:
        try:
            with rasterio.Env(**GDAL):
                name = f"{band.asset}.{band.index}"
                odc.stac.load([lean], bands=[name], geobox=window, resampling="nearest")
        except Exception as own:  # the same read again, asset by asset, to name the one
            return _unreadable(lean.id, band.asset, lean.assets[band.asset].href, own)
    return ReadError(f"item {lean.id} could not be read: {error}; run again to retry")


def _unreadable(item: str, asset: str, href: str, error: Exception) -> ReadError:
    return ReadError(
        f"asset {asset!r} of item {item} cannot be read: {redact(href)} ({error}); "
        f"restore the file, or remove the item from the catalogue, and run again"
    )
