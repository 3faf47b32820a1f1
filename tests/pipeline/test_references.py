"""The images a run of days is fused from, against the rules pixel by pixel."""

from dataclasses import replace

import numpy as np
import pytest

from model.block import COARSE_PAD, Fused
from pipeline.corrections import Corrections
from pipeline.cube import HIGH_AEROSOL, SNOW, WATER, day_number, pack
from pipeline.images import FineImages
from pipeline.pairs import Gap
from pipeline.quality import Quality, finish
from pipeline.references import (
    BlockAddress,
    read_block,
)
from pipeline.store import write_block
from tests.pipeline.clouded import (
    BANDS,
    STATISTICS,
    WINDOW,
    World,
    coarse_image,
    reference_pixel,
)
from tests.synthetic import day, make_grid, make_inputs

BOTH_SIDES = ((3, 5, 0), (14, 16, 9, 20))


@pytest.mark.parametrize(
    ("tile", "given"),
    [
        *((tile, BOTH_SIDES) for tile in (0, 1, 3)),
        (1, (BOTH_SIDES[0], ())),
        (3, ((), BOTH_SIDES[1])),
    ],
)
def test_a_block_is_what_the_rules_give_pixel_by_pixel(tmp_path, tile, given) -> None:
    world, days = World(tmp_path, seed=2), (6, 7, 8)
    inputs = world.read(tile=tile, days=days, before=given[0], after=given[1])
    assert inputs.block.one_sided == (not all(given))
    # A single reference stands on both sides.
    before, after = given[0] or given[1], given[1] or given[0]
    coarse = {n: coarse_image(world, n) for n in {*before, *after, *days}}
    assert all(np.isfinite(image).all() for image, _ in coarse.values()), "pick another seed"
    block, ratio = inputs.block, world.grid.ratio
    core = world.grid.tiles[tile]
    ys, xs = world.grid.block(core, 4)
    for y in range(ys.start, ys.stop):
        for x in range(xs.start, xs.stop):
            at = y - ys.start, x - xs.start
            dates = {*before, *after}
            first, from_first = reference_pixel(world, coarse, before[0], dates, y, x)
            second, from_second = reference_pixel(world, coarse, after[0], dates, y, x)
            np.testing.assert_allclose(block.fine_before[:, *at], first, atol=2e-6)
            np.testing.assert_allclose(block.fine_after[:, *at], second, atol=2e-6)
            cell = y // ratio, x // ratio
            clouded = [bool(coarse[n][1][cell]) for n in (before[0], after[0], days[1])]
            fine = from_first != {before[0]}, from_second != {after[0]}
            wanted = [fine[0], clouded[0], fine[1], clouded[1], clouded[2]]
            assert block.filled(1)[:, *at].tolist() == wanted
            if not (core.y.start <= y < core.y.stop and core.x.start <= x < core.x.stop):
                continue
            inner = slice(None), y - core.y.start, x - core.x.start
            if not (from_first and from_second):
                assert (inputs.if_missing[inner] == Quality.NO_REFERENCE).all()
                assert (inputs.ref_age[inner] == 255).all()
                continue
            assert (inputs.if_missing[inner] == 0).all()
            for t, n in enumerate(days):
                used = sorted(from_first | from_second)
                nearest = min(used, key=lambda one: abs(n - one))
                bits = Quality.PRODUCED | Quality.FUSED
                bits |= Quality.ONE_SIDED * (used[-1] < n or used[0] > n)
                bits |= Quality.REFERENCE_FILLED * any(fine)
                bits |= Quality.WATER * bool(world.surface[nearest, y, x] & WATER)
                bits |= Quality.SNOW * bool(world.surface[nearest, y, x] & SNOW)
                cells = world.coarse_surface[[n, before[0], after[0]], *cell]
                surfaces = [*world.surface[used, y, x], *cells]
                bits |= Quality.LOW_QUALITY * bool(np.bitwise_or.reduce(surfaces) & HIGH_AEROSOL)
                hidden = any(coarse[k][1][cell] for k in (n, before[0], after[0]))
                bits |= Quality.COARSE_FILLED * hidden
                assert Quality(int(inputs.if_fused[t][inner[1:]])) == bits
                assert inputs.ref_age[t][inner[1:]] == abs(n - nearest)


