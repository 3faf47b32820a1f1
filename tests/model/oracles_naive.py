"""The naive methods pixel by pixel, in plain loops and float64."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from model.block import COARSE_PAD, Block
from model.upsample import fill_nearest


def naive_at(name: str, block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions by a formula of ``model.classical.naive``."""
    w = block.weight(block.days[index])
    coarse = [block.coarse_before, block.coarse[index], block.coarse_after]
    cells = [fill_nearest(image).astype(float) for image in coarse]
    fine = block.fine_before, block.fine_after
    return np.array(
        [
            [_FORMULAS[name](fine, cells, w, block.ratio, b, row, col) for b in range(len(fine[0]))]
            for row, col in pixels
        ]
    )


def bilinear_at(cells: np.ndarray, ratio: int, row: int, col: int) -> float:
    """Of (row, col) cells with padding, from the four around a pixel."""
    v, u = (COARSE_PAD + (at + 0.5) / ratio - 0.5 for at in (row, col))
    i, j = math.floor(v), math.floor(u)
    p, q = v - i, u - j
    upper = (1 - q) * cells[i, j] + q * cells[i, j + 1]
    lower = (1 - q) * cells[i + 1, j] + q * cells[i + 1, j + 1]
    return float((1 - p) * upper + p * lower)


def smooth_at(cells: np.ndarray, ratio: int, row: int, col: int) -> float:
    """The cells repeated and low-passed by a Gaussian of half a cell, cut at four sigma."""
    sigma = ratio / 2
    reach, top, bottom = int(4 * sigma), 0.0, 0.0
    for v in range(-reach, reach + 1):
        for u in range(-reach, reach + 1):
            weight = math.exp(-0.5 * (v * v + u * u) / sigma**2)
            cell = (row + v) // ratio + COARSE_PAD, (col + u) // ratio + COARSE_PAD
            top, bottom = top + weight * cells[cell], bottom + weight
    return float(top / bottom)


def _linear(fine, cells, w, ratio, b, row, col) -> float:
    return float((1 - w) * fine[0][b, row, col] + w * fine[1][b, row, col])


def _delta(side: int) -> Callable[..., float]:
    def predicted(fine, cells, w, ratio, b, row, col) -> float:
        change = cells[1][b] - cells[2 * side][b]
        return float(fine[side][b, row, col]) + bilinear_at(change, ratio, row, col)

    return predicted


def _both(*a) -> float:
    w = a[2]
    return (1 - w) * _delta(0)(*a) + w * _delta(1)(*a)


def _anomaly(fine, cells, w, ratio, b, row, col) -> float:
    surprise = cells[1][b] - (1 - w) * cells[0][b] - w * cells[2][b]
    linear = _linear(fine, cells, w, ratio, b, row, col)
    return linear + smooth_at(surprise, ratio, row, col)


_FORMULAS: Mapping[str, Callable[..., float]] = {
    "copy-before": lambda fine, cells, w, ratio, b, row, col: float(fine[0][b, row, col]),
    "copy-after": lambda fine, cells, w, ratio, b, row, col: float(fine[1][b, row, col]),
    "mean": lambda fine, cells, w, ratio, *at: _linear(fine, cells, 0.5, ratio, *at),
    "linear": _linear,
    "delta-before": _delta(0),
    "delta-after": _delta(1),
    "delta": _both,
    "anomaly": _anomaly,
}
