"""What the published two-sensor methods are given: pairs of a day, and the coarse image of another.

    F_r, C_r    fine and coarse image of a reference day      C_1    coarse image of the target day
    std         standard deviation of a band over the region

Published, ``std`` is that of the one image at hand.  Here it follows from the region's
interquartile range (a normal distribution has 1.349 of it), which is the same for all tiles and
days: two tiles then agree on the pixels they share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.block import Array, Block, Bool, Part
from model.classical.temporal import mean_changes, on_pixels, share_of_after

IQR_PER_STD = 1.349


class Pair(NamedTuple):
    """The images of a reference day."""

    fine: Array
    """(band, y, x), NaN unknown."""

    coarse: Array
    """(band, row, col) with ``COARSE_PAD`` cells around, NaN unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A day to predict.

    A cell that is unknown in one coarse image is unknown in all: where one is interpolated beside
    it, the same neighbours stand in for it in each, and no change comes of it.
    """

    before: Pair
    after: Pair

    coarse: Array
    """(band, row, col) on the day, with ``COARSE_PAD`` cells around, NaN unknown."""

    known: Bool
    """(y, x) ``Block.known`` on the day: what is not has no weight as a neighbour either."""

    core: Part
    """(y, x) what is asked for."""

    ratio: int
    std: Array
    """(band,)"""

    @classmethod
    def of(cls, block: Block, index: int) -> "Target":
        """Target day ``index`` of a block."""
        y, x = block.core or (slice(None), slice(None))
        _, _, rows, cols = block.shape
        images = (block.coarse_before, block.coarse[index], block.coarse_after)
        seen = np.logical_and.reduce([np.isfinite(image).all(0) for image in images])
        before, day, after = (np.where(seen, image, np.float32(np.nan)) for image in images)
        return cls(
            before=Pair(block.fine_before, before),
            after=Pair(block.fine_after, after),
            coarse=day,
            known=block.known()[index],
            core=(slice(*y.indices(rows)), slice(*x.indices(cols))),
            ratio=block.ratio,
            std=block.spread / np.float32(IQR_PER_STD),
        )


def both_ways(target: Target, predict: Callable[[Target, Pair], Array]) -> Array:
    """A method of one pair from either reference, weighted as ESTARFM weighs its two predictions.

    The papers of one-pair methods leave a second pair unused; of the published ways to use it this
    one asks for no dates and trusts the reference from which the coarse sensor saw less change.
    """
    before = predict(target, target.before)
    if target.before.fine is target.after.fine:
        return before
    c0, c1, c2 = (
        on_pixels(cells, target.ratio)
        for cells in (target.before.coarse, target.coarse, target.after.coarse)
    )
    share = share_of_after(mean_changes(c1, (c0, c2), target.known)).astype(np.float32)
    return (1 - share) * before + share * predict(target, target.after)
