"""STARFM: Gao, Masek, Schwaller and Hall 2006, IEEE Trans. Geoscience Remote Sensing 44, 2207-2218.

    S = |F_r - C_r|    spectral difference       D    1 + distance to the centre / half window
    T = |C_1 - C_r|    temporal difference       B    counts in a reflectance of 1

Of the pixels of a window around the centre, in the pair of each reference, those count that are
similar in every band and whose S and T are no larger than the centre's by more than the sensors'
uncertainty.  The answer is the mean of F_r + C_1 - C_r over them and over both pairs, weighted by
1 / (ln(S B + 1) ln(T B + 1) D).  The paper's two exact cases: T = 0 at the centre gives F_r (the
mean of two, where it holds for both pairs), else S = 0 gives C_1.

Its reflectances were whole counts, so elsewhere no difference is taken for less than one.  The
coarse images come to the fine grid bilinearly, as in the paper.
"""

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Bool
from model.classical.kernels import compiled, distances, similar_pixels
from model.classical.pairs import Target
from model.classical.temporal import on_pixels

HALF = 25
"""Fine pixels: half the window of 1500 m."""

CLASSES = 4
COUNTS = 10_000.0
UNCERTAINTY = 0.005
"""Standard error of a reflectance, of either sensor."""

SLACK = UNCERTAINTY * 2**0.5
"""The same of a difference of two."""


def starfm(target: Target) -> Array:
    """(band, y, x) reflectance; meaningless beyond ``target.core`` and where it is not known."""
    pairs = [target.before, target.after][: 1 if target.before.fine is target.after.fine else 2]
    fine = np.stack([pair.fine for pair in pairs])
    reference = np.stack([on_pixels(pair.coarse, target.ratio) for pair in pairs])
    day = on_pixels(target.coarse, target.ratio)
    spectral, temporal = np.abs(fine - reference), np.abs(day - reference)
    predicted = np.full(fine.shape[1:], np.nan, np.float32)
    _predict(
        predicted,
        fine,
        day,
        spectral,
        temporal,
        np.float32(1) / (_logarithm(spectral) * _logarithm(temporal)),
        fine + day - reference,
        target.std * np.float32(2 / CLASSES),
        target.known,
        (target.core[0].start, target.core[0].stop, target.core[1].start, target.core[1].stop),
        HALF,
        distances(HALF),
    )
    return predicted


def _logarithm(difference: Array) -> Array:
    """ln(difference B + 1), a difference below a count taken for one."""
    return np.asarray(np.log1p(np.maximum(difference * np.float32(COUNTS), 1)), np.float32)


@compiled
def _predict(
    predicted: Array,
    fine: Array,
    day: Array,
    spectral: Array,
    temporal: Array,
    trust: Array,
    moved: Array,
    limits: Array,
    known: Bool,
    core: tuple[int, int, int, int],
    half: int,
    distance: NDArray[np.float64],
) -> None:
    pairs, bands, _, x = fine.shape
    found = np.empty((2 * half + 1) ** 2, np.int64)
    near = np.empty((2 * half + 1) ** 2, np.float64)
    total, weights = np.empty(bands), np.empty(bands)
    for row in range(core[0], core[1]):
        for col in range(core[2], core[3]):
            if not known[row, col]:
                continue
            total[:] = 0
            weights[:] = 0
            for k in range(pairs):
                n = similar_pixels(fine[k], limits, known, row, col, half, found)
                for i in range(n):
                    v, u = divmod(found[i], x)
                    near[i] = 1 / distance[abs(v - row), abs(u - col)]
                for b in range(bands):
                    s, t = spectral[k, b].ravel(), temporal[k, b].ravel()
                    q, value = trust[k, b].ravel(), moved[k, b].ravel()
                    most_s, most_t = s[row * x + col] + SLACK, t[row * x + col] + SLACK
                    for i in range(n):
                        at = found[i]
                        if s[at] <= most_s and t[at] <= most_t:
                            w = q[at] * near[i]
                            total[b] += w * value[at]
                            weights[b] += w
            for b in range(bands):
                predicted[b, row, col] = total[b] / weights[b]
                still, same, sum_still = 0, False, 0.0
                for k in range(pairs):
                    if temporal[k, b, row, col] == 0:
                        still += 1
                        sum_still += fine[k, b, row, col]
                    same |= spectral[k, b, row, col] == 0
                if still:
                    predicted[b, row, col] = sum_still / still
                elif same:
                    predicted[b, row, col] = day[b, row, col]
