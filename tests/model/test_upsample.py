import numpy as np
import pytest

from model.block import COARSE_PAD
from model.upsample import UPSAMPLE, matrix


@pytest.mark.parametrize("ratio", [5, 16])
@pytest.mark.parametrize("how", sorted(UPSAMPLE))
def test_a_way_is_its_matrix_along_both_axes(how: str, ratio: int) -> None:
    cells = np.random.default_rng(0).random((2, 4 + 2 * COARSE_PAD, 3 + 2 * COARSE_PAD))
    cells = cells.astype(np.float32)
    rows, cols = (matrix(how, n, ratio) for n in cells.shape[1:])
    found = UPSAMPLE[how](cells, ratio)
    assert found.shape == (2, 4 * ratio, 3 * ratio)
    np.testing.assert_allclose(rows @ cells @ cols.T, found, atol=1e-6)


@pytest.mark.parametrize("how", sorted(UPSAMPLE))
def test_an_even_image_stays_even(how: str) -> None:
    np.testing.assert_allclose(matrix(how, 3 + 2 * COARSE_PAD, 8).sum(1), 1, atol=1e-6)
