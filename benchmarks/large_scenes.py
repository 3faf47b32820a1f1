"""Scenes as large as one likes, whose pixels mean nothing: to measure reading, not fusing.

Landsat scenes of 256-pixel blocks around a region, and whole MODIS tiles, with the assets and
items of the real ones.  Each day has the same pixels, as a link to the same file.
"""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, PIXEL_M, SINUSOIDAL
from catalogs.spec import CollectionSpec
from pipeline.simulate.files import SceneRecord, write_cog
from pipeline.simulate.stac import write_catalog

FIRST_DAY = date(2023, 5, 1)
CORNER_M = (600_015.0, 5_340_015.0)
"""West and north edge of the region in UTM zone 33, on Landsat's lattice."""

AROUND_PX = 700
"""How far a Landsat scene reaches beyond the region: no multiple of a block."""

TILE_PX = 2400
TILE_CORNER_M = (1_111_950.519667, 5_559_752.598333)
"""Upper left corner of h19v04."""

SIDE_M = 30 * 16
CLEAR = 21824
"""QA_PIXEL of clear land."""


def write_region(folder: Path, *, side_px: int, days: int, tile_px: int) -> Path:
    """Write ``days`` scenes of each sensor over a square region, and return its region file.

    ``side_px`` is rounded down to whole coarse cells.
    """
    side_m = side_px * 30 // SIDE_M * SIDE_M
    west, north = CORNER_M
    bounds = (west, north - side_m, west + side_m, north)
    fine = GeoBox.from_bbox(bounds, "EPSG:32633", resolution=30).pad(AROUND_PX)
    coarse = GeoBox(
        (TILE_PX, TILE_PX),
        Affine(PIXEL_M, 0, TILE_CORNER_M[0], 0, -PIXEL_M, TILE_CORNER_M[1]),
        SINUSOIDAL,
    )
    records = []
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        records.append(_landsat(folder, fine, day))
        records.append(_modis(folder, coarse, day))
    write_catalog(folder, records)
    box = fine.extent.to_crs("EPSG:4326", resolution=1000).boundingbox
    region = {
        "name": "large",
        "bbox": [box.left, box.bottom, box.right, box.top],
        "start": FIRST_DAY,
        "end": FIRST_DAY + timedelta(days=days - 1),
        "catalog": "catalog.json",
        "fine": LANDSAT_C2_L2.name,
        "coarse": MOD09GA.name,
        "method": "linear",
        "grid": {"crs": "EPSG:32633", "bounds_m": list(bounds), "tile_px": tile_px},
    }
    path = folder / "region.yaml"
    path.write_text(yaml.safe_dump(region, sort_keys=False))
    return path


def _landsat(folder: Path, box: GeoBox, day: date) -> SceneRecord:
    name = f"LC08_L2SP_190026_{day:%Y%m%d}_02_T1"
    record = SceneRecord(
        collection=LANDSAT_C2_L2.name,
        id=name,
        when=datetime.combine(day, time(9, 50), UTC),
        until=None,
        box=box,
        proj_code="EPSG:32633",
        properties={
            "platform": "landsat-8",
            "landsat:wrs_path": "190",
            "landsat:wrs_row": "026",
            "landsat:collection_category": "T1",
        },
    )
    words = {"qa_pixel": CLEAR, "qa_radsat": 0, "qa_aerosol": 96}
    _write_assets(folder, record, LANDSAT_C2_L2, words, (9000, 16000), {})
    return record


def _modis(folder: Path, box: GeoBox, day: date) -> SceneRecord:
    name = f"MOD09GA.A{day:%Y%j}.h19v04.061.{day:%Y%j}041500"
    record = SceneRecord(
        collection=MOD09GA.name,
        id=name,
        when=datetime.combine(day, time(0), UTC),
        until=datetime.combine(day, time(23, 59, 59), UTC),
        box=box,
        proj_code=None,
        properties={"platform": "terra"},
    )
    half = box.zoom_to((TILE_PX // 2, TILE_PX // 2))
    words = {"qc_500m": 0, "state_1km": 1 << 3}
    _write_assets(folder, record, MOD09GA, words, (300, 3000), {"state_1km": half})
    return record


def _write_assets(
    folder: Path,
    record: SceneRecord,
    spec: CollectionSpec,
    words: Mapping[str, int],
    numbers: tuple[int, int],
    boxes: Mapping[str, GeoBox],
) -> None:
    """The bands hold noise between ``numbers``, the QA assets their word everywhere."""
    facts = {band.asset: band for band in (*spec.bands.values(), *spec.qa.values())}
    for asset in (*(band.asset for band in spec.bands.values()), *words):
        band, box = facts[asset], boxes.get(asset, record.box)
        href = f"{spec.name}/{record.id}/{record.id}_{asset}.tif"
        first = folder / spec.name / f"{asset}.tif"
        if not first.exists():
            dtype = np.dtype(band.dtype)
            pixels = (
                np.full(box.shape, words[asset], dtype)
                if asset in words
                else _noise(box.shape.yx, numbers, dtype)
            )
            write_cog(first, pixels, box, band.nodata)
        (folder / href).parent.mkdir(parents=True, exist_ok=True)
        os.link(first, folder / href)
        record.assets[asset] = {
            "href": href,
            "roles": ["data"],
            "proj:shape": list(box.shape),
            "proj:transform": list(box.affine)[:6],
        }


def _noise(
    shape: tuple[int, int], numbers: tuple[int, int], dtype: np.dtype[np.generic]
) -> NDArray[np.generic]:
    """Smooth with a little noise, so that it packs about as well as a scene."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(numbers[0], numbers[1], shape[1])[None] + np.zeros((shape[0], 1))
    return (ramp + rng.integers(0, 256, shape)).astype(dtype)
