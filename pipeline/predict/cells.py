"""A coarse image, whatever its grid, on the cells of a prediction: (band, row, col)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.load import LEAST_SHARE
from pipeline.predict.copies import Copy
from pipeline.predict.image import Float, ImageError, PlainImage, degrees
from pipeline.predict.lattice import Lattice, look, offset_in
from pipeline.read.native import window_around
from pipeline.resample import area_weights

ROWS = 32
"""Rows of cells that are brought over together: what bounds the memory."""


def cells_of(image: PlainImage, lattice: Lattice) -> Float:
    """Mean of the known pixels of each cell, by area; NaN where less than half is known.

    Of a cell at the edge of the fine image only the part inside counts, if the coarse image ends
    there too.  A bilinear copy gives its values at the centres of cells, which is what it was
    made from.  ImageError where the image lies elsewhere.
    """
    at = offset_in(lattice.grid.fine, image.box)
    cells = _by_area(image, lattice) if at is None else _by_pixels(image, lattice, at)
    if not np.isfinite(cells).all(0).any():
        raise ImageError(
            f"{image.path} shows nothing of where the fine images are: it lies at "
            f"{degrees(image.box)}, they at {degrees(lattice.grid.fine)}"
        )
    return cells


def _by_pixels(image: PlainImage, lattice: Lattice, at: tuple[int, int]) -> Float:
    """Of an image on the fine grid's own pixels; ``at``: its first in the grid."""
    grid = lattice.grid
    ratio = grid.ratio
    (rows, cols), bands = grid.coarse_shape, len(image.bands)
    sampled = _is_sampled(look(image), ratio, at)
    inside = [
        _inside(length, ratio, start, own)
        for length, start, own in zip((rows, cols), at, image.shape, strict=True)
    ]
    cells = np.empty((bands, rows, cols), np.float32)
    for top in range(0, rows, ROWS):
        many = min(ROWS, rows - top)
        y = slice(top * ratio - at[0], (top + many) * ratio - at[0])
        x = slice(-at[1], cols * ratio - at[1])
        pixels = image.read(y, x).astype(np.float64)
        squares = pixels.reshape(bands, many, ratio, cols, ratio)
        known = np.isfinite(squares)
        count = known.sum((2, 4))
        total = np.where(known, squares, 0).sum((2, 4))
        part = inside[0][top : top + many, None] * inside[1][None, :]
        enough = (count >= LEAST_SHARE * part) & (count > 0)
        means = np.where(enough, total / np.maximum(count, 1), np.nan)
        if sampled:
            centres = _at_centres(squares)
            means = np.where(np.isfinite(centres), centres, means)
        cells[:, top : top + many] = means
    return cells


def _is_sampled(copy: Copy | None, ratio: int, at: tuple[int, int]) -> bool:
    """Whether the image is a bilinear copy of these very cells."""
    return (
        copy is not None
        and copy.way == "bilinear"
        and copy.phase is not None
        and copy.pitch[0] == copy.pitch[1] == ratio
        and all((edge + start) % ratio == 0 for edge, start in zip(copy.phase, at, strict=True))
    )


def _at_centres(squares: NDArray[Any]) -> NDArray[Any]:
    """(band, row, pixel, col, pixel) -> (band, row, col): the value at the centre of each cell.

    An odd cell has a pixel there.  In an even one the two pixels on either side lie on straight
    lines that meet at the centre: each side's is 1.5 of the nearer less .5 of the farther.
    """
    ratio = squares.shape[2]
    half = ratio // 2
    if ratio % 2:
        return squares[:, :, half, :, half]
    if ratio < 4:
        return np.full((*squares.shape[:2], squares.shape[3]), np.nan)
    weights = np.array([-0.25, 0.75, 0.75, -0.25])
    at = slice(half - 2, half + 2)
    return np.einsum("brycx,y,x->brc", squares[:, :, at][..., at], weights, weights)


def _inside(cells: int, ratio: int, start: int, length: int) -> NDArray[Any]:
    """(cell,) pixels of each that lie in the image along one axis."""
    edges = np.arange(cells + 1) * ratio
    return np.diff(np.clip(edges, start, start + length))


def _by_area(image: PlainImage, lattice: Lattice) -> Float:
    """Of an image on any other grid, each pixel by the share of the cell that it covers."""
    target = lattice.grid.coarse
    rows, cols = lattice.grid.coarse_shape
    cells = np.full((len(image.bands), rows, cols), np.nan, np.float32)
    for top in range(0, rows, ROWS):
        strip = target[top : min(top + ROWS, rows), :]
        window = window_around(image.box, strip, 1)
        if window is None:
            continue
        place = offset_in(image.box, window)
        assert place is not None
        height, width = window.shape
        values = image.read(
            slice(place[0], place[0] + height), slice(place[1], place[1] + width)
        ).reshape(len(image.bands), -1)
        weights = area_weights(window, strip)
        known = np.isfinite(values)
        share = (weights @ known.T.astype(np.float64)).T
        total = (weights @ np.where(known, values, 0).T.astype(np.float64)).T
        enough = share >= LEAST_SHARE - 1e-9
        means = np.where(enough, total / np.where(enough, share, 1), np.nan)
        cells[:, top : top + ROWS] = means.reshape(len(image.bands), *strip.shape)
    return cells
