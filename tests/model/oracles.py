"""What the slow oracles of the published methods share: plain loops over pixels, in float64."""

import math

import numpy as np

from model.block import COARSE_PAD, Block
from model.upsample import fill_nearest


def window(known: np.ndarray, row: int, col: int, half: int) -> list[tuple[int, int]]:
    """The known pixels around one, by rows."""
    y, x = known.shape
    return [
        (v, u)
        for v in range(max(0, row - half), min(y, row + half + 1))
        for u in range(max(0, col - half), min(x, col + half + 1))
        if known[v, u]
    ]


def distance(a: tuple[int, int], b: tuple[int, int], half: int) -> float:
    """Relative distance, 1 at the centre and 2 at the middle of a side of the window."""
    return 1 + math.hypot(a[0] - b[0], a[1] - b[1]) / half


def interpolated(cells: np.ndarray, ratio: int) -> np.ndarray:
    """(band, row, col) with padding -> (band, y, x), from the four cells around each pixel."""
    cells = fill_nearest(cells).astype(float)
    bands, rows, cols = cells.shape
    fine = np.zeros((bands, (rows - 2 * COARSE_PAD) * ratio, (cols - 2 * COARSE_PAD) * ratio))
    for y in range(fine.shape[1]):
        for x in range(fine.shape[2]):
            v, u = (COARSE_PAD + (at + 0.5) / ratio - 0.5 for at in (y, x))
            i, j = math.floor(v), math.floor(u)
            p, q = v - i, u - j
            upper = (1 - q) * cells[:, i, j] + q * cells[:, i, j + 1]
            lower = (1 - q) * cells[:, i + 1, j] + q * cells[:, i + 1, j + 1]
            fine[:, y, x] = (1 - p) * upper + p * lower
    return fine


def coarse_images(block: Block, index: int) -> list[np.ndarray]:
    """Before, target day, after, (band, row, col): a cell without one is without all."""
    images = [block.coarse_before, block.coarse[index], block.coarse_after]
    missing = np.isnan(np.concatenate(images)).any(0)
    return [np.where(missing, np.nan, image) for image in images]


def limits(block: Block) -> np.ndarray:
    """Two standard deviations over four classes: pixels nearer than that are similar."""
    return 2 * (block.spread.astype(float) / 1.349) / 4


def similar(
    images: list[np.ndarray], block: Block, index: int, row: int, col: int, half: int
) -> list[tuple[int, int]]:
    """Pixels of the window that are similar to (row, col) in every band of every image."""
    limit = limits(block)
    return [
        (v, u)
        for v, u in window(block.known()[index], row, col, half)
        if all(
            abs(float(image[b, v, u]) - float(image[b, row, col])) < limit[b]
            for image in images
            for b in range(len(limit))
        )
    ]


def time_shares(
    coarse: list[np.ndarray], near: list[tuple[int, int]], b: int
) -> tuple[float, float, float, float]:
    """ESTARFM's weights of the pair before and after, and the mean changes since them.

    ``coarse``: before, target day, after, on pixels; ``near``: the known pixels of the window.
    """
    c0, c1, c2 = (np.mean([image[b, v, u] for v, u in near]) for image in coarse)
    first, second = 1 / (abs(c1 - c0) + 1e-10), 1 / (abs(c1 - c2) + 1e-10)
    total = first + second
    return first / total, second / total, c1 - c0, c1 - c2


def combined(block: Block, index: int, pixels: list[tuple[int, int]], first, second) -> np.ndarray:
    """Two predictions (pixel, band), one from each pair, by ``time_shares``."""
    coarse = [interpolated(cells, block.ratio) for cells in coarse_images(block, index)]
    answer = np.zeros((len(pixels), len(block.bands)))
    for place, (row, col) in enumerate(pixels):
        near = window(block.known()[index], row, col, 25)
        for b in range(len(block.bands)):
            share0, share2, _, _ = time_shares(coarse, near, b)
            answer[place, b] = share0 * first[place][b] + share2 * second[place][b]
    return answer
