"""Makers of small scenes as real files: COG-like GeoTIFFs with STAC items around them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs import BANDS, CollectionSpec
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, NUMBERS, SINUSOIDAL

CLEAR_LAND = 21824
"""QA_PIXEL of a clear land pixel: clear, all confidences low."""

PIXEL = 463.31271653


def box(
    shape: tuple[int, int], left: float, top: float, *, pixel: float = 30.0, crs: str = "EPSG:32633"
) -> GeoBox:
    return GeoBox(shape, Affine(pixel, 0.0, left, 0.0, -pixel, top), crs)


def write_tif(path: Path, layers: NDArray[Any], geobox: GeoBox, nodata: float | None) -> None:
    layers = layers if layers.ndim == 3 else layers[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(layers),
        height=layers.shape[1],
        width=layers.shape[2],
        dtype=layers.dtype,
        crs=geobox.crs.to_wkt(),
        transform=geobox.affine,
        nodata=nodata,
        compress="deflate",
    ) as file:
        file.write(layers)


def make_item(
    folder: Path,
    spec: CollectionSpec,
    layers: Mapping[str, NDArray[Any]],
    geobox: GeoBox,
    *,
    name: str,
    when: datetime,
    properties: Mapping[str, Any] | None = None,
    asset_fields: Mapping[str, Mapping[str, Any]] | None = None,
) -> pystac.Item:
    """An item, one file an asset; an asset of half the size is on the grid of twice the pixel."""
    extent = geobox.geographic_extent
    bounds = extent.boundingbox
    item = pystac.Item(
        name,
        extent.json,
        [bounds.left, bounds.bottom, bounds.right, bounds.top],
        when,
        {
            "proj:wkt2": geobox.crs.to_wkt(),
            "proj:shape": list(geobox.shape),
            "proj:transform": list(geobox.affine[:6]),
            **(properties or {}),
        },
        collection=spec.name,
    )
    nodata = {band.asset: band.nodata for band in (*spec.bands.values(), *spec.qa.values())}
    for asset, values in layers.items():
        path = folder / name / f"{asset}.tif"
        grid, fields = geobox, dict((asset_fields or {}).get(asset, {}))
        if values.shape[-2] != geobox.shape.y:
            a = geobox.affine
            grid = GeoBox(values.shape[-2:], Affine(2 * a.a, 0, a.c, 0, 2 * a.e, a.f), geobox.crs)
            fields |= {"proj:shape": list(grid.shape), "proj:transform": list(grid.affine[:6])}
        write_tif(path, values, grid, nodata.get(asset))
        item.add_asset(asset, pystac.Asset(str(path), extra_fields=fields))
    return item


def landsat_item(
    folder: Path,
    reflectance: NDArray[Any],
    geobox: GeoBox,
    *,
    name: str = "LC08_L2SP_190028_20230501_02_T1",
    qa: NDArray[Any] | None = None,
    radsat: NDArray[Any] | None = None,
    dn: Mapping[str, NDArray[Any]] | None = None,
    bands: tuple[str, ...] = BANDS,
    **properties: Any,
) -> pystac.Item:
    """A Landsat-like item of ``reflectance`` (band, y, x); NaN becomes DN 0."""
    numbers = np.where(np.isfinite(reflectance), np.rint((reflectance + 0.2) / 2.75e-5), 0)
    layers: dict[str, NDArray[Any]] = dict(zip(bands, numbers.astype(np.uint16), strict=True))
    layers |= dn or {}
    shape = geobox.shape.yx
    layers["qa_pixel"] = np.full(shape, CLEAR_LAND, np.uint16) if qa is None else qa
    layers["qa_radsat"] = np.zeros(shape, np.uint16) if radsat is None else radsat
    when = datetime.strptime(name.split("_")[3], "%Y%m%d").replace(hour=9, tzinfo=UTC)
    known = {
        "platform": "landsat-8",
        "landsat:wrs_path": name[10:13],
        "landsat:wrs_row": name[13:16],
    }
    return make_item(
        folder, LANDSAT_C2_L2, layers, geobox, name=name, when=when, properties=known | properties
    )


def modis_item(
    folder: Path,
    reflectance: NDArray[Any],
    geobox: GeoBox,
    *,
    day: datetime = datetime(2023, 5, 1, tzinfo=UTC),
    tile: str = "h18v04",
    state: NDArray[Any] | None = None,
    qc: NDArray[Any] | None = None,
    **properties: Any,
) -> pystac.Item:
    """A MOD09GA-like item of ``reflectance`` (band, y, x), state on the 1 km grid."""
    height, width = geobox.shape.yx
    numbers = np.where(np.isfinite(reflectance), np.rint(reflectance * 1e4), -28672)
    layers: dict[str, NDArray[Any]] = {
        f"sur_refl_b{NUMBERS[band]:02d}": image.astype(np.int16)
        for band, image in zip(BANDS, numbers, strict=True)
    }
    land = 1 << 3
    layers["state_1km"] = (
        np.full((height // 2, width // 2), land, np.uint16) if state is None else state
    )
    layers["qc_500m"] = np.full((height, width), 1 << 30, np.uint32) if qc is None else qc
    name = f"MOD09GA.A{day:%Y%j}.{tile}.061.{day:%Y%j}120000"
    return make_item(folder, MOD09GA, layers, geobox, name=name, when=day, properties=properties)


def modis_box(shape: tuple[int, int], row: int, col: int) -> GeoBox:
    """Pixels of tile h18v04 from (row, col) on; even ones keep the 1 km grid."""
    tile = 1111950.51977
    left = -20015109.3558 + 18 * tile + col * PIXEL
    top = 10007554.6779 - 4 * tile - row * PIXEL
    return GeoBox(shape, Affine(PIXEL, 0.0, left, 0.0, -PIXEL, top), SINUSOIDAL)
