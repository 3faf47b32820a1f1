"""Loops over pixels, compiled on their first call and kept in the cache beside the source.

One thread: the workers of a run are processes of one thread each.  Without the interpreter's lock,
so that a worker still answers its scheduler.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model.block import Array, Bool

compiled = njit(cache=True, nogil=True)


def distances(half: int) -> NDArray[np.float64]:
    """D = 1 + distance / half window, by rows and columns away; both at most ``half``."""
    away = np.arange(half + 1.0)
    return 1 + np.hypot(away[:, None], away) / half


@compiled
def similar_pixels(
    images: Array,
    limits: Array,
    known: Bool,
    row: int,
    col: int,
    half: int,
    found: NDArray[np.int64],
) -> int:
    """Write the flat places of the pixels that are like (row, col); return how many there are.

    ``images`` (image, y, x): a pixel of the window is similar if it is known and differs by less
    than ``limits`` (image,) in each.  In the order of the rows.
    """
    count, y, x = images.shape
    left, right = max(col - half, 0), min(col + half + 1, x)
    alike = np.empty(right - left, np.bool_)
    n = 0
    for v in range(max(row - half, 0), min(row + half + 1, y)):
        alike[:] = known[v, left:right]
        for k in range(count):
            line, centre, limit = images[k, v, left:right], images[k, row, col], limits[k]
            for i in range(right - left):
                alike[i] &= abs(line[i] - centre) < limit
        for i in range(right - left):
            if alike[i]:
                found[n] = v * x + left + i
                n += 1
    return n


@compiled
def window_sums(image: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Sum over the window of each pixel, cut at the edges; (y, x).

    Added up anew for each pixel: a running sum would depend on where the block begins.
    """
    y, x = image.shape
    across, total = np.zeros((y, x)), np.zeros((y, x))
    for i in range(y):
        for d in range(-half, half + 1):
            for j in range(max(0, -d), min(x, x - d)):
                across[i, j] += image[i, j + d]
    for i in range(y):
        for d in range(max(-half, -i), min(half + 1, y - i)):
            for j in range(x):
                total[i, j] += across[i + d, j]
    return total
