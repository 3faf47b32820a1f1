"""Fit-FC pixel by pixel, from the steps of Wang and Atkinson 2018 and nothing of ours."""

import math

import numpy as np

from model.block import COARSE_PAD, Block
from model.upsample import fill_nearest
from tests.model.oracles import coarse_images, combined, distance, window

HALF, COUNT = 20, 20


def fit_fc_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions from both pairs, as ``combined`` weighs them."""
    before, day, after = coarse_images(block, index)
    one = [
        _from_one(block, index, fine.astype(float), cells.astype(float), day.astype(float), pixels)
        for fine, cells in ((block.fine_before, before), (block.fine_after, after))
    ]
    return combined(block, index, pixels, *one)


def regression(x: np.ndarray, y: np.ndarray, row: int, col: int) -> tuple[float, float]:
    """Slope and intercept over the known cells of 5 x 5."""
    rows, cols = x.shape
    places = [
        (i, j)
        for i in range(max(0, row - 2), min(rows, row + 3))
        for j in range(max(0, col - 2), min(cols, col + 3))
        if np.isfinite(x[i, j]) and np.isfinite(y[i, j])
    ]
    if not places:
        return math.nan, math.nan
    xs, ys = ([image[i] for i in places] for image in (x, y))
    if np.var(xs) < 1e-10:
        return 1.0, float(np.mean(ys) - np.mean(xs))
    slope, intercept = np.polyfit(xs, ys, 1)
    return float(slope), float(intercept)


def keys(t: float) -> float:
    """The kernel of cubic convolution."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def cubic_at(cells: np.ndarray, row: int, col: int, ratio: int) -> float:
    v, u = (COARSE_PAD + (at + 0.5) / ratio - 0.5 for at in (row, col))
    return sum(
        keys(v - i) * keys(u - j) * cells[i, j]
        for i in range(math.floor(v) - 1, math.floor(v) + 3)
        for j in range(math.floor(u) - 1, math.floor(u) + 3)
    )


def _from_one(block, index, fine, reference, day, pixels) -> list[list[float]]:
    bands, rows, cols = reference.shape
    a, b = np.zeros((2, bands, rows, cols))
    for k in range(bands):
        for i in range(rows):
            for j in range(cols):
                a[k, i, j], b[k, i, j] = regression(reference[k], day[k], i, j)
    rest = fill_nearest(day - (a * reference + b))
    answer = []
    for row, col in pixels:
        near = window(block.known()[index], row, col, HALF)

        def unlike(i: tuple[int, int], at=(row, col)) -> tuple[float, float, tuple[int, int]]:
            squares = [(fine[k][i] - fine[k][at]) ** 2 for k in range(bands)]
            return sum(squares), math.hypot(i[0] - at[0], i[1] - at[1]), i

        alike = sorted(near, key=unlike)[:COUNT]
        weights = [1 / distance(i, (row, col), HALF) for i in alike]
        values = []
        for k in range(bands):
            total = 0.0
            for w, (v, u) in zip(weights, alike, strict=True):
                cell = (COARSE_PAD + v // block.ratio, COARSE_PAD + u // block.ratio)
                fitted = a[k][cell] * fine[k, v, u] + b[k][cell]
                total += w * (fitted + cubic_at(rest[k], v, u, block.ratio))
            values.append(total / sum(weights))
        answer.append(values)
    return answer
