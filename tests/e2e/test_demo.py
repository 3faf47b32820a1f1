"""The embedded sample, end to end: fused, scored against its truth, drawn."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from typer.testing import CliRunner

from flows.cli import app
from flows.config import region_job
from pipeline.cube import day_number
from pipeline.report import picture
from pipeline.run import executor, run_job
from pipeline.sample import write_sample
from pipeline.score import BASELINES, score
from pipeline.store import read_tables

CORNER = "[16.615, 48.17, 16.665, 48.205]"
"""A part of the region with the river in it, small enough for every test run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    write_sample(out, seed=0, days=70)
    region = (out / "region.yaml").read_text()
    region = re.sub(r"bbox: \[.*?\]", f"bbox: {CORNER}", region)
    region = region.replace("start: 2023-05-26", "start: 2023-06-05")
    (out / "part.yaml").write_text(region.replace("end: 2023-07-09", "end: 2023-06-20"))
    return out


@pytest.fixture(scope="module")
def cube(folder: Path) -> Path:
    job = region_job(folder / "part.yaml")
    summary = run_job(job, workers=2)
    assert summary.ok, summary.errors
    return job.cube


def test_an_analyst_opens_the_cube_with_one_line(cube: Path) -> None:
    opened = xr.open_zarr(cube)
    assert dict(opened.sizes)["time"] == 16
    assert opened.spatial_ref.attrs["crs_wkt"].startswith('PROJCRS["WGS 84 / UTM zone 33N"')
    made = (opened.quality & 1) != 0
    for band in ("blue", "green", "red", "nir08", "swir16", "swir22"):
        assert (opened[band].notnull() == made).all()
        assert 0 < float(opened[band].mean()) < 0.6


def test_ninety_five_percent_are_produced_and_the_rest_has_a_name(folder: Path, cube: Path) -> None:
    job = region_job(folder / "part.yaml")
    opened = xr.open_zarr(cube)
    tables = read_tables(cube).arrays
    made = (opened.quality & 1) != 0
    assert float(made.mean()) >= 0.95
    named = (opened.quality & (4096 | 8192)) != 0
    for tile in job.grid.tiles:
        gap = (tables["status"][:, tile.index] >= 10)[:, None, None]
        assert ((made | named).values[:, tile.y, tile.x] | gap).all()


def test_both_kinds_of_pixels_are_there_and_flagged(cube: Path) -> None:
    quality = xr.open_zarr(cube).quality.values
    observed, fused = (quality & 2) != 0, (quality & 4) != 0
    assert observed.any()
    assert fused.any()
    assert not (observed & fused).any()


def test_sa_stf_beats_every_naive_method_on_a_part_of_the_region(folder: Path, cube: Path) -> None:
    job = region_job(folder / "part.yaml")
    with executor(scheduler="synchronous") as ex:
        own, *naive = score(job, folder / "truth.zarr", ex)
    assert own["method"] == "sa-stf"
    assert {row["method"] for row in naive} == set(BASELINES)
    assert own["RMSE all"] < min(row["RMSE all"] for row in naive)


def test_the_picture_shows_a_flooded_day(folder: Path, cube: Path, tmp_path: Path) -> None:
    job = region_job(folder / "part.yaml")
    drawn = imread(picture(job, folder / "truth.zarr", tmp_path / "demo.png"))
    assert drawn.shape[1] > 1000
    assert len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) > 1000


def test_the_pipeline_does_without_the_truth(folder: Path, cube: Path, tmp_path: Path) -> None:
    hidden = (folder / "truth.zarr").rename(tmp_path / "truth.zarr")
    try:
        job = replace(region_job(folder / "part.yaml"), cube=tmp_path / "again.zarr")
        assert run_job(job, workers=2).ok
    finally:
        hidden.rename(folder / "truth.zarr")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_all_ninety_days_beat_every_naive_method(tmp_path: Path) -> None:
    write_sample(tmp_path, seed=0, days=90)
    job = region_job(tmp_path / "region-full.yaml")
    assert run_job(job).ok
    with executor() as ex:
        own, *naive = score(job, tmp_path / "truth.zarr", ex)
    for column in ("RMSE all", "RMSE flooded", "RMSE harvested"):
        assert own[column] < min(row[column] for row in naive), column
    tables = read_tables(job.cube)
    days = np.array([day_number(day) for day in tables.days])
    made = ((xr.open_zarr(job.cube).quality & 1) != 0).values
    inside: list[np.ndarray] = []
    for tile in job.grid.tiles:
        before, after = (tables.arrays[name][:, tile.index] for name in ("ref_prev", "ref_next"))
        between = (days > before[before > 0].min()) & (days < after.max())
        assert between.sum() > 45
        inside.append(made[between, tile.y, tile.x])
    produced = sum(one.sum() for one in inside) / sum(one.size for one in inside)
    assert produced >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_demo_command_ends_with_a_table_a_cube_and_a_picture(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "demo"), "--workers", "2"])
    assert result.exit_code == 0, result.output
    own = next(line for line in result.stdout.splitlines() if line.startswith("sa-stf"))
    assert own.count("*") == 3, "the star of every column is SA-STF's"
    assert (tmp_path / "demo" / "demo.png").stat().st_size > 100_000
    assert (tmp_path / "demo" / "demo.zarr" / "zarr.json").exists()
