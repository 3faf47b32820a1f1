"""Is a prediction smoother than the truth?  Edge strength and local binary patterns.

    EDGE   Roberts' edge strength, |a - d| + |b - c| over 2 x 2 pixels  a b
                                                                         c d
           where the truth's is in its upper tenth: there the land has its edges
    LBP    of each neighbour, clockwise from the upper left, a bit, the first the highest: is it
           brighter than the pixel by more than the noise?  As a number of 8 bits over 255

Each is scored by the mean over pixels of (P - T) / (P + T + 1e-5), from -1 to 1: 0 is the truth's
own texture, below it the prediction is smoother, above sharper or noisier.

Source: Zhu, Zhan, Zhou, Chen, Liang, Xu, Chen (2022), A novel framework to assess all-round
performances of spatiotemporal fusion models, Remote Sensing of Environment 274, 113002; where the
text leaves a choice (the tenth, the noise, the 1e-5), as in the authors' published program.  With
RMSE and bias (their AD) these are the four numbers of an all-round performance (APA) diagram.
"""

import numpy as np
from numpy.typing import ArrayLike

from model.metrics.images import Image, Pair, mean

EDGE_SHARE = 0.1
NOISE = 0.005
"""Reflectance; differences up to it set no bit."""

_ROUNDING = 1e-6
"""Reflectance is stored in steps of 1e-4, so that differences of just ``NOISE`` are common: they
set no bit in float32 either."""

_LEAST = 1e-5
_CLOCKWISE = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def edge(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Score of the edge strength where the truth has its edges, mean over bands."""
    return mean(edge_by_band(Pair.of(predicted, truth)))


def lbp(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Score of the local binary patterns, mean over bands."""
    return mean(lbp_by_band(Pair.of(predicted, truth)))


def edge_strength(image: ArrayLike) -> Image:
    """(..., y, x) -> (..., y - 1, x - 1): Roberts' edge strength, by the upper left pixel."""
    a = np.asarray(image, np.float64)
    return np.abs(a[..., :-1, :-1] - a[..., 1:, 1:]) + np.abs(a[..., :-1, 1:] - a[..., 1:, :-1])


def binary_patterns(image: ArrayLike, *, noise: float = NOISE) -> Image:
    """(..., y, x) -> (..., y - 2, x - 2): the pattern around each inner pixel, 0 to 255."""
    a = np.asarray(image, np.float64)
    y, x = a.shape[-2:]
    limit = a[..., 1:-1, 1:-1] + noise + _ROUNDING
    code = np.zeros(limit.shape)
    for i, j in _CLOCKWISE:
        code = 2 * code + (a[..., i : i + y - 2, j : j + x - 2] > limit)
    return code


def edge_by_band(pair: Pair) -> Image:
    whole = pair.windows(2)
    if not whole.any():
        return np.full(len(pair.truth), np.nan)
    found = []
    for p, t in zip(pair.predicted, pair.truth, strict=True):
        ours, theirs = edge_strength(p)[whole], edge_strength(t)[whole]
        strong = theirs >= np.quantile(theirs, 1 - EDGE_SHARE)
        found.append(_difference(ours[strong], theirs[strong]))
    return np.array(found)


def lbp_by_band(pair: Pair) -> Image:
    whole = pair.windows(3)
    if not whole.any():
        return np.full(len(pair.truth), np.nan)
    return np.array(
        [
            _difference(binary_patterns(p)[whole] / 255, binary_patterns(t)[whole] / 255)
            for p, t in zip(pair.predicted, pair.truth, strict=True)
        ]
    )


def _difference(ours: Image, theirs: Image) -> float:
    return float(np.mean((ours - theirs) / (ours + theirs + _LEAST)))
