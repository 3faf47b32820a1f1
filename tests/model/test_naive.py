from dataclasses import replace

import numpy as np
import pytest

from model.block import COARSE_PAD
from model.classical.naive import NAIVE
from model.classical.thin_plate import thin_plate
from model.fuser import load_fuser
from model.upsample import bilinear, cubic, smooth
from tests.model.makers import make_block


def fuse(method: str, block) -> np.ndarray:
    return load_fuser(method).fuse(block).reflectance


def test_formulas_are_those_of_the_book() -> None:
    block = make_block(days=(2,))
    f0, f2, c0, c2, c1 = (
        block.fine_before,
        block.fine_after,
        block.coarse_before,
        block.coarse_after,
        block.coarse[0],
    )
    w = 0.25
    linear = (1 - w) * f0 + w * f2
    expected = {
        "copy-before": f0,
        "copy-after": f2,
        "mean": (f0 + f2) / 2,
        "linear": linear,
        "delta-before": f0 + bilinear(c1 - c0, 16),
        "delta-after": f2 + bilinear(c1 - c2, 16),
        "delta": (1 - w) * (f0 + bilinear(c1 - c0, 16)) + w * (f2 + bilinear(c1 - c2, 16)),
        "anomaly": linear + smooth(c1 - (1 - w) * c0 - w * c2, 16),
    }
    assert expected.keys() == NAIVE.keys()
    for method, image in expected.items():
        np.testing.assert_allclose(fuse(method, block)[0], image, atol=1e-6)


def test_without_a_coarse_anomaly_anomaly_is_linear() -> None:
    block = make_block(days=(2,))
    between = (0.75 * block.coarse_before + 0.25 * block.coarse_after)[None]
    block = replace(block, coarse=between.astype(np.float32))
    np.testing.assert_allclose(fuse("anomaly", block), fuse("linear", block), atol=1e-6)


@pytest.mark.parametrize("method", NAIVE)
def test_unknown_inputs_are_unknown_in_the_answer_of_every_method(method: str) -> None:
    block = make_block(days=(2, 5))
    block.fine_before[3, 10, 20] = np.nan
    block.fine_after[0, 63, 95] = np.nan
    block.coarse[1, 2, COARSE_PAD, COARSE_PAD] = np.nan
    block.coarse_before[0, 0, 0] = np.nan  # in the padding: nobody's own cell
    expected = np.ones((2, 64, 96), bool)
    expected[:, 10, 20] = expected[:, 63, 95] = False
    expected[1, :16, :16] = False
    np.testing.assert_array_equal(np.isfinite(fuse(method, block)).all(1), expected)


@pytest.mark.parametrize("up", [smooth, bilinear, cubic, thin_plate])
def test_upsampling_keeps_constants_and_does_not_depend_on_the_block(up) -> None:
    rng = np.random.default_rng(0)
    cells = rng.random((2, 14, 15)).astype(np.float32)
    np.testing.assert_allclose(up(np.full((1, 10, 10), 0.3, np.float32), 16), 0.3, rtol=1e-6)
    whole, part = up(cells, 16), up(cells[:, 2:12, 3:13], 16)
    np.testing.assert_allclose(part, whole[:, 32:96, 48:112], atol=1e-6)


@pytest.mark.parametrize("up", [bilinear, cubic, thin_plate])
def test_interpolation_meets_each_cell_at_its_centre(up) -> None:
    cells = np.random.default_rng(1).random((1, 9, 9)).astype(np.float32)
    fine = up(cells, 7)
    np.testing.assert_allclose(fine[:, 3::7, 3::7], cells[:, 3:-3, 3:-3], atol=1e-6)


def test_unknown_cells_take_the_nearest_known() -> None:
    cells = np.full((9, 9), 0.2, np.float32)
    cells[4, 4] = np.nan
    np.testing.assert_allclose(smooth(cells, 16), 0.2, rtol=1e-6)


def test_a_block_of_broken_cells_is_refused_with_its_shape() -> None:
    with pytest.raises(ValueError, match="60 x 96 fine pixels is not made of whole coarse cells"):
        make_block(y=60)
