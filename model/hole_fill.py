"""Holes of a fine image, filled from the clear dates on both sides of its day.

A date D that was clear at a pixel tells what the image of day R would show there, moved by the
change of the coarse images between the two days:

    M(D) = F(D) + up(C(R) - C(D))

A hole is the straight line, in time, between what the nearest clear dates tell, E before R and
L after it; where one of them is missing, what the other tells alone:

    F(R) ~ (1 - w) M(E) + w M(L),    w = (R - E) / (L - E)

This is ``anomaly`` on day R between E and L.  So a pixel that a cloud hid on day R is the same
whether R is a reference of the days before it, of those after it, or is fused itself, and a fused
season does not jump there.  Against one date alone, the nearest of the reference's own side of
the days (RMSE of what was filled; of ``anomaly`` on all fused pixels of consecutive days; its jump,
as in docs/evaluation.md):

    world 101   .0149 to .0131   .0091 to .0086   1.62 to  .90
    world 102   .0149 to .0130   .0148 to .0149    .71 to  .71
    world 103   .0207 to .0198   .0111 to .0106   1.61 to  .95
    demo                         .0297 to .0267

Rejected, on the same worlds: equal weights (filled .0136, .0133, .0216), weights between these
and the line (.0132 to .0133, .0130 to .0131, .0203 to .0207), and one date alone where the other is
three times as far away (the same to .0001; with 16 days hidden better here and worse there).
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Bool

Days = NDArray[np.int64]

NEVER = -(10**6)
"""Day number of a pixel that no date could fill."""


class Filled(NamedTuple):
    """An image with its holes filled, and the dates of which each pixel is made."""

    image: Array
    """(band, y, x) as of its own day, NaN where no date is known."""

    filled: Bool
    """(y, x) where it was a hole and is known now."""

    earlier: Days
    """(y, x) day number of the date at or before the image's own,"""

    later: Days
    """and of the one at or after.  The same where one date was used alone, ``NEVER`` where none."""


def fill_holes(
    image: Array,
    day: int,
    dates: Collection[int],
    *,
    clear: Callable[[int], Bool],
    moved: Callable[[int], Array],
) -> Filled:
    """Fill the holes of ``image`` (band, y, x), NaN there, of a ``day`` from other ``dates``.

    ``clear(date)`` is (y, x) where a date may be known, ``moved(date)`` is M(date) (band, y, x),
    NaN where it is not known after all.  Both are asked the nearest date first, and a date's image
    only where it can fill something.
    """
    holes: Bool = ~np.all(np.isfinite(image), axis=0)
    before = sorted((date for date in dates if date < day), reverse=True)
    after = sorted(date for date in dates if date > day)
    left, earlier = _nearest(holes, before, len(image), clear, moved)
    right, later = _nearest(holes, after, len(image), clear, moved)
    has_left, has_right = earlier != NEVER, later != NEVER
    share = ((day - earlier) / np.maximum(later - earlier, 1)).astype(np.float32)
    values = np.where(has_left, left, right)
    values = np.where(has_left & has_right, left + share * (right - left), values)
    image = image.copy()
    image[:, holes] = values
    used = np.full((2, *holes.shape), day, np.int64)
    used[:, holes] = np.where(has_left, earlier, later), np.where(has_right, later, earlier)
    return Filled(image=image, filled=holes & (used[0] != NEVER), earlier=used[0], later=used[1])


def _nearest(
    holes: Bool,
    dates: Sequence[int],
    bands: int,
    clear: Callable[[int], Bool],
    moved: Callable[[int], Array],
) -> tuple[Array, Days]:
    """(band, hole) of the first of ``dates`` that is known there, and (hole,) which one."""
    count = int(holes.sum())
    values = np.full((bands, count), np.nan, np.float32)
    used = np.full(count, NEVER, np.int64)
    for date in dates:
        missing = used == NEVER
        if not missing.any():
            break
        if not (missing & clear(date)[holes]).any():
            continue  # its bands are not even read
        offered = moved(date)[:, holes]
        usable = missing & np.isfinite(offered).all(0)
        np.copyto(values, offered, where=usable)
        used[usable] = date
    return values, used
