"""The published methods: what holds for each of them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from model.block import Block
from model.card import CLASSICAL_HALO, describe
from model.fuser import load_fuser
from tests.model.landscape import cut, make_landscape, some_pixels
from tests.model.oracles_estarfm import estarfm_at
from tests.model.oracles_fit_fc import fit_fc_at
from tests.model.oracles_fsdaf import fsdaf_at
from tests.model.oracles_starfm import starfm_at

ORACLES = {"starfm": starfm_at, "estarfm": estarfm_at, "fsdaf": fsdaf_at, "fit-fc": fit_fc_at}


def fuse(method: str, block: Block) -> np.ndarray:
    return load_fuser(method).fuse(block).reflectance


@pytest.mark.parametrize("bands", [1, 3, 6])
@pytest.mark.parametrize("method", CLASSICAL_HALO)
def test_it_is_its_published_steps(method: str, bands: int) -> None:
    block = make_landscape(bands=bands, holes=True)
    pixels = some_pixels(block, 8 if method == "fsdaf" else 30)
    wanted = ORACLES[method](block, 0, pixels)
    rows, cols = np.transpose(pixels)
    np.testing.assert_allclose(fuse(method, block)[0][:, rows, cols].T, wanted, atol=2e-6)


@pytest.mark.parametrize("method", CLASSICAL_HALO)
def test_unknown_inputs_are_unknown_in_the_answer_and_nowhere_else(method: str) -> None:
    block = make_landscape(holes=True, days=(3, 5))
    known = block.known()
    assert 0 < (~known).sum() < known.size / 4
    np.testing.assert_array_equal(np.isfinite(fuse(method, block)).all(1), known)


@pytest.mark.parametrize("method", CLASSICAL_HALO)
def test_what_an_unknown_neighbour_holds_in_other_bands_has_no_weight(method: str) -> None:
    block = make_landscape(holes=True)
    other = replace(block, fine_after=block.fine_after.copy())
    other.fine_after[:, ~block.known()[0]] = 0.77
    other.fine_after[0, 5, 5] = np.nan
    np.testing.assert_array_equal(fuse(method, other), fuse(method, block))


@pytest.mark.parametrize("method", CLASSICAL_HALO)
def test_tiles_with_their_halo_agree_with_the_whole(method: str) -> None:
    halo = load_fuser(method).halo
    assert halo == describe(method).halo
    side = (halo + 80) // 16 * 16
    block = make_landscape(bands=2, y=side, x=side, ratio=16, holes=True)
    whole = fuse(method, block)
    for corner in ((0, 16), (side - 32, side - 48)):
        y, x = (slice(at, at + 32) for at in corner)
        part = cut(block, y, x, halo=halo)
        assert part.core is not None
        answer = fuse(method, part)
        np.testing.assert_allclose(answer[..., *part.core], whole[..., y, x], atol=1e-6)
        beyond = np.ones(answer.shape[2:], bool)
        beyond[part.core] = False
        assert np.isnan(answer[..., beyond]).all()


@pytest.mark.parametrize("method", ["starfm", "estarfm", "fsdaf"])
def test_a_day_without_coarse_change_since_a_reference_is_that_reference(method: str) -> None:
    block = make_landscape()
    for cells, image in (
        (block.coarse_before, block.fine_before),
        (block.coarse_after, block.fine_after),
    ):
        same = replace(block, coarse=cells[None])
        np.testing.assert_allclose(fuse(method, same)[0], image, atol=1e-6)


@pytest.mark.parametrize("method", CLASSICAL_HALO)
def test_a_field_that_grows_as_its_cells_say_is_predicted(method: str) -> None:
    """One kind of land, evenly grown by .05: every method says so, to the noise of the sensor."""
    block = make_landscape(change=0)
    grown = replace(
        block,
        fine_before=np.full_like(block.fine_before, 0.2),
        fine_after=np.full_like(block.fine_after, 0.4),
        coarse_before=np.full_like(block.coarse_before, 0.2),
        coarse=np.full_like(block.coarse, 0.25),
        coarse_after=np.full_like(block.coarse_after, 0.4),
    )
    np.testing.assert_allclose(fuse(method, grown), 0.25, atol=1e-6)


def test_numba_is_loaded_only_with_a_method_that_needs_it() -> None:
    code = "import sys; from model.fuser import load_fuser; load_fuser({!r}); print(*sys.modules)"
    for method, loaded in (("linear", False), ("estarfm", True)):
        words = [sys.executable, "-c", code.format(method)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
        assert ("numba" in done.stdout.split()) is loaded
