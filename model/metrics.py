"""How near a predicted image is to the truth, by the definitions of SA-STF's tables.

Images are (band, y, x) surface reflectance, NaN unknown.  All sums are float64.  A pixel that is
unknown in any band of either image is left out of every metric, so that all stand on the same
pixels; of SSIM every window that holds such a pixel is.  What is undefined (no pixel left, a band
without variance) is NaN, never a guess.

Numbers of other papers do not compare: SAM is given in degrees there, ERGAS with another factor,
SSIM with another range (evaluation.md of the project's notes lists them).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

Image = NDArray[np.float64]

RATIO = 1 / 16
"""Fine over coarse pixel in ERGAS; the published tables use this for MODIS on Landsat."""

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
"""(K1 L)^2 and (K2 L)^2 with a data range L of 1."""

NAMES = ("rmse", "cc", "ssim", "ergas", "sam")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """All metrics of one image, or their averages over patches."""

    rmse: float
    """Mean over bands."""
    cc: float
    ssim: float
    ergas: float
    sam: float
    """Radians."""
    rmse_by_band: tuple[float, ...]


def score(predicted: ArrayLike, truth: ArrayLike, *, ratio: float = RATIO) -> Scores:
    """Every metric of a whole image.  ``ratio``: fine over coarse pixel."""
    p, t, _ = _pixels(predicted, truth)
    by_band = _rmse_by_band(p, t)
    return Scores(
        rmse=_mean(by_band),
        cc=_cc(p, t),
        ssim=ssim(predicted, truth),
        ergas=_ergas(p, t, ratio),
        sam=_sam(p, t),
        rmse_by_band=tuple(float(value) for value in by_band),
    )


def score_patches(
    predicted: ArrayLike,
    truth: ArrayLike,
    *,
    patch_px: int = 256,
    stride_px: int = 128,
    ratio: float = RATIO,
) -> Scores:
    """Mean over patches of every metric, as the papers report it.

    Patches start every ``stride_px`` pixels, the last row and column are shifted inside; an image
    smaller than a patch is one patch.  A metric that a patch does not define is left out of its
    mean.
    """
    p, t = _images(predicted, truth)
    each = [
        score(p[:, y, x], t[:, y, x], ratio=ratio)
        for y in _cuts(p.shape[1], patch_px, stride_px)
        for x in _cuts(p.shape[2], patch_px, stride_px)
    ]
    return mean_scores(each)


def mean_scores(each: list[Scores]) -> Scores:
    """The mean of each metric over images or patches, without those it is undefined for."""
    bands = np.array([one.rmse_by_band for one in each])
    return Scores(
        **{name: _mean(np.array([getattr(one, name) for one in each])) for name in NAMES},
        rmse_by_band=tuple(_mean(band) for band in bands.T),
    )


def rmse(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean over bands of the root of the mean squared error."""
    p, t, _ = _pixels(predicted, truth)
    return _mean(_rmse_by_band(p, t))


