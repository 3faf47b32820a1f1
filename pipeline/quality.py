"""The quality word of a pixel: how it came about, or why it is not there."""

from collections.abc import Sequence
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.block import Fused
from pipeline import sigma as sigmas

if TYPE_CHECKING:
    from pipeline.references import BlockInputs


class Quality(IntFlag):
    """Bits of ``quality``; 0 says that the pixel's day has not been written."""

    PRODUCED = 1
    OBSERVED = 2
    """Seen clear by the fine sensor that very day; kept as it is."""
    FUSED = 4
    PROVISIONAL = 8
    """Images still to come may change it."""
    ONE_SIDED = 16
    """Made from fine images of one side of the day alone: all of it, or here, where a reference was
    cloudy and no other image of its side was clear."""
    COARSE_FILLED = 32
    """The coarse cell was cloudy, that day or on a reference date, and filled in time."""
    REFERENCE_FILLED = 64
    """A reference was cloudy here and was made from the images of other dates."""
    CLIPPED = 128
    """Some band was outside -0.2 .. 1.6."""
    WATER = 256
    SNOW = 512
    LOW_QUALITY = 1024
    """High aerosol or low quality in an input that was used: the pixel's fine images, or its
    coarse cell that day or on a reference date."""
    MISREGISTRATION = 2048
    NO_REFERENCE = 4096
    """Not produced: no clear fine image near enough."""
    NO_COARSE = 8192
    """Not produced: the coarse cell is unknown, that day or on a reference date."""
    SKIPPED = 16384
    """Not produced: the day's own image was clear enough, and no fusion of such days was asked."""


MEANINGS = (
    "produced observed_fine_same_day fused provisional one_sided_reference "
    "coarse_cloudy_filled reference_gap_filled out_of_range_clipped water snow "
    "high_aerosol_or_low_quality_input misregistration no_reference no_coarse skipped"
)
"""CF ``flag_meanings``, in the order of the bits."""


def flag(where: NDArray[np.bool_], bit: Quality) -> NDArray[np.uint16]:
    """``bit`` where it applies, else 0."""
    return where.astype(np.uint16) * np.uint16(bit.value)


def finish(
    inputs: "BlockInputs",
    fused: Fused | None,
    *,
    bands: Sequence[str],
    provisional: NDArray[np.bool_] | Sequence[bool],
    sigma: bool = False,
) -> dict[str, NDArray[np.generic]]:
    """What is written of a tile: packed bands, ``quality`` and ``ref_age``, all (time, y, x).

    ``fused`` is the method's answer on the block, None where there is no bracket; its halo is cut
    off.  A pixel seen clear that day keeps its observation; one that
    is fused keeps the fusion if all bands are known; every other is -9999 with its reason.
    ``provisional`` (time,) marks days that later images may change.  ``sigma``: the arrays of
    ``pipeline.sigma`` as well, 0 where nothing was fused or the method states none.
    """
    # cube.py names the bits in the schema, so it imports this module at its top.
    from pipeline.cube import pack

    reflectance = inputs.observed
    made = np.zeros_like(inputs.clear)
    if fused is not None:
        y, x = inputs.core
        core = fused.reflectance[..., y, x]
        made = np.all(np.isfinite(core), axis=1) & ~inputs.clear
        reflectance = np.where(made[:, None], core, reflectance)
    packed, clipped = pack(reflectance)
    produced = inputs.clear | made
    # A method may ask for a neighbouring cell too: a pixel that it left out without a reason
    # of its own lacks coarse data.
    reason = np.where(inputs.if_missing == 0, np.uint16(Quality.NO_COARSE), inputs.if_missing)
    word = np.where(made, inputs.if_fused, reason)
    word = np.where(inputs.clear, inputs.if_observed, word)
    late = np.asarray(provisional, np.bool_)[:, None, None] & produced
    word = word | flag(np.any(clipped, axis=1), Quality.CLIPPED) | flag(late, Quality.PROVISIONAL)
    layers: dict[str, NDArray[np.generic]] = {
        band: packed[:, place] for place, band in enumerate(bands)
    }
    if sigma:
        stated = np.full(reflectance.shape, np.nan, np.float32)
        if fused is not None and fused.sigma is not None:
            stated = np.where(made[:, None], fused.sigma[..., y, x], np.float32(np.nan))
        dn = sigmas.pack_sigma(stated)
        layers |= {sigmas.name_of(band): dn[:, place] for place, band in enumerate(bands)}
    age = np.where(produced, inputs.ref_age, np.uint8(255))
    return layers | {"quality": word, "ref_age": age}
