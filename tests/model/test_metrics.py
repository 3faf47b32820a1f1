"""Every metric against its definition, pixel by pixel, and against libraries that agree."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.cbook import boxplot_stats
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    error_relative_global_dimensionless_synthesis,
    spectral_angle_mapper,
)

from model import metrics
from model.metrics.scores import _cuts

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


def by_hand_bias(p: Image, t: Image) -> float:
    spectra = known_pixels(p, t)
    return sum(sum(a) - sum(c) for a, c in spectra) / (len(spectra) * len(p))


def by_hand_ssim(p: Image, t: Image, *, own_range: bool = False) -> float:
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(line, line) / np.outer(line, line).sum()
    known = np.isfinite(p).all(0) & np.isfinite(t).all(0)
    means = []
    for one, two in zip(p, t, strict=True):
        span = max(two[known]) - min(two[known]) if own_range else 1.0
        c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
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
                level = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
                values.append(level * (2 * vab + c2) / (va + vb + c2))
        means.append(np.mean(values))
    return float(np.mean(means))


@pytest.mark.parametrize("holes", [0, 4])
@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        (metrics.rmse, by_hand_rmse),
        (metrics.cc, by_hand_cc),
        (metrics.bias, by_hand_bias),
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


def test_ssim_takes_the_range_of_the_truth_or_a_given_one() -> None:
    p, t = make_pair(holes=4, y=26, x=30)
    own = metrics.ssim(p, t, data_range="truth")
    assert own == pytest.approx(by_hand_ssim(p, t, own_range=True), rel=1e-12)
    assert own < metrics.ssim(p, t)
    # A range is a unit: the same numbers in another unit score alike.
    assert metrics.ssim(10 * p, 10 * t, data_range="truth") == pytest.approx(own)
    assert metrics.ssim(10 * p, 10 * t, data_range=10) == pytest.approx(metrics.ssim(p, t))


def test_ssim_is_that_of_scikit_image_on_the_valid_area() -> None:
    p, t = make_pair(y=40, x=50)
    for data_range in (1.0, 0.3):
        _, full = structural_similarity(
            t, p, channel_axis=0, data_range=data_range, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        theirs = full[:, 5:-5, 5:-5].mean()
        assert metrics.ssim(p, t, data_range=data_range) == pytest.approx(theirs, rel=1e-12)


def test_ergas_and_sam_are_those_of_torchmetrics() -> None:
    # sewar, the other library with these names, is no check: it takes ERGAS as a mean over 8 x 8
    # windows and SAM as the angle between whole bands.
    p, t = make_pair(y=40, x=50)
    theirs, ours = torch.tensor(p)[None], torch.tensor(t)[None]
    for cells in (16, 7):
        ergas = error_relative_global_dimensionless_synthesis(theirs, ours, ratio=cells)
        assert metrics.ergas(p, t, ratio=1 / cells) == pytest.approx(float(ergas), rel=1e-12)
    assert metrics.sam(p, t) == pytest.approx(float(spectral_angle_mapper(theirs, ours)), rel=1e-9)


@pytest.mark.parametrize("bands", [1, 2, 6])
def test_a_perfect_image_has_perfect_scores(bands: int) -> None:
    _, truth = make_pair(bands=bands, holes=2, y=40, x=40)
    found = metrics.score(truth, truth).means()
    # arccos near 1 turns one rounding error of 1e-16 into 1e-8; NaN where it is not clamped.
    assert 0 <= found.pop("sam") < 1e-7
    perfect = {"rmse": 0, "bias": 0, "ergas": 0, "edge": 0, "lbp": 0}
    perfect |= {"cc": 1, "ssim": 1, "ssim_own_range": 1}
    assert found == pytest.approx(perfect, abs=1e-12)
    for band in metrics.score(truth, truth).bands:
        assert band._asdict() == pytest.approx({name: perfect[name] for name in band._fields})


def test_the_score_of_an_image_is_the_metrics_one_by_one() -> None:
    p, t = make_pair(holes=3, y=26, x=30)
    found = metrics.score(p, t, ratio=1 / 7)
    assert found.means() == {
        "rmse": metrics.rmse(p, t),
        "cc": metrics.cc(p, t),
        "bias": metrics.bias(p, t),
        "ssim": metrics.ssim(p, t),
        "ssim_own_range": metrics.ssim(p, t, data_range="truth"),
        "edge": metrics.edge(p, t),
        "lbp": metrics.lbp(p, t),
        "ergas": metrics.ergas(p, t, ratio=1 / 7),
        "sam": metrics.sam(p, t),
    }
    assert tuple(found.means()) == metrics.NAMES
    assert found.ergas == pytest.approx(metrics.ergas(p, t) * 16 / 7)
    assert found.pixels == len(known_pixels(p, t))


def test_a_band_is_scored_as_it_would_be_alone() -> None:
    p, t = make_pair(y=26, x=30)
    found = metrics.score(p, t)
    for band, ours in enumerate(found.bands):
        alone = metrics.score(p[band : band + 1], t[band : band + 1])
        assert ours == pytest.approx(alone.mean)
    means = np.mean(found.bands, axis=0)
    assert found.mean == pytest.approx(tuple(means))


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 100))
def test_the_order_of_bands_changes_nothing(order: list[int], seed: int) -> None:
    p, t = make_pair(bands=4, holes=3, y=24, x=24, seed=seed)
    found, turned = metrics.score(p, t), metrics.score(p[order], t[order])
    assert turned.means() == pytest.approx(found.means(), nan_ok=True)
    np.testing.assert_allclose(turned.bands, np.array(found.bands)[order], rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.floats(-1e3, 1e3))
def test_what_a_masked_pixel_holds_changes_nothing(seed: int, value: float) -> None:
    p, t = make_pair(holes=3, y=24, x=24, seed=seed)
    found = metrics.score(p, t)
    unknown = ~(np.isfinite(p).all(0) & np.isfinite(t).all(0))
    for told in (p, t):
        other = [p.copy(), t.copy()]
        here = 0 if told is p else 1
        # Known in two of its bands, unknown in the third of one image: left out in all of both.
        other[here][:2, unknown] = value
        other[1 - here][2, unknown] = np.nan
        assert metrics.score(*other) == found


def test_pixels_outside_a_mask_change_nothing() -> None:
    p, t = make_pair(y=40, x=40)
    inside = np.zeros((40, 40), bool)
    inside[5:30, 8:38] = True
    cut = metrics.score(p[:, 5:30, 8:38], t[:, 5:30, 8:38])
    for left_out in ((metrics.only(p, inside), t), (p, metrics.only(t, inside))):
        assert metrics.score(*left_out).means() == pytest.approx(cut.means())


def test_patches_cover_the_image_and_the_last_is_shifted_inside() -> None:
    p, t = make_pair(y=40, x=32, holes=2)
    corners = [(y, x) for y in (0, 16, 24) for x in (0, 16)]
    each = [metrics.score(p[:, y : y + 16, x : x + 16], t[:, y : y + 16, x : x + 16])
            for y, x in corners]  # fmt: skip
    assert metrics.patch_scores(p, t, patch_px=16, stride_px=16) == each
    found = metrics.score_patches(p, t, patch_px=16, stride_px=16)
    for name, value in found.means().items():
        assert value == pytest.approx(np.mean([one.means()[name] for one in each]))
    small = metrics.score_patches(p, t, patch_px=64)
    assert small.mean.ssim == pytest.approx(metrics.ssim(p, t))


def test_the_papers_patch_counts_are_reproduced() -> None:
    for shape, count in (((1792, 1280), 117), ((2560, 2560), 361)):
        sides = [len(list(_cuts(length, 256, 128))) for length in shape]
        assert math.prod(sides) == count


def test_what_is_undefined_is_nan_and_left_out_of_the_mean() -> None:
    p, t = make_pair(y=12, x=24)
    found = metrics.score(p, np.full_like(t, np.nan))
    assert all(map(math.isnan, found.means().values()))
    assert found.pixels == 0
    assert math.isnan(metrics.ssim(p[:, :10], t[:, :10]))
    flat = t.copy()
    flat[0] = 0.1
    assert metrics.cc(p, flat) == pytest.approx(metrics.cc(p[1:], t[1:]))
    own = metrics.ssim(p, flat, data_range="truth")
    assert own == pytest.approx(metrics.ssim(p[1:], t[1:], data_range="truth"))
    half = t.copy()
    half[:, :, 12:] = np.nan
    left = metrics.score(p[:, :, :12], t[:, :, :12])
    found = metrics.score_patches(p, half, patch_px=12, stride_px=12)
    assert found == left


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_box_is_that_of_matplotlib(values: list[float]) -> None:
    box = metrics.Box.of([*values, math.nan])
    (theirs,) = boxplot_stats(values)
    assert box.count == len(values)
    for ours, name in (
        (box.mean, "mean"),
        (box.low, "whislo"),
        (box.lower_quartile, "q1"),
        (box.median, "med"),
        (box.upper_quartile, "q3"),
        (box.high, "whishi"),
    ):
        assert ours == pytest.approx(theirs[name])
    assert box.outliers == pytest.approx(sorted(theirs["fliers"]))


def test_a_box_of_nothing_is_nan() -> None:
    box = metrics.Box.of([math.nan])
    assert (box.count, box.outliers) == (0, ())
    assert math.isnan(box.median)


def test_images_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted \(3, 4\) and truth \(3, 4, 5\) must be"):
        metrics.rmse(np.zeros((3, 4)), np.zeros((3, 4, 5)))
