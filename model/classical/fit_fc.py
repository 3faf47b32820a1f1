"""Fit-FC: Wang and Atkinson 2018, Remote Sensing of Environment 204, 31-42.

    a, b    C_1 = a C_r + b over 5 x 5 cells around each, band by band
    r       what it leaves, C_1 - (a C_r + b)

Regression model fitting gives a F_r + b, each pixel with the a and b of its cell.  Spatial
filtering averages it over the similar neighbours, weighted by distance.  Residual compensation adds
r, interpolated to the pixels by cubic convolution, averaged with the same weights.  Window and
number of neighbours are those of the authors' program for Landsat and MODIS.

One pair; with two, see ``model.classical.pairs.both_ways``.  A day without change gives the
filtered reference, not the reference: the filter is part of the method.  a = 1 where C_r is the
same in all cells of a window.
"""

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from model.block import Array
from model.classical.alike import average_of_alike
from model.classical.pairs import Pair, Target, both_ways
from model.upsample import cubic, nearest

CELLS = 5
FLAT = 1e-10
"""Variance of the cells of a window that are taken for the same."""


def fit_fc(target: Target) -> Array:
    """(band, y, x) reflectance; meaningless beyond ``target.core`` and where it is not known."""
    return both_ways(target, _from_one)


def _from_one(target: Target, pair: Pair) -> Array:
    a, b = local_fit(pair.coarse, target.coarse)
    left = target.coarse - (a * pair.coarse + b)
    up = partial(nearest, ratio=target.ratio)
    fitted = up(a) * pair.fine + up(b) + cubic(left, target.ratio)
    anything = np.full(len(fitted), np.inf, np.float32)
    return average_of_alike(target, fitted, pair.fine, limits=anything, relative=False)


def local_fit(reference: Array, day: Array) -> tuple[Array, Array]:
    """a and b of each cell, both (band, row, col), from the known cells of its window.

    NaN where a window has none.  ``reference`` and ``day``: (band, row, col), NaN unknown.
    """
    margin = CELLS // 2
    pad = ((0, 0), (margin, margin), (margin, margin))
    x, y = (
        sliding_window_view(
            np.pad(cells.astype(np.float64), pad, constant_values=np.nan), (CELLS, CELLS), (1, 2)
        )
        for cells in (reference, day)
    )
    known = np.isfinite(x) & np.isfinite(y)
    count = known.sum((-2, -1)).astype(np.float64)
    count[count == 0] = np.nan

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(known, values, 0).sum((-2, -1)) / count)

    mean_x, mean_y = mean(x), mean(y)
    from_x, from_y = x - mean_x[..., None, None], y - mean_y[..., None, None]
    variance = mean(from_x * from_x)
    flat = variance < FLAT
    a = np.where(flat, 1.0, mean(from_x * from_y) / np.where(flat, 1.0, variance))
    return a.astype(np.float32), (mean_y - a * mean_x).astype(np.float32)
