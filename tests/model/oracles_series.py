"""The methods on the fine series alone, pixel by pixel, on the axis of all days."""

import numpy as np

from model.block import Block
from model.classical.whittaker import SMOOTHINGS


def linear_series_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) of target day ``index``: linear between the nearest clear images."""
    return np.array(
        [
            [
                np.interp(block.days[index], *values) if values[0] else np.nan
                for values in (values_of(block, band, *at) for band in range(len(block.bands)))
            ]
            for at in pixels
        ]
    )


def whittaker_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) of target day ``index``, in a block of one cell: it has one smoothing a
    band."""
    answer = np.full((len(pixels), len(block.bands)), np.nan)
    for band in range(len(block.bands)):
        smoothing = chosen_smoothing(block, band)
        for place, at in enumerate(pixels):
            days, values = values_of(block, band, *at)
            if days:
                z = solved(days, values, smoothing) if len(days) > 1 else values
                answer[place, band] = z[np.clip(block.days[index] - days[0], 0, len(z) - 1)]
    return answer


def values_of(block: Block, band: int, row: int, col: int) -> tuple[list[int], np.ndarray]:
    """The clear days of a pixel and what was seen on them."""
    assert block.series is not None
    values = block.series.images[:, band, row, col]
    seen = np.isfinite(values)
    days = [day for day, clear in zip(block.series.days, seen, strict=True) if clear]
    return days, values[seen].astype(np.float64)


def solved(days: list[int], values: np.ndarray, smoothing: float) -> np.ndarray:
    """z on all days from the first to the last clear one, by the equations as they are written."""
    axis = days[-1] - days[0] + 1
    weights, known = np.zeros(axis), np.zeros(axis)
    weights[np.array(days) - days[0]] = 1
    known[np.array(days) - days[0]] = values
    bends = np.diff(np.eye(axis), 2, axis=0) if axis > 2 else np.zeros((0, axis))
    return np.linalg.solve(np.diag(weights) + smoothing * bends.T @ bends, known)


def chosen_smoothing(block: Block, band: int) -> float:
    """The least error of leaving each value out, by leaving each value out."""
    errors = np.zeros(len(SMOOTHINGS))
    for row in range(0, block.shape[2], 2):
        for col in range(0, block.shape[3], 2):
            days, values = values_of(block, band, row, col)
            if len(days) < 3:
                continue
            for number, smoothing in enumerate(SMOOTHINGS):
                for left in range(len(days)):
                    axis = days[-1] - days[0] + 1
                    weights, known = np.zeros(axis), np.zeros(axis)
                    for place, (day, value) in enumerate(zip(days, values, strict=True)):
                        weights[day - days[0]] = place != left
                        known[day - days[0]] = value * (place != left)
                    bends = np.diff(np.eye(axis), 2, axis=0)
                    z = np.linalg.solve(np.diag(weights) + smoothing * bends.T @ bends, known)
                    errors[number] += (z[days[left] - days[0]] - values[left]) ** 2 / len(days)
    return float(SMOOTHINGS[errors.argmin()])