@pytest.mark.parametrize("tile", range(4))
def test_the_coarse_images_are_padded_and_repeat_the_edge_of_the_region(tmp_path, tile) -> None:
    world = World(tmp_path, seed=2, coarse_clear=(0.05, 0.3))  # filled from far, or not at all
    block = world.read(tile=tile, days=(6,), before=(3,), after=(14,)).block
    ys, xs = world.grid.block(world.grid.tiles[tile], 4)
    rows, cols = world.grid.coarse_window(ys, xs)
    for image, n in ((block.coarse[0], 6), (block.coarse_before, 3), (block.coarse_after, 14)):
        whole, _ = coarse_image(world, n)
        pad = COARSE_PAD
        wide = np.pad(whole, [(0, 0), (pad, pad), (pad, pad)], mode="edge")
        wanted = wide[:, rows.start : rows.stop + 2 * pad, cols.start : cols.stop + 2 * pad]
        np.testing.assert_allclose(image, wanted, atol=1e-6)
    assert block.origin == world.grid.origin(ys.start, xs.start)
    assert block.days == (day_number(day(6)),)
    assert (block.day_before, block.day_after) == (day_number(day(3)), day_number(day(14)))


def test_a_day_does_not_depend_on_the_days_read_with_it(tmp_path) -> None:
    world = World(tmp_path, seed=3)
    sides = {"tile": 0, "before": (3, 5, 0), "after": (14, 16)}
    together = world.read(days=(6, 7, 8, 9), **sides)
    alone = world.read(days=(8,), **sides)
    np.testing.assert_array_equal(together.block.coarse[2], alone.block.coarse[0])
    np.testing.assert_array_equal(together.block.fine_before, alone.block.fine_before)
    np.testing.assert_array_equal(together.block.fine_after, alone.block.fine_after)
    for name in ("observed", "if_observed", "if_fused", "if_missing", "ref_age"):
        np.testing.assert_array_equal(getattr(together, name)[2], getattr(alone, name)[0])


def test_one_clear_date_on_either_side_is_enough_for_both_references(tmp_path) -> None:
    world = World(tmp_path, seed=4)
    inputs = world.read(tile=0, days=(6,), before=(5, 3, 0), after=(9, 14, 16, 20), halo=0)
    y, x = (world.grid.tiles[0].y, world.grid.tiles[0].x)
    seen = np.any([np.isfinite(image[:, y, x]).all(0) for image in world.fine.values()], 0)
    assert (~inputs.no_reference[0] & ~inputs.clear[0]).sum() > 0
    np.testing.assert_array_equal(~inputs.no_reference[0], seen)


def test_a_cell_unknown_on_any_of_the_three_dates_is_named(tmp_path) -> None:
    world = World(tmp_path, seed=2)
    for n, row in ((6, 0), (3, 1), (14, 2)):
        world.coarse[max(n - WINDOW, 0) : n + WINDOW + 1, :, row, 1] = np.nan
    fine = {day(n): image for n, image in world.fine.items()}
    coarse = {day(n): image for n, image in enumerate(world.coarse)}
    world.folder = make_inputs(folder=tmp_path / "again", grid=world.grid, fine=fine, coarse=coarse)
    inputs = world.read(tile=0, days=(6,), before=(3,), after=(14,), halo=0)
    wanted = np.zeros((4, 4), np.bool_)
    wanted[:3, 1] = True
    cells = inputs.no_coarse[0].reshape(4, 4, 4, 4)
    np.testing.assert_array_equal(cells.all((1, 3)), wanted)
    np.testing.assert_array_equal(cells.any((1, 3)), wanted)
    np.testing.assert_array_equal(~(inputs.no_coarse | inputs.no_reference), inputs.block.known())


def test_a_pixel_that_lost_one_band_is_a_hole_even_where_the_mask_is_clear(tmp_path) -> None:
    world = World(tmp_path, seed=2)
    rows, cols = world.grid.shape
    packed, _ = pack(world.fine[9][None, 0])
    lost = tuple(np.argwhere(np.isfinite(world.fine[9][0]))[0])
    packed[0][lost] = -9999
    path = world.folder / "fine.zarr"
    write_block(path, {"red": packed}, days=[day(9)], y=slice(0, rows), x=slice(0, cols))
    world.fine[9][:, lost[0], lost[1]] = np.nan
    seen = np.isfinite(world.fine[9]).all(0)
    for tile in world.grid.tiles:
        sides = {"tile": tile.index, "halo": 0}
        observed = world.read(days=(9,), before=(5,), after=(14,), **sides)
        np.testing.assert_array_equal(observed.clear[0], seen[tile.y, tile.x])
        reference = world.read(days=(10,), before=(9,), after=(14,), **sides).block.fine_before
        own = np.isfinite(reference) & np.isfinite(world.fine[9][:, tile.y, tile.x])
        np.testing.assert_array_equal(own.all(0), seen[tile.y, tile.x])
        other = np.isfinite(world.fine[14]).all(0)[tile.y, tile.x]
        known = seen[tile.y, tile.x] | other
        np.testing.assert_array_equal(np.isfinite(reference).all(0), known)


