"""The steps of a run, on a catalogue of real files."""

import os
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.cube import Status
from pipeline.executor import executor
from pipeline.explain import explain_day
from pipeline.job import Job, JobError, Method, PairRules
from pipeline.lock import CubeBusyError
from pipeline.plan import StaleError
from pipeline.progress import FuseSummary, Progress, RunSummary
from pipeline.recipe import plan_path
from pipeline.run import cube_status, fuse, ingest, locked, plan, prepare, publish, run_job
from pipeline.store import CubeError, read_tables
from tests.season import Season, make_sastf_job, make_season, write_catalog
from tests.synthetic import day, make_grid


def chunks(cube: Path) -> dict[str, bytes]:
    """Every file of data of a cube, the (time, tile) arrays too."""
    return {
        str(path.relative_to(cube)): path.read_bytes()
        for path in sorted(cube.rglob("*"))
        if path.is_file() and path.name != "zarr.json"
    }


def run_here(job: Job, *, refresh: bool = False) -> list[Progress]:
    """Run in this process; the progress it told."""
    told: list[Progress] = []
    run_job(job, scheduler="synchronous", refresh=refresh, on_progress=told.append)
    return told


def elsewhere(job: Job, name: str) -> Job:
    return replace(job, cube=job.cube.with_name(name))


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return make_season(tmp_path_factory.mktemp("season") / "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    job: Job
    told: list[Progress]
    summary: RunSummary


@pytest.fixture(scope="module")
def first_run(season: Season) -> FirstRun:
    """What a run by one process, in order, told and came to."""
    job, told = season.job(), list[Progress]()
    summary = run_job(job, scheduler="synchronous", on_progress=told.append)
    return FirstRun(job=job, told=told, summary=summary)


@pytest.fixture(scope="module")
def done(first_run: FirstRun) -> Job:
    """A job that has been run; nobody writes to its cube."""
    return first_run.job


@pytest.fixture(scope="module")
def done_by_sastf(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = make_sastf_job(tmp_path_factory.mktemp("sastf"))
    run_here(job)
    return job


@pytest.fixture
def own(season: Season, tmp_path: Path) -> Job:
    return season.job(cube=tmp_path / "own.zarr")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("job_done", ["done", "done_by_sastf"], ids=["anomaly", "sa-stf"])
def test_workers_and_order_change_no_byte(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    job_done: str,
    workers: int,
) -> None:
    done: Job = request.getfixturevalue(job_done)
    own = replace(done, cube=tmp_path / "own.zarr")
    with locked(own), executor(workers, device="cpu") as ex:
        prepare(own)
        ingest(own, ex)
        planned = plan(own)
        tasks = list(planned.tasks)
        random.Random(workers).shuffle(tasks)
        fused = fuse(planned, ex, tasks=tasks)
        summary = publish(own, fused=fused)

    assert summary.ok
    assert chunks(own.cube) == chunks(done.cube)
    assert chunks(own.inputs / "fine.zarr") == chunks(done.inputs / "fine.zarr")
    assert chunks(own.inputs / "coarse.zarr") == chunks(done.inputs / "coarse.zarr")


def test_groups_of_tasks_from_the_saved_plan_make_the_same_cube(done: Job, own: Job) -> None:
    with locked(own), executor(scheduler="synchronous") as ex:
        prepare(own)
        ingest(own, ex)
        planned = type(plan(own)).load(plan_path(own))
        total = FuseSummary()
        for first in range(0, len(planned.tasks), 5):
            total += fuse(planned, ex, tasks=planned.tasks[first : first + 5])
        publish(own, fused=total)

    assert total.tile_days == planned.tile_days
    assert chunks(own.cube) == chunks(done.cube)


def test_a_second_run_finds_nothing_to_do_and_starts_no_worker(done: Job) -> None:
    before = chunks(done.cube)
    times = {path: path.stat().st_mtime_ns for path in done.cube.rglob("c/**/*")}
    told: list[Progress] = []

    summary = run_job(done, workers=2, on_progress=told.append)

    assert not [step for step in told if step.stage in ("ingest", "fuse")]
    assert summary.fused == FuseSummary()
    assert summary.ok
    assert chunks(done.cube) == before
    assert {path: path.stat().st_mtime_ns for path in done.cube.rglob("c/**/*")} == times


def test_progress_counts_every_tile_day_and_every_day(first_run: FirstRun) -> None:
    told, job = first_run.told, first_run.job

    fused = [step for step in told if step.stage == "fuse"]
    assert [step.done for step in fused] == sorted(step.done for step in fused)
    assert fused[-1].done == fused[-1].total == len(job.days) * len(job.grid.tiles)
    assert fused[-1].days_done == fused[-1].days_total == len(job.days)
    ingested = [step for step in told if step.stage == "ingest"]
    assert ingested[-1].done == ingested[-1].total == len(ingested)
    assert [step.stage for step in told if step.stage != "fuse"][-1] == "publish"


def test_the_summary_tells_dates_gaps_and_shares(first_run: FirstRun) -> None:
    summary, job = first_run.summary, first_run.job

    assert summary.dates_produced == summary.days == len(job.days)
    assert sum(summary.status.values()) == len(job.days) * len(job.grid.tiles)
    assert summary.provisional + summary.status["final"] == sum(summary.status.values())
    assert sum(summary.shares.values()) == pytest.approx(1)
    assert summary.pixels_per_second > 0
    assert str(job.cube) in summary.lines()[0]
    assert cube_status(job.cube).status == summary.status


def test_a_longer_period_keeps_what_is_done_and_adds_the_rest(season: Season, own: Job) -> None:
    short = replace(own, start=day(6), end=day(9))
    run_here(short)
    hashes = read_tables(own.cube)

    told = run_here(own)

    first = next(step for step in told if step.stage == "fuse")
    assert first.total == (len(own.days) - len(short.days)) * len(own.grid.tiles)
    grown = read_tables(own.cube)
    kept = [grown.days.index(when) for when in hashes.days]
    for name, values in hashes.arrays.items():
        np.testing.assert_array_equal(grown.arrays[name][kept], values)


def test_new_images_at_the_end_finish_the_cube_without_refresh(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files")
    job = season.job()
    young = replace(season, fine_days=season.fine_days[:-1], coarse_days=season.coarse_days[:-8])
    write_catalog(young)
    run_here(job)
    early = cube_status(job.cube)

    write_catalog(season)
    run_here(job)

    late = cube_status(job.cube)
    assert late.status.get("final", 0) > early.status.get("final", 0)
    anew = elsewhere(job, "anew.zarr")
    run_here(anew)
    assert cube_status(anew.cube).status == late.status


@pytest.mark.parametrize(
    "changes",
    [
        {"method": Method(name="linear", checkpoint=None)},
        {"rules": PairRules(min_clear=0.95, max_span_days=16)},
    ],
    ids=["method", "rules"],
)
def test_another_configuration_is_refused_untouched_and_made_with_refresh(
    own: Job, season: Season, changes: dict[str, object]
) -> None:
    run_here(own)
    before, items = chunks(own.cube), (own.inputs / "items.json").read_bytes()
    other = replace(own, **changes)  # type: ignore[arg-type]

    with pytest.raises(StaleError, match="finished tile-days"):
        run_here(other)
    assert chunks(own.cube) == before
    assert (own.inputs / "items.json").read_bytes() == items

    run_here(other, refresh=True)
    told = run_here(other)
    assert not [step for step in told if step.stage == "fuse"]
    anew = elsewhere(other, "anew.zarr")
    run_here(anew)
    assert chunks(other.cube) == chunks(anew.cube)


def test_a_changed_scene_is_refused_untouched_and_read_again_with_refresh(
    tmp_path: Path,
) -> None:
    season = make_season(tmp_path / "files")
    job = season.job()
    run_here(job)
    before, read = chunks(job.cube), chunks(job.inputs / "fine.zarr")
    reference = season.fine_days[1]
    image = season.image("fine", reference)
    image.write_bytes(season.image("fine", season.fine_days[2]).read_bytes())
    os.utime(image, ns=(1, 1))

    with pytest.raises(StaleError, match=r"tile 0: 2023-05-\d\d"):
        run_here(job)
    assert chunks(job.cube) == before
    assert chunks(job.inputs / "fine.zarr") == read

    told = run_here(job, refresh=True)
    assert {step.day for step in told if step.stage == "ingest"} == {reference}
    assert chunks(job.cube) != before


def test_a_second_run_on_the_cube_is_refused(own: Job) -> None:
    with locked(own), pytest.raises(CubeBusyError, match=f"process {os.getpid()}"):
        run_here(own)
    assert not own.cube.exists()
    run_here(own)


def test_a_scene_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files")
    job = season.job()
    whole = elsewhere(job, "whole.zarr")
    broken = season.image("fine", season.fine_days[1])
    content, times = broken.read_bytes(), (broken.stat().st_atime_ns, broken.stat().st_mtime_ns)
    broken.write_bytes(b"x" * len(content))
    os.utime(broken, ns=times)

    summary = run_job(job, scheduler="synchronous")

    assert not summary.ok
    assert len(summary.errors) == 1
    for part in (f"fine-{season.fine_days[1]}", "data", "tiles 0 to 1"):
        assert part in summary.errors[0]
    assert summary.errors[0] in "\n".join(summary.lines())
    tables = read_tables(job.cube)
    failed = tables.arrays["status"] == Status.FAILED
    assert failed[tables.days.index(season.fine_days[1])].all()
    assert failed.sum() == len(job.grid.tiles) == summary.failed

    broken.write_bytes(content)
    os.utime(broken, ns=times)
    run_here(job)
    run_here(whole)
    # The statistics were frozen without the scene, so only the identities differ.
    cured, clean = chunks(job.cube), chunks(whole.cube)
    assert {name for name in clean if cured[name] != clean[name]} <= {"plan_hash/c/0/0"}
    assert cured.keys() == clean.keys()
    assert cube_status(job.cube).ok


def test_a_cube_of_another_grid_is_refused_untouched(own: Job, done: Job) -> None:
    job = elsewhere(own, "grid.zarr")
    run_here(replace(job, start=day(8), end=day(10)))
    before = chunks(job.cube)

    with pytest.raises(JobError, match="another cube path"):
        run_here(replace(job, grid=make_grid(tile_cells=2)))

    assert chunks(job.cube) == before


def test_a_path_that_holds_no_cube_has_no_status(tmp_path: Path, done: Job) -> None:
    with pytest.raises(CubeError, match="there is no cube at"):
        cube_status(tmp_path / "none.zarr")
    with pytest.raises(CubeError, match="is no fused cube"):
        cube_status(done.inputs / "fine.zarr")


def test_a_day_is_explained_for_all_tiles_together(done: Job) -> None:
    tiles = len(done.grid.tiles)
    told = "\n".join(explain_day(done, day(12)))

    assert told.startswith(f"2023-05-13, {tiles} tiles:")
    assert f"{tiles}  fused from 2023-05-09" in told


def test_the_statistics_of_the_first_plan_stay_for_the_life_of_the_cube(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files")
    short = season.job(start=day(8), end=day(9), rules=PairRules(min_clear=0.5, max_span_days=8))
    run_here(short)
    with executor(scheduler="synchronous"):
        first = plan(short).recipe

    longer = replace(short, end=day(14))
    run_here(longer)
    grown = plan(longer).recipe
    anew = elsewhere(longer, "anew.zarr")
    run_here(anew)

    assert (grown.centre, grown.spread) == (first.centre, first.spread)
    assert plan(anew).recipe.centre != first.centre
