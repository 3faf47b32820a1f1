"""Ingest: frozen items, addresses, whole blocks of the input cubes, errors that are told."""

import pickle
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import pytest

from catalogs import BANDS, by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline import cube
from pipeline.grid import Grid
from pipeline.ingest import (
    Collected,
    IngestTask,
    Inputs,
    freeze_inputs,
    ingest_block,
    ingest_tasks,
    open_inputs,
)
from pipeline.store import ensure, read_tables, write_tables
from tests.pipeline.scenes import CLEAR_LAND, box, landsat_item, modis_box, modis_item

START = date(2023, 5, 1)
REFLECTANCE = np.random.default_rng(0).integers(8000, 30000, (6, 130, 150)) * 2.75e-5 - 0.2


def make_grid(tile: int = 48) -> Grid:
    """96 x 112 pixels: 2 x 3 tiles, the last column and no row being partial."""
    return Grid.from_bounds(
        (400335.0, 5100015.0 - 10 * 480, 400335.0 + 7 * 480, 5100015.0 - 4 * 480),
        crs="EPSG:32633",
        tile=tile,
    )


def make_inputs(folder: Path, grid: Grid, **landsat) -> Inputs:
    """Two Landsat days, the second of two scenes, and three MODIS days."""
    a = grid.fine.affine
    scene = box((130, 150), a.c - 10 * 30, a.f + 20 * 30)
    fine = [
        landsat_item(folder, REFLECTANCE, scene, **landsat),
        landsat_item(folder, REFLECTANCE, scene, name="LC08_L2SP_190028_20230503_02_T1"),
        landsat_item(folder, REFLECTANCE + 0.1, scene, name="LC09_L2SP_190029_20230503_02_T1"),
    ]
    window = modis_box((40, 40), 980, 2190)
    coarse = [
        modis_item(
            folder,
            np.full((6, 40, 40), 0.2 + 0.1 * k),
            _around(grid, window),
            day=datetime(2023, 5, 1, tzinfo=UTC) + timedelta(days=k),
        )
        for k in (0, 1, 3)
    ]
    return Inputs(
        grid=grid,
        bands=BANDS,
        drop=(),
        fine=Collected(specs=by_name(LANDSAT_C2_L2), items=tuple(fine)),
        coarse=Collected(specs=by_name(MOD09GA), items=tuple(coarse)),
    )


def _around(grid: Grid, window):
    from pyproj import Transformer

    from tests.pipeline.scenes import PIXEL

    to_sinu = Transformer.from_crs(grid.crs.proj, window.crs.proj, always_xy=True)
    x, y = to_sinu.transform(grid.fine.affine.c, grid.fine.affine.f)
    whole = modis_box((2, 2), 0, 0).affine
    row, col = int((whole.f - y) / PIXEL) // 2 * 2 - 12, int((x - whole.c) / PIXEL) // 2 * 2 - 12
    return modis_box((40, 40), row, col)


def lay_out(folder: Path, inputs: Inputs) -> Path:
    """Frozen items and empty cubes, as the driver leaves them."""
    target = folder / "x.inputs"
    freeze_inputs(target, inputs)
    ensure(target / "fine.zarr", "fine", inputs.grid, inputs.fine.days, BANDS)
    days = [START + timedelta(days=k) for k in range(4)]
    ensure(target / "coarse.zarr", "coarse", inputs.grid, days, BANDS)
    return target


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Inputs:
    """Scenes that no test changes."""
    return make_inputs(tmp_path_factory.mktemp("scenes"), make_grid())


def tasks_of(folder: Path, role: str) -> list[IngestTask]:
    tables = read_tables(folder / f"{role}.zarr")
    return ingest_tasks(
        folder,
        open_inputs(folder),
        role=role,
        days_on_axis=tables.days,
        done=tables.arrays["done"],
    )


def read(folder: Path, role: str, name: str) -> np.ndarray:
    import zarr

    return zarr.open_group(folder / f"{role}.zarr", mode="r")[name][:]


def test_frozen_inputs_are_read_back_as_they_were(tmp_path, inputs) -> None:
    folder = tmp_path / "x.inputs"
    freeze_inputs(folder, inputs)
    again = open_inputs(folder)
    assert again.grid == inputs.grid
    assert again.bands == BANDS
    for one, two in ((again.fine, inputs.fine), (again.coarse, inputs.coarse)):
        assert one.specs == two.specs
        assert one.days == two.days
        assert [one.fingerprint(day) for day in one.days] == [
            two.fingerprint(day) for day in two.days
        ]
    assert open_inputs(folder) is again
    freeze_inputs(folder, replace(inputs, drop=("snow",)))
    assert open_inputs(folder).drop == ("snow",)


