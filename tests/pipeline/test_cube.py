import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from pipeline.cube import Status, daily, day_date, day_number, pack, unpack
from pipeline.quality import MEANINGS, Quality
from pipeline.store import create_fused, create_input, write_block, write_tables
from tests.synthetic import day, make_grid

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")


@pytest.fixture
def cube(tmp_path):
    create_fused(tmp_path / "a.zarr", make_grid(), [day(0), day(4)], BANDS, {"title": "Kranj"})
    return tmp_path / "a.zarr"


def test_packing_undoes_unpacking_for_every_stored_value() -> None:
    stored = np.append(np.arange(-2000, 16001), -9999).astype(np.int16)
    packed, clipped = pack(unpack(stored))
    np.testing.assert_array_equal(packed, stored)
    assert not clipped.any()


@given(st.floats(width=32) | st.floats(-0.25, 1.75, width=32))
@example(float(np.finfo(np.float32).max))
def test_packing_rounds_clips_and_says_where(value) -> None:
    packed, clipped = pack(np.array([value], np.float32))
    if not np.isfinite(value):
        assert (packed[0], clipped[0]) == (-9999, False)
    elif clipped[0]:
        assert packed[0] == (16000 if value > 0 else -2000)
        assert value > 1.6 or value < -0.2
    else:
        assert -2000 <= packed[0] <= 16000
        assert abs(packed[0] - value / 1e-4) < 0.501  # float32 has 0.001 DN to spare up here


@given(st.dates())
def test_day_numbers_count_from_1970(when) -> None:
    assert day_date(day_number(when)) == when
    assert day_number(when) == (np.datetime64(when) - np.datetime64("1970-01-01")).astype(int)


def test_daily_has_both_ends() -> None:
    assert daily(day(0), day(2)) == (day(0), day(1), day(2))


def test_a_plain_open_gives_scaled_values_nan_and_the_crs_without_a_warning(cube) -> None:
    grid = make_grid()
    tile = grid.tiles[0]
    seen = np.full((1, *tile.shape), 1234, np.int16)
    seen[0, 0, 0] = -9999
    write_block(cube, {"red": seen}, days=[day(1)], y=tile.y, x=tile.x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_zarr(cube)
        red = opened["red"].values
    assert opened.title == "Kranj"
    assert np.isnan(red[0]).all()
    assert np.isnan(red[1, 0, 0])
    np.testing.assert_allclose(red[1, tile.y, tile.x].ravel()[1:], 0.1234)
    assert np.isnan(red[1, tile.y.stop :]).all()
    assert "spatial_ref" in opened["red"].coords
    assert CRS.from_wkt(opened["spatial_ref"].attrs["crs_wkt"]).to_epsg() == 32633
    assert opened["spatial_ref"].attrs["grid_mapping_name"] == "transverse_mercator"
    np.testing.assert_array_equal(opened["time"], np.array(daily(day(0), day(4)), "M8[ns]"))
    left, bottom, right, top = grid.fine.boundingbox.bbox
    assert (opened["x"][0], opened["y"][0]) == (left + 15, top - 15)
    assert (opened["x"][-1], opened["y"][-1]) == (right - 15, bottom + 15)


def test_words_stay_integers_and_references_become_dates_when_opened(cube) -> None:
    kinds = {name: str(array.dtype) for name, array in xr.open_zarr(cube).data_vars.items()}
    assert {name: kind for name, kind in kinds.items() if name not in BANDS} == {
        "quality": "uint16",
        "ref_age": "uint8",
        "status": "uint8",
        "ref_prev": "datetime64[ns]",
        "ref_next": "datetime64[ns]",
        "coarse_valid": "float32",
        "plan_hash": "uint64",
        "model_sha": "uint64",
        "method": "uint8",
    }
    assert (xr.open_zarr(cube)["ref_age"] == 255).all()
    write_tables(cube, {"ref_prev": day_number(day(0))}, days=[day(1)], tile=2)
    opened = xr.open_zarr(cube)["ref_prev"]
    assert opened[1, 2] == np.datetime64(day(0))
    assert opened.isnull().sum() == opened.size - 1


def test_flags_are_told_in_the_attributes_bit_by_bit(cube) -> None:
    opened = xr.open_zarr(cube)
    quality, status = opened["quality"].attrs, opened["status"].attrs
    assert quality["flag_masks"] == [1 << n for n in range(15)]
    assert len(quality["flag_meanings"].split()) == len(Quality) == 15
    assert MEANINGS.split()[Quality.NO_COARSE.bit_length() - 1] == "no_coarse"
    assert status["flag_values"] == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert status["flag_meanings"].split()[5] == Status(10).name.lower()


def test_the_zarr_conventions_say_where_the_pixels_lie(cube) -> None:
    attrs, grid = zarr.open_group(cube, mode="r").attrs, make_grid()
    assert attrs["spatial:transform"] == list(grid.fine.affine[:6])
    assert attrs["spatial:shape"] == list(grid.shape)
    assert attrs["spatial:bbox"] == list(grid.fine.boundingbox.bbox)
    assert attrs["proj:code"] == "EPSG:32633"
    assert [one["uuid"][:8] for one in attrs["zarr_conventions"]] == ["689b58e2", "f17cb550"]
    left, bottom, right, top = (
        attrs[f"geospatial_{name}"] for name in ("lon_min", "lat_min", "lon_max", "lat_max")
    )
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    xmin, ymin, xmax, ymax = grid.fine.boundingbox.bbox
    corners = [to_degrees.transform(x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
    lons, lats = zip(*corners, strict=True)
    np.testing.assert_allclose((left, right), (min(lons), max(lons)), atol=1e-5)
    np.testing.assert_allclose((bottom, top), (min(lats), max(lats)), atol=1e-5)


def test_chunks_are_a_day_of_a_tile_and_the_time_axis_is_complete(cube) -> None:
    root = zarr.open_group(cube, mode="r")
    assert root["red"].chunks == (1, 16, 16)
    assert root["red"].shape == (5, 24, 28)
    assert root["red"].metadata.dimension_names == ("time", "y", "x")
    assert root["status"].shape == (5, 4)
    assert root["time"].dtype == np.int64


def test_input_cubes_have_their_own_grid_axis_and_layers(tmp_path) -> None:
    grid = make_grid()
    for role in ("fine", "coarse"):
        create_input(tmp_path / role, role, grid, [day(3), day(0)], ["red"])
    fine, coarse = (zarr.open_group(tmp_path / role, mode="r") for role in ("fine", "coarse"))
    assert fine["red"].shape == (2, 24, 28)
    assert fine["done"].shape == (2, 4)
    assert coarse["red"].shape == (4, 6, 7) == coarse["clear"].shape
    assert coarse["red"].chunks == (1, 6, 7)
    assert coarse["done"].shape == (4, 1)
    for root in (fine, coarse):
        kinds = {name: str(array.dtype) for name, array in root.arrays()}
        assert kinds["clear"] == kinds["surface"] == kinds["done"] == "uint8"
        assert (kinds["source"], kinds["fingerprint"]) == ("uint16", "uint64")
    opened = xr.open_zarr(tmp_path / "coarse")
    left, _, _, top = grid.fine.boundingbox.bbox
    assert (opened["x"][0], opened["y"][0]) == (left + 60, top - 60)
