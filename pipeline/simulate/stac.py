"""The catalogue of the sample: collections and items like the providers'."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pystac
from odc.geo.geobox import GeoBox

from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline.simulate.files import SceneRecord

EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
]
TITLES = {
    LANDSAT_C2_L2.name: "Landsat 8 and 9 Collection 2 Level 2 (simulated)",
    MOD09GA.name: "MODIS Terra daily surface reflectance MOD09GA (simulated)",
}


def write_catalog(folder: Path, records: Sequence[SceneRecord]) -> None:
    """Write ``catalog.json`` with its collections and items; hrefs are relative."""
    catalog = pystac.Catalog(
        id="daily30-sample",
        description="A simulated region: Landsat and MODIS scenes with clouds, errors and a flood.",
    )
    for name, title in TITLES.items():
        items = [_item(record, folder) for record in records if record.collection == name]
        collection = pystac.Collection(
            id=name,
            title=title,
            description=f"{title}, written by daily30 as its embedded sample.",
            license="Apache-2.0",
            extent=pystac.Extent.from_items(items),
        )
        collection.add_items(items)
        catalog.add_child(collection)
    catalog.normalize_hrefs(str(folder))
    catalog.make_all_asset_hrefs_relative()
    catalog.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)


def _item(record: SceneRecord, folder: Path) -> pystac.Item:
    footprint = record.box.extent.to_crs("EPSG:4326", resolution=1000)
    interval = record.until is not None
    item = pystac.Item(
        id=record.id,
        geometry=footprint.json,
        bbox=list(footprint.boundingbox),
        datetime=None if interval else record.when,
        start_datetime=record.when if interval else None,
        end_datetime=record.until,
        properties={
            "created": _made(record.when),
            **record.properties,
            **_projection(record.box, record.proj_code),
        },
        stac_extensions=EXTENSIONS,
    )
    for key, fields in record.assets.items():
        more = {name: value for name, value in fields.items() if name not in ("href", "roles")}
        item.add_asset(
            key,
            pystac.Asset(
                href=str(folder / fields["href"]),
                media_type=pystac.MediaType.COG,
                roles=fields["roles"],
                extra_fields=more,
            ),
        )
    return item


def _projection(box: GeoBox, code: str | None) -> dict[str, object]:
    crs = {"proj:code": code} if code else {"proj:code": None, "proj:wkt2": box.crs.to_wkt()}  # type: ignore[union-attr]
    return {**crs, "proj:shape": list(box.shape), "proj:transform": list(box.affine)[:6]}


def _made(when: datetime) -> str:
    # Fixed, so that the same seed gives the same catalogue.
    return when.astimezone(UTC).replace(hour=12, minute=0, second=0).strftime("%Y-%m-%dT%H:%M:%SZ")
