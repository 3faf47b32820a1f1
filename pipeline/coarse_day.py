"""The coarse image of a day, put together from what each sensor saw of it.

Terra passes in the morning and Aqua in the afternoon: one may be cloudy where the other is clear,
look aside where the other looks down, or lack a band.
"""

# Strategy.  A fusion lives on the change of spectra, and two sensors differ by some per cent for
# their angles and hours alone.  So a cell is made from sensors that know all of its bands, as a
# mean of whole spectra, wherever there is one; only where there is none are bands put together
# from several, as few as will do, and flagged.  Taking the best pixel everywhere was rejected: it
# jumps from sensor to sensor inside a field, and throws half of the measurements away.

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

POOR = 0.25
"""Weight of a look with high aerosol or of low quality beside a good one."""

UNKNOWN_ANGLE = 0.5
"""Weight of a look whose angle is not told: that of 37 degrees, about the median of a swath."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one sensor saw of a day, on the coarse cells."""

    reflectance: Float
    """(band, cell), mean of the clear pixels; NaN where too few are clear in that band."""

    share: Float
    """(cell,) least clear share over the bands it knows."""

    poor: Bool
    """(cell,) high aerosol or low quality."""

    view_zenith: Float
    """(cell,) degrees; NaN where not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """All looks together."""

    reflectance: Float
    """(band, cell); NaN where no look knows the band."""

    lead: NDArray[np.intp]
    """(cell,) the look that weighs most; -1 where no band is known."""

    mixed: Bool
    """(cell,) where the bands are not all from the same looks."""


def combine(looks: Sequence[Look]) -> Combined:
    """Put the looks of a day, at least one, together; all have the same bands and cells.

    Where looks know every band of a cell, their mean by ``weight``.  Elsewhere the look that
    knows the most bands, by weight where several do, then in the order given; bands it lacks come
    from the others in that order.
    """
    values = np.stack([look.reflectance for look in looks])
    known = np.isfinite(values)
    whole = np.logical_and.reduce(known, axis=1)
    weights = np.stack([weight(look) for look in looks])

    shared = np.where(whole, weights, 0)
    total: Float = shared.sum(axis=0)
    # Divided before the sum, so that a look alone keeps its values to the last bit.
    shares = shared / np.where(total > 0, total, 1)
    mean = (np.where(whole[:, None], values, 0) * shares[:, None]).sum(axis=0)

    bands = known.sum(axis=1)
    # lexsort's last key leads, and it is stable: equal looks stay in the order given.
    order = np.lexsort((-np.where(bands > 0, weights, 0), -bands), axis=0)
    ranked = np.take_along_axis(values, order[:, None], axis=0)
    has = np.isfinite(ranked)
    first = has.argmax(axis=0)
    put_together = np.take_along_axis(ranked, first[None], axis=0)[0]
    # A whole look comes first of all, so none is mixed where there is one.
    others = np.any(has.any(axis=0) & (first != 0), axis=0)

    complete = np.any(whole, axis=0)
    return Combined(
        reflectance=np.where(complete, mean, put_together),
        lead=np.where(bands.max(axis=0) > 0, order[0], -1),
        mixed=others,
    )


def weight(look: Look) -> Float:
    """How much a look counts in each cell, (cell,) in 0 .. 1.

    Its clear share; a quarter of it where it is poor; times the cube of the cosine of the view
    zenith, by which a footprint's share inside its own cell shrinks: it grows with 1/cos along
    the track and with 1/cos^2 along the scan.
    """
    cosine = np.cos(np.radians(look.view_zenith))
    aside = np.where(np.isfinite(cosine), np.clip(cosine, 0.01, 1) ** 3, UNKNOWN_ANGLE)
    return np.minimum(look.share, 1) * np.where(look.poor, POOR, 1) * aside
