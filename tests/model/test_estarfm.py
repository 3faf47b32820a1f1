"""ESTARFM's rules for what its equations leave open."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import f

from model.block import Array, Block
from model.classical.estarfm import correlation, significant
from model.fuser import load_fuser
from tests.model.landscape import make_landscape


def fuse(block: Block) -> Array:
    return load_fuser("estarfm").fuse(block).reflectance[0]


def make_uniform(*, fine: tuple[float, float], coarse: tuple[float, float, float]) -> Block:
    """One band of nearly flat images: fine before and after; coarse before, on the day, after."""
    block = make_landscape(bands=1, y=24, x=24)
    rng = np.random.default_rng(0)

    def flat(like: Array, value: float) -> Array:
        return (value + 1e-5 * rng.normal(size=like.shape)).astype(np.float32)

    return replace(
        block,
        fine_before=flat(block.fine_before, fine[0]),
        fine_after=flat(block.fine_after, fine[1]),
        coarse_before=flat(block.coarse_before, coarse[0]),
        coarse=flat(block.coarse, coarse[1]),
        coarse_after=flat(block.coarse_after, coarse[2]),
        spread=np.float32([0.01]),
    )


def test_a_coarse_change_is_scaled_by_what_it_was_between_the_pairs() -> None:
    """V = .2 / .1 = 2; either pair says .1 + 2 x .15 = .3 + 2 x .05.

    The day lies beyond both pairs: between them the weights make up for any V.
    """
    block = make_uniform(fine=(0.1, 0.3), coarse=(0.2, 0.35, 0.3))
    np.testing.assert_allclose(fuse(block), 0.4, atol=1e-3)


@pytest.mark.parametrize(
    ("fine", "coarse", "why"),
    [
        ((0.1, 0.13), (0.2, 0.26, 0.219), "the coarse change is below .02"),
        ((0.3, 0.2), (0.2, 0.35, 0.3), "the slope is negative"),
        ((0.1, 0.5), (0.2, 0.28, 0.25), "the slope is above 5"),
    ],
)
def test_the_slope_is_one_where(fine, coarse, why: str) -> None:
    """Each pair adds the plain change; the one with less change since it counts for more."""
    since = [coarse[1] - coarse[0], coarse[1] - coarse[2]]
    share = abs(since[0]) / (abs(since[0]) + abs(since[1]))
    wanted = (1 - share) * (fine[0] + since[0]) + share * (fine[1] + since[1])
    block = make_uniform(fine=fine, coarse=coarse)
    np.testing.assert_allclose(fuse(block), wanted, atol=2e-3, err_msg=why)


def test_with_fewer_than_six_similar_pixels_the_mean_change_is_added() -> None:
    block = make_landscape(bands=1, y=16, x=16)
    rng = np.random.default_rng(0)
    lonely = rng.permutation(256).reshape(1, 16, 16).astype(np.float32) / 300 + np.float32(0.05)
    flat = np.full_like(block.coarse_before, 0.2)
    block = replace(
        block,
        fine_before=lonely,
        fine_after=lonely + np.float32(0.1),
        coarse_before=flat,
        coarse=flat[None] + np.float32(0.05),
        coarse_after=flat + np.float32(0.04),
        spread=np.float32([0.01 / 3]),
    )
    # .05 since the one, .01 since the other, which counts for five sixths.
    wanted = 1 / 6 * (lonely + 0.05) + 5 / 6 * (lonely + 0.1 + 0.01)
    np.testing.assert_allclose(fuse(block), wanted, atol=1e-5)


def test_a_prediction_beyond_0_and_1_is_replaced_by_what_is_similar() -> None:
    block = make_uniform(fine=(0.1, 0.3), coarse=(0.2, 0.1, 0.3))
    assert 0.1 + 2 * (0.1 - 0.2) < 0.0001
    # Both predict -.1; the mean changes are .1 and .2.
    np.testing.assert_allclose(fuse(block), 2 / 3 * 0.1 + 1 / 3 * 0.3, atol=2e-3)


def test_with_one_band_a_correlation_of_plus_or_minus_one_weighs_nothing() -> None:
    rng = np.random.default_rng(0)
    assert (correlation(*rng.random((2, 2, 5, 5), np.float32)) == 0).all()


def test_the_correlation_is_over_the_bands_of_both_pairs_and_a_half_where_there_is_none() -> None:
    fine, coarse = np.random.default_rng(1).random((2, 6, 3, 4), np.float32)
    fine[:, 1, 2] = 0.25
    r = correlation(fine, coarse)
    assert r[1, 2] == 0.5
    assert r[2, 3] == pytest.approx(np.corrcoef(fine[:, 2, 3], coarse[:, 2, 3])[0, 1])


def test_significance_is_that_of_the_f_distribution() -> None:
    least = significant(2601)
    for n in (6, 40, 2601):
        assert f.sf(least[n], 1, 2 * n - 2) == pytest.approx(0.05)
