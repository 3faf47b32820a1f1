"""The parts of Fit-FC by their laws."""

from dataclasses import replace

import numpy as np

from model.classical.fit_fc import local_fit
from model.fuser import load_fuser
from tests.model.landscape import make_landscape


def test_the_local_fit_finds_gain_and_offset_and_needs_no_unknown_cell() -> None:
    reference = np.random.default_rng(0).random((2, 9, 9)).astype(np.float32)
    day = 0.7 * reference + np.float32([[[0.1]], [[0.2]]])
    day[0, 4, 4] = np.nan
    reference[1, 5, 5] = np.nan
    a, b = local_fit(reference, day)
    np.testing.assert_allclose(a, 0.7, atol=1e-4)
    np.testing.assert_allclose(b[0], 0.1, atol=1e-4)
    np.testing.assert_allclose(b[1], 0.2, atol=1e-4)


def test_the_fit_of_a_flat_window_is_the_plain_change() -> None:
    flat = np.full((1, 7, 7), 0.2, np.float32)
    a, b = local_fit(flat, flat + np.float32(0.05))
    np.testing.assert_allclose(a, 1)
    np.testing.assert_allclose(b, 0.05, atol=1e-6)
    assert np.isnan(local_fit(flat, np.full_like(flat, np.nan))[0]).all()


def test_a_day_without_change_is_the_filtered_reference() -> None:
    """Twenty pixels of one spectrum among others: their mean, whatever the others hold."""
    block = make_landscape(bands=2)
    fine = np.full_like(block.fine_before, 0.6)
    fine[:, 10:14, 20:25] = 0.3
    block = replace(
        block,
        fine_before=fine,
        fine_after=fine,
        coarse_after=block.coarse_before,
        coarse=block.coarse_before[None],
    )
    np.testing.assert_allclose(load_fuser("fit-fc").fuse(block).reflectance[0], fine, atol=1e-5)
