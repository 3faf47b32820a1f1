"""ESTARFM: Zhu, Chen, Gao and Masek 2010, Remote Sensing of Environment 114, 2610-2623.

    F_0, C_0    pair before      F_2, C_2    pair after      C_1    coarse image of the target day
    R           correlation of fine with coarse over the bands of both pairs, at one pixel
    D           1 + distance to the centre / half window
    V           slope of fine on coarse over the similar pixels of both pairs

Each pair predicts F_r + sum of W V (C_1 - C_r) over the similar pixels, W ~ 1 / ((1 - R) D); the
two are weighed by ``model.classical.temporal``.  From the authors' program come the rules of what
the paper leaves open: V = 1 where the coarse change is below 2 % of the range, the slope is not
significant at 5 % or not in (0, 5]; the plain mean change where fewer than six pixels are similar;
the similar pixels' own mean where a prediction leaves (0, 1); R = 1/2 where it is not defined.
With one band R is +-1 whatever the pixel, and pixels are weighed by distance alone.
The coarse images come to the fine grid bilinearly.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from model.block import Array, Bool
from model.classical.kernels import compiled, distances, similar_pixels
from model.classical.pairs import Target
from model.classical.temporal import HALF, mean_changes, on_pixels, share_of_after

CLASSES = 4
ENOUGH = 6
"""Least number of similar pixels."""

LEAST_CHANGE = 0.02
SIGNIFICANCE = 0.05
STEEPEST = 5.0
TINY = 1e-7
"""Added to (1 - R) D."""


def estarfm(target: Target) -> Array:
    """(band, y, x) reflectance; meaningless beyond ``target.core`` and where it is not known."""
    before, after = target.before, target.after
    fine = np.concatenate([before.fine, after.fine])
    cells = (before.coarse, target.coarse, after.coarse)
    c0, c1, c2 = (on_pixels(one, target.ratio) for one in cells)
    predicted = np.full(before.fine.shape, np.nan, np.float32)
    coarse = np.concatenate([c0, c2])
    changes = mean_changes(c1, (c0, c2), target.known)
    _predict(
        predicted,
        fine,
        coarse,
        c1,
        1 - correlation(fine, coarse),
        share_of_after(changes),
        changes,
        np.tile(target.std * np.float32(2 / CLASSES), 2),
        target.known,
        (target.core[0].start, target.core[0].stop, target.core[1].start, target.core[1].stop),
        HALF,
        distances(HALF),
        significant((2 * HALF + 1) ** 2),
    )
    return predicted


def correlation(fine: Array, coarse: Array) -> NDArray[np.float64]:
    """R of each pixel, (y, x); both (pair x band, y, x).  0 with one band: see above."""
    if len(fine) == 2:
        return np.zeros(fine.shape[1:])
    a, b = (image - image.mean(0, dtype=np.float64) for image in (fine, coarse))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0))
    return np.where(np.isfinite(r), r, 0.5)


def significant(most: int) -> NDArray[np.float64]:
    """Least significant F of a slope over n similar pixels of two pairs, n from 0 to ``most``."""
    freedom = np.maximum(2 * np.arange(most + 1) - 2, 1)
    return np.asarray(fdtri(1, freedom, 1 - SIGNIFICANCE))


@compiled
def _predict(
    predicted: Array,
    fine: Array,
    coarse: Array,
    day: Array,
    distrust: NDArray[np.float64],
    share: NDArray[np.float64],
    changes: NDArray[np.float64],
    limits: Array,
    known: Bool,
    core: tuple[int, int, int, int],
    half: int,
    distance: NDArray[np.float64],
    critical: NDArray[np.float64],
) -> None:
    bands, _, x = predicted.shape
    found = np.empty((2 * half + 1) ** 2, np.int64)
    weight = np.empty((2 * half + 1) ** 2, np.float64)
    f, c, c1, q = (
        fine.reshape(2 * bands, -1),
        coarse.reshape(2 * bands, -1),
        day.reshape(bands, -1),
        distrust.ravel(),
    )
    for row in range(core[0], core[1]):
        for col in range(core[2], core[3]):
            if not known[row, col]:
                continue
            n = similar_pixels(fine, limits, known, row, col, half, found)
            total = 0.0
            for i in range(n):
                v, u = divmod(found[i], x)
                weight[i] = 1 / (q[found[i]] * distance[abs(v - row), abs(u - col)] + TINY)
                total += weight[i]
            for b in range(bands):
                f0, f2 = fine[b, row, col], fine[bands + b, row, col]
                later = share[b, row, col]
                if n < ENOUGH:
                    value = (1 - later) * (f0 + changes[0, b, row, col])
                    predicted[b, row, col] = value + later * (f2 + changes[1, b, row, col])
                    continue
                before, after, like0, like2 = 0.0, 0.0, 0.0, 0.0
                for i in range(n):
                    at, w = found[i], weight[i]
                    before += w * (c1[b, at] - c[b, at])
                    after += w * (c1[b, at] - c[bands + b, at])
                slope = _slope(f[b], f[bands + b], c[b], c[bands + b], found[:n], critical[n])
                value = (1 - later) * (f0 + slope * before / total)
                value += later * (f2 + slope * after / total)
                if not 0 < value < 1:
                    for i in range(n):
                        like0 += weight[i] * f[b, found[i]]
                        like2 += weight[i] * f[bands + b, found[i]]
                    value = ((1 - later) * like0 + later * like2) / total
                predicted[b, row, col] = value


@compiled
def _slope(
    f0: Array, f2: Array, c0: Array, c2: Array, found: NDArray[np.int64], critical: float
) -> float:
    """V of one band over the similar pixels ``found``; see the notation."""
    n = len(found)
    coarse0, coarse2, fine = 0.0, 0.0, 0.0
    for at in found:
        coarse0 += c0[at]
        coarse2 += c2[at]
        fine += f0[at] + f2[at]
    if abs(coarse0 - coarse2) / n < LEAST_CHANGE:
        return 1.0
    coarse, fine = (coarse0 + coarse2) / (2 * n), fine / (2 * n)
    xx, xy, yy = 0.0, 0.0, 0.0
    for at in found:
        x0, x2, y0, y2 = c0[at] - coarse, c2[at] - coarse, f0[at] - fine, f2[at] - fine
        xx += x0 * x0 + x2 * x2
        xy += x0 * y0 + x2 * y2
        yy += y0 * y0 + y2 * y2
    slope = xy / xx
    rest = yy - slope * xy
    # F = explained / (rest / freedom); compared without the division, for a perfect fit.
    if slope * xy * (2 * n - 2) >= critical * rest and 0 < slope <= STEEPEST:
        return slope
    return 1.0
