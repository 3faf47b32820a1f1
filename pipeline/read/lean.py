"""An item of no more than one file to be read, in the words that the loaders need."""

from collections.abc import Sequence

import pystac
from odc.geo.geobox import GeoBox

from catalogs import Band

PROJ = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"


def lean_item(address: str, bands: Sequence[Band], window: GeoBox) -> pystac.Item:
    """An item with the file at ``address`` as its only asset, which covers ``window``.

    It states the window as the file's grid: a loader needs one to know that the file matters, and
    reads the file's true grid from the file.  Broken CRS fields of real items do no harm then.
    Without a type odc-stac reads QA words as float32, which has no room for 32 bits.
    """
    assert window.crs is not None
    extent = window.geographic_extent
    box = extent.boundingbox
    item = pystac.Item(
        "one-file",
        extent.json,
        [box.left, box.bottom, box.right, box.top],
        None,
        {"start_datetime": "2000-01-01T00:00:00Z", "end_datetime": "2000-01-01T00:00:00Z"},
        stac_extensions=[PROJ, RASTER],
        collection="files",
    )
    item.add_asset(
        bands[0].asset,
        pystac.Asset(
            address,
            media_type="image/tiff; application=geotiff",
            roles=["data"],
            extra_fields={
                "proj:wkt2": window.crs.to_wkt(),
                "proj:shape": list(window.shape.yx),
                "proj:transform": list(window.affine[:6]),
                "raster:bands": [
                    {"data_type": bands[0].dtype, "nodata": bands[0].nodata}
                    for _ in range(max(band.index for band in bands))
                ],
            },
        ),
    )
    return item
