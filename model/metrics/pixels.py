"""Metrics of pixels, whatever their place: RMSE, CC, bias, ERGAS, SAM."""

import numpy as np
from numpy.typing import ArrayLike

from model.metrics.images import Image, Pair, mean

RATIO = 1 / 16
"""Fine over coarse pixel in ERGAS; the published tables use this for MODIS on Landsat."""


def rmse(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean over bands of the root of the mean squared error."""
    return mean(rmse_by_band(Pair.of(predicted, truth)))


def cc(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's correlation, mean over the bands that vary in both images."""
    return mean(cc_by_band(Pair.of(predicted, truth)))


def bias(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean of predicted minus truth, mean over bands; AD of Zhu et al. 2022."""
    return mean(bias_by_band(Pair.of(predicted, truth)))


def ergas(predicted: ArrayLike, truth: ArrayLike, *, ratio: float = RATIO) -> float:
    """100 ratio sqrt(mean over bands of MSE / mean(truth)^2); ``ratio``: fine over coarse pixel."""
    return ergas_of(Pair.of(predicted, truth), ratio)


def sam(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean angle between the spectra in radians; a spectrum of zeros has none and is left out."""
    return sam_of(Pair.of(predicted, truth))


def rmse_by_band(pair: Pair) -> Image:
    p, t = pair.pixels()
    return np.sqrt(np.mean((p - t) ** 2, axis=1)) if p.size else np.full(len(p), np.nan)


def bias_by_band(pair: Pair) -> Image:
    p, t = pair.pixels()
    return np.asarray((p - t).mean(axis=1)) if p.size else np.full(len(p), np.nan)


def cc_by_band(pair: Pair) -> Image:
    p, t = pair.pixels()
    if not p.size:
        return np.full(len(p), np.nan)
    a, b = (image - image.mean(axis=1, keepdims=True) for image in (p, t))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    # A constant band leaves rounding errors behind, whose correlation would be noise.
    flat = (np.ptp(p, axis=1) == 0) | (np.ptp(t, axis=1) == 0)
    return np.where(flat, np.nan, (a * b).sum(1) / np.where(flat, 1.0, scale))


def ergas_of(pair: Pair, ratio: float) -> float:
    p, t = pair.pixels()
    if not p.size:
        return float("nan")
    level = t.mean(axis=1) ** 2
    if (level == 0).any():
        return float("nan")
    return float(100 * ratio * np.sqrt(np.mean(np.mean((p - t) ** 2, axis=1) / level)))


def sam_of(pair: Pair) -> float:
    p, t = pair.pixels()
    length = np.sqrt((p**2).sum(0) * (t**2).sum(0))
    some = length > 0
    if not some.any():
        return float("nan")
    cosine = (p * t).sum(0)[some] / length[some]
    # Rounding takes a cosine above 1; unclamped it is NaN, and was dropped silently elsewhere.
    return float(np.arccos(np.clip(cosine, -1, 1)).mean())
