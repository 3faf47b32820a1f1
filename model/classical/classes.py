"""Classes of fine pixels around a cell, and the coarse change of each: FSDAF's first two steps."""

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Bool
from model.classical.kernels import compiled

CLASSES = 4
ROUNDS = 10
"""Of k-means."""

UNKNOWN = -1

ENOUGH = 0.5
"""Least known share of a cell's pixels for it to speak for its classes."""

PUREST = 4
"""One in so many cells: a class is measured on those with most of it, and all that have as much."""

PRESENT = 0.01
"""Least share of a class in a cell that counts as one of its cells."""

TRIM = 10
"""One in so many, at either end of the coarse changes, is left out: land that changed its class."""

RIDGE = 0.01
"""Weight of the mean change in that of a class, against sums of squared shares: it decides where a
class is hardly there."""

SWEEPS, SETTLED = 2000, 1e-9


# Sums are loops here: numpy's own along an axis take seconds to compile.


@compiled
def classified(spectra: Array, known: Bool, step: int) -> NDArray[np.int8]:
    """Class of each pixel, (y, x), ``UNKNOWN`` where it is not known.

    K-means on every ``step``-th row and column of ``spectra`` (band, y, x), bands on one scale,
    from centres at even ranks of brightness.  A class that loses its pixels keeps its centre.
    """
    bands, y, x = spectra.shape
    most = ((y - 1) // step + 1) * ((x - 1) // step + 1)
    samples, brightness = np.empty((most, bands)), np.zeros(most)
    n = 0
    for v in range(0, y, step):
        for u in range(0, x, step):
            if known[v, u]:
                for b in range(bands):
                    samples[n, b] = spectra[b, v, u]
                    brightness[n] += samples[n, b]
                n += 1
    centres = _centres(samples, np.argsort(brightness[:n], kind="mergesort"))
    classes = np.full((y, x), UNKNOWN, np.int8)
    spectrum = np.empty((1, bands))
    for v in range(y):
        for u in range(x):
            if known[v, u]:
                for b in range(bands):
                    spectrum[0, b] = spectra[b, v, u]
                classes[v, u] = _closest(spectrum, 0, centres)
    return classes


@compiled
def _centres(samples: NDArray[np.float64], rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """(class, band) of the first ``len(rank)`` of ``samples`` (sample, band)."""
    n, bands = len(rank), samples.shape[1]
    centres, total = np.zeros((CLASSES, bands)), np.empty((CLASSES, bands + 1))
    for k in range(CLASSES if n else 0):
        for b in range(bands):
            centres[k, b] = samples[rank[(2 * k + 1) * n // (2 * CLASSES)], b]
    for _ in range(ROUNDS):
        total[:] = 0
        for i in range(n):
            k = _closest(samples, i, centres)
            total[k, bands] += 1
            for b in range(bands):
                total[k, b] += samples[i, b]
        for k in range(CLASSES):
            for b in range(bands):
                if total[k, bands]:
                    centres[k, b] = total[k, b] / total[k, bands]
    return centres


@compiled
def _closest(samples: NDArray[np.float64], i: int, centres: NDArray[np.float64]) -> int:
    best, least = 0, np.inf
    for k in range(len(centres)):
        away = 0.0
        for b in range(samples.shape[1]):
            away += (samples[i, b] - centres[k, b]) ** 2
        if away < least:
            best, least = k, away
    return best


@compiled
def shares(classes: NDArray[np.int8], ratio: int) -> NDArray[np.float64]:
    """Share of each class in the known pixels of each cell, (cell, class), cells by rows.

    NaN where less than ``ENOUGH`` of a cell is known.
    """
    rows, cols = classes.shape[0] // ratio, classes.shape[1] // ratio
    share = np.zeros((rows * cols, CLASSES))
    for v in range(rows * ratio):
        for u in range(cols * ratio):
            if classes[v, u] != UNKNOWN:
                share[v // ratio * cols + u // ratio, classes[v, u]] += 1
    for cell in range(rows * cols):
        count = 0.0
        for k in range(CLASSES):
            count += share[cell, k]
        for k in range(CLASSES):
            enough = count >= ENOUGH * ratio * ratio
            share[cell, k] = share[cell, k] / count if enough else np.nan
    return share


@compiled
def class_changes(share: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of each class, (class, band), from that of cells, least squares over the purest.

    ``share`` (cell, class), ``change`` (cell, band), both without NaN.  A class cannot change by
    more than a standard deviation beyond what the cells do.  Zeros without any cell.
    """
    cells, bands = change.shape
    rates = np.zeros((CLASSES, bands))
    if not cells:
        return rates
    purest = np.empty((CLASSES, cells), np.int64)
    count = np.zeros(CLASSES, np.int64)
    for k in range(CLASSES):
        of_class = share[:, k].copy()
        rank = np.argsort(of_class, kind="mergesort")
        least = of_class[rank[cells - max(cells // PUREST, 1)]]
        for i in range(cells):
            if of_class[i] >= least and of_class[i] > PRESENT:
                purest[k, count[k]] = i
                count[k] += 1
    normal, right = np.empty((CLASSES, CLASSES)), np.empty(CLASSES)
    for b in range(bands):
        of_band = change[:, b].copy()
        low, mean, high = _range(of_band)
        normal[:] = 0
        for k in range(CLASSES):
            normal[k, k] = RIDGE
            right[k] = RIDGE * mean
            rates[k, b] = mean
        for k in range(CLASSES):
            some = of_band[purest[k, : count[k]]]
            ranked = np.argsort(some, kind="mergesort")
            drop = count[k] // TRIM
            for at in ranked:
                if some[ranked[drop]] <= some[at] <= some[ranked[count[k] - 1 - drop]]:
                    _add(normal, right, share[purest[k, at]], some[at])
        _descend(rates, b, normal, right, low, high)
    return rates


@compiled
def _range(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """A standard deviation below the least, the mean, a standard deviation above the most."""
    least, most, total, squared = np.inf, -np.inf, 0.0, 0.0
    for value in values:
        least, most = min(least, value), max(most, value)
        total += value
    mean = total / len(values)
    for value in values:
        squared += (value - mean) ** 2
    spread = (squared / len(values)) ** 0.5
    return least - spread, mean, most + spread


@compiled
def _add(
    normal: NDArray[np.float64], right: NDArray[np.float64], share: NDArray[np.float64], y: float
) -> None:
    for c in range(CLASSES):
        right[c] += share[c] * y
        for d in range(CLASSES):
            normal[c, d] += share[c] * share[d]


@compiled
def _descend(
    rates: NDArray[np.float64],
    b: int,
    normal: NDArray[np.float64],
    right: NDArray[np.float64],
    low: float,
    high: float,
) -> None:
    """Least squares within bounds, coordinate by coordinate: the problem is convex and small."""
    for _ in range(SWEEPS):
        moved = 0.0
        for c in range(CLASSES):
            rest = right[c]
            for d in range(CLASSES):
                rest -= normal[c, d] * rates[d, b]
            best = min(max(rates[c, b] + rest / normal[c, c], low), high)
            moved = max(moved, abs(best - rates[c, b]))
            rates[c, b] = best
        if moved < SETTLED:
            break