@pytest.mark.parametrize(
    ("gap", "bit"),
    [
        (Gap.NO_COARSE, Quality.NO_COARSE),
        (Gap.TOO_FAR, Quality.NO_REFERENCE),
        (Gap.OBSERVED, Quality.SKIPPED),
    ],
)
def test_without_a_bracket_what_was_seen_is_kept_and_the_rest_is_named(tmp_path, gap, bit) -> None:
    world = World(tmp_path, seed=2)
    inputs = world.read(tile=1, days=(9,), before=(), after=(), gap=gap)
    assert inputs.block is None
    tile = world.grid.tiles[1]
    seen = np.isfinite(world.fine[9][:, tile.y, tile.x]).all(0)
    np.testing.assert_array_equal(inputs.clear[0], seen)
    layers = finish(inputs, None, bands=BANDS, provisional=[False])
    assert (layers["quality"][0][~seen] == bit).all()
    kept = Quality.PRODUCED | Quality.OBSERVED
    surfaces = world.surface[9, tile.y, tile.x][seen]
    assert (layers["quality"][0][seen] & kept == kept).all()
    np.testing.assert_array_equal(
        layers["quality"][0][seen] & Quality.SNOW != 0, surfaces & SNOW != 0
    )
    np.testing.assert_array_equal(layers["ref_age"][0], np.where(seen, 0, 255))


def test_finishing_keeps_observations_and_names_every_hole(tmp_path) -> None:
    world = World(tmp_path, seed=2)
    inputs = world.read(tile=0, days=(8, 9), before=(5, 3), after=(14, 16))
    noise = np.random.default_rng(0)
    fused = noise.uniform(-0.4, 1.9, inputs.block.shape).astype(np.float32)
    fused[:, :, ~inputs.block.known().all(0)] = np.nan
    y, x = inputs.core
    t, row, col = np.argwhere(inputs.block.known()[:, y, x] & ~inputs.clear)[0]
    fused[t, 1, y.start + row, x.start + col] = np.nan  # left out by the method, no reason given
    layers = finish(inputs, Fused(fused, None), bands=BANDS, provisional=[False, True])
    word = layers["quality"]
    produced = word & Quality.PRODUCED != 0
    made = np.isfinite(fused[..., y, x]).all(1) & ~inputs.clear
    np.testing.assert_array_equal(produced, made | inputs.clear)
    np.testing.assert_array_equal(word & Quality.OBSERVED != 0, inputs.clear)
    np.testing.assert_array_equal(word & Quality.FUSED != 0, made)
    assert (word[~produced] & (Quality.NO_REFERENCE | Quality.NO_COARSE) != 0).all()
    assert word[t, row, col] == Quality.NO_COARSE
    np.testing.assert_array_equal(word[1] & Quality.PROVISIONAL != 0, produced[1])
    assert not (word[0] & Quality.PROVISIONAL).any()
    for place, band in enumerate(BANDS):
        value = np.where(inputs.clear, inputs.observed[:, place], fused[:, place][..., y, x])
        wanted = np.clip(np.rint(value * 1e4), -2000, 16000)
        np.testing.assert_array_equal(layers[band], np.where(produced, wanted, -9999))
    wild = (fused[..., y, x] < -0.2) | (fused[..., y, x] > 1.6)
    np.testing.assert_array_equal(word & Quality.CLIPPED != 0, made & wild.any(1))
    assert (layers["ref_age"][~produced] == 255).all()


