"""The steps of a run, the same for the command line and for Prefect.

    with locked(job), executor(workers=2) as ex:
        prepare(job)
        ingested = ingest(job, ex)
        validate(job, ex)
        fused = fuse(plan(job), ex)
        publish(job, ingested, fused)

Every step may be repeated at any time and does only what is missing.  The driver alone writes
the small (time, tile) arrays, from the reports of the tasks; so ``ingest`` and ``fuse`` of one
cube never run twice at once, which ``locked`` holds among processes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from catalogs import Role
from pipeline import expected
from pipeline.chosen import Used, chosen_path
from pipeline.collection import write_collection
from pipeline.compare import compare_day, compare_tasks, keep
from pipeline.cube import METHOD_CODES, Status, day_number
from pipeline.executor import Device, Executor, executor
from pipeline.fuse import FuseReport, fuse_tile
from pipeline.ingest import (
    IngestReport,
    IngestTask,
    Inputs,
    ingest_block,
    ingest_tasks,
    open_inputs,
)
from pipeline.job import Job
from pipeline.lock import CubeLock
from pipeline.plan import PRODUCED, Closed, FuseTask, Plan, make_plan
from pipeline.prepare import Prepared, prepare
from pipeline.progress import (
    FuseSummary,
    IngestSummary,
    OnProgress,
    Progress,
    RunSummary,
    Stage,
)
from pipeline.provenance import provenance, sensor_lines
from pipeline.read import forget_files
from pipeline.recipe import model_sha
from pipeline.statistics import count_day, count_tasks
from pipeline.store import CubeError, read_attrs, read_tables, update_attrs, write_tables
from pipeline.validate.report import write_report
from pipeline.validate.result import ATTRIBUTE, Validation, forget
from pipeline.validate.stage import validate as hold_out

__all__ = [
    "Executor",
    "Prepared",
    "Progress",
    "RunSummary",
    "cube_status",
    "executor",
    "fuse",
    "ingest",
    "locked",
    "plan",
    "prepare",
    "publish",
    "run_job",
    "tell_validation",
    "validate",
]


def locked(job: Job) -> CubeLock:
    """Hold the job's cube for one run; CubeBusyError if another run has it.

    The steps do not take it themselves: hold it around all of them.
    """
    return CubeLock(job.cube)


def run_job(
    job: Job,
    *,
    workers: int | None = None,
    scheduler: str = "processes",
    device: Device = "auto",
    refresh: bool = False,
    on_progress: OnProgress | None = None,
) -> RunSummary:
    """All steps under the lock.  What fails on the way is in the summary's ``errors``.

    Raises ValueErrors for what the user can cure: see ``prepare`` and ``fuse``.
    """
    # The workers start at the first task: what ``prepare`` refuses, it refuses at once.
    with locked(job), executor(workers, scheduler, device) as ex:
        prepare(job, refresh=refresh, on_progress=on_progress)
        ingested = ingest(job, ex, on_progress)
        validate(job, ex, on_progress, refresh=refresh)
        _tell(on_progress, "plan", 0, 1)
        planned = plan(job)
        _tell(on_progress, "plan", 1, 1)
        fused = fuse(planned, ex, on_progress, refresh=refresh)
        summary = publish(job, ingested, fused)
        _tell(on_progress, "publish", 1, 1)
    return summary


def ingest(job: Job, ex: Executor, on_progress: OnProgress | None = None) -> IngestSummary:
    """Read the scenes that the input cubes lack; what cannot be read is in ``errors``."""
    inputs = open_inputs(job.inputs)
    roles: tuple[Role, ...] = ("coarse", "fine")
    tasks: list[IngestTask] = []
    for role in roles:
        tables = read_tables(job.inputs / f"{role}.zarr")
        done = tables.arrays["done"]
        tasks += ingest_tasks(
            job.inputs,
            inputs,
            role=role,
            days_on_axis=tables.days,
            done=done,
            loader=job.loader,
        )
    days = _Days((task.day,) for task in tasks)
    summary = IngestSummary()
    for number, outcome in enumerate(ex.map(ingest_block, tasks), 1):
        task, report = outcome.task, outcome.result
        error = outcome.error if report is None else report.error
        if report is not None and report.written:
            _record_read(job, report)
        summary = summary + (
            IngestSummary(blocks=1, errors=(str(error),))
            if report is None
            else IngestSummary().add(report)
        )
        days.end((task.day,))
        _tell(on_progress, "ingest", number, len(tasks), days, task.day, error=error)
    if tasks:
        forget_files()
    return summary + _measure(job, inputs, ex)


def _measure(job: Job, inputs: Inputs, ex: Executor) -> IngestSummary:
    """Keep of each day what its pixels tell of the region, where that is not known yet: how the
    sensors compare on days with both images, and how often each number occurs."""
    compared = list(ex.map(compare_day, compare_tasks(job.inputs, inputs.grid, inputs.bands)))
    keep(job.inputs, [outcome.result for outcome in compared if outcome.result is not None])
    counted = list(ex.map(count_day, count_tasks(job.inputs, inputs.bands)))
    errors = [*(one.error for one in compared), *(one.error for one in counted)]
    return IngestSummary(errors=tuple(error for error in errors if error is not None))


def validate(
    job: Job,
    ex: Executor,
    on_progress: OnProgress | None = None,
    *,
    refresh: bool = False,
) -> None:
    """Hold fine dates out, as many as the job asks for, and keep their scores beside the cube.

    What was scored in a run before is not fused again; ``publish`` puts the scores into the cube.
    They choose what the days are made by (``pipeline.chosen``), once, and again where ``refresh``
    is given; where nothing is held out any more, what was chosen stays until then.
    """
    if job.validation == "none":
        forget(job.inputs)
        if refresh:
            chosen_path(job).unlink(missing_ok=True)
        return
    found = hold_out(job, ex, extent=job.validation, choose_anew=refresh, on_progress=on_progress)
    found.write(job.inputs)


def tell_validation(job: Job) -> Validation | None:
    """Put the scores that are kept beside the cube into its attributes and into a report."""
    if (found := Validation.read(job.inputs)) is not None:
        update_attrs(job.cube, {ATTRIBUTE: found.to_dict()})
        write_report(found, job.cube)
    return found


def plan(job: Job) -> Plan:
    """What is left to fuse, also written to ``plan.json``, where tasks find their recipe."""
    made = make_plan(job)
    made.save()
    return made


def fuse(
    planned: Plan,
    ex: Executor,
    on_progress: OnProgress | None = None,
    *,
    refresh: bool = False,
    tasks: Sequence[FuseTask] | None = None,
) -> FuseSummary:
    """Carry out a plan, or only the given ``tasks`` of it.

    A task that fails is reported, its tile-days get the status *failed*, and the others go on.
    Raises StaleError, before anything is changed, if finished tile-days would be made again
    and ``refresh`` is not given.  Groups of tasks run one after the other, never at once.
    """
    if not refresh:
        planned.refuse_stale()
    todo = planned.tasks if tasks is None else tuple(tasks)
    cube = planned.recipe.job.cube
    _close(cube, planned.closed)
    total = sum(len(task.days) for task in todo)
    days, done, summary = _Days(task.days for task in todo), 0, FuseSummary()
    work = partial(fuse_tile, device=ex.device)
    for outcome in ex.map(work, _starting(cube, todo), gpu=True):
        report = outcome.result or FuseReport(task=outcome.task, error=outcome.error)
        _record(cube, report, planned.recipe.used(report.task.gap_class))
        task, summary = report.task, summary.add(report)
        done += len(task.days)
        days.end(task.days)
        _tell(on_progress, "fuse", done, total, days, task.days[-1], task.tile, report.error)
    return summary


def publish(
    job: Job, ingested: IngestSummary | None = None, fused: FuseSummary | None = None
) -> RunSummary:
    """Write down what the cube was made from, in it and as STAC beside it, and sum up the run."""
    update_attrs(job.cube, provenance(job, read_attrs(job.cube)))
    validated = tell_validation(job)
    write_collection(job.cube)
    inputs = open_inputs(job.inputs)
    summary = _summary(job.cube, ingested or IngestSummary(), fused or FuseSummary())
    there = expected.lines(inputs, job.end)
    notes = (*there, *inputs.fine.notes, *inputs.coarse.notes)
    return replace(summary, notes=notes, validated=validated)


def cube_status(cube: Path) -> RunSummary:
    """How a cube stands.  Raises CubeError, a ValueError, when there is none of ours."""
    return _summary(cube, IngestSummary(), FuseSummary())


def _summary(cube: Path, ingested: IngestSummary, fused: FuseSummary) -> RunSummary:
    tables = read_tables(cube)
    if "status" not in tables.arrays:
        raise CubeError(f"{cube} is no fused cube: it has no status; give the path of one")
    status, attrs = tables.arrays["status"], read_attrs(cube)
    values, counts = np.unique(status, return_counts=True)
    return RunSummary(
        cube=cube,
        first=tables.days[0],
        last=tables.days[-1],
        days=len(tables.days),
        dates_produced=int(np.isin(status, PRODUCED).any(1).sum()),
        status={
            Status(value).name.lower(): count
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        },
        sensors=sensor_lines(attrs),
        validated=Validation.from_dict(attrs[ATTRIBUTE]) if ATTRIBUTE in attrs else None,
        ingested=ingested,
        fused=fused,
    )


def _record_read(job: Job, report: IngestReport) -> None:
    task = report.task
    for at, tile in enumerate(task.tiles or (0,)):
        told: dict[str, float] = {"done": report.done}
        if task.role == "fine":
            told |= {
                "clear_share": report.clear_share[at],
                "cloud_distance": report.cloud_distance[at],
            }
        write_tables(job.inputs / f"{task.role}.zarr", told, days=(task.day,), tile=tile)


def _starting(cube: Path, tasks: Iterable[FuseTask]) -> Iterator[FuseTask]:
    """Mark each task's tile-days as running when a worker may begin with it."""
    for task in tasks:
        write_tables(cube, {"status": Status.RUNNING}, days=task.days, tile=task.tile)
        yield task


