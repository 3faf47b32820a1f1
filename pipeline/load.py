"""Items of one day to reflectance on a grid: each on its own grid, brought to it, mosaicked.

A scene is masked by its own QA and scaled (``pipeline.native``) before it meets any other.
"""

# Strategy.  Resampling comes last because fill, clouds and QA bits must never be averaged with
# reflectance: with the nodata missing in STAC or file (it often is) a resampler takes DN 0 or
# -28672 for a measurement and bleeds it into its neighbours.  So nothing is left to the resampler:
# what is not clear is NaN when it comes to it, and both resamplers here give NaN no weight.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array

from catalogs import CollectionSpec, platform_of
from pipeline.coarse_day import Look, combine
from pipeline.mask import Mask
from pipeline.native import Native, Reflectance, read_native
from pipeline.read import Loader, ReadError
from pipeline.resample import area_weights, to_lattice

LEAST_SHARE = 0.5
"""Share of a coarse cell that must be clear for its average to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One day of one collection on a grid."""

    reflectance: Reflectance
    """(band, y, x), NaN where unknown."""

    clear: Mask
    """(y, x), True where every band is known; a coarse cell may have some bands without."""

    water: Mask
    snow: Mask
    high_aerosol: Mask
    """(y, x) each, of clear pixels; high aerosol includes inputs of low quality."""

    source: NDArray[np.uint16]
    """(y, x), which of the day's items gave the pixel, from 1; 0 none."""

    unread: tuple[str, ...] = ()
    """What could not be read, one message an item; the image is of the others."""


