"""A short Landsat and MODIS season as files with STAC items, to be harmed by tests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import yaml
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from catalogs import BANDS
from flows.config import region_job
from pipeline.grid import Grid
from pipeline.job import Job
from tests.pipeline.scenes import PIXEL, box, landsat_item, modis_box, modis_item

START = date(2023, 5, 1)
FINE = (0, 3, 6)
"""Days with Landsat; the middle one has two scenes, the second 0.05 brighter."""

DAYS = 7
BOUNDS = (400335.0, 5100015.0 - 8 * 480, 400335.0 + 4 * 480, 5100015.0 - 4 * 480)


def day(number: int) -> date:
    return START + timedelta(days=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSeason:
    """A region file, and the items and files behind it."""

    folder: Path

    @property
    def region(self) -> Path:
        return self.folder / "region.yaml"

    @property
    def job(self) -> Job:
        return region_job(self.region)

    def edit_region(self, **changes: Any) -> None:
        known = yaml.safe_load(self.region.read_text()) | changes
        self.region.write_text(yaml.safe_dump(known))

    def file(self, number: int, asset: str, *, second: bool = False) -> Path:
        return self.folder / "landsat" / _name(number, second) / f"{asset}.tif"

    def edit_item(self, number: int, change: Callable[[dict[str, Any]], None]) -> None:
        (path,) = self.folder.rglob(f"{_name(number, False)}.json")
        known = json.loads(path.read_text())
        change(known)
        path.write_text(json.dumps(known))


def _name(number: int, second: bool) -> str:
    return f"LC0{8 + second}_L2SP_190{28 + second:03d}_{day(number):%Y%m%d}_02_T1"


def scene_box(grid: Grid) -> GeoBox:
    a = grid.fine.affine
    return box((grid.shape[0] + 40, grid.shape[1] + 40), a.c - 20 * 30, a.f + 20 * 30)


def make_bad_season(folder: Path, **landsat: Mapping[str, Any]) -> BadSeason:
    """Write the season, all of it in order; ``landsat``: of the scene of the first day."""
    grid = Grid.from_bounds(BOUNDS, crs="EPSG:32633", tile=64)
    scene = scene_box(grid)
    rng = np.random.default_rng(0)
    truth = rng.integers(10000, 20000, (6, *scene.shape)) * 2.75e-5 - 0.2
    fine = [
        landsat_item(
            folder / "landsat",
            truth + 0.05 * second,
            scene,
            name=_name(number, second),
            **(landsat if number == 0 else {}),
        )
        for number in FINE
        for second in (False, True)
        if number == FINE[1] or not second
    ]
    window = modis_window(grid)
    coarse = [
        modis_item(
            folder / "modis",
            np.full((6, 24, 24), 0.2 + 0.01 * number),
            window,
            day=datetime(2023, 5, 1 + number, tzinfo=UTC),
        )
        for number in range(DAYS)
    ]
    catalog = pystac.Catalog("bad", "a season")
    for items in (fine, coarse):
        when = pystac.TemporalExtent([[items[0].datetime, items[-1].datetime]])
        extent = pystac.Extent(pystac.SpatialExtent([items[0].bbox]), when)
        collection = pystac.Collection(str(items[0].collection_id), "some", extent)
        catalog.add_child(collection)
        collection.add_items(items)
    catalog.normalize_hrefs(str(folder))
    catalog.make_all_asset_hrefs_relative()
    catalog.save(pystac.CatalogType.SELF_CONTAINED)
    season = BadSeason(folder=folder)
    season.region.write_text("{}")
    west, south, east, north = grid.fine.geographic_extent.boundingbox.bbox
    season.edit_region(
        name="bad",
        bbox=[west, south, east, north],
        start=day(0).isoformat(),
        end=day(DAYS - 1).isoformat(),
        catalog="catalog.json",
        fine=fine[0].collection_id,
        coarse=coarse[0].collection_id,
        method="anomaly",
        coarse_fill_days=0,
        grid={"crs": "EPSG:32633", "bounds_m": list(BOUNDS), "tile_px": 64},
        pairs={"min_clear": 0.3, "max_span_days": 16},
    )
    return season


def modis_window(grid: Grid) -> GeoBox:
    whole = modis_box((2, 2), 0, 0)
    to_sinu = Transformer.from_crs(grid.crs.proj, whole.crs.proj, always_xy=True)
    x, y = to_sinu.transform(grid.fine.affine.c, grid.fine.affine.f)
    row, col = (int(v / PIXEL) // 2 * 2 - 8 for v in (whole.affine.f - y, x - whole.affine.c))
    return modis_box((24, 24), row, col)


assert len(BANDS) == 6
