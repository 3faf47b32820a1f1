"""How much of each tile the coarse images show, and the gaps that they leave."""

from datetime import timedelta

import numpy as np
import pytest
import zarr

from model.block import COARSE_PAD
from pipeline.coarse_share import coarse_share
from pipeline.cube import FILL
from pipeline.grid import Grid
from pipeline.images import Window
from pipeline.pairs import Bracket, Candidate, bracket, fillers, reference_dates, runs
from pipeline.quality import Quality
from pipeline.references import BlockAddress, read_block
from pipeline.store import ensure, read_tables
from tests.pipeline.clouded import BANDS, FINE_DAYS, STATISTICS, WINDOW, World, coarse_image
from tests.synthetic import day, make_clouds, make_coarse, make_grid, make_inputs, make_world


def _cells(grid: Grid) -> list[Window]:
    return [grid.coarse_window(tile.y, tile.x) for tile in grid.tiles]


def test_shares_are_those_of_the_masks(tmp_path) -> None:
    world = World(tmp_path, seed=5, coarse_clear=(0.1, 0.5))
    grid = world.grid
    tables = read_tables(world.folder / "fine.zarr")
    assert tables.days == tuple(map(day, FINE_DAYS))
    clear = tables.arrays["clear_share"]
    share = coarse_share(world.folder, _cells(grid), coarse_fill_days=WINDOW)
    assert share.days == tuple(day(n) for n in range(24))
    for tile in grid.tiles:
        for at, n in enumerate(FINE_DAYS):
            seen = np.isfinite(world.fine[n][:, tile.y, tile.x]).all(0)
            assert clear[at, tile.index] == pytest.approx(seen.mean())
        y, x = grid.coarse_window(tile.y, tile.x)
        for n in range(24):
            cells = np.isfinite(world.coarse[n][:, y, x]).all(0)
            assert share.clear[n, tile.index] == pytest.approx(cells.mean())
            filled = np.isfinite(coarse_image(world, n)[0][:, y, x]).all(0)
            assert share.known[n, tile.index] == pytest.approx(filled.mean())


def test_nothing_is_filled_beyond_the_end_of_the_coarse_record(tmp_path) -> None:
    grid = make_grid()
    world = make_world(grid=grid, days=10)
    coarse = {day(n): make_coarse(world=world[n], ratio=grid.ratio) for n in (2, 3, 5, 6)}
    folder = make_inputs(folder=tmp_path, grid=grid, fine={day(2): world[2]}, coarse=coarse)
    axis = [day(n) for n in range(10)]
    ensure(folder / "coarse.zarr", "coarse", grid, axis, BANDS)
    share = coarse_share(folder, _cells(grid), coarse_fill_days=3)
    np.testing.assert_array_equal(share.known[:, 0], [0, 0, 1, 1, 1, 1, 1, 0, 0, 0])


def test_a_season_of_clouds_is_produced_to_95_percent_between_its_references(tmp_path) -> None:
    # Landsat every 8 days, 20-70 % clear; the coarse sensor 30-60 % clear every day.
    grid = make_grid(rows=8, cols=8, tile_cells=8)
    world = make_world(grid=grid, days=90)
    sky = make_clouds(shape=(90, *grid.shape), clear=(0.2, 0.7), size=8, seed=8)
    fine = {day(n): np.where(sky[n], world[n], np.nan) for n in range(0, 90, 8)}
    coarse = make_coarse(world=world, ratio=grid.ratio)
    haze = make_clouds(shape=(90, 8, 8), clear=(0.3, 0.6), size=3, seed=9)
    folder = make_inputs(
        folder=tmp_path,
        grid=grid,
        fine=fine,
        coarse={day(n): np.where(haze[n], coarse[n], np.nan) for n in range(90)},
    )
    tables = read_tables(folder / "fine.zarr")
    days, clear = tables.days, tables.arrays["clear_share"]
    known = coarse_share(folder, _cells(grid), coarse_fill_days=8)
    made = total = 0
    for tile in grid.tiles:
        shares = dict(zip(days, clear[:, tile.index], strict=True))
        cells = dict(zip(known.days, known.known[:, tile.index], strict=True))
        references = reference_dates(shares, cells, min_clear=0.6)
        seen = [one for one, share in shares.items() if share > 0]
        if len(references) < 2:
            continue
        span = (references[-1] - references[0]).days
        between = [references[0] + timedelta(days=n) for n in range(1, span)]
        fit, partly = (
            [Candidate(day=one, clear=shares[one], cloud_distance=0.0) for one in some]
            for some in (references, seen)
        )
        made_from = {}
        for one in between:
            pair = bracket(one, fit, max_span_days=64, coarse_days=set(known.days))
            assert isinstance(pair, Bracket)
            made_from[one] = fillers(pair, one, partly, max_span_days=64)
        for run in runs(made_from):
            before, after = made_from[run[0]]
            where = BlockAddress(
                tile=tile,
                halo=0,
                days=run,
                bands=BANDS,
                before=before,
                after=after,
                coarse_fill_days=8,
            )
            inputs = read_block(folder, grid, where, **STATISTICS)
            produced = inputs.clear | inputs.block.known()
            made, total = made + produced.sum(), total + produced.size
    assert total > 50_000
    assert made / total > 0.95


def test_a_band_that_the_day_lacks_is_filled_in_time_and_the_others_are_the_days_own(
    tmp_path,
) -> None:
    world = World(tmp_path, seed=2, coarse_clear=(1.0, 1.0))
    cube = zarr.open_group(world.folder / "coarse.zarr", mode="r+")
    # As Aqua alone leaves a cell: not clear, one band known, the other not.
    cube["clear"][6, 1, 2] = 0
    cube["nir08"][6, 1, 2] = FILL
    inputs = world.read(tile=0, days=(6,), before=(3,), after=(14,))
    at = 1 + COARSE_PAD, 2 + COARSE_PAD
    red, nir08 = inputs.block.coarse[0, :, *at]
    assert red == pytest.approx(world.coarse[6, 0, 1, 2], abs=1e-6)
    neighbours = world.coarse[[5, 7], 1, 1, 2]
    assert nir08 == pytest.approx(neighbours.mean(), abs=1e-6)
    filled = (inputs.if_fused[0] & Quality.COARSE_FILLED) != 0
    ratio = world.grid.ratio
    assert filled[ratio : 2 * ratio, 2 * ratio : 3 * ratio].all()
    assert filled.sum() == ratio**2


def test_a_cell_cloudy_for_longer_than_the_window_is_a_gap_with_its_reason(tmp_path) -> None:
    world = World(tmp_path, seed=2, coarse_clear=(1.0, 1.0))
    cube = zarr.open_group(world.folder / "coarse.zarr", mode="r+")
    for name, value in (("clear", 0), ("red", FILL), ("nir08", FILL)):
        cube[name][6 - WINDOW : 7 + WINDOW, 1, 2] = value
    inputs = world.read(tile=0, days=(6,), before=(1,), after=(14,))
    ratio = world.grid.ratio
    unknown = (inputs.if_missing[0] & Quality.NO_COARSE) != 0
    assert unknown[ratio : 2 * ratio, 2 * ratio : 3 * ratio].all()
    assert unknown.sum() == ratio**2
