"""The parts of FSDAF by their laws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from model.block import COARSE_PAD
from model.classical.classes import CLASSES, UNKNOWN, class_changes, classified, shares
from model.classical.thin_plate import thin_plate
from model.fuser import load_fuser
from tests.model.landscape import make_landscape


def test_the_spline_through_49_cells_is_nearly_that_through_all() -> None:
    """Within 3 % of the cells' spread, and 1 % by mean, on cells without any likeness."""
    rng = np.random.default_rng(0)
    cells, ratio = rng.normal(0, 1, (1, 14, 14)).astype(np.float32), 4
    at = np.array(list(np.ndindex(14, 14)), float)
    inside = COARSE_PAD + (np.arange(8 * ratio) + 0.5) / ratio - 0.5
    points = np.array([(i, j) for i in inside for j in inside])
    whole = RBFInterpolator(at, cells.ravel(), kernel="thin_plate_spline", degree=1)(points)
    apart = np.abs(thin_plate(cells, ratio)[0].ravel() - whole)
    assert apart.max() < 0.03
    assert apart.mean() < 0.01


def test_well_apart_kinds_are_classes_and_unknown_pixels_are_none() -> None:
    kind = np.random.default_rng(0).integers(0, CLASSES, (24, 24))
    spectra = np.stack([2.0 * kind, 1.0 * (kind % 2)]).astype(np.float32)
    known = np.ones((24, 24), bool)
    known[3, 4] = False
    classes = classified(spectra, known, 2)
    assert classes[3, 4] == UNKNOWN
    for k in range(CLASSES):
        assert len(np.unique(classes[known & (kind == k)])) == 1
    assert len(np.unique(classes[known])) == CLASSES


def test_shares_are_those_of_the_known_pixels_and_of_no_cell_that_is_half_unknown() -> None:
    classes = np.zeros((8, 8), np.int8)
    classes[:4, :2] = 3
    classes[0, 4:] = classes[4:7, :4] = UNKNOWN
    share = shares(classes, 4)
    np.testing.assert_allclose(share[[0, 1, 3]], [[0.5, 0, 0, 0.5], [1, 0, 0, 0], [1, 0, 0, 0]])
    assert np.isnan(share[2]).all()


def test_changes_of_classes_are_unmixed_from_those_of_cells() -> None:
    rng = np.random.default_rng(0)
    share = rng.dirichlet([0.2] * CLASSES, 400)
    rates = rng.normal(0, 0.1, (CLASSES, 2))
    found = class_changes(share, share @ rates)
    np.testing.assert_allclose(found, rates, atol=1e-3)


def test_a_class_that_is_nowhere_changes_as_the_mean_and_none_beyond_the_cells() -> None:
    share = np.zeros((50, CLASSES))
    share[:, 0] = 1
    change = np.linspace(0.02, 0.04, 50)[:, None]
    np.testing.assert_allclose(class_changes(share, change), 0.03, atol=1e-3)
    # Cells of a few percent of a class would ask for any change of it.
    share[:, 1] = np.linspace(0, 0.05, 50)
    share[:, 0] -= share[:, 1]
    limit = change.max() + change.std()
    assert class_changes(share, change).max() == pytest.approx(limit)
    assert not class_changes(share[:0], change[:0]).any()


def test_a_cell_changes_as_much_as_was_seen() -> None:
    """Before the last step, which mixes cells: here each pixel is like none but itself."""
    block = make_landscape(bands=1)
    block = replace(
        block,
        fine_after=block.fine_before,
        coarse_after=block.coarse_before,
        spread=np.float32([1e-9]),
    )
    change = load_fuser("fsdaf").fuse(block).reflectance[0] - block.fine_before
    cells = change.reshape(1, 6, 8, 8, 8).mean((2, 4))
    inner = slice(COARSE_PAD, -COARSE_PAD)
    seen = (block.coarse[0] - block.coarse_before)[:, inner, inner]
    np.testing.assert_allclose(cells, seen, atol=1e-6)
