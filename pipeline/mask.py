"""QA words into masks: which pixels are clear, and what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from catalogs import CollectionSpec, Flag

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the QA words of one scene say, on the scene's own grid, each (y, x)."""

    reject: Mask
    """Not clear, whatever the band."""

    band_reject: Mapping[str, Mask]
    """Bands that are unusable at some pixels of their own."""

    water: Mask
    snow: Mask

    high_aerosol: Mask
    """High aerosol, or an input of low quality."""


def read_flags(
    words: Mapping[str, NDArray[Any]],
    spec: CollectionSpec,
    bands: Sequence[str],
    *,
    shape: tuple[int, int],
    pixel_m: tuple[float, float],
    drop_snow: bool = False,
) -> Flags:
    """Decode the QA words (y, x) of a scene by the collection's table.

    A word of ``spec.qa`` that ``words`` lacks says nothing: its flags are down.  Rejected flags
    are grown by the table's metres; ``pixel_m`` is the size of a pixel, (y, x).
    """

    def up(entries: Sequence[Flag]) -> Mask:
        mask = np.zeros(shape, bool)
        for entry in entries:
            if entry.asset in words:
                mask |= raised(words[entry.asset], entry)
        return mask

    reject = np.zeros(shape, bool)
    for name in (*spec.reject, *(spec.reject_if_asked if drop_snow else ())):
        mask = up(spec.flags[name])
        reject |= grow(mask, spec.dilate_m[name], pixel_m) if name in spec.dilate_m else mask
    return Flags(
        reject=reject,
        band_reject={
            name: up(spec.band_reject[name]) for name in bands if name in spec.band_reject
        },
        water=up(spec.flags.get("water", ())),
        snow=up(spec.flags.get("snow", ())),
        high_aerosol=up(spec.flags.get("high_aerosol", ())) | up(spec.flags.get("low_quality", ())),
    )


def raised(word: NDArray[Any], flag: Flag) -> Mask:
    """Where a flag is up in a QA word."""
    field = (word >> flag.shift) & (2**flag.width - 1)
    return np.isin(field, flag.values)


def grow(mask: Mask, metres: float, pixel_m: tuple[float, float]) -> Mask:
    """``mask`` and all pixels whose centre lies within ``metres`` of one of its centres."""
    if not mask.any():
        return mask
    # The slack keeps a pixel at exactly that distance in, whatever the last bit of the root.
    near: Mask = distance_transform_edt(~mask, sampling=pixel_m) <= metres * (1 + 1e-9)
    return near
