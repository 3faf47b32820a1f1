"""Bad input: one clear message or a flagged gap, everything else goes on, and nothing is lost."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr

from catalogs import BANDS, CatalogError
from pipeline.cube import FILL, PARTLY, WHOLLY, Status
from pipeline.ingest import IngestReport, IngestTask, ingest_block, open_inputs
from pipeline.plan import StaleError
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
    waiting = [Status.PROVISIONAL] * 6
    assert statuses(season) == [Status.FAILED, *waiting]

    path.write_bytes(content)
    again = run(season)
    assert again.ok
    assert again.status == healthy.summary.status
    for name in ("nir08", "quality"):
        np.testing.assert_array_equal(pixels(season, name), pixels(healthy.season, name))


def test_an_item_gone_for_good_is_skipped_and_no_day_waits_for_it(
    season: BadSeason, tmp_path: Path
) -> None:
    at_once = BadSeason(folder=shutil.copytree(season.folder, tmp_path / "at_once"))
    season.file(0, "nir08").unlink()
    (error,) = run(season).errors
    (name,) = re.findall(r"of item (\S+) cannot be read", error)
    assert "or name the item under `skip` in the region file" in error
    assert Status.FAILED in statuses(season)
    for one in (season, at_once):
        one.edit_region(skip=[name])
    assert run(season).ok
    assert f"left out: item {name}: the region file skips it" in "\n".join(run(season).lines())
    season.edit_region(skip=[name, "none-of-this-id"])
    listed = (season.job.inputs / "items.json").read_bytes()
    assert run(season).ok
    assert (season.job.inputs / "items.json").read_bytes() == listed
    assert run(at_once).ok
    assert_same(season, at_once)
    # The last days wait for what may follow the newest image.
    assert set(statuses(season)[:3]) == {Status.FINAL}


def test_images_that_were_read_and_are_skipped_later_are_in_no_pixel(
    season: BadSeason, healthy: Healthy, tmp_path: Path
) -> None:
    at_once = BadSeason(folder=shutil.copytree(season.folder, tmp_path / "at_once"))
    inputs = open_inputs(healthy.season.job.inputs)
    skip = [inputs.fine.items[0].id, inputs.coarse.items[4].id]
    run(season)
    for one in (season, at_once):
        one.edit_region(skip=skip)
    with pytest.raises(StaleError, match="--refresh"):
        run(season)
    run_job(season.job, scheduler="synchronous", refresh=True)
    run(at_once)
    assert_same(season, at_once)
    assert not (pixels(season, "red")[0] == pixels(healthy.season, "red")[0]).all()
    assert not zarr.open_group(season.job.inputs / "coarse.zarr")["clear"][4].any()
    # The item comes back as it went.
    season.edit_region(skip=[])
    run_job(season.job, scheduler="synchronous", refresh=True)
    assert_same(season, healthy.season)


def assert_same(one: BadSeason, other: BadSeason) -> None:
    assert statuses(one) == statuses(other)
    for name in (*BANDS, "quality", "ref_age"):
        np.testing.assert_array_equal(pixels(one, name), pixels(other, name))


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


def stored_as(dtype: str, scale: float = 1.0, offset: float = 0.0) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        with rasterio.open(path) as file:
            numbers, profile = file.read(1), file.profile | {"dtype": dtype, "nodata": None}
        with rasterio.open(path, "w", **profile) as file:
            file.write((numbers * scale + offset).astype(dtype), 1)

    return harm


@pytest.mark.parametrize(
    ("asset", "harm", "message"),
    [
        ("red", stored_as("float32", 2.75e-5, -0.2), "float32, where uint16 is expected"),
        ("red", stored_as("int16"), "int16, where uint16 is expected"),
        ("qa_pixel", stored_as("uint8"), "uint8, where uint16 is expected"),
    ],
)
def test_numbers_of_another_type_than_the_tables_are_refused(
    season: BadSeason, asset: str, harm: Callable[[Path], None], message: str
) -> None:
    harm(season.file(0, asset))
    assert message in str(read_first_day(season).error)


def moved(metres: float) -> Callable[[dict[str, Any]], None]:
    def change(item: dict[str, Any]) -> None:
        item["properties"]["proj:transform"][2] += metres

    return change


@pytest.mark.parametrize("metres", [2.0, 12.0, 15.0, -28.0])
def test_a_file_on_another_lattice_than_its_item_says_is_refused_not_shifted(
    season: BadSeason, metres: float
) -> None:
    season.edit_item(0, moved(metres))
    assert "correct proj:transform and proj:shape" in str(read_first_day(season).error)


def test_pixels_lie_where_the_file_has_them_when_its_item_says_whole_pixels_elsewhere(
    season: BadSeason, healthy: Healthy
) -> None:
    season.edit_item(0, moved(90.0))
    assert read_first_day(season).error is None
    for name in ("red", "clear"):
        first, expected = (
            zarr.open_group(one.job.inputs / "fine.zarr", mode="r")[name][0]
            for one in (season, healthy.season)
        )
        np.testing.assert_array_equal(first, expected)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_without_a_place_is_refused(season: BadSeason) -> None:
    path = season.file(0, "red")
    with rasterio.open(path) as file:
        numbers, profile = file.read(1), file.profile
    del profile["transform"], profile["crs"]
    with rasterio.open(path, "w", **profile) as file:
        file.write(numbers, 1)
    assert "does not say where it lies" in str(read_first_day(season).error)


def overwrite(path: Path, value: int, rows: slice = slice(None), cols: slice = slice(None)) -> None:
    with rasterio.open(path, "r+") as file:
        numbers = file.read(1)
        numbers[rows, cols] = value
        file.write(numbers, 1)


def cloud(season: BadSeason, number: int, *, second: bool = False) -> None:
    overwrite(season.file(number, "qa_pixel", second=second), 1 << 3)


def empty(season: BadSeason, number: int, *, second: bool = False) -> None:
    overwrite(season.file(number, "qa_pixel", second=second), 1)
    for band in BANDS:
        overwrite(season.file(number, band, second=second), 0)


@pytest.mark.parametrize("spoil", [cloud, empty])
def test_days_of_cloud_and_empty_images_are_gaps_with_their_reason(
    season: BadSeason, spoil: Callable[..., None]
) -> None:
    spoil(season, 3)
    spoil(season, 3, second=True)
    spoil(season, 6)
    season.edit_region(pairs={"single_pair": "ignore"})
    summary = run(season)
    assert summary.ok
    assert statuses(season)[1:] == [Status.NONE_AFTER] * 6
    assert summary.gaps == {"none_after": 6}
    assert (pixels(season, "red")[1:] == FILL).all()


def test_a_season_without_one_clear_image_is_all_gaps(season: BadSeason) -> None:
    for number, second in ((0, False), (3, False), (3, True), (6, False)):
        cloud(season, number, second=second)
    summary = run(season)
    assert summary.ok
    assert sum(summary.gaps.values()) == len(season.job.days)


def test_a_scene_that_reaches_the_region_with_fill_alone_gives_nothing(
    season: BadSeason, healthy: Healthy
) -> None:
    empty(season, 3)
    summary = run(season)
    assert summary.ok
    assert summary.status == healthy.summary.status
    seen = pixels(season, "red")[3] - pixels(healthy.season, "red")[3]
    assert abs(seen - 500).max() <= 1  # of the second scene alone
