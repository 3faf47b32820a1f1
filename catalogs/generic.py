"""Facts of a user's own collection, read from its ``item_assets``: bands, scale, nodata; no QA."""

from collections.abc import Iterator, Mapping
from typing import Any

import pystac

from catalogs.spec import BANDS, Band, CatalogError, CollectionSpec


def spec_from_collection(collection: pystac.Collection) -> CollectionSpec:
    """The table of a collection that is in none of ours.

    A band is found by its common name among ``bands`` (STAC 1.1) or ``eo:bands`` with
    ``raster:bands`` (STAC 1.0) of an asset; several bands of an asset are layers of its file.
    Without QA words a pixel is clear where it is not nodata.
    """
    bands: dict[str, Band] = {}
    resolutions = []
    for asset, item_asset in sorted(collection.item_assets.items()):
        for index, entry in enumerate(_layers(item_asset.to_dict()), start=1):
            name = entry.get("eo:common_name") or entry.get("common_name") or entry.get("name")
            if name not in BANDS or name in bands:
                continue
            bands[name] = Band(
                asset=asset,
                index=index,
                dtype=str(entry.get("data_type", "float32")),
                scale=float(entry.get("raster:scale", entry.get("scale", 1.0))),
                offset=float(entry.get("raster:offset", entry.get("offset", 0.0))),
                nodata=None if entry.get("nodata") is None else float(entry["nodata"]),
            )
            gsd = entry.get("raster:spatial_resolution") or entry.get("spatial_resolution")
            resolutions.append(gsd or entry.get("gsd") or 0.0)
    if not bands:
        raise CatalogError(
            f"collection {collection.id} names none of the bands {', '.join(BANDS)} in its "
            f"item_assets (has: {', '.join(sorted(collection.item_assets)) or 'none'}); "
            f"write its catalogue by `daily30 catalog`, or add bands with these common names"
        )
    return CollectionSpec(
        name=collection.id,
        resolution_m=float(max(resolutions)),
        bands={name: bands[name] for name in BANDS if name in bands},
    )


def _layers(asset: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The layers of an asset, each with what holds for all of them."""
    shared = {key: asset[key] for key in ("data_type", "nodata", "gsd") if key in asset}
    shared |= {key: value for key, value in asset.items() if key.startswith("raster:")}
    shared.pop("raster:bands", None)
    if "bands" in asset:
        for entry in asset["bands"]:
            yield shared | entry
    else:
        names = asset.get("eo:bands", [])
        numbers = asset.get("raster:bands", [{}] * len(names))
        for name, number in zip(names, numbers, strict=False):
            yield shared | name | number