def cc(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's correlation, mean over the bands that vary in both images."""
    p, t, _ = _pixels(predicted, truth)
    return _cc(p, t)


def ergas(predicted: ArrayLike, truth: ArrayLike, *, ratio: float = RATIO) -> float:
    """100 ratio sqrt(mean over bands of MSE / mean(truth)^2)."""
    p, t, _ = _pixels(predicted, truth)
    return _ergas(p, t, ratio)


def sam(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean angle between the spectra in radians; a spectrum of zeros has none and is left out."""
    p, t, _ = _pixels(predicted, truth)
    return _sam(p, t)


def ssim(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Structural similarity with an 11 x 11 Gaussian window, mean over windows and bands.

    Only windows that lie inside the image and hold known pixels alone.  Weighted moments without
    a sample correction (Wang et al. 2004).  NaN for an image without such a window.
    """
    p, t, known = _pixels(predicted, truth, keep_shape=True)
    half = SSIM_WINDOW // 2
    if min(known.shape) < SSIM_WINDOW:
        return float("nan")
    unknown = (~known).astype(np.float64)
    whole = _inner(_box(unknown)) == 0
    if not whole.any():
        return float("nan")
    offsets = np.arange(-half, half + 1)
    kernel = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    kernel /= kernel.sum()
    return float(
        np.mean([_ssim_map(a, b, kernel)[whole].mean() for a, b in zip(p, t, strict=True)])
    )


def _ssim_map(p: Image, t: Image, kernel: Image) -> Image:
    def blurred(image: Image) -> Image:
        return _inner(correlate1d(correlate1d(image, kernel, axis=0), kernel, axis=1))

    mean_p, mean_t = blurred(p), blurred(t)
    var_p, var_t = blurred(p * p) - mean_p**2, blurred(t * t) - mean_t**2
    both = blurred(p * t) - mean_p * mean_t
    structure = (2 * both + SSIM_C2) / (var_p + var_t + SSIM_C2)
    return (2 * mean_p * mean_t + SSIM_C1) / (mean_p**2 + mean_t**2 + SSIM_C1) * structure


def _box(image: Image) -> Image:
    ones = np.ones(SSIM_WINDOW)
    return np.asarray(correlate1d(correlate1d(image, ones, axis=0), ones, axis=1))


def _inner(image: Image) -> Image:
    """Where the window lies inside the image."""
    half = SSIM_WINDOW // 2
    return image[half:-half, half:-half]


def _rmse_by_band(p: Image, t: Image) -> Image:
    if not p.shape[1]:
        return np.full(p.shape[0], np.nan)
    return np.sqrt(np.mean((p - t) ** 2, axis=1))


def _cc(p: Image, t: Image) -> float:
    if not p.shape[1]:
        return float("nan")
    a, b = (image - image.mean(axis=1, keepdims=True) for image in (p, t))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    # A constant band leaves rounding errors behind, whose correlation would be noise.
    flat = (np.ptp(p, axis=1) == 0) | (np.ptp(t, axis=1) == 0)
    return _mean(np.where(flat, np.nan, (a * b).sum(1) / np.where(flat, 1.0, scale)))


def _ergas(p: Image, t: Image, ratio: float) -> float:
    if not p.shape[1]:
        return float("nan")
    level = t.mean(axis=1) ** 2
    if (level == 0).any():
        return float("nan")
    return float(100 * ratio * np.sqrt(np.mean(np.mean((p - t) ** 2, axis=1) / level)))


def _sam(p: Image, t: Image) -> float:
    length = np.sqrt((p**2).sum(0) * (t**2).sum(0))
    some = length > 0
    if not some.any():
        return float("nan")
    cosine = (p * t).sum(0)[some] / length[some]
    return float(np.arccos(np.clip(cosine, -1, 1)).mean())


def _images(predicted: ArrayLike, truth: ArrayLike) -> tuple[Image, Image]:
    p, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if p.ndim != 3 or p.shape != t.shape:
        raise ValueError(
            f"predicted {p.shape} and truth {t.shape} must be two images (band, y, x) of one shape"
        )
    return p, t


def _pixels(
    predicted: ArrayLike, truth: ArrayLike, *, keep_shape: bool = False
) -> tuple[Image, Image, NDArray[np.bool_]]:
    """Both images at the pixels known in all bands, (band, pixel), and where those are (y, x).

    ``keep_shape``: (band, y, x) instead, unknown pixels 0.
    """
    p, t = _images(predicted, truth)
    known = np.asarray(np.isfinite(p).all(0) & np.isfinite(t).all(0))
    if keep_shape:
        return np.where(known, p, 0.0), np.where(known, t, 0.0), known
    return p[:, known], t[:, known], known


def _cuts(length: int, patch: int, stride: int) -> Iterator[slice]:
    if patch < 1 or stride < 1:
        raise ValueError(f"patch_px={patch} and stride_px={stride} must be 1 or more")
    last = max(length - patch, 0)
    for first in range(0, last + stride, stride):
        at = min(first, last)
        yield slice(at, at + patch)


def _mean(values: Image) -> float:
    """Mean of what is defined; NaN where nothing is."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")
