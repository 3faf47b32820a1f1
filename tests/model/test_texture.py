"""Texture scores against Zhu et al.'s formulas pixel by pixel, and scikit-image's patterns."""

import math

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from skimage.feature import local_binary_pattern

from model import metrics
from tests.model.test_metrics import Image, make_pair


def by_hand_edges(image: Image, known: np.ndarray) -> list[float]:
    """Of one band, window by window, by rows; only windows of known pixels."""
    y, x = image.shape
    return [
        abs(image[i, j] - image[i + 1, j + 1]) + abs(image[i, j + 1] - image[i + 1, j])
        for i in range(y - 1)
        for j in range(x - 1)
        if known[i : i + 2, j : j + 2].all()
    ]


def by_hand_patterns(image: Image, known: np.ndarray) -> list[float]:
    y, x = image.shape
    clockwise = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    return [
        sum(
            2 ** (7 - bit) * (image[i + v, j + u] > image[i, j] + 0.005 + 1e-6)
            for bit, (v, u) in enumerate(clockwise)
        )
        for i in range(1, y - 1)
        for j in range(1, x - 1)
        if known[i - 1 : i + 2, j - 1 : j + 2].all()
    ]


def difference(ours: list[float], theirs: list[float]) -> float:
    each = [(a - b) / (a + b + 1e-5) for a, b in zip(ours, theirs, strict=True)]
    return sum(each) / len(each)


@pytest.mark.parametrize("holes", [0, 5])
def test_texture_scores_are_their_definitions(holes: int) -> None:
    p, t = make_pair(holes=holes)
    known = np.isfinite(p).all(0) & np.isfinite(t).all(0)
    edges, patterns = [], []
    for one, two in zip(p, t, strict=True):
        ours, theirs = by_hand_edges(one, known), by_hand_edges(two, known)
        limit = np.quantile(theirs, 0.9)
        strong = [i for i, value in enumerate(theirs) if value >= limit]
        edges.append(difference([ours[i] for i in strong], [theirs[i] for i in strong]))
        codes = [[c / 255 for c in by_hand_patterns(image, known)] for image in (one, two)]
        patterns.append(difference(*codes))
    assert metrics.edge(p, t) == pytest.approx(np.mean(edges), rel=1e-12)
    assert metrics.lbp(p, t) == pytest.approx(np.mean(patterns), rel=1e-12)
    bands = metrics.score(p, t).bands
    assert [band.edge for band in bands] == pytest.approx(edges)
    assert [band.lbp for band in bands] == pytest.approx(patterns)


def test_patterns_are_those_of_scikit_image_bit_by_bit() -> None:
    # Its neighbours lie on a circle: at radius 1 the four beside the pixel are pixels, at radius
    # sqrt(2) the four across, counted against the clock from the right.
    image = np.random.default_rng(0).integers(0, 1000, (12, 15))
    beside = local_binary_pattern(image, 4, 1).astype(int)[1:-1, 1:-1]
    across = local_binary_pattern(image, 8, math.sqrt(2)).astype(int)[1:-1, 1:-1]
    ours = metrics.binary_patterns(image, noise=0).astype(int)
    right, up, left, down = ((beside >> bit) & 1 for bit in range(4))
    up_right, up_left, down_left, down_right = ((across >> bit) & 1 for bit in (1, 3, 5, 7))
    clockwise = (up_left, up, up_right, right, down_right, down, down_left, left)
    assert (ours == sum(bit << (7 - at) for at, bit in enumerate(clockwise))).all()


def test_a_smoothed_image_scores_below_nothing_and_a_noisy_one_above() -> None:
    _, t = make_pair(y=40, x=40)
    smooth = uniform_filter(t, (0, 3, 3))
    noisy = t + np.random.default_rng(1).normal(0, 0.3, t.shape)
    assert metrics.edge(smooth, t) < -0.3
    assert metrics.edge(noisy, t) > 0.05
    flat = np.full_like(t, 0.2)
    assert metrics.edge(flat, t) == pytest.approx(-1, abs=1e-3)
    assert metrics.lbp(flat, t) < -0.8  # but at the darkest pixels around, which have no bits


def test_numbers_of_whole_steps_score_alike_in_float32_and_float64() -> None:
    rng = np.random.default_rng(0)
    p, t = (rng.integers(900, 1100, (2, 40, 40)) for _ in range(2))
    wide = metrics.lbp(p * 1e-4, t * 1e-4)
    narrow = metrics.lbp((p * 1e-4).astype(np.float32), (t * 1e-4).astype(np.float32))
    assert wide == pytest.approx(narrow, abs=1e-6)


def test_a_constant_offset_keeps_the_texture() -> None:
    _, t = make_pair()
    assert metrics.edge(t + 0.1, t) == pytest.approx(0, abs=1e-12)
    assert metrics.lbp(t + 0.125, t) == pytest.approx(0, abs=1e-3)
