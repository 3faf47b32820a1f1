"""The uncertainty of a cube: how it is stored, when it is there, what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from model.card import read_card, write_card
from pipeline.cube import arrays
from pipeline.fuse import fuse_tile
from pipeline.job import Method
from pipeline.quality import Quality
from pipeline.recipe import load_recipe
from pipeline.sigma import LARGEST, pack_sigma
from pipeline.store import create_fused, ensure, holds_sigma, open_cube, write_block
from pipeline.validate import Moments
from tests.model.makers import make_calibration, write_checkpoint
from tests.pipeline.test_fuse import BANDS, carry_out, make_region, read
from tests.synthetic import day, make_grid

NAMES = tuple(f"sigma_{band}" for band in BANDS)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint(tmp_path_factory.mktemp("weights"), trained=False, bands=BANDS)
    write_card(folder, read_card(folder) | {"uncertainty": [make_calibration(BANDS).to_dict()]})
    return folder


@given(st.floats(1e-4, LARGEST * 1e-4))
def test_a_packed_sigma_is_at_most_a_sixtieth_off(value: float) -> None:
    packed = pack_sigma(np.array([value]))[0]
    assert packed >= 1
    assert abs(packed * 1e-4 - value) <= max(value / 60, 0.51e-4)


def test_what_is_not_stated_is_stored_as_zero_and_nothing_else_is() -> None:
    packed = pack_sigma(np.array([np.nan, 0.0, 1e-9, 0.01, 1e9], np.float32))
    np.testing.assert_array_equal(packed, [0, 1, 1, 100, LARGEST])


def test_a_cube_names_its_uncertainty_where_it_holds_one(tmp_path: Path) -> None:
    grid = make_grid()
    for sigma in (False, True):
        specs = arrays("fused", grid, 3, BANDS, sigma=sigma)
        assert [name for name in specs if name.startswith("sigma")] == list(NAMES) * sigma
        wanted = "quality ref_age" + " sigma_red" * sigma
        assert specs["red"].attrs["ancillary_variables"] == wanted
    assert specs["sigma_red"].chunks == specs["red"].chunks


def test_a_cube_gets_room_for_sigma_later_and_keeps_all_it_holds(tmp_path: Path) -> None:
    path, grid = tmp_path / "a.zarr", make_grid()
    create_fused(path, grid, [day(0), day(1)], BANDS)
    tile = grid.tiles[0]
    seen = np.full((1, *tile.shape), 77, np.int16)
    write_block(path, {"red": seen}, days=[day(1)], y=tile.y, x=tile.x)
    assert not holds_sigma(path, BANDS)
    for _ in range(2):
        ensure(path, "fused", grid, [day(0), day(1)], BANDS, sigma=True)
    assert holds_sigma(path, BANDS)
    written = np.full((1, *tile.shape), 40, np.uint16)
    write_block(path, {"sigma_red": written}, days=[day(1)], y=tile.y, x=tile.x)

    ensure(path, "fused", grid, [day(-1), day(2)], BANDS)  # a run that states none

    opened = xr.open_zarr(path)
    assert opened["red"].attrs["ancillary_variables"] == "quality ref_age sigma_red"
    np.testing.assert_allclose(opened["red"][2, tile.y, tile.x], 0.0077)
    np.testing.assert_allclose(opened["sigma_red"][2, tile.y, tile.x], 0.004)
    assert np.isnan(opened["sigma_red"][2, tile.y.stop :]).all()
    assert np.isnan(opened["sigma_nir08"]).all()


def test_every_fused_pixel_states_its_sigma_and_no_other_does(
    tmp_path: Path, calibrated: Path
) -> None:
    made = make_region(tmp_path, method="sa-stf", checkpoint=calibrated, days=(7, 10))
    carry_out(made.plan.tasks)
    layers = read(made, "quality", *NAMES)
    fused = (layers["quality"] & Quality.FUSED) != 0
    assert fused.any()
    assert not fused.all()
    for name in NAMES:
        np.testing.assert_array_equal(np.isfinite(layers[name]), fused)
        assert (layers[name][fused] > 0.001).all()
    stored = zarr.open_group(made.job.cube, mode="r")
    assert (np.asarray(stored["sigma_red"])[~fused] == 0).all()


def test_another_method_leaves_nothing_of_what_one_before_stated(
    tmp_path: Path, calibrated: Path
) -> None:
    made = make_region(tmp_path, method="sa-stf", checkpoint=calibrated, days=(10, 11))
    tasks = made.plan.tasks
    carry_out(tasks)
    stated = read(made, *NAMES)
    assert np.isfinite(stated["sigma_red"]).any()

    method = Method(name="anomaly", checkpoint=None)
    recipe = replace(
        made.plan.recipe,
        job=replace(made.job, method=method),
        sha=method.card().sha,
    )
    replace(made.plan, recipe=recipe).save()
    assert load_recipe(tasks[0].plan).sha == "naive:anomaly"
    assert fuse_tile(tasks[0], "cpu").error is None
    tile = made.job.grid.tiles[tasks[0].tile]
    after = open_cube(made.job.cube)
    assert np.isnan(after["sigma_red"][:, tile.y, tile.x]).all()
    assert np.isfinite(after["red"][:, tile.y, tile.x]).any()


def test_coverage_counts_the_pixels_within_the_interval() -> None:
    seen = np.zeros(4, np.float32)
    fused = np.array([0.01, 0.02, -0.01, 0.5], np.float32)
    sigma = np.full(4, 0.01, np.float32)
    both = Moments.of(fused, seen, sigma) + Moments.of(fused[:2], seen[:2], sigma[:2])
    assert (both.stated, both.covered) == (6, 3)
    assert both.coverage == 0.5
    assert np.isnan(Moments.of(fused, seen).coverage)
