"""Does a fused series flicker?  Its change from day to day, held against the truth's.

Arrays are (time, band, y, x) of consecutive days.  A difference counts where all of its days are
known in both arrays, so fused and truth stand on the same ones.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.floating]
Floats = tuple[float, ...]

NEIGHBOURS = 2
"""Steps on each side of a break that it is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """Of each band; 1 in the ratios would be the truth's own."""

    bends: Floats
    """RMS of the second differences in time over that of the truth: above 1 it flickers, below 1
    it is smoother than the ground was."""

    steps: Floats
    """RMSE of the change from one day to the next, reflectance."""


def roughness(fused: Series, truth: Series) -> Roughness:
    """NaN where no difference is known, or the truth does not bend."""
    fused, truth = _common(fused, truth)
    bends, true_bends = (np.diff(one, 2, axis=0) for one in (fused, truth))
    wrong = np.diff(fused, axis=0) - np.diff(truth, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = _rms(bends) / _rms(true_bends)
    return Roughness(bends=tuple(ratio.tolist()), steps=tuple(_rms(wrong).tolist()))


def jump(fused: Series, truth: Series, breaks: Collection[int]) -> Floats:
    """How much larger steps into and out of some days are wrong than steps near them, per band.

    ``breaks``: indices of steps, of which step n goes from day n to day n + 1.  The RMS of fused
    minus true step over all breaks, over that of the steps up to ``NEIGHBOURS`` beside one that are
    no breaks: 1 where the break does not show.  NaN without breaks or neighbours.
    """
    fused, truth = _common(fused, truth)
    wrong = np.diff(fused, axis=0) - np.diff(truth, axis=0)
    at = sorted(step for step in set(breaks) if 0 <= step < len(wrong))
    beside = {
        step + by for step in at for by in range(-NEIGHBOURS, NEIGHBOURS + 1) if step + by >= 0
    }
    near = sorted(step for step in beside.difference(at) if step < len(wrong))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = _rms(wrong[at]) / _rms(wrong[near])
    return tuple(ratio.tolist())


def _common(fused: Series, truth: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = (np.isfinite(fused) & np.isfinite(truth)).all(1, keepdims=True)
    one, other = (np.where(known, image, np.nan).astype(np.float64) for image in (fused, truth))
    return one, other


def _rms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(band,) over all but the band axis, NaN left out."""
    known = np.isfinite(values)
    squares = np.where(known, values, 0) ** 2
    count = known.sum((0, 2, 3))
    mean = squares.sum((0, 2, 3)) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, np.sqrt(mean), np.nan))
