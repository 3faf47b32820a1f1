"""A thin-plate spline through coarse cells, cell by cell.

The spline through all cells of an image changes with every image it is cut from.  What it says
inside a cell depends on the cells around: here it goes through the 7 x 7 of them, as many as there
are around the cells at the edge of every block, and is one matrix for all cells.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.upsample import fill_nearest

SIDE = 2 * COARSE_PAD + 1


def thin_plate(cells: Array, ratio: int) -> Array:
    """(band, row, col) with ``COARSE_PAD`` cells around -> (band, y, x) without.

    Unknown cells take their nearest known.
    """
    around = sliding_window_view(fill_nearest(cells).astype(np.float64), (SIDE, SIDE), (1, 2))
    bands, rows, cols = around.shape[:3]
    inside = around.reshape(bands, rows, cols, SIDE**2) @ _spline(ratio).T
    inside = inside.reshape(bands, rows, cols, ratio, ratio).swapaxes(2, 3)
    return np.asarray(inside.reshape(bands, rows * ratio, cols * ratio), np.float32)


@cache
def _spline(ratio: int) -> NDArray[np.float64]:
    """(pixel of a cell, cell around it): the weights of the cells in the spline's value there."""
    at = np.arange(SIDE) - COARSE_PAD
    knots = np.stack(np.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2).astype(np.float64)
    inside = (np.arange(ratio) + 0.5) / ratio - 0.5
    pixels = np.stack(np.meshgrid(inside, inside, indexing="ij"), -1).reshape(-1, 2)
    count = len(knots)
    plane = np.column_stack([np.ones(count), knots])
    system = np.block([[_bend(knots, knots), plane], [plane.T, np.zeros((3, 3))]])
    values = np.hstack([_bend(pixels, knots), np.ones((len(pixels), 1)), pixels])
    return np.asarray(np.linalg.solve(system, values.T).T[:, :count])


def _bend(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """r^2 ln r between points."""
    square = ((a[:, None] - b) ** 2).sum(-1)
    return np.asarray(0.5 * square * np.log(np.where(square > 0, square, 1)))