def test_a_day_whose_own_image_is_not_asked_for_is_as_if_there_were_none(tmp_path) -> None:
    world = World(tmp_path, seed=2)
    where = BlockAddress(
        tile=world.grid.tiles[0],
        halo=0,
        days=(day(9),),
        bands=BANDS,
        before=(day(5), day(3)),
        after=(day(14), day(16)),
        coarse_fill_days=WINDOW,
    )
    kept, blind = (
        read_block(world.folder, world.grid, replace(where, own_images=own), **STATISTICS)
        for own in (True, False)
    )
    assert kept.clear.any()
    assert not blind.clear.any()
    assert np.isnan(blind.observed).all()
    np.testing.assert_array_equal(blind.block.fine_before, kept.block.fine_before)
    assert (blind.ref_age[kept.clear & ~blind.no_reference] >= 4).all()
    fused = np.where(blind.block.known()[:, None], np.float32(0.2), np.float32(np.nan))
    shape = blind.block.shape
    word = finish(
        blind, Fused(np.broadcast_to(fused, shape), None), bands=BANDS, provisional=[False]
    )["quality"]
    assert not (word & Quality.OBSERVED).any()
    assert (word[kept.clear & ~blind.no_reference] & Quality.FUSED != 0).all()


def test_an_address_that_would_use_a_target_as_its_own_reference_is_refused() -> None:
    where = BlockAddress(
        tile=make_grid().tiles[0],
        halo=0,
        days=(day(5), day(6)),
        bands=BANDS,
        before=(day(3),),
        after=(day(9),),
        coarse_fill_days=2,
    )
    with pytest.raises(ValueError, match=r"2023-05-06.*cannot serve"):
        replace(where, before=(day(3), day(5)))
    with pytest.raises(ValueError, match=r"2023-05-07.*cannot serve"):
        replace(where, after=(day(9), day(6)))
    with pytest.raises(ValueError, match="one or both sides, or a gap and neither"):
        replace(where, before=(), after=())
    with pytest.raises(ValueError, match="one or both sides, or a gap and neither"):
        replace(where, gap=Gap.TOO_FAR)


def test_a_cloudy_image_is_the_same_reference_of_the_days_before_it_and_after_it(tmp_path) -> None:
    """So what a cloud hid on its day does not jump from the one to the other."""
    world = World(tmp_path, seed=2)
    before = world.read(tile=0, days=(8,), before=(3, 0, 5), after=(9, 14, 16, 20))
    after = world.read(tile=0, days=(10,), before=(9, 0, 3, 5), after=(14, 16, 20))
    np.testing.assert_array_equal(before.block.fine_after, after.block.fine_before)
    assert before.block.filled_after.sum() > 100


def test_an_image_is_read_only_where_it_can_fill_a_hole(tmp_path, monkeypatch) -> None:
    world = World(tmp_path, seed=2, fine_clear=(1, 1))
    world.fine[9][:, :3] = np.nan  # 14 and 5 fill it
    world.folder = make_inputs(
        folder=tmp_path / "again",
        grid=world.grid,
        fine={day(n): image for n, image in world.fine.items()},
        coarse={day(n): image for n, image in enumerate(world.coarse)},
    )
    read = []
    once = FineImages._read

    def noted(self, when):
        read.append(when)
        return once(self, when)

    monkeypatch.setattr(FineImages, "_read", noted)
    world.read(tile=0, days=(10,), before=(9, 0, 3, 5), after=(14, 16, 20))
    assert sorted(set(read)) == [day(5), day(9), day(10), day(14)]
    assert len(read) == 4, "each once"


def test_each_pixel_that_a_misplaced_date_helped_to_fill_is_flagged(tmp_path) -> None:
    world = World(tmp_path, seed=2)
    given = {"before": (3, 0, 5), "after": (9, 14, 16)}
    where = BlockAddress(
        tile=world.grid.tiles[0],
        halo=0,
        days=(day(8),),
        bands=BANDS,
        **{side: tuple(map(day, days)) for side, days in given.items()},
        coarse_fill_days=WINDOW,
    )
    corrections = Corrections(misplaced=frozenset({day(14)}))
    inputs = read_block(world.folder, world.grid, where, **STATISTICS, corrections=corrections)
    dates = (*given["before"], *given["after"])
    coarse = {n: coarse_image(world, n) for n in dates}
    flagged = inputs.if_fused[0] & Quality.MISREGISTRATION != 0
    for y, x in np.ndindex(flagged.shape):
        used = [reference_pixel(world, coarse, own, dates, y, x)[1] for own in (3, 9)]
        assert flagged[y, x] == (14 in used[0] | used[1])
    assert 0.2 < flagged.mean() < 0.8
