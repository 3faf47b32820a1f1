"""How two predictions, one from each reference, are weighed (Zhu et al. 2010, Eqs. 11 and 12)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Bool
from model.classical.kernels import window_sums
from model.upsample import bilinear

Float = NDArray[np.float64]

HALF = 25
"""Fine pixels: half the window over which the coarse change is averaged."""

LEAST = 1e-10
"""Added to the change, for a day without any."""


def on_pixels(cells: Array, ratio: int) -> Array:
    """(band, row, col) with ``COARSE_PAD`` cells around -> (band, y, x), bilinear.

    In float64: two blocks must not differ in the last bit where a threshold follows.
    """
    return bilinear(cells.astype(np.float64), ratio)


def mean_changes(day: Array, references: Sequence[Array], known: Bool) -> Float:
    """(reference, band, y, x) of C_1 - C_r, the mean over the known pixels of each window.

    ``day`` and ``references`` as ``on_pixels`` gives them.  0 where a window has no known pixel.
    """
    count = np.maximum(window_sums(known.astype(np.float64), HALF), 1)
    zero = np.float64(0)
    return np.stack(
        [
            [window_sums(np.where(known, a - b, zero), HALF) / count for a, b in pair]
            for pair in (zip(day, reference, strict=True) for reference in references)
        ]
    )


def share_of_after(changes: Float) -> Float:
    """(band, y, x) weight of the prediction from the later reference, 0 to 1.

    Inverse to the coarse change since it; ``changes`` are the ``mean_changes`` since both.
    """
    before, after = np.abs(changes) + LEAST
    return np.asarray(before / (before + after))
