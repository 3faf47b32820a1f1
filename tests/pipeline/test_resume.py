"""A run that is killed, by SIGKILL, and started again ends with the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.cube import Status
from pipeline.job import Job
from pipeline.lock import CubeBusyError
from pipeline.run import cube_status, run_job
from pipeline.store import read_tables, write_tables
from tests.pipeline.test_run import chunks, run_here
from tests.season import Season, make_sastf_job, make_season

RUN = """
import json, sys
from pipeline.job import Job
from pipeline.run import run_job

if __name__ == "__main__":
    job = Job.from_dict(json.loads(sys.argv[1]))
    def tell(step):
        print(step.stage, step.done, step.total, flush=True)
    run_job(job, scheduler=sys.argv[2], workers=2, device="cpu", on_progress=tell)
"""


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return make_season(tmp_path_factory.mktemp("season") / "files")


@pytest.fixture(scope="module")
def whole(season: Season) -> Job:
    """A job that was never interrupted."""
    job = season.job()
    run_here(job)
    return job


@pytest.fixture(scope="module")
def whole_by_sastf(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = make_sastf_job(tmp_path_factory.mktemp("sastf"))
    run_here(job)
    return job


def start(job: Job, script: Path, scheduler: str = "synchronous") -> "subprocess.Popen[str]":
    script.write_text(RUN)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), json.dumps(job.to_dict()), scheduler],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def kill_after(run: "subprocess.Popen[str]", stage: str, steps: int, delay: float = 0.0) -> None:
    """SIGKILL once ``steps`` tasks of a stage have ended, and a moment into the next."""
    assert run.stdout is not None
    seen = 0
    for line in run.stdout:
        seen += line.startswith(f"{stage} ")
        if seen == steps:
            break
    else:
        _, errors = run.communicate(timeout=60)
        pytest.fail(f"the run ended before {steps} steps of {stage}:\n{errors}")
    time.sleep(delay)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)


def assert_same_data(job: Job, whole: Job) -> None:
    assert chunks(job.cube) == chunks(whole.cube)
    for role in ("fine", "coarse"):
        ours, theirs = job.inputs / f"{role}.zarr", whole.inputs / f"{role}.zarr"
        assert chunks(ours) == chunks(theirs)
    assert not list(job.cube.parent.rglob("*.partial"))


@pytest.mark.parametrize(
    ("stage", "steps", "delay"),
    [("ingest", 3, 0.02), ("ingest", 26, 0.0), ("fuse", 1, 0.05), ("fuse", 3, 0.1)],
)
def test_a_killed_run_started_again_gives_the_same_bytes(
    season: Season, whole: Job, tmp_path: Path, stage: str, steps: int, delay: float
) -> None:
    job = season.job(cube=tmp_path / "killed.zarr")
    kill_after(start(job, tmp_path / "run.py"), stage, steps, delay)

    told = run_here(job)

    assert [step for step in told if step.stage == "fuse"], "the kill came too late to test it"
    if stage == "fuse":
        assert not [step for step in told if step.stage == "ingest"]
        first = next(step for step in told if step.stage == "fuse")
        assert first.total < len(job.days) * len(job.grid.tiles)
    assert_same_data(job, whole)


@pytest.mark.parametrize("uninterrupted", ["whole", "whole_by_sastf"], ids=["anomaly", "sa-stf"])
def test_killed_with_its_workers_at_work_it_leaves_none_behind_and_resumes(
    request: pytest.FixtureRequest, tmp_path: Path, uninterrupted: str
) -> None:
    whole: Job = request.getfixturevalue(uninterrupted)
    job = replace(whole, cube=tmp_path / "killed.zarr")
    run = start(job, tmp_path / "run.py", "processes")
    assert run.stdout is not None
    assert any(line.startswith("fuse ") for line in run.stdout)
    workers = psutil.Process(run.pid).children(recursive=True)
    assert workers
    kill_after(run, "fuse", 1)
    assert not psutil.wait_procs(workers, timeout=30)[1]
    tables = read_tables(job.cube)
    assert (tables.arrays["status"] == Status.RUNNING).any()

    summary = run_job(job, scheduler="synchronous")

    assert summary.ok
    assert_same_data(job, whole)


def test_a_running_cube_refuses_a_second_run_and_is_free_once_killed(
    season: Season, whole: Job, tmp_path: Path
) -> None:
    job = season.job(cube=tmp_path / "busy.zarr")
    run = start(job, tmp_path / "run.py")
    assert run.stdout is not None
    run.stdout.readline()

    with pytest.raises(CubeBusyError, match=f"process {run.pid}"):
        run_here(job)

    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    run_here(job)
    assert_same_data(job, whole)


def test_what_the_tables_call_running_is_made_again(season: Season, tmp_path: Path) -> None:
    job = season.job(cube=tmp_path / "cube.zarr")
    short = replace(job, start=job.days[0], end=job.days[5])
    run_here(short)
    assert cube_status(short.cube).ok
    write_tables(job.cube, {"status": Status.RUNNING}, days=[short.days[2]], tile=1)

    told = run_here(short)

    made = [step for step in told if step.stage == "fuse"]
    assert [(step.total, step.day, step.tile) for step in made] == [(1, short.days[2], 1)]
    assert not np.isin(read_tables(job.cube).arrays["status"], (0, 1)).any()
