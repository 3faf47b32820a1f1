"""STARFM's exact cases, and what counts as a neighbour."""

from dataclasses import replace

import numpy as np

from model.block import COARSE_PAD, Array
from model.classical.starfm import COUNTS
from model.fuser import load_fuser
from model.upsample import bilinear
from tests.model.landscape import make_landscape


def fuse(block) -> Array:
    return load_fuser("starfm").fuse(block).reflectance[0]


def test_where_both_references_have_no_change_it_is_their_mean() -> None:
    block = make_landscape()
    block = replace(block, coarse_after=block.coarse_before, coarse=block.coarse_before[None])
    mean = (block.fine_before + block.fine_after) / 2
    np.testing.assert_allclose(fuse(block), mean, atol=1e-6)


def test_where_the_fine_pixel_is_its_coarse_one_it_is_the_coarse_one_of_the_day() -> None:
    block = make_landscape()
    seen = bilinear(block.coarse_before.astype(np.float64), block.ratio)
    block = replace(block, fine_before=seen)
    wanted = bilinear(block.coarse[0].astype(np.float64), block.ratio)
    np.testing.assert_allclose(fuse(block), wanted, atol=1e-6)


def test_one_pair_seen_twice_counts_once() -> None:
    block = make_landscape(holes=True)
    once = replace(block, fine_after=block.fine_before, coarse_after=block.coarse_before)
    twice = replace(once, fine_after=block.fine_before.copy())
    np.testing.assert_allclose(fuse(once), fuse(twice), atol=1e-6)


def test_a_neighbour_with_less_change_than_a_count_weighs_as_with_one() -> None:
    """Two pixels that are alike, all others apart: their mean, by distance and ln(S B + 1)."""
    block = make_landscape(bands=1, y=16, x=16)
    fine = np.random.default_rng(0).permutation(256).reshape(1, 16, 16).astype(np.float32) / 256
    fine[0, 4, 4], fine[0, 4, 9] = 0.30, 0.3001
    block = replace(block, fine_before=fine, fine_after=fine, spread=np.float32([0.001]))
    flat = np.full_like(block.coarse_before, 0.3002)
    block = replace(block, coarse_before=flat, coarse_after=flat, coarse=flat[None] + 0.01)
    s = np.log(np.abs(fine[0, 4, [4, 9]] - flat[0, 0, 0]) * COUNTS + 1)
    weight = 1 / (s * [1, 1 + 5 / 25])
    wanted = 0.01 + (weight * fine[0, 4, [4, 9]]).sum() / weight.sum()
    assert COARSE_PAD == 3
    np.testing.assert_allclose(fuse(block)[0, 4, 4], wanted, atol=2e-6)
