"""Predictions from the fine series alone: what time can tell without a coarse image.

They take ``Block.series`` and nothing else.  Where a pixel is one that no method answers for
(``Block.known``), they are silent too, so that all are scored on the same pixels.
"""

from collections.abc import Callable, Mapping

import numpy as np

from model.block import Array, Block, Bool, Series
from model.classical.whittaker import whittaker


def linear_series(series: Series, block: Block) -> Array:
    """(time, band, y, x), per pixel linear in time between the nearest clear images around a day.

    With clear images on one side only it is the nearest of them, with none NaN.  A pixel is clear
    where all bands are known.
    """
    fused = np.empty(block.shape, np.float32)
    clear = series.clear
    for target, day in zip(fused, block.days, strict=True):
        before, since = _nearest(series, clear, [at for at in series.days if at <= day], day)
        after, until = _nearest(series, clear, [at for at in series.days[::-1] if at > day], day)
        with np.errstate(invalid="ignore"):  # no image at all: inf / inf, and NaN it is
            w = since / (since + until)
        target[...] = (1 - w) * before + w * after
        np.copyto(target, before, where=np.isinf(until))
        np.copyto(target, after, where=np.isinf(since))
    return fused


def _nearest(series: Series, clear: Bool, days: list[int], day: int) -> tuple[Array, Array]:
    """The last clear image of each pixel in ``days``, and how many days it is away."""
    image = np.full(series.images.shape[1:], np.nan, np.float32)
    away = np.full(series.images.shape[2:], np.inf, np.float32)
    for at in days:
        place = series.days.index(at)
        np.copyto(image, series.images[place], where=clear[place])
        np.copyto(away, np.float32(abs(day - at)), where=clear[place])
    return image, away


_METHODS: Mapping[str, Callable[[Series, Block], Array]] = {
    "linear-series": linear_series,
    "whittaker": whittaker,
}


def predict_from_series(name: str, block: Block) -> Array:
    """(time, band, y, x), NaN where the series has no clear pixel.

    Raises ValueError for a block without a series.
    """
    if block.series is None:
        raise ValueError(
            f"{name} is made from the series of fine images, and this block has none; "
            "give Block.series"
        )
    return _METHODS[name](block.series, block)
