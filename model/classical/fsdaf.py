"""FSDAF: Zhu, Helmer, Gao, Liu, Chen and Lefsky 2016, Remote Sensing of Environment 172, 165-177.

    TP    temporal prediction: F_r + change of the pixel's class
    SP    spatial prediction: a thin-plate spline through C_1
    R     what TP leaves of a cell's coarse change: (C_1 - C_r) - (mean TP - mean F_r)
    HI    share of the pixel's class in the window of a cell's size around it

Fine pixels are classified, and the change of each class unmixed from that of the purest cells.
R is shared out among a cell's pixels by |SP - TP| HI + |R| (1 - HI), where SP - TP counts only if
it has the sign of R.  The change of a pixel is then averaged over the similar neighbours.

The authors' program does all this on blocks of 30 x 30 cells, each with classes and changes of its
own.  Here every cell has the block that lies around it, so there are no seams and tiles agree; it
is 80 fine pixels to each side, and a class is measured on a quarter of its cells (theirs: 100 of
900).  Classes come from k-means, in place of ISODATA.  From the program also come the bounds of a
class's change, the share of the changes that is left out, the rule of the sign, and that a weight
above ten times the mean is taken for the mean; neighbours are those within two standard deviations
over the number of classes, not those of the same class.  Its clipping to the image's range is left
out: a tile's range is not the image's.

One pair; with two, see ``model.classical.pairs.both_ways``.
"""

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array, Bool
from model.classical.alike import HALF, average_of_alike
from model.classical.classes import CLASSES, class_changes, classified, shares
from model.classical.kernels import compiled
from model.classical.pairs import Pair, Target, both_ways
from model.classical.thin_plate import thin_plate

REACH = 80
"""Fine pixels from a cell to the edge of its block, in whole cells, at least one."""

SAMPLES = 4
"""Rows and columns of a cell of which k-means sees one pixel."""

TINY = 1e-10
EXTREME = 10.0


def fsdaf(target: Target) -> Array:
    """(band, y, x) reflectance; meaningless beyond ``target.core`` and where it is not known."""
    return both_ways(target, _from_one)


def _from_one(target: Target, pair: Pair) -> Array:
    inner = slice(COARSE_PAD, -COARSE_PAD)
    change = np.full(pair.fine.shape, np.nan, np.float32)
    rows, cols = (
        (
            max(side.start - HALF, 0) // target.ratio,
            -(-min(side.stop + HALF, length) // target.ratio),
        )
        for side, length in zip(target.core, target.known.shape, strict=True)
    )
    _change(
        change,
        pair.fine,
        pair.fine / target.std[:, None, None],
        (target.coarse - pair.coarse)[:, inner, inner].astype(np.float64),
        thin_plate(target.coarse, target.ratio),
        target.known,
        (*rows, *cols),
        target.ratio,
        max(REACH // target.ratio, 1),
        max(target.ratio // SAMPLES, 1),
    )
    limits = target.std * np.float32(2 / CLASSES)
    return pair.fine + average_of_alike(target, change, pair.fine, limits=limits, relative=True)


@compiled
def _change(
    change: Array,
    fine: Array,
    spectra: Array,
    coarse: NDArray[np.float64],
    spatial: Array,
    known: Bool,
    wanted: tuple[int, int, int, int],
    ratio: int,
    reach: int,
    step: int,
) -> None:
    """Write the change of every known pixel of the ``wanted`` cells."""
    bands, rows, cols = coarse.shape
    seen = np.empty((rows * cols, bands))
    for row in range(wanted[0], wanted[1]):
        for col in range(wanted[2], wanted[3]):
            if np.isnan(coarse[0, row, col]):
                continue
            top, left = max(row - reach, 0), max(col - reach, 0)
            bottom, right = min(row + reach + 1, rows), min(col + reach + 1, cols)
            here = (slice(top * ratio, bottom * ratio), slice(left * ratio, right * ratio))
            classes = classified(spectra[:, here[0], here[1]], known[here], step)
            share = shares(classes, ratio)
            n = 0
            for i in range(top, bottom):
                for j in range(left, right):
                    cell = (i - top) * (right - left) + j - left
                    if not (np.isnan(coarse[0, i, j]) or np.isnan(share[cell, 0])):
                        share[n] = share[cell]
                        seen[n] = coarse[:, i, j]
                        n += 1
            rates = class_changes(share[:n], seen[:n])
            _share_out(
                change,
                fine,
                spatial,
                coarse[:, row, col],
                rates,
                classes,
                row,
                col,
                (row - top) * ratio,
                (col - left) * ratio,
                ratio,
            )


@compiled
def _share_out(
    change: Array,
    fine: Array,
    spatial: Array,
    coarse: NDArray[np.float64],
    rates: NDArray[np.float64],
    classes: NDArray[np.int8],
    row: int,
    col: int,
    y: int,
    x: int,
    ratio: int,
) -> None:
    """Write the change of one cell's pixels; (y, x) is its first pixel in ``classes``."""
    n = 0
    places = np.empty((ratio * ratio, 2), np.int64)
    alike = np.empty(ratio * ratio)
    weight = np.empty(ratio * ratio)
    for i in range(ratio):
        for j in range(ratio):
            if classes[y + i, x + j] >= 0:
                places[n] = i, j
                alike[n] = _homogeneity(classes, y + i, x + j, ratio // 2)
                n += 1
    for b in range(len(coarse)):
        rest = coarse[b]
        for p in range(n):
            rest -= rates[classes[y + places[p, 0], x + places[p, 1]], b] / n
        total = 0.0
        for p in range(n):
            i, j = places[p]
            v, u = row * ratio + i, col * ratio + j
            apart = spatial[b, v, u] - fine[b, v, u] - rates[classes[y + i, x + j], b]
            if apart * rest <= 0:
                apart = 0.0
            weight[p] = abs(apart) * alike[p] + abs(rest) * (1 - alike[p]) + TINY
            total += weight[p]
        tamed = 0.0
        for p in range(n):
            weight[p] *= n / total
            if weight[p] > EXTREME:
                weight[p] = 1.0
            tamed += weight[p]
        for p in range(n):
            i, j = places[p]
            rate = rates[classes[y + i, x + j], b]
            change[b, row * ratio + i, col * ratio + j] = rate + rest * weight[p] * n / tamed


@compiled
def _homogeneity(classes: NDArray[np.int8], y: int, x: int, half: int) -> float:
    """HI over the known pixels of the window."""
    same, count = 0, 0
    for v in range(max(y - half, 0), min(y + half + 1, classes.shape[0])):
        for u in range(max(x - half, 0), min(x + half + 1, classes.shape[1])):
            if classes[v, u] >= 0:
                count += 1
                same += classes[v, u] == classes[y, x]
    return same / count
