"""A job that cannot be run is one clear error, before anything is written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from catalogs import CatalogError
from model.card import CheckpointError
from pipeline.grid import Grid
from pipeline.job import Job, JobError, Method, Source
from pipeline.prepare import prepare
from pipeline.run import run_job
from tests.model.makers import write_checkpoint
from tests.season import Season, make_season
from tests.synthetic import day, make_grid


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return make_season(tmp_path_factory.mktemp("season") / "files")


@pytest.fixture
def own(season: Season, tmp_path: Path) -> Job:
    return season.job(cube=tmp_path / "own.zarr")


def run_here(job: Job) -> None:
    run_job(job, scheduler="synchronous")


BAD = {
    "outside": (
        lambda job: replace(job, grid=make_grid_far_away()),
        CatalogError,
        "no usable item of fine",
    ),
    "long ago": (
        lambda job: replace(job, start=day(-900), end=day(-890)),
        CatalogError,
        "no usable item of fine",
    ),
    "no collection": (
        lambda job: replace(job, coarse=replace(job.coarse, collections=("viirs",))),
        CatalogError,
        "no collection 'viirs'",
    ),
    "no catalogue": (
        lambda job: replace(job, fine=Source(catalogs=("nowhere.json",), collections=("fine",))),
        CatalogError,
        "no catalogue at",
    ),
    "no method": (
        lambda job: replace(job, method=Method(name="magic")),
        CheckpointError,
        "no method 'magic'",
    ),
    "no checkpoint": (
        lambda job: replace(job, method=Method(checkpoint="/nowhere")),
        CheckpointError,
        "is not a checkpoint",
    ),
}


def make_grid_far_away() -> Grid:
    near = make_grid()
    box = near.fine.boundingbox
    return Grid.from_bounds(
        (box.left, box.bottom + 480_000, box.right, box.top + 480_000),
        crs="EPSG:32633",
        ratio=near.ratio,
        tile=near.tile,
    )


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_nothing_is_written(own: Job, case: str) -> None:
    change, kind, message = BAD[case]

    with pytest.raises(kind, match=message) as refusal:
        run_here(change(own))

    assert isinstance(refusal.value, ValueError)
    assert {path.name for path in own.cube.parent.iterdir()} <= {"own.zarr.lock"}


def test_images_that_are_all_missing_are_told_before_anything_is_written(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files")
    for when in season.coarse_days:
        season.image("coarse", when).unlink()
    job = season.job(start=day(2), end=day(6), cube=tmp_path / "out" / "season.zarr")

    with pytest.raises(CatalogError, match=r"not on disk.* so it is with all 25 items of coarse"):
        run_here(job)

    assert {path.name for path in (tmp_path / "out").iterdir()} == {"season.zarr.lock"}


def test_a_checkpoint_with_other_bands_is_refused(
    own: Job, one_band_checkpoint: Callable[[str], Path]
) -> None:
    other = replace(own, method=Method(checkpoint=str(one_band_checkpoint("swir16"))))

    with pytest.raises(JobError, match=r"made for the bands swir16, but fine and coarse share"):
        run_here(other)

    assert not own.inputs.exists()


def test_dropping_water_that_no_qa_word_tells_is_refused(own: Job) -> None:
    with pytest.raises(JobError, match=r"`water: drop` needs QA words .* fine has none"):
        run_here(replace(own, water="drop"))

    assert not own.inputs.exists()


@pytest.fixture
def one_band_checkpoint(tmp_path: Path) -> Callable[[str], Path]:
    def make(band: str) -> Path:
        return write_checkpoint(tmp_path / "one-band", trained=False, bands=(band,))

    return make


def test_nadir_view_without_angles_is_refused_before_anything_is_read(own: Job) -> None:
    with pytest.raises(ValueError, match=r"no item of .* tells them.* take the line out"):
        prepare(replace(own, brdf="c-factor"))
    assert not own.inputs.exists()