def _record(cube: Path, report: FuseReport, used: Used) -> None:
    task = report.task
    if report.error is not None:
        values = {"status": Status.FAILED, "plan_hash": 0}
        write_tables(cube, values, days=task.days, tile=task.tile)
        return
    bracketed = task.gap is None
    write_tables(
        cube,
        {
            "ref_prev": day_number(task.before[0]) if task.before else 0,
            "ref_next": day_number(task.after[0]) if task.after else 0,
            "coarse_valid": np.array(task.coarse_valid, np.float32),
            "plan_hash": np.array(task.hashes, np.uint64),
            "model_sha": np.uint64(model_sha(used.sha) if bracketed else 0),
            "method": METHOD_CODES[used.name] if bracketed else 0,
            "status": task.status,
        },
        days=task.days,
        tile=task.tile,
    )


def _close(cube: Path, closed: Sequence[Closed]) -> None:
    """Mark gaps and tile-days whose image could not be read."""
    by_tile: dict[int, list[Closed]] = {}
    for tile_day in closed:
        by_tile.setdefault(tile_day.tile, []).append(tile_day)
    for tile, days in by_tile.items():
        write_tables(
            cube,
            {
                "ref_prev": 0,
                "ref_next": 0,
                "coarse_valid": np.array([one.coarse_valid for one in days], np.float32),
                "plan_hash": 0,
                "model_sha": 0,
                "method": 0,
                "status": np.array([one.status for one in days], np.uint8),
            },
            days=[one.day for one in days],
            tile=tile,
        )


class _Days:
    """Counts the days of which nothing is left to do."""

    def __init__(self, runs: Iterable[Sequence[date]]) -> None:
        self.left = Counter(day for run in runs for day in run)
        self.total = len(self.left)
        self.done = 0

    def end(self, days: Sequence[date]) -> None:
        """A task with these days has ended."""
        for day in days:
            self.left[day] -= 1
            self.done += self.left[day] == 0


def _tell(
    on_progress: OnProgress | None,
    stage: Stage,
    done: int,
    total: int,
    days: _Days | None = None,
    day: date | None = None,
    tile: int | None = None,
    error: str | None = None,
) -> None:
    if on_progress is None:
        return
    on_progress(
        Progress(
            stage=stage,
            done=done,
            total=total,
            days_done=days.done if days else 0,
            days_total=days.total if days else 0,
            day=day,
            tile=tile,
            error=error,
        )
    )
