"""The loader odc-stac: any CRS, several layers a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import odc.stac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalogs import Band
from pipeline.read.access import Pass
from pipeline.read.lean import lean_item


def read(ticket: Pass, bands: Sequence[Band], window: GeoBox) -> Mapping[Band, NDArray[Any]]:
    """The layers of one file on ``window``, (y, x) each, by nearest."""
    item = lean_item(ticket.address, bands, window)
    names = {band: f"{band.asset}.{band.index}" for band in bands}
    data = odc.stac.load([item], bands=list(names.values()), geobox=window, resampling="nearest")
    return {band: data[name].values[0] for band, name in names.items()}
