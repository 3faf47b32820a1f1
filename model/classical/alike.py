"""Averages over the neighbours whose spectra are most alike, the last step of one-pair methods."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Bool
from model.classical.kernels import compiled
from model.classical.pairs import Target

HALF = 20
"""Fine pixels: half the window in which neighbours are looked for."""

COUNT = 20
"""Neighbours, the pixel itself among them."""


class _Places(NamedTuple):
    """The places of a window from its centre outwards; what is equally far in order of rows."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    weight: NDArray[np.float64]
    """1 / (1 + distance / half window)."""


def average_of_alike(
    target: Target, values: Array, fine: Array, *, limits: Array, relative: bool
) -> Array:
    """Mean of ``values`` (band, y, x) over each pixel's neighbours, by distance; in the core only.

    Neighbours are the ``COUNT`` known pixels of the window that differ least in ``fine`` (band, y,
    x), the nearer first where several differ the same, of those within ``limits`` (band,) in every
    band.  The difference is the root mean square over bands, or with ``relative`` the sum over
    bands of |difference| / centre.
    """
    average = np.full(values.shape, np.nan, np.float32)
    y, x = target.core
    core = (y.start, y.stop, x.start, x.stop)
    _average(average, values, fine, target.known, core, _places(HALF), COUNT, limits, relative)
    return average


def _places(half: int) -> _Places:
    rows, cols = (at.ravel() for at in np.mgrid[-half : half + 1, -half : half + 1])
    away = np.hypot(rows, cols)
    order = np.argsort(away, kind="stable")
    return _Places(rows[order], cols[order], 1 / (1 + away[order] / half))


@compiled
def _average(
    average: Array,
    values: Array,
    fine: Array,
    known: Bool,
    core: tuple[int, int, int, int],
    places: _Places,
    count: int,
    limits: Array,
    relative: bool,
) -> None:
    bands, y, x = values.shape
    least = np.empty(count, np.float64)
    kept = np.empty(count, np.int64)
    for row in range(core[0], core[1]):
        for col in range(core[2], core[3]):
            if not known[row, col]:
                continue
            n = 0
            for place in range(len(places.rows)):
                v, u = row + places.rows[place], col + places.cols[place]
                if v < 0 or v >= y or u < 0 or u >= x or not known[v, u]:
                    continue
                difference, near = 0.0, True
                for b in range(bands):
                    centre = np.float64(fine[b, row, col])
                    step = abs(np.float64(fine[b, v, u]) - centre)
                    near &= step < limits[b]
                    difference += step / (centre + 1e-8) if relative else step * step
                if not near or (n == count and difference >= least[n - 1]):
                    continue
                n = min(n + 1, count)
                at = n - 1
                while at > 0 and least[at - 1] > difference:
                    least[at], kept[at] = least[at - 1], kept[at - 1]
                    at -= 1
                least[at], kept[at] = difference, place
            for b in range(bands):
                total, weights = 0.0, 0.0
                for i in range(n):
                    place = kept[i]
                    w = places.weight[place]
                    total += w * values[b, row + places.rows[place], col + places.cols[place]]
                    weights += w
                average[b, row, col] = total / weights
