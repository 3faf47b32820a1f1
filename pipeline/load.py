"""Items of one day to reflectance on a grid: read, mask, scale once, bring to the grid, mosaic.

Each scene is read on its own grid by nearest, so that DN and QA words arrive as they were made;
it is masked by its own QA before it meets any other scene, scaled in one place, and only then
brought to the region's grid.
"""

# Strategy.  Resampling comes last because fill, clouds and QA bits must never be averaged with
# reflectance: with the nodata missing in STAC or file (it often is) a resampler takes DN 0 or
# -28672 for a measurement and bleeds it into its neighbours.  So nothing is left to the resampler:
# what is not clear is NaN when it comes to it, and both resamplers here give NaN no weight.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalogs import Band, CollectionSpec, platform_of
from pipeline.mask import Flags, Mask, read_flags
from pipeline.native import ReadError, native_geobox, read_layers, window_around, words_of
from pipeline.resample import area_weights, to_lattice

Reflectance = NDArray[np.float32]

LEAST_SHARE = 0.5
"""Share of a coarse cell that must be clear for its average to count."""

PLAUSIBLE = (-0.15, 1.3)
"""Range of the median reflectance of a band: beyond it a scale is missing or applied twice."""

ENOUGH = 500
"""Pixels below which a median says nothing about the scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One day of one collection on a grid."""

    reflectance: Reflectance
    """(band, y, x), NaN where not clear."""

    clear: Mask
    """(y, x), True where every band is known."""

    water: Mask
    snow: Mask
    high_aerosol: Mask
    """(y, x) each, of clear pixels; high aerosol includes inputs of low quality."""

    source: NDArray[np.uint16]
    """(y, x), which of the day's items gave the pixel, from 1; 0 none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Native:
    """One item around the region, on its own grid: reflectance is NaN where not clear."""

    geobox: GeoBox
    reflectance: Reflectance
    flags: Flags


def load_fine(
    items: Sequence[pystac.Item],
    specs: Mapping[str, CollectionSpec],
    bands: Sequence[str],
    geobox: GeoBox,
    *,
    drop: Sequence[str] = (),
) -> Scene:
    """The fine image of a day on ``geobox``.

    A scene on the same lattice is copied exactly; one on another (a neighbouring UTM zone) is
    resampled by cubic convolution where all its support is clear, else by bilinear weights over
    the clear pixels.  A pixel is clear where the nearest pixel of its scene is.  Where scenes
    overlap the first clear one, in the order of ``items``, is kept.  ``drop`` names the flags of
    ``spec.reject_if_asked`` that are unclear too.  ReadError where an asset cannot be read.
    """
    shape = geobox.shape.yx
    scene = Scene(
        reflectance=np.full((len(bands), *shape), np.nan, np.float32),
        clear=np.zeros(shape, bool),
        water=np.zeros(shape, bool),
        snow=np.zeros(shape, bool),
        high_aerosol=np.zeros(shape, bool),
        source=np.zeros(shape, np.uint16),
    )
    for number, item in enumerate(items, start=1):
        if (native := _read_native(item, _spec_of(item, specs), bands, geobox, drop)) is None:
            continue
        flags = native.flags
        extra = np.stack([flags.water, flags.snow, flags.high_aerosol])
        values, marks = to_lattice(native.reflectance, extra, native.geobox, geobox)
        new = np.logical_and.reduce(np.isfinite(values)) & ~scene.clear
        np.copyto(scene.reflectance, values, where=new)
        np.copyto(scene.source, np.uint16(number), where=new)
        scene.clear[new] = True
        marked = (scene.water, scene.snow, scene.high_aerosol)
        for mask, mark in zip(marked, marks, strict=True):
            np.copyto(mask, mark, where=new)
    return scene


def load_coarse(
    items: Sequence[pystac.Item],
    specs: Mapping[str, CollectionSpec],
    bands: Sequence[str],
    geobox: GeoBox,
) -> Scene:
    """The coarse image of a day on ``geobox``: the area average of the clear pixels of each cell.

    Averages run over all items at once, so a cell across two MODIS tiles is whole.  A cell is
    clear where at least ``LEAST_SHARE`` of its area is, in every band.  ``source`` is the item
    with the largest share.  ReadError where an asset cannot be read.
    """
    shape = geobox.shape.yx
    cells = int(shape[0] * shape[1])
    total = np.zeros((cells, len(bands)))
    share = np.zeros((cells, len(bands)))
    marks = np.zeros((cells, 3))
    most = np.zeros(cells)
    source = np.zeros(cells, np.uint16)
    for number, item in enumerate(items, start=1):
        if (native := _read_native(item, _spec_of(item, specs), bands, geobox)) is None:
            continue
        weights = area_weights(native.geobox, geobox)
        values = native.reflectance.reshape(len(bands), -1).T
        known = np.isfinite(values)
        total += weights @ np.where(known, values, 0).astype(np.float64)
        here: NDArray[np.float64] = weights @ known.astype(np.float64)
        share += here
        flags = native.flags
        extra = np.stack([flags.water, flags.snow, flags.high_aerosol]).reshape(3, -1).T
        whole = np.logical_and.reduce(known, axis=1)
        marks += weights @ (extra & whole[:, None]).astype(np.float64)
        least = here.min(axis=1)
        source[least > most] = number
        most = np.maximum(most, least)
    clear: Mask = np.logical_and.reduce(share >= LEAST_SHARE - 1e-9, axis=1)
    # Overlapping items count their ground twice in both sums, so the quotient is still a mean.
    mean = total / np.where(share > 0, share, 1)
    mean[~clear] = np.nan
    marked = (marks >= 0.5 * share.min(axis=1)[:, None]) & clear[:, None]
    water, snow, high_aerosol = (marked[:, k].reshape(shape) for k in range(3))
    return Scene(
        reflectance=mean.T.reshape(len(bands), *shape).astype(np.float32),
        clear=clear.reshape(shape),
        water=water,
        snow=snow,
        high_aerosol=high_aerosol,
        source=np.where(clear, source, 0).astype(np.uint16).reshape(shape),
    )


def _spec_of(item: pystac.Item, specs: Mapping[str, CollectionSpec]) -> CollectionSpec:
    return specs[str(item.collection_id)]


def _read_native(
    item: pystac.Item,
    spec: CollectionSpec,
    bands: Sequence[str],
    target: GeoBox,
    drop: Sequence[str] = (),
) -> _Native | None:
    """An item's pixels around ``target``, masked and scaled; None where it does not reach it."""
    own = [name for name in bands if name in spec.bands]
    whole = native_geobox(item, spec.bands[own[0]].asset, spec)
    pixel = (abs(whole.affine.e), abs(whole.affine.a))
    # Margin: what dilation and the cubic kernel see beyond the edge.
    margin = 3 + int(np.ceil(max(spec.dilate_m.values(), default=0.0) / min(pixel)))
    if (window := window_around(whole, target, margin)) is None:
        return None
    layers = read_layers(item, spec, bands, window)
    flags = read_flags(
        {key: layers[band.asset, band.index] for key, band in words_of(item, spec)},
        spec,
        bands,
        shape=window.shape.yx,
        pixel_m=pixel,
        platform=platform_of(item),
        drop=drop,
    )
    reflectance = np.full((len(bands), *window.shape.yx), np.nan, np.float32)
    for k, name in enumerate(bands):
        if name not in own:
            continue
        band = spec.bands[name]
        rejected = flags.reject
        if name in flags.band_reject:
            rejected = rejected | flags.band_reject[name]
        reflectance[k] = to_reflectance(layers[band.asset, band.index], band, rejected)
        _check_scale(reflectance[k], item, name, band)
    return _Native(geobox=window, reflectance=reflectance, flags=flags)


def to_reflectance(dn: NDArray[Any], band: Band, rejected: Mask) -> Reflectance:
    """Scale DN to reflectance, float32; NaN where rejected, nodata or outside the valid range.

    The only place of the pipeline where a scale or offset is applied.
    """
    known = ~rejected & np.isfinite(dn)
    if band.nodata is not None:
        known &= dn != dn.dtype.type(band.nodata)
    if band.valid is not None:
        known &= (dn >= band.valid[0]) & (dn <= band.valid[1])
    values = dn.astype(np.float64) * band.scale + band.offset
    return np.where(known, values, np.nan).astype(np.float32)


def _check_scale(values: Reflectance, item: pystac.Item, name: str, band: Band) -> None:
    known = values[np.isfinite(values)]
    if known.size < ENOUGH:
        return
    median = float(np.median(known[:: known.size // ENOUGH]))
    if not PLAUSIBLE[0] <= median <= PLAUSIBLE[1]:
        raise ReadError(
            f"band {name} of item {item.id} (asset {band.asset!r}) has a median reflectance of "
            f"{median:.4g} with scale {band.scale:g} and offset {band.offset:g}: that is no "
            f"reflectance; correct scale and offset in the collection"
        )