def load_fine(
    items: Sequence[pystac.Item],
    specs: Mapping[str, CollectionSpec],
    bands: Sequence[str],
    geobox: GeoBox,
    *,
    drop: Sequence[str] = (),
    normal_sun: float | None = None,
    loader: Loader = "odc-stac",
) -> Scene:
    """The fine image of a day on ``geobox``.

    A scene on the same lattice is copied exactly; one on another (a neighbouring UTM zone) is
    resampled by cubic convolution where all its support is clear, else by bilinear weights over
    the clear pixels.  A pixel is clear where the nearest pixel of its scene is.  Where scenes
    overlap the first clear one, in the order of ``items``, is kept.  ``drop`` names the flags of
    ``spec.reject_if_asked`` that are unclear too.  With ``normal_sun`` (zenith, degrees) what is
    not adjusted to nadir yet is, by ``pipeline.brdf``.  An item that cannot be read is told in
    ``unread``; ReadError where that leaves no clear pixel.
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
    unread: list[str] = []
    for number, item in enumerate(items, start=1):
        spec = _spec_of(item, specs)
        native = _try_native(
            unread, item, spec, bands, geobox, drop=drop, normal_sun=normal_sun, loader=loader
        )
        if native is None:
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
    return _with_unread(scene, unread)


def load_coarse(
    items: Sequence[pystac.Item],
    specs: Mapping[str, CollectionSpec],
    bands: Sequence[str],
    geobox: GeoBox,
    *,
    normal_sun: float | None = None,
    loader: Loader = "odc-stac",
) -> Scene:
    """The coarse image of a day on ``geobox``: the area average of the clear pixels of each cell.

    Averages run over all items of a sensor at once, so a cell across two MODIS tiles is whole; a
    band counts where at least ``LEAST_SHARE`` of the cell is clear in it.  Sensors are combined
    by ``pipeline.coarse_day``; water and snow are those the leading one saw.  A cell is clear
    where every band is known; where only some are, those are given all the same.  ``source`` is
    the leading sensor's item with the largest share.  A cell whose bands are not all of the same
    sensors counts as of low quality.  ``normal_sun`` and items that cannot be read are as in
    ``load_fine``.
    """
    sensors: dict[tuple[int, str], dict[int, pystac.Item]] = {}
    for number, item in enumerate(items, start=1):
        rank = list(specs).index(str(item.collection_id))
        sensors.setdefault((rank, platform_of(item)), {})[number] = item
    # By the order of the collections and the craft's name, never by that of the items.
    unread: list[str] = []
    read = partial(_try_native, unread, normal_sun=normal_sun, loader=loader)
    looks = [_look(sensors[key], specs, bands, geobox, read) for key in sorted(sensors)]
    day = combine([one for one, _, _ in looks])
    lead = np.maximum(day.lead, 0)[None]
    marks = np.take_along_axis(np.stack([marks for _, marks, _ in looks]), lead[:, None], 0)[0]
    source = np.take_along_axis(np.stack([source for _, _, source in looks]), lead, 0)[0]
    known = day.lead >= 0
    shape = geobox.shape.yx
    water, snow, poor = (mark.reshape(shape) for mark in marks & known)
    scene = Scene(
        reflectance=day.reflectance.reshape(len(bands), *shape).astype(np.float32),
        clear=np.isfinite(day.reflectance).all(axis=0).reshape(shape),
        water=water,
        snow=snow,
        high_aerosol=poor | day.mixed.reshape(shape),
        source=np.where(known, source, 0).astype(np.uint16).reshape(shape),
    )
    return _with_unread(scene, unread)


def _try_native(unread: list[str], item: pystac.Item, *args: Any, **kwargs: Any) -> Native | None:
    """``read_native``; what cannot be read is told in ``unread`` and gives None.

    One broken file must not take the day's other scenes along.
    """
    try:
        return read_native(item, *args, **kwargs)
    except ReadError as error:
        unread.append(str(error))
        return None


def _with_unread(scene: Scene, unread: Sequence[str]) -> Scene:
    if unread and not scene.clear.any():
        raise ReadError("; ".join(unread))
    return replace(scene, unread=tuple(unread))


def _look(
    items: Mapping[int, pystac.Item],
    specs: Mapping[str, CollectionSpec],
    bands: Sequence[str],
    geobox: GeoBox,
    read: Callable[..., Native | None],
) -> tuple[Look, Mask, NDArray[np.uint16]]:
    """What one sensor saw of a day, its marks (3, cell) and the item that gave most (cell,).

    ``items`` by their number in the day; all are of one collection.
    """
    spec = _spec_of(next(iter(items.values())), specs)
    cells = int(geobox.shape.y * geobox.shape.x)
    total = np.zeros((len(bands), cells))
    share = np.zeros((len(bands), cells))
    marked = np.zeros((3, cells))
    angle = np.zeros((2, cells))
    most = np.zeros(cells)
    source = np.zeros(cells, np.uint16)
    for number, item in items.items():
        native = read(item, spec, bands, geobox, angles=("view_zenith",))
        if native is None:
            continue
        weights = area_weights(native.geobox, geobox)
        known = np.isfinite(native.reflectance)
        here = _on_cells(known, weights)
        total += _on_cells(np.where(known, native.reflectance, 0), weights)
        share += here
        flags = native.flags
        seen = known.any(axis=0)
        marks = np.stack([flags.water, flags.snow, flags.high_aerosol]) & seen
        marked += _on_cells(marks, weights)
        if (zenith := native.angles.get("view_zenith")) is not None:
            told = seen & np.isfinite(zenith)
            angle += _on_cells(np.stack([np.where(told, zenith, 0), told]), weights)
        source[here.max(axis=0) > most] = number
        most = np.maximum(most, here.max(axis=0))
    enough = share >= LEAST_SHARE - 1e-9
    least = np.where(enough, share, np.inf).min(axis=0)
    marks = marked >= 0.5 * least
    # Overlapping items count their ground twice in both sums, so the quotient is still a mean.
    look = Look(
        reflectance=np.where(enough, total / np.where(enough, share, 1), np.nan),
        share=np.where(np.isfinite(least), least, 0),
        poor=marks[2],
        view_zenith=np.where(angle[1] > 0, angle[0] / np.where(angle[1] > 0, angle[1], 1), np.nan),
    )
    return look, marks, source


def _on_cells(layers: NDArray[Any], weights: csr_array) -> NDArray[np.float64]:
    """(layer, y, x) -> (layer, cell): the sum over pixels, each by its share of the cell."""
    return np.asarray((weights @ layers.reshape(len(layers), -1).T.astype(np.float64)).T)


def _spec_of(item: pystac.Item, specs: Mapping[str, CollectionSpec]) -> CollectionSpec:
    return specs[str(item.collection_id)]
