"""The door: what is read of an item, each of its files by the reader that it needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalogs import Band, CollectionSpec, local_path, needed
from pipeline.read import hdf, odc, stack
from pipeline.read.access import Pass
from pipeline.read.errors import ReadError
from pipeline.read.fetch import fetched
from pipeline.read.file_check import check, opened
from pipeline.read.native import native_geobox
from pipeline.read.retry import in_time, patiently

Loader = Literal["odc-stac", "stackstac"]
"""What reads rasters.  Both give the same pixels; where stackstac cannot hold a grid (MODIS's
sinusoidal one has no EPSG code) or a file of several layers, odc-stac reads."""

Layers = Mapping[Band, NDArray[Any]]


def words_of(item: pystac.Item, spec: CollectionSpec) -> Iterator[tuple[str, Band]]:
    """The QA words an item has."""
    for key, band in spec.qa.items():
        if band.required or band.asset in item.assets:
            yield key, band


def read_layers(
    item: pystac.Item,
    spec: CollectionSpec,
    bands: Sequence[str],
    window: GeoBox,
    *,
    angles: Sequence[str] = (),
    loader: Loader = "odc-stac",
) -> Layers:
    """DN and QA words (y, x) on ``window``, a part of the item's grid or of one finer, by nearest.

    ``angles``: those of ``spec.angles`` to read too.  Each file is opened once.  ReadError, with
    item and asset, where one cannot be read.
    """
    asked = (*needed(spec, bands), *(spec.angles[name] for name in angles))
    files: dict[str, list[Band]] = {}
    for band in dict.fromkeys(asked):
        if band.asset in item.assets:
            files.setdefault(band.asset, []).append(band)
        elif band.required:
            raise ReadError(
                f"item {item.id} has no asset {band.asset!r} (has: "
                f"{', '.join(sorted(item.assets))}); correct the item, or name it "
                f"under `skip` in the region file"
            )
    jobs = {
        asset: partial(
            patiently,
            _reader(item, spec, own, window, loader),
            item=item.id,
            asset=asset,
            href=item.assets[asset].href,
        )
        for asset, own in files.items()
    }
    remote = any(local_path(item.assets[asset].href) is None for asset in files)
    return {
        band: numbers
        for layers in in_time(jobs, f"item {item.id}", remote=remote).values()
        for band, numbers in layers.items()
    }


def _reader(
    item: pystac.Item,
    spec: CollectionSpec,
    bands: Sequence[Band],
    window: GeoBox,
    loader: Loader,
) -> Callable[[Pass], Layers]:
    if spec.container == "raster":
        return partial(_read_raster, spec=spec, bands=bands, window=window, loader=loader)
    asset = bands[0].asset
    href, whole = item.assets[asset].href, native_geobox(item, asset, spec)

    def read(ticket: Pass) -> Layers:
        with fetched(href, ticket) as path:
            return hdf.read(path, spec.container, bands, window, whole)

    return read


def _read_raster(
    ticket: Pass, *, spec: CollectionSpec, bands: Sequence[Band], window: GeoBox, loader: Loader
) -> Layers:
    by_stack = loader == "stackstac" and stack.can_hold(bands, window)
    # Held open, so that the loader's own opening asks nothing of the server again: what is kept
    # while it is open goes when it is closed, failures too.
    with opened(ticket.address) as file:
        check(file, bands, list(spec.qa.values()), window)
        with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=""):
            return (stack if by_stack else odc).read(ticket, bands, window)
