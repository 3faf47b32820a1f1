import hashlib
import os
import shutil
import warnings
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline import store
from pipeline.local_store import clean, consolidate
from pipeline.store import (
    ChunkAlignmentError,
    CubeError,
    CubeMismatchError,
    create_fused,
    create_input,
    ensure,
    inputs_folder,
    open_cube,
    read_days,
    read_tables,
    write_block,
    write_tables,
)
from tests.synthetic import day, make_grid

BANDS = ("red", "nir08")


@pytest.fixture
def cube(tmp_path):
    create_fused(tmp_path / "a.zarr", make_grid(), [day(10), day(14)], BANDS)
    return tmp_path / "a.zarr"


def _layers(tile, days=1, seed=0):
    noise = np.random.default_rng(seed)
    shape = (days, *tile.shape)
    return {
        "quality": np.ones(shape, np.uint16),
        **{band: noise.integers(0, 9999, shape).astype(np.int16) for band in BANDS},
        "ref_age": noise.integers(0, 99, shape).astype(np.uint8),
    }


def _chunks(path):
    """Every chunk file by its name, hashed."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "zarr.json"
    }


def test_what_is_written_is_read_back_and_nothing_else_changes(cube) -> None:
    grid = make_grid()
    wanted = np.full((5, *grid.shape), -9999, np.int16)
    for tile, numbers in ((grid.tiles[3], (12, 11)), (grid.tiles[0], (14,))):
        layers = _layers(tile, len(numbers), seed=tile.index)
        write_block(cube, layers, days=[day(n) for n in numbers], y=tile.y, x=tile.x)
        for at, n in enumerate(numbers):
            wanted[n - 10, tile.y, tile.x] = layers["red"][at]
    stored = xr.open_zarr(cube, mask_and_scale=False)
    np.testing.assert_array_equal(stored["red"], wanted)
    np.testing.assert_array_equal(stored["quality"] == 1, wanted != -9999)


def test_a_group_of_whole_tiles_is_written_at_once(cube) -> None:
    grid = make_grid()
    image = np.arange(24 * 28, dtype=np.int16).reshape(1, 24, 28)
    write_block(cube, {"red": image}, days=[day(13)], y=slice(0, 24), x=slice(0, 28))
    stored = xr.open_zarr(cube, mask_and_scale=False)["red"]
    np.testing.assert_array_equal(stored[3], image[0])
    assert stored[3, grid.tiles[1].y, grid.tiles[1].x].shape == (16, 12)


@pytest.mark.parametrize(
    ("y", "x"),
    [
        (slice(0, 15), slice(0, 16)),
        (slice(1, 16), slice(0, 16)),
        (slice(0, 16), slice(8, 28)),
        (slice(16, 32), slice(0, 16)),
        (slice(0, 16), slice(16, 27)),
    ],
)
def test_a_write_that_touches_part_of_a_chunk_is_refused_and_leaves_no_trace(cube, y, x) -> None:
    image = np.ones((1, y.stop - y.start, x.stop - x.start), np.int16)
    with pytest.raises(ChunkAlignmentError, match=r"chunks are 16 long.*other tasks own"):
        write_block(cube, {"red": image}, days=[day(13)], y=y, x=x)
    assert not (cube / "red" / "c").exists()


def test_a_block_of_another_type_or_shape_or_day_is_refused(cube) -> None:
    at = {"y": slice(0, 16), "x": slice(0, 16)}
    image = np.ones((1, 16, 16), np.int16)
    with pytest.raises(CubeError, match="float64"):
        write_block(cube, {"red": image.astype(float)}, days=[day(13)], **at)
    with pytest.raises(CubeError, match="for 2 days"):
        write_block(cube, {"red": image}, days=[day(13), day(14)], **at)
    with pytest.raises(CubeError, match=r"2023-05-16 not on the time axis .* extend it"):
        write_block(cube, {"red": image}, days=[day(15)], **at)
    with pytest.raises(CubeError, match="there is no cube at"):
        write_block(cube.with_name("b.zarr"), {"red": image}, days=[day(13)], **at)


def test_quality_is_written_after_the_bands_and_status_after_the_tables(cube, monkeypatch) -> None:
    order = []
    for method in ("__setitem__", "set_coordinate_selection"):
        real = getattr(store.zarr.Array, method)

        def noted(self, *args, real=real):
            order.append(self.basename)
            return real(self, *args)

        monkeypatch.setattr(store.zarr.Array, method, noted)
    tile = make_grid().tiles[0]
    write_block(cube, _layers(tile), days=[day(10)], y=tile.y, x=tile.x)
    write_tables(cube, {"status": 3, "plan_hash": 7, "ref_prev": 5}, days=[day(10)], tile=0)
    assert order[3] == "quality"
    assert order[-1] == "status"
    assert len(order) == 7


def test_tables_are_written_for_one_tile_by_day(cube) -> None:
    large = 2**64 - 3
    write_tables(
        cube,
        {"status": [3, 2], "plan_hash": np.array([large, 1], np.uint64), "ref_prev": 19000},
        days=[day(14), day(11)],
        tile=2,
    )
    tables = read_tables(cube)
    assert tables.days == tuple(day(n) for n in range(10, 15)) == read_days(cube)
    status = np.zeros((5, 4), np.uint8)
    status[4, 2], status[1, 2] = 3, 2
    np.testing.assert_array_equal(tables.arrays["status"], status)
    assert tables.arrays["plan_hash"][4, 2] == large
    assert tables.arrays["ref_prev"].sum() == 2 * 19000
    assert set(tables.arrays) == {
        *("status", "plan_hash", "model_sha", "method", "ref_prev", "ref_next", "coarse_valid")
    }


def test_the_fingerprint_of_a_day_belongs_to_no_tile(tmp_path) -> None:
    path = tmp_path / "fine.zarr"
    create_input(path, "fine", make_grid(), [day(0), day(8)], BANDS)
    write_tables(path, {"fingerprint": 2**63 + 1}, days=[day(8)])
    np.testing.assert_array_equal(
        read_tables(path).arrays["fingerprint"], np.array([0, 2**63 + 1], np.uint64)
    )


def test_an_input_cube_of_an_earlier_version_gets_its_tables_and_is_read_again(tmp_path) -> None:
    path, grid = tmp_path / "fine.zarr", make_grid()
    ensure(path, "fine", grid, [day(0), day(8)], BANDS)
    write_tables(path, {"done": 1}, days=[day(0)], tile=0)
    write_tables(path, {"fingerprint": 7}, days=[day(0)])
    for name in ("clear_share", "cloud_distance"):
        shutil.rmtree(path / name)
    consolidate(path)
    ensure(path, "fine", grid, [day(0), day(4), day(8)], BANDS)
    tables = read_tables(path)
    assert tables.arrays["clear_share"].shape == (3, len(grid.tiles))
    assert tables.arrays["fingerprint"].tolist() == [7, 0, 0]
    assert not tables.arrays["done"].any()
    write_tables(path, {"done": 1}, days=[day(0)], tile=0)
    ensure(path, "fine", grid, [day(0)], BANDS)
    assert read_tables(path).arrays["done"].sum() == 1


@pytest.mark.parametrize(
    ("role", "first", "more"),
    [
        ("fused", {3, 5}, {8}),
        ("fused", {3, 5}, {0}),
        ("fine", {3, 9}, {0, 5, 12}),
    ],
)
def test_an_extended_cube_is_the_one_made_long_at_once(tmp_path, first, more, role) -> None:
    grid = make_grid()
    one, other = tmp_path / "one.zarr", tmp_path / "other.zarr"
    ensure(one, role, grid, [day(n) for n in first], BANDS)
    ensure(other, role, grid, [day(n) for n in first | more], BANDS)
    whole = replace(grid.tiles[1], y=slice(0, grid.shape[0]), x=slice(0, grid.shape[1]))
    tile = grid.tiles[1] if role == "fused" else whole  # small tiles share a chunk of the inputs
    table = "status" if role == "fused" else "done"
    for path in (one, other):
        for n in sorted(first):
            layers = {"red": _layers(tile, seed=n)["red"]}
            write_block(path, layers, days=[day(n)], y=tile.y, x=tile.x)
            write_tables(path, {table: 1 + n % 3}, days=[day(n)], tile=1)
    ensure(one, role, grid, [day(n) for n in more], BANDS)
    assert _chunks(one) == _chunks(other)
    assert read_days(one) == read_days(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xr.testing.assert_equal(xr.open_zarr(one), xr.open_zarr(other))
    seen, wanted = (_but_the_time(xr.open_zarr(path).attrs) for path in (one, other))
    assert seen == wanted


def _but_the_time(attrs: dict[Hashable, Any]) -> dict[Hashable, Any]:
    """Two cubes may be laid out in two different seconds."""
    made = attrs["date_created"]
    known = {key: value for key, value in attrs.items() if key != "date_created"}
    return known | {"history": attrs["history"].replace(made, "then")}


def test_a_cube_extended_and_written_again_leaves_the_old_files_alone(cube) -> None:
    # Extension links files; a later write must replace, not change, what a link shares.
    grid, tile = make_grid(), make_grid().tiles[0]
    write_block(cube, _layers(tile), days=[day(10)], y=tile.y, x=tile.x)
    kept = cube.with_name("kept.zarr")
    shutil.copytree(cube, kept, copy_function=os.link)
    ensure(cube, "fused", grid, [day(8)], BANDS)
    before = _chunks(kept)
    write_block(cube, _layers(tile, seed=9), days=[day(10)], y=tile.y, x=tile.x)
    assert _chunks(kept) == before


@pytest.mark.parametrize("renames", [0, 1])
def test_an_extension_killed_at_any_rename_loses_nothing(cube, monkeypatch, renames) -> None:
    grid, tile = make_grid(), make_grid().tiles[0]
    layers = _layers(tile)
    write_block(cube, layers, days=[day(10)], y=tile.y, x=tile.x)
    done = []
    real = type(cube).rename

    def killed(self, target):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(type(cube), "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure(cube, "fused", grid, [day(8)], BANDS)
    clean(cube)
    assert read_days(cube)[0] in (day(8), day(10))
    ensure(cube, "fused", grid, [day(8)], BANDS)
    stored = xr.open_zarr(cube, mask_and_scale=False)["red"].sel(time=np.datetime64(day(10)))
    np.testing.assert_array_equal(stored[tile.y, tile.x], layers["red"][0])
    assert read_days(cube) == tuple(day(n) for n in range(8, 15))
    assert [path.name for path in cube.parent.iterdir()] == ["a.zarr"]


def test_a_cube_of_another_grid_or_other_bands_is_not_touched(cube) -> None:
    before = _chunks(cube)
    with pytest.raises(CubeMismatchError, match=r"bands \['red', 'nir08'\], asked for \['red'\]"):
        ensure(cube, "fused", make_grid(), [day(20)], ["red"])
    with pytest.raises(CubeMismatchError, match="grid"):
        ensure(cube, "fused", make_grid(rows=8), [day(20)], BANDS)
    assert _chunks(cube) == before
    with pytest.raises(FileExistsError, match=r"a\.zarr"):
        create_fused(cube, make_grid(), [day(0)], BANDS)


def test_a_cube_of_no_days_is_refused(tmp_path) -> None:
    with pytest.raises(CubeError, match="at least one day"):
        ensure(tmp_path / "fine.zarr", "fine", make_grid(), [], BANDS)
    assert not list(tmp_path.iterdir())


def test_cleaning_removes_what_a_killed_writer_left_and_nothing_else(cube) -> None:
    tile = make_grid().tiles[0]
    write_block(cube, _layers(tile), days=[day(10)], y=tile.y, x=tile.x)
    before = _chunks(cube)
    (cube / "red" / "c" / "0" / "0" / "0.0123456789abcdef.partial").write_bytes(b"half")
    (cube.with_name("a.zarr.new") / "red").mkdir(parents=True)
    assert clean(cube) == 2
    assert _chunks(cube) == before
    assert clean(cube) == 0
    assert [path.name for path in cube.parent.iterdir()] == ["a.zarr"]


def test_the_same_values_give_the_same_bytes(tmp_path) -> None:
    grid = make_grid()
    hashes = []
    for name in ("a.zarr", "b.zarr"):
        ensure(tmp_path / name, "fused", grid, [day(0), day(2)], BANDS)
        for tile in grid.tiles:
            layers = _layers(tile, 3, seed=tile.index)
            days = [day(n) for n in range(3)]
            write_block(tmp_path / name, layers, days=days, y=tile.y, x=tile.x)
        hashes.append(_chunks(tmp_path / name))
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) > 4 * 3 * 4


def test_analysts_see_float32_and_nothing_that_was_not_produced(cube) -> None:
    tile = make_grid().tiles[0]
    layers = _layers(tile)
    layers["quality"][0, :8] = 0
    layers["quality"][0, 8, 0] = 4096
    write_block(cube, layers, days=[day(12)], y=tile.y, x=tile.x)
    opened = open_cube(cube)
    assert opened["red"].dtype == np.float32
    assert opened["quality"].dtype == np.uint16
    seen = opened["red"][2, tile.y, tile.x].values
    produced = layers["quality"][0] == 1
    np.testing.assert_array_equal(np.isfinite(seen), produced)
    np.testing.assert_allclose(seen[produced], layers["red"][0][produced] * 1e-4, rtol=1e-6)


def test_inputs_lie_beside_their_cube(tmp_path) -> None:
    assert inputs_folder(tmp_path / "kranj.zarr") == tmp_path / "kranj.inputs"
