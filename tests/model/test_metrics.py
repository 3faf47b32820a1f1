"""Every metric against its definition, pixel by pixel."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from model import metrics

Image = NDArray[np.float64]


def make_pair(*, bands: int = 3, y: int = 19, x: int = 23, holes: int = 0, seed: int = 0) -> Image:
    """A truth and a prediction that errs by a few hundredths, with ``holes`` NaN in each."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.5, (bands, y, x))
    pair = np.stack([truth + rng.normal(0, 0.04, truth.shape), truth])
    for image in pair:
        for _ in range(holes):
            image[rng.integers(bands), rng.integers(y), rng.integers(x)] = np.nan
    return pair


def known_pixels(p: Image, t: Image) -> list[tuple[list[float], list[float]]]:
    """Spectra (predicted, true) of the pixels known in all bands of both."""
    return [
        (list(p[:, i, j]), list(t[:, i, j]))
        for i, j in np.ndindex(p.shape[1:])
        if all(map(math.isfinite, [*p[:, i, j], *t[:, i, j]]))
    ]


def by_hand_rmse(p: Image, t: Image) -> float:
    spectra = known_pixels(p, t)
    roots = [
        math.sqrt(sum((a[b] - c[b]) ** 2 for a, c in spectra) / len(spectra)) for b in range(len(p))
    ]
    return sum(roots) / len(roots)


def by_hand_cc(p: Image, t: Image) -> float:
    spectra = known_pixels(p, t)
    found = [
        np.corrcoef([a[b] for a, _ in spectra], [c[b] for _, c in spectra])[0, 1]
        for b in range(len(p))
    ]
    return float(np.mean(found))


def by_hand_ergas(p: Image, t: Image) -> float:
    spectra = known_pixels(p, t)
    terms = []
    for b in range(len(p)):
        mse = sum((a[b] - c[b]) ** 2 for a, c in spectra) / len(spectra)
        terms.append(mse / (sum(c[b] for _, c in spectra) / len(spectra)) ** 2)
    return 100 / 16 * math.sqrt(sum(terms) / len(terms))


def by_hand_sam(p: Image, t: Image) -> float:
    angles = []
    for a, c in known_pixels(p, t):
        cosine = np.dot(a, c) / (math.hypot(*a) * math.hypot(*c))
        angles.append(math.acos(min(1.0, max(-1.0, cosine))))
    return sum(angles) / len(angles)


def by_hand_ssim(p: Image, t: Image) -> float:
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(line, line) / np.outer(line, line).sum()
    means = []
    for one, two in zip(p, t, strict=True):
        values = []
        for i in range(one.shape[0] - 10):
            for j in range(one.shape[1] - 10):
                at = np.s_[:, i : i + 11, j : j + 11]
                if np.isnan(p[at]).any() or np.isnan(t[at]).any():
                    continue
                a, b = one[at[1:]], two[at[1:]]
                ma, mb = (window * a).sum(), (window * b).sum()
                va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
                vab = (window * (a - ma) * (b - mb)).sum()
                level = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
                values.append(level * (2 * vab + 9e-4) / (va + vb + 9e-4))
        means.append(np.mean(values))
    return float(np.mean(means))


@pytest.mark.parametrize("holes", [0, 4])
@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        (metrics.rmse, by_hand_rmse),
        (metrics.cc, by_hand_cc),
        (metrics.ergas, by_hand_ergas),
        (metrics.sam, by_hand_sam),
        (metrics.ssim, by_hand_ssim),
    ],
    ids=lambda value: value.__name__,
)
def test_a_metric_is_its_definition(
    metric: Callable[..., float], by_hand: Callable[[Image, Image], float], holes: int
) -> None:
    p, t = make_pair(holes=holes, y=26, x=30)
    assert metric(p, t) == pytest.approx(by_hand(p, t), rel=1e-12)
    # Float32 input is summed in float64 all the same.
    p32, t32 = p.astype(np.float32), t.astype(np.float32)
    assert metric(p32, t32) == pytest.approx(by_hand(p32.astype(float), t32.astype(float)), 1e-12)


@pytest.mark.parametrize("bands", [1, 2, 6])
def test_a_perfect_image_has_perfect_scores(bands: int) -> None:
    _, truth = make_pair(bands=bands, holes=2, y=40, x=40)
    found = metrics.score(truth, truth)
    assert found.rmse == 0
    assert found.ergas == 0
    assert found.cc == pytest.approx(1)
    assert found.ssim == pytest.approx(1)
    # arccos near 1 turns one rounding error of 1e-16 into 1e-8; NaN where it is not clamped.
    assert 0 <= found.sam < 1e-7


def test_the_score_of_an_image_is_the_metrics_one_by_one() -> None:
    p, t = make_pair(holes=3, y=26, x=30)
    found = metrics.score(p, t, ratio=1 / 7)
    assert found.rmse == metrics.rmse(p, t) == pytest.approx(np.mean(found.rmse_by_band))
    assert (found.cc, found.sam, found.ssim) == (
        metrics.cc(p, t),
        metrics.sam(p, t),
        metrics.ssim(p, t),
    )
    assert found.ergas == metrics.ergas(p, t, ratio=1 / 7)
    assert found.ergas == pytest.approx(metrics.ergas(p, t) * 16 / 7)


def test_patches_cover_the_image_and_the_last_is_shifted_inside() -> None:
    p, t = make_pair(y=40, x=32)
    found = metrics.score_patches(p, t, patch_px=16, stride_px=16)
    corners = [(y, x) for y in (0, 16, 24) for x in (0, 16)]
    each = [metrics.score(p[:, y : y + 16, x : x + 16], t[:, y : y + 16, x : x + 16])
            for y, x in corners]  # fmt: skip
    for name in metrics.NAMES:
        assert getattr(found, name) == pytest.approx(np.mean([getattr(e, name) for e in each]))
    small = metrics.score_patches(p, t, patch_px=64)
    assert small.ssim == pytest.approx(metrics.ssim(p, t))


def test_the_papers_patch_counts_are_reproduced() -> None:
    for shape, count in (((1792, 1280), 117), ((2560, 2560), 361)):
        sides = [len(list(metrics._cuts(length, 256, 128))) for length in shape]
        assert math.prod(sides) == count


def test_what_is_undefined_is_nan_and_left_out_of_the_mean() -> None:
    p, t = make_pair(y=12, x=24)
    nothing = np.full_like(t, np.nan)
    found = metrics.score(p, nothing)
    assert all(math.isnan(getattr(found, name)) for name in metrics.NAMES)
    assert math.isnan(metrics.ssim(p[:, :10], t[:, :10]))
    flat = t.copy()
    flat[0] = 0.1
    assert metrics.cc(p, flat) == pytest.approx(metrics.cc(p[1:], t[1:]))
    half = t.copy()
    half[:, :, 12:] = np.nan
    left = metrics.score(p[:, :, :12], t[:, :, :12])
    found = metrics.score_patches(p, half, patch_px=12, stride_px=12)
    assert found == left


def test_images_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted \(3, 4\) and truth \(3, 4, 5\) must be"):
        metrics.rmse(np.zeros((3, 4)), np.zeros((3, 4, 5)))