def test_a_fingerprint_is_of_the_day_its_items_and_the_facts(inputs) -> None:
    fine = inputs.fine
    first, second = fine.days
    assert fine.fingerprint(first) != fine.fingerprint(second)
    assert fine.fingerprint(date(1999, 1, 1)) == 0
    fewer = replace(fine, items=fine.items[:-1])
    assert fewer.fingerprint(first) == fine.fingerprint(first)
    assert fewer.fingerprint(second) != fine.fingerprint(second)
    stricter = replace(fine, specs=by_name(replace(LANDSAT_C2_L2, reject=("fill",))))
    assert stricter.fingerprint(first) != fine.fingerprint(first)


def test_which_sensor_leads_is_part_of_a_fingerprint_where_there_are_two(inputs) -> None:
    alone = inputs.coarse
    other = alone.items[0].clone()
    other.collection_id = "aqua"
    aqua = replace(MOD09GA, name="aqua")
    both = replace(alone, items=(*alone.items, other), specs=by_name(MOD09GA, aqua))
    turned = replace(both, specs=by_name(aqua, MOD09GA))
    first, *later = both.days
    assert turned.fingerprint(first) != both.fingerprint(first)
    for day in later:
        assert turned.fingerprint(day) == both.fingerprint(day) == alone.fingerprint(day)


@pytest.mark.parametrize("tile", [16, 48, 512])
def test_small_tiles_are_read_together(inputs, tile: int) -> None:
    grid = make_grid(tile)
    tasks = ingest_tasks(
        "x",
        replace(inputs, grid=grid),
        role="fine",
        days_on_axis=inputs.fine.days,
        done=np.zeros((2, len(grid.tiles)), np.uint8),
    )
    assert [task.day for task in tasks] == list(inputs.fine.days)
    assert all(task.tiles == tuple(range(len(grid.tiles))) for task in tasks)


def test_groups_of_a_large_region_partition_its_tiles(inputs) -> None:
    grid = Grid.from_bbox((14.0, 46.0, 14.9, 46.4), tile=512)
    tasks = ingest_tasks(
        "x",
        replace(inputs, grid=grid),
        role="fine",
        days_on_axis=inputs.fine.days,
        done=np.zeros((2, len(grid.tiles)), np.uint8),
    )
    first = [task.tiles for task in tasks if task.day == START]
    assert sorted(index for tiles in first for index in tiles) == list(range(len(grid.tiles)))
    for tiles in first:
        rows = {grid.tiles[index].row for index in tiles}
        cols = {grid.tiles[index].col for index in tiles}
        assert len(tiles) == len(rows) * len(cols)
        assert len(rows) <= 2
        assert len(cols) <= 2


def test_blocks_hold_what_the_scenes_hold(tmp_path, inputs) -> None:
    folder = lay_out(tmp_path, inputs)
    for role in ("fine", "coarse"):
        for task in tasks_of(folder, role):
            report = ingest_block(pickle.loads(pickle.dumps(task)))
            assert report.error is None
            assert report.task == task
            assert report.clear_pixels > 0
    expected = REFLECTANCE[:, 20:116, 10:122]
    for k, band in enumerate(BANDS):
        stored = cube.unpack(read(folder, "fine", band))
        np.testing.assert_allclose(stored[0], expected[k], atol=0.51e-4)
        np.testing.assert_allclose(stored[1], expected[k], atol=0.51e-4)
        coarse = cube.unpack(read(folder, "coarse", band))
        for day, value in ((0, 0.2), (1, 0.3), (3, 0.5)):
            np.testing.assert_allclose(coarse[day], value, atol=0.51e-4)
        assert np.isnan(coarse[2]).all()
    assert (read(folder, "fine", "clear") == 1).all()
    assert (read(folder, "fine", "source") == 1).all()
    assert read(folder, "coarse", "clear").reshape(4, -1).mean(axis=1).tolist() == [1, 1, 0, 1]
    assert inputs.coarse.days == (START, START + timedelta(1), START + timedelta(3))


def test_any_order_of_tasks_and_any_chunk_size_give_the_same_pixels(
    tmp_path, inputs, monkeypatch
) -> None:
    folder = lay_out(tmp_path, inputs)
    for task in tasks_of(folder, "fine"):
        ingest_block(task)
    monkeypatch.setattr("pipeline.grid.READ_TOGETHER", 1)  # every tile in a chunk of its own
    monkeypatch.setattr("pipeline.ingest.GROUP_PX", 1)  # and read by itself
    again = lay_out(tmp_path / "again", inputs)
    apart = tasks_of(again, "fine")
    assert all(len(task.tiles) == 1 for task in apart)
    for task in reversed(apart):
        assert ingest_block(task).error is None
    for name in (*BANDS, "clear", "surface", "source"):
        np.testing.assert_array_equal(read(folder, "fine", name), read(again, "fine", name))


