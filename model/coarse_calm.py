"""Coarse images without their flicker: the noise of single days averaged out, change kept.

The coarse sensor sees a cell anew each day: from another angle, with another footprint, through
another haze.  That noise is its day's alone, and a fusion that believes it flickers; the ground
stays what it is for days.  So a cell becomes the mean of the days around, weighted by how near
they are and by how alike, and after a flood has risen, a field was cut or burnt, the days before
count for nothing (a bilateral filter along time; Tomasi and Manduchi 1998):

    C'(t) = sum_u w(u) C(u) / sum_u w(u),    w(u) = exp(-(u - t)^2 / 2 REACH^2 - D(u) / 2 ALIKE)

D(u) is the mean over bands of (P(u) - P(t))^2 in variances of the noise, where P is the running
median of five days: a step passes a median whole and a spike does not, so a single odd day is
averaged away while a change that stays for three days is believed.  The noise of a cell and band is
found from the series itself: how far values lie from the line between their neighbours.  A cloudy
day takes part with the line by which ``model.coarse_fill`` fills it and counts ``FILLED``: in the
middle of a flood's rise no clear day is like it, and it must not become one of its neighbours.

The constants were chosen on eight simulated worlds of both generators (seeds 111 to 114, of which
none is reported) and looked at once more on the demo, under more clouds.  RMSE of ``anomaly``:

    worlds, as seen   .0214, changed pixels .0483, the season bends 4.7 times as much as the truth
    worlds, calmed    .0188,                .0478,                  1.5
    demo, as seen     .0312, flooded .0472, harvested .0350
    demo, calmed      .0297,         .0475,           .0334

Rejected: Gaussian means without D (REACH 1 to 4: calm, but floods and harvests are smeared: .0479
to .0521 of changed pixels); a local line in place of the mean (the same, and it leaves the range of
what was seen); ALIKE of 3 or 10 (.0484, .0493 of changed pixels); no median (bends 1.9); filled
days that do not count (demo .0300, flooded .0480).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.coarse_fill import fill_coarse, nearest_known

Array = NDArray[np.float32]

REACH = 3.0
"""Days."""

ALIKE = 1.0
"""Variances of the noise by which two days may differ and still count .6 of what they would."""

HALF = 2
"""Days on each side that the running median sees."""

LEAST = 0.002
"""Standard deviation of the noise below which none is believed."""

USUAL, FEW = 0.01, 3
"""What is expected of it before the series is asked, and as how many values that counts."""

FILLED = 0.5
"""Weight of a filled value beside a known one."""

FARTHEST = 20.0
"""D / ALIKE at most, so that some weight always remains."""

_SIGMA_PER_MEDIAN = 1 / 0.6745
"""Of a normal distribution's absolute values."""


def calm_coarse(
    reflectance: Array, days: Sequence[int], *, at: Sequence[int], window: int
) -> Array:
    """The images of the days ``at``, calmed by those at most ``window`` days away.

    ``reflectance`` (time, band, row, col), NaN unknown; ``days`` (time,) ascending day numbers, not
    necessarily without gaps, among which are all of ``at``.  A value becomes a mean of its own
    cell and band, so it never leaves the range of what was seen there.  NaN where nothing was:
    what ``model.coarse_fill`` would fill is filled here too.
    """
    place = {day: index for index, day in enumerate(days)}
    nothing = np.full(reflectance.shape[1:], np.nan, np.float32)
    calmed = np.empty((len(at), *reflectance.shape[1:]), np.float32)
    for target, middle in zip(calmed, at, strict=True):
        around = range(middle - window, middle + window + 1)
        seen = [reflectance[place[day]] if day in place else nothing for day in around]
        target[...] = _calm(np.stack(seen))
    return calmed


def _calm(seen: Array) -> Array:
    """The middle one of an odd number of consecutive days."""
    middle = len(seen) // 2
    known = np.isfinite(seen)
    filled, _ = fill_coarse(seen, range(len(seen)), window=len(seen))
    typical = _running_median(filled)
    apart = ((typical - typical[middle]) / noise_of(seen)) ** 2
    unlike = np.minimum(_mean_of_bands(apart) / ALIKE, FARTHEST)
    away = np.arange(-middle, middle + 1).reshape(-1, 1, 1, 1) / REACH
    weight = np.where(known, 1, FILLED) * np.exp(-0.5 * (away**2 + unlike))
    # Counted from the typical value, so that a series that does not change stays as it is.
    mean = typical[middle] + (weight * (filled - typical[middle])).sum(0) / weight.sum(0)
    # Rounding may take a mean of equal values past them.
    return np.clip(mean, filled.min(0), filled.max(0)).astype(np.float32)


def noise_of(seen: Array) -> Array:
    """(band, row, col) standard deviation of a day's noise in ``seen`` (time, band, row, col).

    By the median distance of values from the line between the nearest known on both sides.
    """
    nothing = np.full_like(seen[:1], np.nan)
    earlier, later = np.concatenate([nothing, seen[:-1]]), np.concatenate([seen[1:], nothing])
    before, _ = nearest_known(np.isfinite(earlier))
    _, after = nearest_known(np.isfinite(later))
    left, right = np.take_along_axis(earlier, before, 0), np.take_along_axis(later, after, 0)
    place = np.arange(len(seen)).reshape(-1, 1, 1, 1)
    share = (place - before + 1) / (after - before + 2)
    line = left + share * (right - left)
    # Both ends of the line are as noisy as the value.
    off = np.abs(seen - line) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    known = np.isfinite(off)
    count = known.sum(0)
    ordered = np.sort(np.where(known, off, np.inf), 0)
    halves = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(seen) - 1)])
    median = np.take_along_axis(ordered, halves, 0).mean(0)
    found = np.where(count > 0, median * _SIGMA_PER_MEDIAN, 0)
    return np.maximum((count * found + FEW * USUAL) / (count + FEW), LEAST).astype(np.float32)


def _running_median(series: Array) -> Array:
    around = np.pad(series, ((HALF, HALF), *[(0, 0)] * (series.ndim - 1)), mode="edge")
    near = np.stack([around[step : step + len(series)] for step in range(2 * HALF + 1)])
    return np.median(near, axis=0).astype(np.float32)


def _mean_of_bands(values: Array) -> Array:
    """(time, band, ...) -> (time, 1, ...), of the bands that are known; 0 where none is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(1, keepdims=True)
    return np.asarray(total / np.maximum(known.sum(1, keepdims=True), 1))
