"""Room on the disk: refused before anything is written, with the numbers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from pipeline.job import Job, JobError
from pipeline.prepare import prepare
from pipeline.room import MOST, check_room, raw_bytes
from pipeline.store import create_fused
from tests.season import make_season


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return make_season(tmp_path_factory.mktemp("season") / "files").job()


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the bytes that the disk has left."""

    def free(left: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=int(left)))

    return free


def needed(job: Job) -> int:
    return raw_bytes("fused", job.grid, len(job.days), ("red",), sigma=False)


def test_the_estimate_is_the_size_of_the_cubes_arrays(job: Job, tmp_path: Path) -> None:
    create_fused(tmp_path / "a.zarr", job.grid, job.days, ("red", "nir08"))
    root = zarr.open_group(tmp_path / "a.zarr", mode="r")
    coordinates = {"time", "y", "x", "tile", "spatial_ref"}
    arrays = {name: array for name, array in root.arrays() if name not in coordinates}
    expected = sum(int(np.prod(one.shape)) * one.dtype.itemsize for one in arrays.values())
    bands = ("red", "nir08")
    assert raw_bytes("fused", job.grid, len(job.days), bands, sigma=False) == expected


def test_what_cannot_fit_is_refused_and_what_may_fit_is_not(job: Job, leave) -> None:
    leave(needed(job) / MOST + 1)
    check_room(job, ("red",), fine=(), coarse=(), sigma=False)
    leave(needed(job) / MOST - 1)
    with pytest.raises(JobError, match=r"has 0\.0 MB free, but 11 days of 16 x 28 pixels"):
        check_room(job, ("red",), fine=(), coarse=(), sigma=False)


def test_days_that_are_there_already_need_no_room(job: Job, leave) -> None:
    leave(0)
    with pytest.raises(JobError, match="Free some room"):
        check_room(job, ("red",), fine=(), coarse=(), sigma=False)
    create_fused(job.cube, job.grid, job.days, ("red",))
    check_room(job, ("red",), fine=(), coarse=(), sigma=False)
    shutil.rmtree(job.cube)


def test_a_run_without_room_leaves_nothing_behind(job: Job, leave) -> None:
    leave(100)
    with pytest.raises(JobError, match="at the very least"):
        prepare(job)
    assert not job.cube.exists()
    assert not job.inputs.exists()
