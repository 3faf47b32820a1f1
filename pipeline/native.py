"""One item on its own grid, around a region: read, masked by its own QA, scaled once.

Read by nearest, so that DN and QA words arrive as they were made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalogs import Band, CollectionSpec, platform_of
from pipeline.brdf import c_factor
from pipeline.geometry import has_layers, scene_angles
from pipeline.mask import Flags, Mask, read_flags
from pipeline.read import Loader, ReadError, native_geobox, read_layers, window_around, words_of

Reflectance = NDArray[np.float32]

PLAUSIBLE = (-0.15, 1.3)
"""Range of the median reflectance of a band: beyond it a scale is missing or applied twice."""

NESTED = 0.02
"""Pixels by which corners and sizes may miss and still nest: what rounded transforms leave."""

ENOUGH = 500
"""Pixels below which a median says nothing about the scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """One item around the region, on its own grid: reflectance is NaN where not clear."""

    geobox: GeoBox
    reflectance: Reflectance
    flags: Flags
    angles: Mapping[str, Reflectance]
    """Degrees (y, x) of those asked for that the item has, NaN where not told."""


def scene_window(
    item: pystac.Item, spec: CollectionSpec, bands: Sequence[str], target: GeoBox
) -> GeoBox | None:
    """What is read of an item for ``target``, on the finest grid of its bands; None: nothing."""
    whole = _finest(item, [spec.bands[name].asset for name in bands if name in spec.bands], spec)
    pixel = min(abs(whole.affine.e), abs(whole.affine.a))
    # Margin: what dilation and the cubic kernel see beyond the edge.
    margin = 3 + int(np.ceil(max(spec.dilate_m.values(), default=0.0) / pixel))
    return window_around(whole, target, margin)


def read_native(
    item: pystac.Item,
    spec: CollectionSpec,
    bands: Sequence[str],
    target: GeoBox,
    *,
    drop: Sequence[str] = (),
    normal_sun: float | None = None,
    angles: Sequence[str] = (),
    loader: Loader = "odc-stac",
) -> Native | None:
    """An item's pixels around ``target``, masked and scaled; None where it does not reach it.

    On the finest grid of its bands.  ``drop`` names the flags of ``spec.reject_if_asked`` that are
    unclear too; ``normal_sun`` (zenith, degrees) brings what is not adjusted to nadir there, by
    ``pipeline.brdf``; ``angles`` are read too, where the item has them.  ReadError where an asset
    cannot be read.
    """
    own = [name for name in bands if name in spec.bands]
    adjust = normal_sun is not None and not spec.nbar
    told = [
        name
        for name, band in spec.angles.items()
        if (adjust or name in angles) and band.asset in item.assets
    ]
    if (window := scene_window(item, spec, bands, target)) is None:
        return None
    pixel = (abs(window.affine.e), abs(window.affine.a))
    layers = read_layers(item, spec, bands, window, angles=told, loader=loader)
    flags = read_flags(
        {key: layers[band] for key, band in words_of(item, spec)},
        spec,
        bands,
        shape=window.shape.yx,
        pixel_m=pixel,
        platform=platform_of(item),
        drop=drop,
    )
    degrees = {
        name: to_reflectance(layers[band], band, np.zeros(window.shape.yx, bool))
        for name in told
        for band in [spec.angles[name]]
    }
    seen = degrees if not adjust or has_layers(item, spec) else scene_angles(item, window)
    reflectance = np.full((len(bands), *window.shape.yx), np.nan, np.float32)
    for k, name in enumerate(bands):
        if name not in own:
            continue
        band = spec.bands[name]
        rejected = flags.reject
        if name in flags.band_reject:
            rejected = rejected | flags.band_reject[name]
        reflectance[k] = to_reflectance(layers[band], band, rejected)
        _check_scale(reflectance[k], item, name, band)
        if normal_sun is not None and adjust:
            reflectance[k] *= c_factor(name, seen, normal_sun).astype(np.float32)
    return Native(geobox=window, reflectance=reflectance, flags=flags, angles=degrees)


def _finest(item: pystac.Item, assets: Sequence[str], spec: CollectionSpec) -> GeoBox:
    """The grid of the smallest pixels among ``assets``; the others must nest in it.

    Then nearest repeats each of their pixels exactly, and an area average over the repeats is
    the average over the pixels themselves.
    """
    grids = {asset: native_geobox(item, asset, spec) for asset in assets}
    finest = min(grids.values(), key=lambda box: abs(box.affine.a * box.affine.e))
    a = finest.affine
    for asset, grid in grids.items():
        b = grid.affine
        steps = (b.a / a.a, b.e / a.e, (b.c - a.c) / a.a, (b.f - a.f) / a.e)
        if max(abs(step - round(step)) for step in steps) > NESTED:
            raise ReadError(
                f"the pixels of asset {asset!r} of item {item.id} ({b.a:g} m, corner {b.c:.1f}, "
                f"{b.f:.1f}) do not nest in those of its finest band ({a.a:g} m, corner "
                f"{a.c:.1f}, {a.f:.1f}); bring the bands to grids that nest"
            )
    return finest


def to_reflectance(dn: NDArray[Any], band: Band, rejected: Mask) -> Reflectance:
    """Scale DN to reflectance or degrees, float32; NaN where rejected, nodata or not valid.

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
