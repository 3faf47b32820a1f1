"""The methods on the fine series, from the files of a season to its cube and its scores."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from model.card import SERIES_HALO
from pipeline.job import Job, Method, PairRules
from pipeline.plan import StaleError
from pipeline.quality import Quality
from pipeline.run import run_job
from pipeline.store import open_cube
from tests.pipeline.test_validate import hold_out, of
from tests.season import Season, make_season, write_image
from tests.synthetic import day


def image(season: Season, when: date) -> np.ndarray:
    """(band, y, x) of a file, NaN where it has a cloud."""
    with rasterio.open(season.image("fine", when)) as file:
        values = file.read().astype(np.float64) * 1e-4
    return np.where(values < 0, np.nan, values)


def make_job(season: Season, method: str, **changes: object) -> Job:
    asked = {
        "start": day(17),
        "end": day(23),
        "rules": PairRules(min_clear=0.3, max_span_days=12),
        "method": Method(name=method, checkpoint=None),
    }
    return season.job(**(asked | changes))


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    folder = tmp_path_factory.mktemp("season")
    return make_season(folder / "files", days=24, every=5, clear=(0.6, 0.95))


def made(job: Job) -> xr.Dataset:
    summary = run_job(job, scheduler="synchronous")
    assert summary.ok, summary.errors
    return open_cube(job.cube)


def test_linear_series_in_a_cube_is_the_line_between_the_images_of_the_files(
    season: Season, tmp_path: Path
) -> None:
    job = make_job(season, "linear-series", cube=tmp_path / "line.zarr")
    cube = made(job)
    images = np.stack([image(season, when) for when in season.fine_days])
    clear = np.isfinite(images).all(1)
    word = cube.quality.values
    fused, nir08 = (word & Quality.FUSED.value) != 0, cube.nir08.values
    checked = 0
    for at, when in enumerate(job.days):
        near = np.array([0 < abs((one - when).days) <= 12 for one in season.fine_days])
        days = np.array([(one - when).days for one in season.fine_days])
        for y, x in np.argwhere(fused[at])[::7]:
            known = near & clear[:, y, x]
            wanted = np.interp(0, days[known], images[known, 1, y, x])
            assert nir08[at, y, x] == pytest.approx(wanted, abs=1.01e-4)
            checked += 1
    assert checked > 300
    last = job.days.index(day(22))  # after the last image
    assert (word[last][fused[last]] & Quality.ONE_SIDED.value).all()
    assert fused[last].any()


@pytest.mark.parametrize("method", SERIES_HALO)
def test_tiles_and_runs_of_days_leave_no_trace(season: Season, tmp_path: Path, method: str) -> None:
    whole = made(make_job(season, method, cube=tmp_path / "whole.zarr"))
    part = make_job(season, method, cube=tmp_path / "part.zarr", start=day(18), end=day(19))
    one = made(part)
    for band in season.bands:
        np.testing.assert_array_equal(
            one[band].values, whole[band].sel(time=one.time).values, err_msg=band
        )


def test_a_new_image_in_the_series_makes_its_days_stale(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files", days=26, every=5, clear=(1, 1))
    job = make_job(season, "whittaker", start=day(6), end=day(9), cube=tmp_path / "cube.zarr")
    made(job)
    # Neither a reference nor, as no image has holes, a filler: only the series holds it.
    path = season.image("fine", day(15))
    write_image(path, image(season, day(15)) * 0.5, season.grid.fine)
    os.utime(path, ns=(1, 1))
    with pytest.raises(StaleError, match=f"tile 0: {day(6)}"):
        run_job(job, scheduler="synchronous")


@pytest.mark.parametrize("hide", [0, 5])
def test_held_out_dates_are_in_no_series(season: Season, tmp_path: Path, hide: int) -> None:
    """The line through what is left, by hand from the files; the hidden ones are NaN there."""
    rules = PairRules(min_clear=0.3, max_span_days=24)
    held = {"start": day(9), "end": day(11), "rules": rules, "cube": tmp_path / "held.zarr"}
    job = make_job(season, "anomaly", **held)
    made(job)
    scores = hold_out(job, ["linear-series", "whittaker", "linear"], hide=[hide])
    images = np.stack([image(season, when) for when in season.fine_days])
    clear = np.isfinite(images).all(1)
    target = season.fine_days[2]
    left = np.array([abs((one - target).days) > hide for one in season.fine_days])
    days = np.array([(one - target).days for one in season.fine_days])
    wanted = []
    for y, x in np.argwhere(clear[2]):
        known = left & clear[:, y, x]
        if known.any():
            wanted.append(np.interp(0, days[known], images[known, 0, y, x]) - images[2, 0, y, x])
    # Pixels whose coarse cells or references are unknown are scored by no method.
    found = of(scores, "linear-series", 10)
    assert 0.7 * len(wanted) < found.pixels <= len(wanted)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(np.square(wanted))), rel=0.05)
    assert of(scores, "whittaker", 10).pixels == found.pixels == of(scores, "linear", 10).pixels
