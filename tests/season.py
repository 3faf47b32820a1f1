"""A season as real files: a small STAC catalogue of GeoTIFFs, and the job over it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from odc.geo.geobox import GeoBox
from pystac.extensions.item_assets import ItemAssetDefinition
from shapely.geometry import box as shapely_box
from shapely.geometry import mapping

from catalogs import BANDS
from pipeline.grid import Grid
from pipeline.job import Job, Method, PairRules, Source
from tests.synthetic import Float, day, make_clouds, make_coarse, make_grid, make_world

NODATA = -9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Where the files of a season are, and what is in them."""

    folder: Path
    grid: Grid
    bands: tuple[str, ...]
    fine_days: tuple[date, ...]
    coarse_days: tuple[date, ...]

    def job(self, **changes: Any) -> Job:
        """A job over the season; by default some days before, on and after a fine image."""
        asked = {
            "name": "season",
            "grid": self.grid,
            "start": day(4),
            "end": day(14),
            "fine": Source(catalogs=(str(self.folder / "catalog.json"),), collections=("fine",)),
            "coarse": Source(
                catalogs=(str(self.folder / "catalog.json"),), collections=("coarse",)
            ),
            "rules": PairRules(min_clear=0.5, max_span_days=16),
            "method": Method(name="anomaly", checkpoint=None),
            "coarse_fill_days": 2,
            "validation": "none",
            "cube": self.folder.parent / f"{self.folder.name}-cube" / "season.zarr",
        }
        return Job(**(asked | changes))

    def image(self, role: str, when: date) -> Path:
        """The file of a day."""
        return self.folder / role / f"{when}.tif"


def make_season(
    folder: Path,
    *,
    days: int = 25,
    every: int = 8,
    bands: Sequence[str] = ("red", "nir08"),
    rows: int = 4,
    cols: int = 7,
    clear: tuple[float, float] = (0.6, 0.95),
    missing_coarse: Collection[int] = (),
    seed: int = 0,
) -> Season:
    """Write ``days`` coarse images and a fine one every ``every`` days, each with its clouds."""
    grid = make_grid(rows=rows, cols=cols)
    world = make_world(grid=grid, days=days, bands=len(bands), seed=seed)
    coarse = make_coarse(world=world, ratio=grid.ratio)
    fine_sky = make_clouds(shape=(days, *grid.shape), clear=clear, seed=seed)
    coarse_sky = make_clouds(shape=(days, *grid.coarse_shape), clear=clear, size=2, seed=seed + 1)
    season = Season(
        folder=folder,
        grid=grid,
        bands=tuple(bands),
        fine_days=tuple(day(number) for number in range(0, days, every)),
        coarse_days=tuple(day(number) for number in range(days) if number not in missing_coarse),
    )
    for role, dates, images, sky, box in (
        ("fine", season.fine_days, world, fine_sky, grid.fine),
        ("coarse", season.coarse_days, coarse, coarse_sky, grid.coarse),
    ):
        for when in dates:
            at = (when - day(0)).days
            write_image(season.image(role, when), np.where(sky[at], images[at], np.nan), box)
    write_catalog(season)
    return season


def make_sastf_job(folder: Path) -> Job:
    """A job of SA-STF, its weights random, over a season of all six bands and four tiles."""
    # torch stays out of the tests, and of their workers, that do without it.
    from tests.model.makers import write_checkpoint

    weights = write_checkpoint(folder / "weights", trained=True)
    season = make_season(folder / "files", bands=BANDS, rows=8, cols=7)
    return season.job(method=Method(name="sa-stf", checkpoint=str(weights)))


def write_image(path: Path, reflectance: Float, box: GeoBox) -> None:
    """(band, y, x) reflectance as int16 at 1e-4, NaN as nodata."""
    numbers = np.where(np.isfinite(reflectance), np.rint(reflectance * 1e4), NODATA)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(numbers),
        height=box.shape.y,
        width=box.shape.x,
        dtype="int16",
        crs=box.crs.to_wkt(),
        transform=box.affine,
        nodata=NODATA,
    ) as file:
        file.write(numbers.astype(np.int16))


def write_catalog(season: Season) -> None:
    """A self-contained catalogue of the files of a season."""
    catalog = pystac.Catalog("season", "a made-up season")
    for role, dates, box in (
        ("fine", season.fine_days, season.grid.fine),
        ("coarse", season.coarse_days, season.grid.coarse),
    ):
        times = [datetime(when.year, when.month, when.day, 10, tzinfo=UTC) for when in dates]
        bounds = box.geographic_extent.boundingbox.bbox
        collection = pystac.Collection(
            role,
            role,
            pystac.Extent(
                pystac.SpatialExtent([list(bounds)]),
                pystac.TemporalExtent([[times[0], times[-1]]]),
            ),
        )
        layers = [
            {
                "name": band,
                "data_type": "int16",
                "nodata": NODATA,
                "raster:scale": 1e-4,
                "raster:spatial_resolution": box.resolution.x,
            }
            for band in season.bands
        ]
        collection.item_assets = {"data": ItemAssetDefinition({"bands": layers})}
        for when, time in zip(dates, times, strict=True):
            item = pystac.Item(
                f"{role}-{when}",
                mapping(shapely_box(*bounds)),
                list(bounds),
                time,
                {
                    "proj:wkt2": box.crs.to_wkt(),
                    "proj:shape": list(box.shape),
                    "proj:transform": list(box.affine[:6]),
                },
            )
            item.add_asset("data", pystac.Asset(str(season.image(role, when))))
            collection.add_item(item)
        catalog.add_child(collection)
    catalog.normalize_and_save(str(season.folder), pystac.CatalogType.SELF_CONTAINED)
