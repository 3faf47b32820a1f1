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
    platform: str = "",
    drop: Sequence[str] = (),
) -> Flags:
    """Decode the QA words (y, x) of a scene by the collection's table.

    A word of ``spec.qa`` that ``words`` lacks says nothing: its flags are down.  Rejected flags
    are grown by the table's metres; ``pixel_m`` is the size of a pixel, (y, x).  ``drop`` names
    those of ``spec.reject_if_asked`` that are rejected too.
    """
    flags = named_flags(words, spec, shape=shape, platform=platform)
    nowhere = np.zeros(shape, bool)
    reject = np.zeros(shape, bool)
    for name in (*spec.reject, *(name for name in spec.reject_if_asked if name in drop)):
        metres = spec.dilate_m.get(name)
        reject |= flags[name] if metres is None else grow(flags[name], metres, pixel_m)
    return Flags(
        reject=reject,
        band_reject={
            name: _any(spec.band_reject[name], words, shape, platform)
            for name in bands
            if name in spec.band_reject
        },
        water=flags.get("water", nowhere),
        snow=flags.get("snow", nowhere),
        high_aerosol=flags.get("high_aerosol", nowhere) | flags.get("low_quality", nowhere),
    )


def named_flags(
    words: Mapping[str, NDArray[Any]],
    spec: CollectionSpec,
    *,
    shape: tuple[int, int],
    platform: str = "",
) -> dict[str, Mask]:
    """Where each flag of ``spec.flags`` is up (y, x), as the words say it, nothing grown."""
    flags = {}
    for name, entries in spec.flags.items():
        flags[name] = np.zeros(shape, bool)
        for asset in {entry.asset for entry in entries} & words.keys():
            own = [entry for entry in entries if entry.asset == asset]
            up, nodata = _any(own, words, shape, platform), spec.qa[asset].nodata
            # Nothing else is read from a word that is fill: the cloud bit in Fmask's 255 would
            # grow from the scene's edge into it.
            if name != "fill" and nodata is not None:
                up &= words[asset] != nodata
            flags[name] |= up
    return flags


def _any(
    entries: Sequence[Flag],
    words: Mapping[str, NDArray[Any]],
    shape: tuple[int, int],
    platform: str,
) -> Mask:
    mask = np.zeros(shape, bool)
    for entry in entries:
        other_craft = platform and entry.platforms and platform not in entry.platforms
        if entry.asset in words and not other_craft:
            mask |= raised(words[entry.asset], entry)
    return mask


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


def clearness(
    clear: Mask, windows: Sequence[tuple[slice, slice]], pixel_m: tuple[float, float], most_m: float
) -> list[tuple[float, float]]:
    """Of each (y, x) window the share of its pixels that are clear, and how far they are from
    what is not: the mean over the clear pixels of the metres to the nearest unclear one of the
    whole mask, each at most ``most_m``; 0 where none is clear.

    The edge of a scene counts as unclear like a cloud: what lies beyond is as unknown.
    """
    away = np.full(clear.shape, most_m)
    if not clear.all():
        away = np.minimum(distance_transform_edt(clear, sampling=pixel_m), most_m)
    found = []
    for window in windows:
        seen = clear[window]
        # Of all pixels that are clear exactly 1, and 1 of no others: ``Survey.whole`` asks for it.
        share = float(seen.mean(dtype=np.float32))
        found.append((share, float(away[window][seen].mean()) if share else 0.0))
    return found
