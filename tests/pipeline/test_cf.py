"""A cube says what it is in the words of CF and of the zarr conventions."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
import zarr
from pyproj import CRS

from pipeline.grid import Grid
from pipeline.job import Job
from pipeline.local_store import consolidate
from pipeline.store import ensure, open_cube
from tests.cf import faults
from tests.pipeline.test_run import run_here
from tests.season import make_season
from tests.synthetic import day

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    season = make_season(tmp_path_factory.mktemp("cf") / "files", bands=BANDS, days=17)
    job = season.job(institution="A Farm", license="CC-BY-4.0")
    run_here(job)
    return job


def test_a_published_cube_keeps_the_rules(job: Job) -> None:
    assert faults(job.cube, published=True) == []


@pytest.mark.parametrize("role", ["fine", "coarse"])
def test_the_inputs_keep_the_rules_too(job: Job, role: str) -> None:
    path = job.inputs / f"{role}.zarr"
    consolidate(path)
    assert faults(path, published=False) == []


def test_a_cube_with_uncertainty_in_a_crs_without_a_code_keeps_the_rules(tmp_path: Path) -> None:
    laea = CRS("+proj=laea +lat_0=48 +lon_0=15 +x_0=4e6 +y_0=3e6 +datum=WGS84 +units=m").to_wkt()
    grid = Grid.from_bounds((4e6, 3e6, 4e6 + 960, 3e6 + 960), crs=laea, ratio=4, tile=16)
    assert grid.crs.to_epsg() is None
    ensure(tmp_path / "a.zarr", "fused", grid, [day(0), day(4)], BANDS, sigma=True)
    assert faults(tmp_path / "a.zarr", published=False) == []
    assert "sigma_red" in zarr.open_group(tmp_path / "a.zarr", mode="r")


@pytest.mark.parametrize(
    ("array", "attrs", "fault"),
    [
        (None, {"license": ""}, "no global attribute license"),
        (None, {"history": "made by hand"}, "without a time stamp"),
        (None, {"Conventions": "COARDS"}, "does not name CF"),
        (None, {"spatial:shape": [1, 1]}, "spatial:shape"),
        (None, {"spatial:bbox": [0, 0, 1, 1]}, "spatial:bbox"),
        (None, {"proj:code": "EPSG:32634"}, "another CRS"),
        (None, {"proj:wkt2": "too much"}, "exactly one CRS"),
        (None, {"zarr_conventions": []}, "proj is not registered"),
        (None, {"geospatial_lat_max": 0}, "geospatial_"),
        (None, {"time_coverage_end": "2023-12-31"}, "time_coverage_"),
        ("red", {"standard_name": "surface_reflectance"}, "not in the table"),
        ("red", {"units": "percent"}, "unknown to UDUNITS"),
        ("red", {"_FillValue": -99999}, "is no int16"),
        ("red", {"_FillValue": 0}, "in the valid range"),
        ("red", {"grid_mapping": "crs"}, "no grid_mapping"),
        ("red", {"ancillary_variables": "qa"}, "qa does not exist"),
        ("red", {"ancillary_variables": "status"}, "other dimensions"),
        ("quality", {"flag_masks": [1, 70000]}, "not of the type uint16"),
        ("quality", {"flag_meanings": "produced"}, "different lengths"),
        ("status", {"flag_values": [0] * 9}, "repeat"),
        ("ref_prev", {"calendar": None}, "no calendar"),
        ("spatial_ref", {"longitude_of_central_meridian": 9.0}, "not its WKT"),
        ("x", {"axis": "Y"}, "no axis X"),
    ],
)
def test_the_check_sees_a_broken_rule(job: Job, tmp_path: Path, array, attrs, fault) -> None:
    cube = tmp_path / "broken.zarr"
    shutil.copytree(job.cube, cube)
    root = zarr.open_group(cube, mode="r+")
    node = root if array is None else root[array]
    for name, value in attrs.items():
        node.attrs[name] = value
        if value is None:
            del node.attrs[name]
    consolidate(cube)
    assert any(fault in line for line in faults(cube, published=True))


@pytest.mark.parametrize("opened", [xr.open_zarr, open_cube])
def test_a_plain_open_knows_crs_and_transform_and_warns_of_nothing(job: Job, opened) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cube = opened(job.cube)
        red = cube["red"].isel(time=3).load()
    box = job.grid.fine
    for known in (cube, cube["red"], red, cube["quality"], cube["red"].isel(y=slice(4, 9))):
        assert known.rio.crs.to_epsg() == 32633
        assert known.rio.resolution() == (30, -30)
    assert red.rio.transform() == box.affine
    assert red.rio.bounds() == tuple(box.boundingbox.bbox)
    window = rasterio.windows.Window(4, 8, 10, 12)
    part = cube["red"].rio.isel_window(window)
    assert part.rio.transform(recalc=True) == rasterio.windows.transform(window, box.affine)


def test_a_day_written_by_rioxarray_lands_where_the_cube_is(job: Job, tmp_path: Path) -> None:
    day_of_cube = open_cube(job.cube)[list(BANDS)].isel(time=5)
    day_of_cube.rio.to_raster(tmp_path / "day.tif")
    with rasterio.open(tmp_path / "day.tif") as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, job.grid.fine.affine)
        np.testing.assert_array_equal(file.read(3), day_of_cube["red"])


def test_gdal_opens_a_band_with_its_place_and_scale(job: Job) -> None:
    # The GDAL in rasterio's wheels for Python 3.11 is 3.10, which fails on the codec "bytes" of
    # the final Zarr v3; Debian 12 has 3.6.  Neither pip nor apt can install a newer one there.
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 12):
        pytest.skip(f"needs GDAL 3.12 for Zarr v3; rasterio has {rasterio.__gdal_version__}")
    stored = zarr.open_group(job.cube, mode="r")["red"][5]
    with rasterio.open(f'ZARR:"{job.cube}":/red:5') as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, job.grid.fine.affine)
        assert (file.scales, file.nodata) == ((1e-4,), -9999)
        np.testing.assert_array_equal(file.read(1), stored)