def test_surface_holds_water_snow_and_poor_input_of_clear_pixels(tmp_path) -> None:
    grid = make_grid()
    qa = np.full((130, 150), CLEAR_LAND, np.uint16)
    qa[30, 30] |= 1 << 7
    qa[31, 31] |= 1 << 5
    qa[32, 32] |= 1 << 7 | 1  # fill
    radsat = np.zeros((130, 150), np.uint16)
    radsat[33, 33] = 4  # green saturated
    aerosol = np.full((130, 150), 2, np.uint8)
    aerosol[34, 34] = 3 << 6 | 2
    bright = {"blue": np.full((130, 150), 65500, np.uint16)}  # 1.6012, beyond the packing
    folder = lay_out(
        tmp_path,
        make_inputs(tmp_path / "a", grid, qa=qa, radsat=radsat, dn={"qa_aerosol": aerosol}),
    )
    ingest_block(tasks_of(folder, "fine")[0])
    surface = read(folder, "fine", "surface")[0]
    assert surface[10, 20] == cube.WATER
    assert surface[11, 21] == cube.SNOW
    assert surface[12, 22] == 0
    assert surface[13, 23] == 0
    assert surface[14, 24] == cube.HIGH_AEROSOL
    assert np.count_nonzero(surface) == 3
    gone = np.argwhere(read(folder, "fine", "clear")[0] == 0)
    assert sorted(map(tuple, gone)) == [(12, 22), (13, 23)]
    folder = lay_out(tmp_path / "b", make_inputs(tmp_path / "b", grid, dn=bright))
    tasks = tasks_of(folder, "fine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.native.PLAUSIBLE", (-1, 2))
        report = ingest_block(tasks[0])
    assert report.clipped_pixels == 96 * 112
    assert (read(folder, "fine", "surface")[0] == cube.HIGH_AEROSOL).all()
    assert (read(folder, "fine", "blue")[0] == cube.VALID_MAX).all()


def test_a_fine_task_reports_what_each_of_its_tiles_sees_clear(tmp_path) -> None:
    qa = np.full((130, 150), CLEAR_LAND, np.uint16)
    qa[20:60, :60] |= 1 << 3
    inputs = make_inputs(tmp_path, make_grid(), qa=qa)
    folder = lay_out(tmp_path, inputs)
    task = tasks_of(folder, "fine")[0]
    report = ingest_block(task)
    clear = read(folder, "fine", "clear")[0] != 0
    assert 0 < clear.mean() < 1
    for at, index in enumerate(task.tiles):
        tile = inputs.grid.tiles[index]
        seen = clear[tile.y, tile.x]
        assert report.clear_share[at] == pytest.approx(seen.mean())
        assert (report.cloud_distance[at] > 0) == seen.any()
    assert min(report.cloud_distance) < max(report.cloud_distance)
    coarse = ingest_block(tasks_of(folder, "coarse")[0])
    assert (coarse.clear_share, coarse.cloud_distance) == ((), ())


def test_only_what_is_not_done_is_asked_for(tmp_path, inputs) -> None:
    folder = lay_out(tmp_path, inputs)
    tiles = len(inputs.grid.tiles)
    first, second = inputs.fine.days
    for index in range(tiles):
        write_tables(folder / "fine.zarr", {"done": 1}, days=[first], tile=index)
    write_tables(folder / "fine.zarr", {"done": 1}, days=[second], tile=0)
    assert [task.day for task in tasks_of(folder, "fine")] == [second]
    write_tables(folder / "coarse.zarr", {"done": 1}, days=[START], tile=0)
    later = [START + timedelta(days=1), START + timedelta(days=3)]
    assert [task.day for task in tasks_of(folder, "coarse")] == later


def test_an_unreadable_asset_is_reported_with_its_place_and_nothing_is_written(tmp_path) -> None:
    inputs = make_inputs(tmp_path, make_grid())
    folder = lay_out(tmp_path, inputs)
    broken = Path(inputs.fine.items[0].assets["nir08"].href)
    broken.write_bytes(b"not a tif")
    tasks = tasks_of(folder, "fine")
    reports = [ingest_block(task) for task in tasks]
    assert reports[1].error is None
    message = reports[0].error
    assert message is not None
    for part in ("2023-05-01", "tiles 0 to 5", "'nir08'", "LC08_L2SP_190028", str(broken)):
        assert part in message
    assert (read(folder, "fine", "clear")[0] == 0).all()
    assert (read(folder, "fine", "red")[0] == cube.FILL).all()


def test_a_pass_before_utc_midnight_and_the_coarse_image_of_that_morning_share_a_day(
    tmp_path,
) -> None:
    ground = box((8, 8), 400_000, 6_100_000, crs="EPSG:32655")  # Coleambally, 146 E
    image = np.full((len(BANDS), 8, 8), 0.2, np.float32)
    landsat = landsat_item(
        tmp_path, image, ground, name="LC09_L2SP_093084_20230501_02_T1", bands=BANDS
    )
    landsat.datetime = datetime(2023, 5, 1, 23, 50, tzinfo=UTC)
    known = dict(landsat.to_dict(), id="MOD09GA.A2023122.h29v12.061.2023124000000")
    morning = pystac.Item.from_dict(known)
    fine = Collected(specs={LANDSAT_C2_L2.name: LANDSAT_C2_L2}, items=(landsat,))
    coarse = Collected(specs={MOD09GA.name: MOD09GA}, items=(morning,))
    assert fine.days == coarse.days == (date(2023, 5, 2),)
