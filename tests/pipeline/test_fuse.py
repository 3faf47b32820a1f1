"""What a task writes, on made-up input cubes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cube import Status, pack
from pipeline.fuse import FuseReport, fuse_tile
from pipeline.grid import Grid
from pipeline.job import Job, Method, PairRules
from pipeline.pairs import Gap
from pipeline.plan import FuseTask, Plan, draw_plan
from pipeline.quality import Quality
from pipeline.recipe import Recipe
from pipeline.store import ensure, open_cube, read_tables
from pipeline.survey import Survey
from tests.model.makers import write_stfdiff
from tests.pipeline.test_job import make_job
from tests.synthetic import (
    Float,
    day,
    make_clouds,
    make_coarse,
    make_grid,
    make_inputs,
    make_world,
)

BANDS = ("red", "nir08")
DAYS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    plan: Plan
    world: Float
    """(time, band, y, x) as it was on each day."""
    sky: np.ndarray
    """(time, y, x) clear on the days with a fine image."""

    @property
    def job(self) -> Job:
        return self.plan.recipe.job


def make_region(
    folder: Path,
    *,
    method: str = "anomaly",
    checkpoint: Path | None = None,
    grid: Grid | None = None,
    clear: tuple[float, float] = (0.5, 1),
    days: tuple[int, int] = (6, 17),
) -> Region:
    grid = grid or make_grid()
    job = make_job(
        grid=grid,
        start=day(days[0]),
        end=day(days[1]),
        rules=PairRules(min_clear=0.5, max_span_days=24),
        method=Method(name=method, checkpoint=None if checkpoint is None else str(checkpoint)),
        cube=folder / "fields.zarr",
    )
    world = make_world(grid=grid, days=DAYS)
    coarse = make_coarse(world=world, ratio=grid.ratio)
    sky = make_clouds(shape=(DAYS, *grid.shape), clear=clear)
    coarse_sky = make_clouds(shape=(DAYS, *grid.coarse_shape), clear=clear, size=2, seed=5)
    make_inputs(
        folder=job.inputs,
        grid=grid,
        fine={
            day(at): np.where(sky[at], world[at], np.nan).astype(np.float32)
            for at in range(0, DAYS, 8)
        },
        coarse={
            day(at): np.where(coarse_sky[at], coarse[at], np.nan).astype(np.float32)
            for at in range(DAYS)
        },
        bands=BANDS,
    )
    card = job.method.card()
    ensure(job.cube, "fused", grid, job.days, BANDS, sigma=card.sigma)
    recipe = Recipe(
        job=job,
        bands=BANDS,
        halo=card.halo,
        sha=card.sha,
        centre=(0.3, 0.3),
        spread=(0.2, 0.2),
    )
    survey = Survey.of(job.inputs, grid, coarse_fill_days=job.coarse_fill_days)
    plan = draw_plan(recipe, survey, read_tables(job.cube))
    plan.save()
    return Region(plan=plan, world=world, sky=sky)


def carry_out(tasks: Sequence[FuseTask]) -> list[FuseReport]:
    reports = [fuse_tile(task, "cpu") for task in tasks]
    assert [report.error for report in reports] == [None] * len(reports)
    return reports


def read(region: Region, *names: str) -> dict[str, Any]:
    cubed = open_cube(region.job.cube)
    return {name: cubed[name].values for name in (names or ("red", "quality", "ref_age"))}


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    made = make_region(tmp_path_factory.mktemp("region"))
    carry_out(made.plan.tasks)
    return made


def test_clear_pixels_of_the_day_are_kept_as_they_were_seen(region: Region) -> None:
    layers = read(region)
    first = region.job.days[0]
    for at in (8, 16):
        place, seen = at - (first - day(0)).days, region.sky[at]
        np.testing.assert_array_equal(
            pack(layers["red"][place])[0][seen], pack(region.world[at, 0])[0][seen]
        )
        assert (((layers["quality"][place] & Quality.OBSERVED) != 0) == seen).all()
        assert (layers["ref_age"][place][seen] == 0).all()


def test_every_pixel_is_produced_or_its_absence_has_a_name(region: Region) -> None:
    word = read(region)["quality"]
    made = [(task.tile, when) for task in region.plan.tasks for when in task.days]
    assert made
    for tile, when in made:
        y, x = region.job.grid.tiles[tile].y, region.job.grid.tiles[tile].x
        of_tile = word[region.job.days.index(when), y, x]
        produced = (of_tile & Quality.PRODUCED) != 0
        named = (of_tile & (Quality.NO_REFERENCE | Quality.NO_COARSE)) != 0
        assert (produced ^ named).all()


def test_the_reports_count_what_the_quality_words_say(tmp_path: Path) -> None:
    made = make_region(tmp_path)
    reports = carry_out(made.plan.tasks)
    word = read(made)["quality"]

    assert sum(one.fused_pixels for one in reports) == ((word & Quality.FUSED) != 0).sum()
    assert sum(one.observed_pixels for one in reports) == ((word & Quality.OBSERVED) != 0).sum()
    total = sum(
        made.job.grid.tiles[task.tile].shape[0]
        * made.job.grid.tiles[task.tile].shape[1]
        * len(task.days)
        for task in made.plan.tasks
    )
    counted = [one.fused_pixels + one.observed_pixels + one.gap_pixels for one in reports]
    assert sum(counted) == total


def test_the_provisional_bit_stands_exactly_on_provisional_tile_days(tmp_path: Path) -> None:
    made = make_region(tmp_path, days=(10, 11))
    for task in made.plan.tasks:
        status = Status.FINAL if task.tile == 0 else Status.PROVISIONAL
        carry_out([replace(task, status=status)])
    word = read(made)["quality"]
    for tile in made.job.grid.tiles:
        of_tile = word[:, tile.y, tile.x]
        produced = of_tile[(of_tile & Quality.PRODUCED) != 0]
        assert produced.size
        assert (((produced & Quality.PROVISIONAL) != 0) == (tile.index != 0)).all()


@pytest.mark.parametrize("method", ["anomaly", "estarfm"])
def test_tiles_of_any_size_give_the_same_pixels(method: str, tmp_path: Path) -> None:
    # Without clouds all tiles choose the same dates, and a method of cells and pixels sees
    # beyond its tile by the coarse cells around the block, one of windows by its halo.
    sizes = {}
    for cells in (3, 7):
        made = make_region(
            tmp_path / str(cells),
            method=method,
            grid=make_grid(tile_cells=cells),
            clear=(1, 1),
        )
        carry_out(made.plan.tasks)
        sizes[cells] = read(made)

    for name, values in sizes[7].items():
        np.testing.assert_array_equal(sizes[3][name], values)
    assert np.isfinite(sizes[7]["red"]).mean() > 0.9


def test_stfdiff_fuses_every_pixel_that_it_may_and_the_same_each_time(tmp_path: Path) -> None:
    weights = write_stfdiff(tmp_path / "weights", bands=BANDS)
    layers = []
    for name in ("one", "two"):
        made = make_region(tmp_path / name, method="stfdiff", checkpoint=weights, days=(9, 11))
        carry_out(made.plan.tasks)
        layers.append(read(made))
    fused = (layers[0]["quality"] & Quality.FUSED) != 0
    assert fused.any()
    assert (np.abs(layers[0]["red"][fused] - 0.5) <= 0.5).all()  # it is clamped
    for name, values in layers[0].items():
        np.testing.assert_array_equal(layers[1][name], values)


def test_a_day_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    together, alone = (make_region(tmp_path / name, days=(9, 12)) for name in ("a", "b"))
    carry_out(together.plan.tasks)
    longest = max(len(task.days) for task in alone.plan.tasks)
    assert longest > 3
    for task in alone.plan.tasks:
        carry_out([replace(task, days=(when,)) for when in task.days])

    for name, values in read(together).items():
        np.testing.assert_array_equal(read(alone)[name], values)


def test_an_emptied_tile_day_leaves_no_file(tmp_path: Path) -> None:
    made = make_region(tmp_path, days=(10, 11))
    task = made.plan.tasks[0]

    def files() -> list[Path]:
        return [path for path in made.job.cube.glob("*/c/*/0/0") if path.parts[-5] != "status"]

    untouched = files()
    carry_out([task])
    assert len(files()) > len(untouched)
    gone = {"before": (), "after": (), "gap": Gap.TOO_FAR, "status": Status.TOO_FAR}
    carry_out([replace(task, **gone)])  # type: ignore[arg-type]

    assert files() == untouched


def test_a_task_that_fails_reports_tile_days_and_cause(tmp_path: Path) -> None:
    made = make_region(tmp_path)
    task = next(task for task in made.plan.tasks if task.gap is None)
    replace(made.plan, recipe=replace(made.plan.recipe, bands=("ultraviolet",))).save()

    report = fuse_tile(task, "cpu")

    assert report.error is not None
    assert report.error.startswith(f"tile {task.tile}, {task.days[0]}")
    assert "ultraviolet" in report.error


def test_weights_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    made = make_region(tmp_path)
    other = replace(made.plan, recipe=replace(made.plan.recipe, sha="another"))
    other.save()

    report = fuse_tile(next(task for task in made.plan.tasks if task.gap is None), "cpu")

    assert report.error is not None
    assert "are not those of the plan" in report.error
