"""Coarse cells to fine pixels, as one small matrix an axis.

A separable linear operator on cells is ``U_y C U_x'``.  Written as matrices it is exact and cheap:
14 cells to 128 pixels is a 128 x 14 matrix.  It is worked out in float64 and rounded once, so that
a pixel is the same in every block and on every device: how products of float32 are added up
differs with their shape.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from model.block import COARSE_PAD, Array

Matrix = NDArray[np.float64]


def smooth(cells: Array, ratio: int) -> Array:
    """Repeat each cell, then low-pass with a Gaussian of half a cell.

    The Gaussian stands for the coarse sensor's point spread (sigma about 8 fine pixels
    at ratio 16), so no cell edges show.  ``cells`` (..., row, col) with ``COARSE_PAD``
    cells on each side -> (..., y, x) without; unknown cells take their nearest known.
    """
    return _by(_smoothing, cells, ratio)


def bilinear(cells: Array, ratio: int) -> Array:
    """Interpolate between cell centres; shapes and unknown cells as in ``smooth``."""
    return _by(_interpolation, cells, ratio)


def cubic(cells: Array, ratio: int) -> Array:
    """Cubic convolution (Keys 1981, a = -1/2); shapes and unknown cells as in ``smooth``."""
    return _by(_convolution, cells, ratio)


def nearest(cells: Array, ratio: int) -> Array:
    """Repeat each cell; shapes and unknown cells as in ``smooth``."""
    inner = fill_nearest(cells)[..., COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
    return np.asarray(inner.repeat(ratio, -2).repeat(ratio, -1), np.float32)


UPSAMPLE: Mapping[str, Callable[[Array, int], Array]] = {
    "smooth": smooth,
    "bilinear": bilinear,
    "nearest": nearest,
}


def matrix(how: str, cells: int, ratio: int) -> Matrix:
    """(pixel, cell): what ``UPSAMPLE[how]`` does along an axis of ``cells``, as it counts the
    ``COARSE_PAD`` at both ends; for those who multiply elsewhere, as on a GPU."""
    return _MATRICES[how](cells, ratio)


def upsampling_of(frame: str) -> str:
    """How coarse cells come to the fine grid for a frame (``model.frame``), a key of ``UPSAMPLE``.

    ``guided`` reads the cells' own values off the upsampled image; ``smooth`` has blurred them.
    """
    return "bilinear" if frame == "guided" else "smooth"


def fill_nearest(images: Array) -> Array:
    """Give each unknown value the nearest known one of its own image; all unknown gives 0."""
    if np.isfinite(images).all():
        return images
    filled = images.reshape(-1, *images.shape[-2:]).copy()
    for image in filled:
        unknown = ~np.isfinite(image)
        if unknown.all():
            image[...] = 0.0
        elif unknown.any():
            at = distance_transform_edt(unknown, return_distances=False, return_indices=True)
            image[...] = image[tuple(at)]
    return filled.reshape(images.shape)


def _by(along: Callable[[int, int], Matrix], cells: Array, ratio: int) -> Array:
    cells = fill_nearest(cells)
    rows, cols = (along(n, ratio) for n in cells.shape[-2:])
    return np.asarray(rows @ cells @ cols.T, np.float32)


@cache
def _smoothing(cells: int, ratio: int) -> Matrix:
    sigma = ratio / 2
    reach = int(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    inner = np.arange(COARSE_PAD * ratio, (cells - COARSE_PAD) * ratio)
    matrix = np.zeros((inner.size, cells))
    for shift, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        np.add.at(matrix, (np.arange(inner.size), (inner + shift) // ratio), weight)
    return matrix


@cache
def _interpolation(cells: int, ratio: int) -> Matrix:
    inner = np.arange(COARSE_PAD * ratio, (cells - COARSE_PAD) * ratio)
    place = (inner + 0.5) / ratio - 0.5
    left = np.floor(place).astype(int)
    matrix = np.zeros((inner.size, cells))
    rows = np.arange(inner.size)
    matrix[rows, left] = 1 - (place - left)
    matrix[rows, left + 1] = place - left
    return matrix


@cache
def _convolution(cells: int, ratio: int) -> Matrix:
    inner = np.arange(COARSE_PAD * ratio, (cells - COARSE_PAD) * ratio)
    place = (inner + 0.5) / ratio - 0.5
    left = np.floor(place).astype(int)
    matrix = np.zeros((inner.size, cells))
    for tap in (-1, 0, 1, 2):
        away = np.abs(place - (left + tap))
        near = 1.5 * away**3 - 2.5 * away**2 + 1
        far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
        matrix[np.arange(inner.size), left + tap] = np.where(away <= 1, near, far)
    return matrix


@cache
def _repetition(cells: int, ratio: int) -> Matrix:
    inner = np.eye(cells)[COARSE_PAD:-COARSE_PAD]
    return inner.repeat(ratio, axis=0)


_MATRICES: Mapping[str, Callable[[int, int], Matrix]] = {
    "smooth": _smoothing,
    "bilinear": _interpolation,
    "nearest": _repetition,
}
