"""Any provider's item, of any STAC version, in the one form that the pipeline knows.

The assets carry the keys of the table and nothing that is not read; grid, craft and time are in
the fields of STAC 1.1.  What contradicts itself is refused, because the numbers would be wrong
without an error: files of another granule or band, a scale that is not the table's, a grid
elsewhere than the item.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pystac

from catalogs.assets import add_assets, find_assets, lacking
from catalogs.footprint import footprint_of
from catalogs.granule import Granule, granule
from catalogs.href import file_name
from catalogs.spec import CatalogError, CollectionSpec
from catalogs.times import times_of

PROJ = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"

_KEPT = ("created", "updated", "landsat:product_generated", "landsat:wrs_path", "landsat:wrs_row")


def normalise(
    known: Any, specs: Sequence[CollectionSpec], *, base: str = "", web: bool = True
) -> pystac.Item | None:
    """An item as the first of ``specs`` it belongs to has it; None where it belongs to none.

    ``known`` is the JSON of an item, ``base`` the address that its hrefs are relative to.  An item
    belongs to a table by the name of its granule and its tier, and to one of a product's forms by
    the assets it has.  ``collection`` names the table.  Hrefs may name files of this machine
    unless the item is from the ``web``.  CatalogError says why an item cannot be used.
    """
    item = _checked(known)
    named = granule(item["id"])
    files = _granules(item["assets"])
    if named is None and len({one.acquisition for one in files}) == 1:
        named = files[0]
    own = [
        spec for spec in specs if named is None or not spec.ids or named.text.startswith(spec.ids)
    ]
    if not own or not any(_accepted(item["properties"], named, spec) for spec in own):
        return None
    platform = named.platform if named else ""
    platform = platform or _told_platform(item["properties"])
    fits = [(spec, find_assets(item, spec, platform)) for spec in own]
    for spec, assets in fits:
        if not lacking(spec, assets):
            return _made(item, spec, assets, named, platform, base, web)
    spec, assets = fits[0]
    raise CatalogError(
        f"it has no asset {' or '.join(lacking(spec, assets))} (has: "
        f"{', '.join(sorted(map(str, item['assets']))) or 'none'})"
    )


def _checked(known: Any) -> dict[str, Any]:
    if not isinstance(known, dict):
        raise CatalogError("it is no JSON object")
    name = known.get("id")
    if not isinstance(name, str) or not name.strip():
        raise CatalogError(f"its id is {name!r}")
    for key in ("properties", "assets"):
        if not isinstance(known.get(key), dict):
            raise CatalogError(f"its {key} are no JSON object")
    return known


def _granules(assets: Mapping[str, Any]) -> list[Granule]:
    hrefs = [asset.get("href") for asset in assets.values() if isinstance(asset, dict)]
    named = (granule(file_name(href)) for href in hrefs if isinstance(href, str))
    return [one for one in named if one]


def _accepted(properties: Mapping[str, Any], named: Granule | None, spec: CollectionSpec) -> bool:
    for key, values in spec.accept.items():
        told = named.tier if named and named.tier else properties.get(key, values[0])
        if told not in values:
            return False
    return True


def _told_platform(properties: Mapping[str, Any]) -> str:
    told = properties.get("platform") or properties.get("eo:platform")
    return told.lower().replace("_", "-") if isinstance(told, str) else ""


def _made(
    known: Mapping[str, Any],
    spec: CollectionSpec,
    assets: Mapping[str, Any],
    named: Granule | None,
    platform: str,
    base: str,
    web: bool,
) -> pystac.Item:
    properties = known["properties"]
    geometry, bbox = footprint_of(known)
    start, end = times_of(properties, named)
    kept = {key: str(properties[key]) for key in _KEPT if properties.get(key) is not None}
    if platform:
        kept["platform"] = platform
    item = pystac.Item(
        id=known["id"],
        geometry=geometry,
        bbox=bbox,
        datetime=start if end is None else None,
        start_datetime=start if end else None,
        end_datetime=end,
        properties=kept,
        stac_extensions=[PROJ],
        collection=spec.name,
    )
    add_assets(item, assets, properties, spec, named, platform, base=base, web=web)
    if known.get("geometry") is not None and item.geometry is None and item.bbox is None:
        raise CatalogError("its geometry cannot be understood, and neither bbox nor grid tell")
    return item
