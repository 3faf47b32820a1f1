"""Recognise a coarse image that was laid on a fine grid by repeating or interpolating its pixels.

Many sets give MODIS so, one number a Landsat pixel, and do not say how it came about.  A method
wants the cells back: a repeated cell is the mean of its pixels, and an interpolated image has its
cells' values at their centres, where its slope changes.

    nearest    neighbours are equal but at the edges of cells
    bilinear   second differences along rows and columns vanish but at the centres of cells
    smooth     (cubic, or turned) they swell and fade with the cells
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
Way = Literal["nearest", "bilinear", "smooth"]

SIDE = 1024
"""Pixels a side that are looked at."""

LEAST_KNOTS = 2
"""Cells along each side that it takes to tell an interpolated image from a flat one."""

LEAST_SWELL = 0.3
"""Amplitude of the swelling over the mean: .55 to .8 in cubic copies, .05 in images of fields."""

LEAST_WAVES, LARGEST_PITCH = 5, 64
"""Cells along each side, and pixels a cell, between which a swelling is looked for."""

_WHOLE = 0.02
"""Pixels by which a pitch may miss a whole number and still be one."""

_ON_EDGE = 0.15
"""The same of an edge of cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """How an image was made from cells."""

    way: Way
    pitch: tuple[float, float]
    """Side of a cell in pixels, (y, x)."""

    phase: tuple[int, int] | None
    """(y, x) first edge of cells in the image; None unless cells are whole pixels, as many both
    ways, with edges on edges of pixels."""


def recognise(image: NDArray[np.floating]) -> Copy | None:
    """How (band, y, x), NaN unknown, was laid out; None where it is none of these ways.

    Where bands differ (250 m beside 500 m) the largest cells are told.
    """
    values = np.asarray(image, np.float64)
    if min(values.shape[1:]) < 3:
        return None
    return _nearest(values) or _bilinear(values) or _smooth(values)


def _nearest(values: Image) -> Copy | None:
    sides = []
    for axis in (1, 2):
        steps = np.moveaxis(np.diff(values, axis=axis), axis, 2)
        known = np.isfinite(steps)
        changed = known & (steps != 0)
        # A band that is flat here, as water may be, tells nothing of the cells.
        share = changed.sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
        if (share > 0.5).any() or not (share > 0).any():
            return None
        borders = np.flatnonzero(changed.any((0, 1))) + 1
        pitch = float(1 / share[share > 0].min())
        whole = int(np.gcd.reduce(np.diff(borders))) if borders.size > 1 else 0
        # Edges that wander over the columns are those of cells that are turned or not whole.
        sides.append((float(whole), int(borders[0] % whole)) if whole > 1 else (pitch, None))
    return _copy("nearest", sides)


def _bilinear(values: Image) -> Copy | None:
    sides = []
    for axis in (1, 2):
        first = np.moveaxis(np.diff(values, axis=axis), axis, 2)
        second = np.abs(np.diff(first, axis=2))
        away = np.abs(first[np.isfinite(first) & (first != 0)])
        if not away.size:
            return None
        # Rounding to whole numbers bends a straight line by up to two of them.
        largest = np.nanmax(np.abs(values))
        limit = max(2.2 * np.quantile(away, 0.001), 16 * np.finfo(np.float32).eps * largest)
        count = np.isfinite(second).sum((0, 1))
        bent = np.where(second > limit, second, 0.0).sum((0, 1)) / np.maximum(count, 1)
        share = (second > limit).sum((0, 1)) / np.maximum(count, 1)
        knots = _knots(bent, share > 0.2)
        # Of cells of four pixels half lie at a centre, of others fewer.
        straight = np.quantile(share[count > 0], 0.3) < 0.05
        if not straight or len(knots) < LEAST_KNOTS:
            return None
        spacing = np.median(np.diff(knots))
        number = np.rint((knots - knots[0]) / spacing)
        pitch, centre = np.polyfit(number, knots, 1)
        # Knots are in pixels counted at their centres, edges at their left sides.
        sides.append(_whole_pitch(pitch, centre + 0.5 - pitch / 2))
    return _copy("bilinear", sides)


def _smooth(values: Image) -> Copy | None:
    sides = []
    for axis in (1, 2):
        first = np.abs(np.diff(values, axis=axis))
        second = np.abs(np.moveaxis(np.diff(values, 2, axis=axis), axis, 2))
        if not np.isfinite(first).any() or np.nanmean(second) > np.nanmean(first):
            return None  # rows of fields: they have edges, a copy has none
        count = np.isfinite(second).sum((0, 1))
        bent = np.nan_to_num(second).sum((0, 1))[count > 0] / count[count > 0]
        period = _period(bent)
        if period is None:
            return None
        sides.append((period, None))
    return _copy("smooth", sides)


def _period(profile: NDArray[np.float64]) -> float | None:
    """The longest period (pixels) in which a profile swells; None where it does not."""
    longest = min(LARGEST_PITCH, profile.size / LEAST_WAVES)
    if longest < 3 or not profile.any():
        return None
    # Ten times as fine as the profile's own frequencies.
    waves = np.arange(profile.size / longest, profile.size / 2.5, 0.1)
    turn = np.exp(-2j * np.pi * waves[:, None] * np.arange(profile.size) / profile.size)
    # A window, so that a wave does not leak into its neighbours.
    window = np.hanning(profile.size)
    level = (profile * window).sum() / window.sum()
    swell = 2 * np.abs(turn @ ((profile - level) * window)) / (level * window.sum())
    if swell.max() < LEAST_SWELL:
        return None
    # Overtones may be as strong; the first wave that is nearly so is the cells' own.
    first = int(np.flatnonzero(swell > 0.6 * swell.max())[0])
    at = first + int(np.argmax(swell[first : first + 15]))
    return float(profile.size / waves[at])


def _knots(bent: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where the slope changes: the middle of each run of pixels at which it does."""
    places: list[float] = []
    padded = np.concatenate([[False], there, [False]]).astype(np.int8)
    starts, stops = np.flatnonzero(np.diff(padded) > 0), np.flatnonzero(np.diff(padded) < 0)
    for start, stop in zip(starts, stops, strict=True):
        if start == 0 or stop == there.size:
            continue  # perhaps half a knot
        weight = bent[start:stop]
        places.append(float((np.arange(start, stop) * weight).sum() / weight.sum()) + 1)
    return np.array(places)


def _whole_pitch(pitch: float, edge: float) -> tuple[float, int | None]:
    whole = round(pitch)
    if abs(pitch - whole) > _WHOLE or whole < 2 or abs(edge - round(edge)) > _ON_EDGE:
        return float(pitch), None
    return float(whole), round(edge) % whole


def _copy(way: Way, sides: Sequence[tuple[float, int | None]]) -> Copy | None:
    (down, top), (across, left) = sides
    if min(down, across) < 2:
        return None
    nested = top is not None and left is not None and down == across
    phase = (top or 0, left or 0) if nested else None
    return Copy(way=way, pitch=(down, across), phase=phase)
