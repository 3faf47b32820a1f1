"""Structural similarity (Wang et al. 2004), with an 11 x 11 Gaussian window.

Weighted moments without a sample correction.  Only windows that lie inside the image and hold
known pixels alone count: a masked pixel is neither guessed nor weighted away, every window that
touches it is left out.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import correlate1d

from model.metrics.images import Image, Mask, Pair, mean

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03

Range = float | Literal["truth"]
"""The data range L of the two constants (K L)^2: a number, or each band's own range, largest
minus smallest known value of the truth, under which faint bands count as much as bright ones."""


def ssim(predicted: ArrayLike, truth: ArrayLike, *, data_range: Range = 1.0) -> float:
    """Mean over windows and bands; NaN for an image without a whole known window."""
    return mean(ssim_by_band(Pair.of(predicted, truth), data_range)[0])


def ssim_by_band(pair: Pair, *data_ranges: Range) -> tuple[Image, ...]:
    """(band,) for each of ``data_ranges``; the moments are computed once."""
    whole = pair.windows(WINDOW)
    if not whole.any():
        return tuple(np.full(len(pair.truth), np.nan) for _ in data_ranges)
    found = [
        [_similarity(moments, _range(band, pair.known, one)) for one in data_ranges]
        for band, moments in (
            (t, _Moments(p, t, whole)) for p, t in zip(pair.predicted, pair.truth, strict=True)
        )
    ]
    return tuple(np.array(found).T)


class _Moments:
    """Weighted means, variances and covariance of two images in each whole window, (window,)."""

    def __init__(self, p: Image, t: Image, whole: Mask) -> None:
        self.mean_p, self.mean_t = (_blurred(image)[whole] for image in (p, t))
        self.var_p = _blurred(p * p)[whole] - self.mean_p**2
        self.var_t = _blurred(t * t)[whole] - self.mean_t**2
        self.both = _blurred(p * t)[whole] - self.mean_p * self.mean_t


def _similarity(m: _Moments, data_range: float) -> float:
    if not data_range > 0:
        return float("nan")  # a flat truth has no range of its own
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    level = (2 * m.mean_p * m.mean_t + c1) / (m.mean_p**2 + m.mean_t**2 + c1)
    return float(np.mean(level * (2 * m.both + c2) / (m.var_p + m.var_t + c2)))


def _range(truth: Image, known: Mask, data_range: Range) -> float:
    return float(np.ptp(truth[known])) if data_range == "truth" else data_range


def _blurred(image: Image) -> Image:
    """(y - 10, x - 10) Gaussian mean of each window that lies inside the image."""
    half = WINDOW // 2
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / SIGMA) ** 2)
    kernel /= kernel.sum()
    blurred = correlate1d(correlate1d(image, kernel, axis=0), kernel, axis=1)
    return np.asarray(blurred[half:-half, half:-half])
