"""Coarse images corrected as they are read, and what is flagged and made stale by it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.block import COARSE_PAD
from model.coarse_calm import calm_coarse
from pipeline.calibration import Line
from pipeline.coincidence import Coincidence, read_coincident, write_coincident
from pipeline.compare import compare_day, compare_tasks, keep
from pipeline.corrections import AS_SEEN, Corrections, Measured, moved
from pipeline.grid import Grid
from pipeline.quality import Quality
from pipeline.references import BlockAddress, BlockInputs, read_block
from pipeline.registration import Shift
from pipeline.store import write_tables
from tests.pipeline.test_job import make_job
from tests.pipeline.test_registration import make_pair
from tests.synthetic import day, make_coarse, make_grid, make_inputs, make_world

BANDS = ("red", "nir08")
LINES = (
    Line(gain=1.1, bias=-0.01, scatter=0.01, cells=900),
    Line(gain=0.9, bias=0.02, scatter=0.01, cells=900),
)


def make_coincidence(number: int, y: float = 0.0, x: float = 0.0, **known) -> Coincidence:
    shift = Shift(y=y, x=x, sigma=known.pop("sigma", 0.05), likeness=0.9, cells=900)
    known = {"lines": LINES, "images": "a b"} | known
    return Coincidence(day=day(number), shift=shift, **known)


def make_region_grid() -> Grid:
    """Blocks of few of many cells, so that neighbours end inside each other's margin."""
    return make_grid(rows=10, cols=11, tile_cells=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cloudless small region: fine images on days 0 and 12, coarse ones on all."""
    grid = make_region_grid()
    world = make_world(grid=grid, days=14, seed=3)
    coarse = make_coarse(world=world, ratio=grid.ratio)
    return make_inputs(
        folder=tmp_path,
        grid=grid,
        fine={day(n): world[n] for n in (0, 12)},
        coarse={day(n): image for n, image in enumerate(coarse)},
    )


def read(
    folder: Path, corrections: Corrections, tile: int = 0, days: Sequence[int] = (4, 5)
) -> BlockInputs:
    grid = make_region_grid()
    where = BlockAddress(
        tile=grid.tiles[tile],
        halo=4,
        days=tuple(map(day, days)),
        bands=BANDS,
        before=(day(0),),
        after=(day(12),),
        coarse_fill_days=4,
    )
    zero, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    return read_block(folder, grid, where, centre=zero, spread=one, corrections=corrections)


def test_a_line_is_laid_on_each_band_of_every_coarse_image(folder: Path) -> None:
    plain, lined = (read(folder, one).block for one in (AS_SEEN, Corrections(lines=LINES)))
    assert plain is not None
    assert lined is not None
    for name in ("coarse", "coarse_before", "coarse_after"):
        was, now = (getattr(block, name) for block in (plain, lined))
        for band, line in enumerate(LINES):
            expected = line.gain * was[..., band, :, :] + line.bias
            np.testing.assert_allclose(now[..., band, :, :], expected, atol=1e-6)
    np.testing.assert_array_equal(plain.fine_before, lined.fine_before)


def test_each_day_is_moved_by_its_own_place_or_by_that_of_all(folder: Path) -> None:
    corrections = Corrections(moves={day(0): (0.6, -0.25)}, move=(-0.3, 0.5))
    plain, shifted = (read(folder, one).block for one in (AS_SEEN, corrections))
    assert plain is not None
    assert shifted is not None
    inner = (..., slice(COARSE_PAD + 1, -COARSE_PAD - 1), slice(COARSE_PAD + 1, -COARSE_PAD - 1))
    for was, now, place in (
        (plain.coarse_before, shifted.coarse_before, (0.6, -0.25)),
        (plain.coarse_after, shifted.coarse_after, (-0.3, 0.5)),
        (plain.coarse[1], shifted.coarse[1], (-0.3, 0.5)),
    ):
        np.testing.assert_allclose(now[inner], moved(was, place)[inner], atol=1e-6)


def test_neighbouring_blocks_see_the_same_moved_cells(folder: Path) -> None:
    corrections = Corrections(moves={}, move=(1.4, -1.7))
    grid = make_region_grid()
    seen: dict[tuple[int, int], np.ndarray] = {}
    shared = 0
    for tile in grid.tiles:
        block = read(folder, corrections, tile.index).block
        assert block is not None
        rows, cols = grid.coarse_window(*grid.block(tile, 4))
        height, width = grid.coarse_shape
        for row in range(max(rows.start - COARSE_PAD, 0), min(rows.stop + COARSE_PAD, height)):
            for col in range(max(cols.start - COARSE_PAD, 0), min(cols.stop + COARSE_PAD, width)):
                at = row - rows.start + COARSE_PAD, col - cols.start + COARSE_PAD
                values = block.coarse[:, :, at[0], at[1]]
                shared += (row, col) in seen
                np.testing.assert_array_equal(seen.setdefault((row, col), values), values)
    assert shared


def test_every_coarse_image_is_calmed_by_the_days_that_may_fill_it(tmp_path: Path) -> None:
    rng, grid = np.random.default_rng(1), make_region_grid()
    seen = 0.3 + rng.normal(0, 0.02, (24, 2, *grid.coarse_shape)).astype(np.float32)
    seen[rng.random((24, 1, *grid.coarse_shape)).repeat(2, 1) < 0.4] = np.nan
    folder = make_inputs(
        folder=tmp_path,
        grid=grid,
        fine={day(n): np.full((2, *grid.shape), 0.3, np.float32) for n in (0, 12)},
        coarse={day(n): image for n, image in enumerate(seen)},
    )
    plain, calm = (read(folder, Corrections(calm=on), tile=4) for on in (False, True))
    assert plain.block is not None
    assert calm.block is not None
    stored = np.rint(seen * 1e4).astype(np.float32) * np.float32(1e-4)
    wanted = calm_coarse(stored, range(24), at=(0, 4, 5, 12), window=4)
    rows, cols = grid.coarse_window(*grid.block(grid.tiles[4], 4))
    inner = slice(COARSE_PAD, -COARSE_PAD)
    for found, image in zip(
        (calm.block.coarse_before, *calm.block.coarse, calm.block.coarse_after),
        wanted,
        strict=True,
    ):
        np.testing.assert_array_equal(found[:, inner, inner], image[:, rows, cols])
    # A day is the same bytes alone, and among others.
    for at, number in enumerate((4, 5)):
        alone = read(folder, Corrections(calm=True), tile=4, days=(number,)).block
        assert alone is not None
        np.testing.assert_array_equal(alone.coarse[0], calm.block.coarse[at])
        np.testing.assert_array_equal(alone.coarse_before, calm.block.coarse_before)
    # What is known, what was filled and what was seen that day are as before.
    np.testing.assert_array_equal(np.isfinite(plain.block.coarse), np.isfinite(calm.block.coarse))
    for name in ("if_fused", "if_missing", "coarse_valid", "ref_age"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(calm, name))


def test_what_is_made_from_a_misplaced_reference_is_flagged(folder: Path) -> None:
    for misplaced, flagged in (({day(0)}, True), ({day(12)}, True), ({day(4)}, False)):
        inputs = read(folder, Corrections(misplaced=frozenset(misplaced)))
        bit = (inputs.if_fused & Quality.MISREGISTRATION) != 0
        assert bit.all() if flagged else not bit.any(), misplaced
        assert not (inputs.if_observed & Quality.MISREGISTRATION).any()
    assert not (read(folder, AS_SEEN).if_fused & Quality.MISREGISTRATION).any()


def test_the_job_says_what_is_done(tmp_path: Path) -> None:
    job = replace(make_job(), cube=tmp_path / "a.zarr")
    job.inputs.mkdir()
    known = [make_coincidence(0, 1.2), make_coincidence(1, 0.1), make_coincidence(2, sigma=0.4)]
    write_coincident(job.inputs, known)
    measured = Measured.of(known, BANDS)
    assert measured.shift == pytest.approx((0.65, 0.0))  # of the two that are sure

    def asked(**changes) -> Corrections:
        return Corrections.of(replace(job, **changes), measured)

    assert asked(coregister="none", flicker="keep") == AS_SEEN
    assert asked(coregister="none") == Corrections(calm=True)
    assert asked(flicker="keep") == Corrections(misplaced=frozenset({day(0)}))
    assert asked(coregister="shift").moves == {day(0): (1.2, 0.0), day(1): (0.1, 0.0)}
    assert asked(coregister="shift").move == measured.shift
    assert asked(coregister="none", calibrate="linear").lines == measured.lines


def test_nothing_is_taken_from_a_hidden_date(tmp_path: Path) -> None:
    job = replace(make_job(calibrate="linear", coregister="shift"), cube=tmp_path / "a.zarr")
    job.inputs.mkdir()
    strange = (replace(LINES[0], gain=1.9), None)
    known = [make_coincidence(0, 0.1), make_coincidence(1, 1.9, lines=strange)]
    write_coincident(job.inputs, known[:1])
    alone = Corrections.blind(job, BANDS, without=())
    write_coincident(job.inputs, known)
    assert Corrections.blind(job, BANDS, without={day(1)}) == alone
    assert Corrections.blind(job, BANDS, without=()) != alone


def make_region(folder: Path, place: tuple[float, float]) -> tuple[Path, Grid]:
    """Input cubes of one day with both images, and a grid for them."""
    grid = make_grid(rows=40, cols=40, ratio=16, tile_cells=20)
    fine, coarse = make_pair(place, cells=40, cloudy=0.2)
    inputs = make_inputs(
        folder=folder, grid=grid, fine={day(1): fine[:2]}, coarse={day(1): coarse[:2]}
    )
    return inputs, grid


def test_a_day_with_both_images_is_measured_once_and_again_when_read_anew(tmp_path: Path) -> None:
    inputs, grid = make_region(tmp_path, (1.5, 0.5))
    (task,) = compare_tasks(inputs, grid, BANDS)
    found = compare_day(task)
    assert found.shift is not None
    np.testing.assert_allclose((found.shift.y, found.shift.x), (1.5, 0.5), atol=0.15)
    assert found.misplaced
    assert all(line is not None for line in found.lines)
    keep(inputs, [found])
    assert read_coincident(inputs) == (found,)
    assert compare_tasks(inputs, grid, BANDS) == []
    write_tables(inputs / "fine.zarr", {"fingerprint": np.array([99], np.uint64)}, days=(day(1),))
    assert [one.day for one in compare_tasks(inputs, grid, BANDS)] == [day(1)]


def test_an_unmeasured_region_is_read_as_it_is() -> None:
    assert Measured.of([], BANDS).shift == (0.0, 0.0)
    assert [line.gain for line in Measured.of([], BANDS).lines] == [1.0, 1.0]
