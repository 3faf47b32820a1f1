"""Where fusion has to earn its keep: pixels that are not what time alone predicts."""

import numpy as np
from numpy.typing import ArrayLike

from model.metrics.images import Mask, Pair

SHARE, LEAST = 0.1, 0.05


def changed(truth: ArrayLike, linear: ArrayLike, *, scored: Mask | None = None) -> Mask:
    """(y, x): the tenth with the largest |truth - linear|, where that is above .05 in some band.

    Both (band, y, x); ``linear`` is the linear interpolation of the references at the day.  The
    tenth is of the pixels known in both, and of ``scored`` if that is given; False elsewhere.
    """
    pair = Pair.of(linear, truth)
    use = pair.known if scored is None else pair.known & scored
    if not use.any():
        return use
    change = np.abs(pair.truth - pair.predicted).max(0)
    return np.asarray(use & (change > LEAST) & (change >= np.quantile(change[use], 1 - SHARE)))
