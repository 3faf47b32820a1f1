"""The embedded sample: a simulated region written as files, as the providers would have them.

Landsat 8 and 9 scenes of two overlapping paths, daily MODIS, STAC items beside them, and a
``region.yaml``: nothing downstream can tell that they are simulated.  The daily truth lies apart
(``truth.zarr``) and is read by ``pipeline.score`` alone.

The world behind it has the spectra, calendars, point spread and flood of
``model.worlds.held_out``, which the training of the shipped weights never saw.
"""

import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from model.worlds import held_out
from model.worlds.recipe import CoarseSensor, FineSensor, Land, Recipe
from model.worlds.world import World
from pipeline.grid import Grid
from pipeline.simulate import landsat, modis
from pipeline.simulate.files import SceneRecord
from pipeline.simulate.stac import write_catalog
from pipeline.simulate.truth import HARVESTED_DAYS, create_truth, write_truth_day

BBOX = (16.563, 48.141, 16.704, 48.229)
"""Lowlands by a river, UTM zone 33; about 10 km x 10 km."""

TILE_PX = 128
FIRST_DAY = date(2023, 5, 1)
MARK = ".daily30-sample"
"""File that says that a folder is the sample's own."""

MARGIN_PX = 64
"""World around the region, so that scenes and point spreads reach beyond its edges."""

FUSED_DAYS = (25, 69)
"""The 45 days around the flood that ``daily30 demo`` fuses, counted from the first."""

RECIPE = Recipe(
    spectra=held_out.SPECTRA,
    land=Land(
        division="voronoi",
        parcel_ha=4.5,
        crops=held_out.CROPS,
        forest=0.14,
        bare=0.05,
        town=0.07,
        texture=0.06,
        events=0.05,
        relief_m=3.0,
    ),
    flood=held_out.FLOOD,
    coarse=CoarseSensor(
        fwhm_across_m=held_out.FWHM_ACROSS_M,
        fwhm_along_m=held_out.FWHM_ALONG_M,
        registration_m=50.0,
        offset_m=(70.0, -50.0),
        gain=(0.93, 0.95, 0.92, 0.95, 0.93, 0.91),
        bias=(0.012, 0.008, 0.008, 0.012, 0.010, 0.008),
        # Daily product: red 5-12 %, near infrared 4-10 % by view and sun angle.
        angle=(0.070, 0.062, 0.065, 0.055, 0.055, 0.060),
        aerosol=(0.009, 0.007, 0.005, 0.003, 0.002, 0.0015),
        noise=0.003,
    ),
    fine=FineSensor(
        path_gain=0.025, aerosol=(0.004, 0.003, 0.002, 0.0012, 0.0008, 0.0006), noise=0.002
    ),
)

REGION = """\
# The region of the embedded sample: {days} days, {about}.
name: {name}
bbox: [{bbox}]   # west, south, east, north in degrees
start: {start}
end: {end}
catalog: catalog.json
fine: landsat-c2-l2
coarse: modis-09ga-061
cube: {name}.zarr
method: sa-stf
checkpoint: default
grid: {{tile_px: {tile}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """What all days of the sample share; made once in each process."""

    seed: int
    grid: Grid
    world: World


@cache
def scenery(seed: int) -> Scenery:
    """The sample's grid and world; the world is ``MARGIN_PX`` larger on every side."""
    grid = Grid.from_bbox(BBOX, tile=TILE_PX)
    shape = (grid.shape[0] + 2 * MARGIN_PX, grid.shape[1] + 2 * MARGIN_PX)
    return Scenery(seed=seed, grid=grid, world=World.make(RECIPE, shape, seed + 4000))


def write_sample(
    folder: Path, *, seed: int = 0, days: int = 90, workers: int | None = None
) -> Path:
    """Write the sample into ``folder`` and return the path of its ``region.yaml``.

    The same seed gives the same pixels.  A sample that is there already, whole or cut short, is
    replaced; ``workers`` processes write it, None for one a core.  Besides ``region.yaml`` (the
    days around the flood) there is ``region-full.yaml`` (all days).  Raises ValueError for a
    folder that holds anything else.
    """
    folder = folder.absolute()
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ValueError(
            f"{folder} holds other files, which the sample would overwrite; give an empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("written by `daily30 demo`; everything beside it may be replaced\n")
    region = folder / "region.yaml"
    region.unlink(missing_ok=True)
    for stale in ("landsat-c2-l2", "modis-09ga-061", "truth.zarr"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    create_truth(folder / "truth.zarr", scenery(seed).grid, day_dates(days))
    write_day = partial(_write_day, folder, seed)
    # Spawned: a forked copy of a process that has threads may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        records = [record for day in pool.map(write_day, range(days)) for record in day]
    write_catalog(folder, records)
    first, last = (min(day, days - 1) for day in FUSED_DAYS)
    _write_region(folder / "region-full.yaml", "demo-full", 0, days - 1, "all of the sample")
    # Last of all: its presence says that the sample is whole.
    return _write_region(region, "demo", first, last, "around the flood")


def day_dates(days: int) -> tuple[date, ...]:
    """The dates of the sample."""
    return tuple(FIRST_DAY + timedelta(days=day) for day in range(days))


def _write_day(folder: Path, seed: int, day: int) -> list[SceneRecord]:
    """Write all files of a day and return what the catalogue says of them."""
    scene = scenery(seed)
    world = scene.world
    truth = world.reflectance(day)
    inner = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    write_truth_day(
        folder / "truth.zarr",
        day,
        truth[:, *inner],
        flooded=world.flooded(day)[inner],
        harvested=world.harvested(day - HARVESTED_DAYS, day)[inner],
    )
    when, box = FIRST_DAY + timedelta(days=day), scene.grid.fine.pad(MARGIN_PX)
    records = [modis.write_scene(folder, when, day, truth, box, RECIPE.coarse, seed)]
    water = world.water(day) > 0.5
    for path in landsat.PATHS:
        if path.passes(day):
            records.append(
                landsat.write_scene(folder, when, day, path, truth, water, box, RECIPE.fine, seed)
            )
    return records


def _write_region(path: Path, name: str, first: int, last: int, about: str) -> Path:
    start, end = (FIRST_DAY + timedelta(days=day) for day in (first, last))
    text = REGION.format(
        name=name,
        days=last - first + 1,
        about=about,
        bbox=", ".join(map(str, BBOX)),
        start=start,
        end=end,
        tile=TILE_PX,
    )
    path.write_text(text)
    return path
