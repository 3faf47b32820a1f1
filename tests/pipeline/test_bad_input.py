"""Bad input: one clear message or a flagged gap, everything else goes on, and nothing is lost."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zarr

from catalogs import CatalogError
from pipeline.cube import PARTLY, WHOLLY, Status
from pipeline.ingest import IngestReport, IngestTask, ingest_block
from pipeline.prepare import prepare
from pipeline.progress import RunSummary
from pipeline.run import run_job
from pipeline.store import read_tables
from tests.pipeline.bad_season import BadSeason, make_bad_season

Harm = Callable[[BadSeason], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    season: BadSeason
    summary: RunSummary


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Healthy:
    season = make_bad_season(tmp_path_factory.mktemp("bad") / "season")
    return Healthy(season=season, summary=run(season))


@pytest.fixture
def season(healthy: Healthy, tmp_path: Path) -> BadSeason:
    """A copy of the season that nothing was made from yet."""
    made = shutil.ignore_patterns("bad.*")
    return BadSeason(folder=shutil.copytree(healthy.season.folder, tmp_path / "s", ignore=made))


def run(season: BadSeason) -> RunSummary:
    return run_job(season.job, scheduler="synchronous")


def read_first_day(season: BadSeason) -> IngestReport:
    """What became of the reading of the first Landsat day."""
    prepare(season.job)
    (first, *_) = season.job.days
    return ingest_block(
        IngestTask(folder=str(season.job.inputs), role="fine", day=first, tiles=(0,))
    )


def statuses(season: BadSeason) -> list[Status]:
    """What became of the region's tile on each day."""
    return [Status(one) for (one,) in read_tables(season.job.cube).arrays["status"].tolist()]


def pixels(season: BadSeason, name: str) -> np.ndarray:
    return zarr.open_group(season.job.cube, mode="r")[name][:]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 2, len(content) // 2 + 20):
        content[at] ^= 255
    path.write_bytes(content)


def log_in(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><title>Earthdata Login</title></html>")


@pytest.mark.parametrize("harm", [cut, flip, log_in, Path.unlink])
def test_a_file_that_cannot_be_read_is_named_with_its_day_place_and_item(
    season: BadSeason, harm: Callable[[Path], object]
) -> None:
    path = season.file(0, "nir08")
    harm(path)
    report = read_first_day(season)
    assert not report.written
    for part in ("fine image of 2023-05-01, tiles 0", "LC08_L2SP_190028_20230501", "'nir08'"):
        assert part in str(report.error)
    assert str(path) in str(report.error)


def test_a_broken_file_costs_its_own_day_and_comes_back_the_next_night(
    season: BadSeason, healthy: Healthy
) -> None:
    path = season.file(0, "nir08")
    content = path.read_bytes()
    flip(path)
    summary = run(season)
    (error,) = summary.errors
    assert error in "\n".join(summary.lines())
    waiting = [Status.NONE_BEFORE] * 2 + [Status.PROVISIONAL] * 4
    assert statuses(season) == [Status.FAILED, *waiting]

    path.write_bytes(content)
    again = run(season)
    assert again.ok
    assert again.status == healthy.summary.status
    for name in ("nir08", "quality"):
        np.testing.assert_array_equal(pixels(season, name), pixels(healthy.season, name))


def test_a_broken_scene_leaves_its_day_to_the_other_scenes(
    season: BadSeason, healthy: Healthy
) -> None:
    path = season.file(3, "red")
    content = path.read_bytes()
    path.unlink()
    (error,) = run(season).errors
    assert "2023-05-04, tiles 0, read in part: asset 'red' of item LC08_L2SP_190028" in error
    assert set(statuses(season)) == {Status.PROVISIONAL}
    tables = read_tables(season.job.inputs / "fine.zarr")
    assert tables.arrays["done"].tolist() == [[WHOLLY], [PARTLY], [WHOLLY]]
    # The second scene is 0.05 brighter.
    seen = pixels(season, "red")[3] - pixels(healthy.season, "red")[3]
    assert abs(seen - 500).max() <= 1

    path.write_bytes(content)
    assert run(season).ok
    np.testing.assert_array_equal(pixels(season, "red"), pixels(healthy.season, "red"))


def test_an_item_without_a_band_is_named_and_the_others_go_on(season: BadSeason) -> None:
    season.edit_item(0, lambda item: item["assets"].pop("red"))
    (error,) = run(season).errors
    assert "LC08_L2SP_190028_20230501_02_T1 has no asset 'red' (has: blue, green" in error
    assert statuses(season)[0] == Status.FAILED


def test_a_folder_that_was_moved_away_is_one_message_and_no_cube(season: BadSeason) -> None:
    shutil.move(season.folder / "landsat", season.folder / "elsewhere")
    with pytest.raises(CatalogError, match=r"not on disk: .*so it is with all 4 items of landsat"):
        run(season)
    assert not season.job.cube.exists()
    assert not season.job.inputs.exists()
