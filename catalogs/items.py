"""What is asked of one item: its identity, its CRS, its frozen form."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pystac

from catalogs.days import nominal_day
from catalogs.granule import Granule, granule
from catalogs.spec import Band, CatalogError, CollectionSpec

_LANDSAT = re.compile(r"L[COTE]0?(\d)")
"""LC08, LE07, LT05, and LC8 of before the collections."""

_CRAFT = {
    "MOD": "terra",
    "MYD": "aqua",
    "VNP": "suomi-npp",
    "VJ1": "noaa-20",
    "VJ2": "noaa-21",
}
_COARSE = re.compile(rf"({'|'.join(_CRAFT)})\d")
"""Providers put Terra and Aqua in one collection and leave ``platform`` empty."""

_WHEN = ("landsat:product_generated", "updated", "created")
"""When an item was made, the most telling first."""


def acquisition(item: pystac.Item) -> tuple[str, ...] | None:
    """What two items share when one is a reprocessing of the other: craft, place, day.

    None where the place is not told, so that nothing is dropped by mistake.
    """
    if named := granule(item.id):
        return named.product, named.place, named.day.isoformat()
    known = item.properties
    if "landsat:wrs_path" not in known or "landsat:wrs_row" not in known:
        return None
    place = f"{known['landsat:wrs_path']:0>3}{known['landsat:wrs_row']:0>3}"
    return platform_of(item), place, nominal_day(item).isoformat()


def platform_of(item: pystac.Item) -> str:
    """The craft, ``landsat-8``, from the item's id or its ``platform``; "" where neither tells."""
    if named := _LANDSAT.match(item.id):
        return f"landsat-{named[1]}"
    if named := _COARSE.match(item.id):
        return _CRAFT[named[1]]
    told = item.properties.get("platform")
    return str(told or "").lower().replace("_", "-")


def processed(item: pystac.Item) -> tuple[str, ...]:
    """Sorts items of one acquisition from the oldest to the newest processing.

    By the producer's date in the name of item or file, where it is told, then by the catalogue's.
    """
    return (_made(item), *(str(item.properties.get(key, "")) for key in _WHEN), item.id)


def same_image(before: pystac.Item, after: pystac.Item) -> bool:
    """Whether two items are of one acquisition, and ``after`` no newer processing of it by name."""
    known, made = acquisition(before), (_made(before), _made(after))
    return known is not None and known == acquisition(after) and ("" in made or made[0] >= made[1])


def _made(item: pystac.Item) -> str:
    return max((one.made for one in _names(item)), default="")


def _names(item: pystac.Item) -> Iterator[Granule]:
    files = (asset.href.split("?")[0].rpartition("/")[2] for asset in item.assets.values())
    yield from (named for name in (item.id, *files) if (named := granule(name)))


def redact(href: str) -> str:
    """An href that may be shown: a URL without user, password and query string."""
    if "://" not in href or href.lower().startswith("file://"):
        return href
    scheme, _, rest = href.partition("://")
    host, slash, path = rest.split("?", 1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def plain_href(href: str) -> str:
    """A web href without what may expire: the token in its query string, user and password."""
    return redact(href) if href.lower().startswith(("http://", "https://")) else href


def local_path(href: str) -> Path | None:
    """The file of an href on this machine, else None."""
    if href.lower().startswith("file://"):
        return Path(unquote(href[len("file://") :]))
    return None if "://" in href or href.startswith("/vsi") else Path(href)


def fingerprint(item: pystac.Item) -> str:
    """SHA-256 of what decides an item's pixels, as hex.

    Collection, id, craft, times, grid and assets, hrefs without query string; of files on this
    machine the name, size and time of change, so that a rewritten file is a changed item while a
    moved catalogue is not.
    """
    known = item.properties
    grid = {key: value for key, value in sorted(known.items()) if key.startswith("proj:")}
    parts = {
        "collection": item.collection_id,
        "id": item.id,
        "day": nominal_day(item).isoformat(),
        "platform": platform_of(item),
        "made": [known.get(key) for key in _WHEN],
        "grid": grid,
        "assets": {key: _asset_identity(asset) for key, asset in sorted(item.assets.items())},
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def difference(before: pystac.Item, after: pystac.Item) -> str:
    """In what two items of one id differ, for people; "" where their pixels are the same."""
    if fingerprint(before) == fingerprint(after):
        return ""
    parts = [
        f"{key} {before.properties.get(key)} -> {after.properties.get(key)}"
        for key in _WHEN
        if before.properties.get(key) != after.properties.get(key)
    ]
    for key in sorted({*before.assets, *after.assets}):
        sides = [
            _asset_identity(item.assets[key]) if key in item.assets else ["no file"]
            for item in (before, after)
        ]
        if sides[0] != sides[1]:
            parts.append(f"{key} {' '.join(map(str, sides[0]))} -> {' '.join(map(str, sides[1]))}")
    return "; ".join(parts[:4]) or "its grid or its day"


def _asset_identity(asset: pystac.Asset) -> list[Any]:
    href = asset.get_absolute_href() or asset.href
    path = local_path(href)
    if path is None:
        known = asset.extra_fields
        return [plain_href(href), known.get("file:checksum"), known.get("file:size")]
    if not path.exists():
        return [path.name, None]
    stat = path.stat()
    return [path.name, stat.st_size, stat.st_mtime_ns]


def check_items(
    items: Iterable[pystac.Item], specs: Mapping[str, CollectionSpec], bands: Sequence[str]
) -> None:
    """Raise CatalogError where no item of a collection has the assets that the bands need.

    Assets on this machine must be there as files.  A single bad item is no reason to stop:
    reading it will tell.
    """
    faults: dict[str, list[str | None]] = {}
    for item in items:
        spec = specs[str(item.collection_id)]
        faults.setdefault(spec.name, []).append(_fault(item, spec, bands))
    for name, found in faults.items():
        if all(found):
            others = f"; so it is with all {len(found)} items of {name}" if len(found) > 1 else ""
            raise CatalogError(f"{found[0]}{others}")


def _fault(item: pystac.Item, spec: CollectionSpec, bands: Sequence[str]) -> str | None:
    for band in needed(spec, bands):
        if band.asset in item.assets:
            asset = item.assets[band.asset]
            path = local_path(asset.get_absolute_href() or asset.href)
            if path is not None and not path.exists():
                return (
                    f"asset {band.asset!r} of item {item.id} ({spec.name}) is not on disk: "
                    f"{path}; restore the file, or remove the item from the catalogue"
                )
        elif band.required:
            return (
                f"item {item.id} ({spec.name}) has no asset {band.asset!r} (has: "
                f"{', '.join(sorted(item.assets)) or 'none'}); correct the item, or remove it "
                f"from the catalogue"
            )
    return None


def needed(spec: CollectionSpec, bands: Sequence[str]) -> tuple[Band, ...]:
    """The bands and QA words to read for those of ``bands`` that the collection has."""
    return (*(spec.bands[name] for name in bands if name in spec.bands), *spec.qa.values())


def freeze(item: pystac.Item) -> dict[str, Any]:
    """An item as JSON values: absolute hrefs without query strings and passwords, no links."""
    known: dict[str, Any] = json.loads(
        json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False))
    )
    known["links"] = []
    for key, asset in item.assets.items():
        href = asset.get_absolute_href() or asset.href
        known["assets"][key]["href"] = plain_href(href)
    return known


def thaw(known: Mapping[str, Any]) -> pystac.Item:
    """The item written by ``freeze``."""
    return pystac.Item.from_dict(dict(known), migrate=False, preserve_dict=True)


def native_crs(item: pystac.Item, asset: str, spec: CollectionSpec) -> str | None:
    """The CRS of an asset as an authority code or WKT; None where only the file can tell.

    Planetary Computer's MODIS items carry ``proj:code: "EPSG:None"`` or ``proj:epsg: null`` beside
    a right ``proj:wkt2``; where that is missing too the table's CRS holds.
    """
    for fields in (item.assets[asset].extra_fields, item.properties):
        code = fields.get("proj:code")
        if code and not str(code).upper().endswith(("NONE", "NULL")):
            return str(code)
        if fields.get("proj:epsg"):
            return f"EPSG:{int(fields['proj:epsg'])}"
        if fields.get("proj:wkt2"):
            return str(fields["proj:wkt2"])
        if fields.get("proj:projjson"):
            return json.dumps(fields["proj:projjson"])
    return spec.crs
