"""Any provider's item, of any STAC version, in the one form that the pipeline knows.

The assets carry the keys of the table and nothing that is not read; grid, craft and time are in
the fields of STAC 1.1.  What contradicts itself is refused, because the numbers would be wrong
without an error: files of another granule or band, a scale that is not the table's, a grid
elsewhere than the item.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pystac

from catalogs.access import access_of
from catalogs.granule import Granule, granule
from catalogs.items import local_path, redact
from catalogs.place import is_number, plain_box, polygons_of
from catalogs.proj import box_of, check_grid, grid_of
from catalogs.spec import Band, CatalogError, CollectionSpec
from catalogs.web import WEB

SUFFIXES = {"hdf4": ".hdf", "hdf5": ".h5"}
"""How the one file of a container ends; CMR's keys of it differ from item to item."""

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
    fits = [(spec, _assets(item, spec, platform)) for spec in own]
    for spec, assets in fits:
        if not _lacking(spec, assets):
            return _made(item, spec, assets, named, platform, base, web)
    spec, assets = fits[0]
    raise CatalogError(
        f"it has no asset {' or '.join(_lacking(spec, assets))} (has: "
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
    named = (granule(_file_name(href)) for href in hrefs if isinstance(href, str))
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


def _bands(spec: CollectionSpec) -> Iterable[Band]:
    return (*spec.bands.values(), *spec.qa.values(), *spec.angles.values())


def _lacking(spec: CollectionSpec, assets: Mapping[str, Any]) -> list[str]:
    """The reflectance assets of a form, where an item has none of them: then it is not of it."""
    wanted = {band.asset for band in spec.bands.values()}
    return [] if wanted & assets.keys() else sorted(wanted)


def _assets(item: Mapping[str, Any], spec: CollectionSpec, platform: str) -> dict[str, Any]:
    """The item's assets that the table reads, by the table's keys."""
    there = {key: asset for key, asset in item["assets"].items() if isinstance(asset, dict)}
    if spec.container != "raster":
        return _container(item["id"], there, spec)
    wanted = {band.asset for band in _bands(spec)}
    found = {key: there[key] for key in wanted if key in there}
    for key, asset in sorted(there.items()):
        name = re.sub(r"\.tiff?$", "", str(key), flags=re.IGNORECASE)
        for other in spec.keys:
            fits = not other.platforms or platform in other.platforms
            if fits and other.name.casefold() == name.casefold() and other.asset in wanted:
                found.setdefault(other.asset, asset)
    return found


def _container(
    name: str, there: Mapping[str, Mapping[str, Any]], spec: CollectionSpec
) -> dict[str, Any]:
    """The one file of all data sets: over https where it is on S3 too, of the item's own name."""
    hrefs = {key: asset.get("href") for key, asset in there.items()}
    ends = SUFFIXES[spec.container]
    fits = [
        (not href.startswith(name, href.rfind("/") + 1), not href.startswith(WEB), str(key))
        for key, href in hrefs.items()
        if isinstance(href, str) and _file_name(href).lower().endswith(ends)
    ]
    if not fits:
        return {}
    *_, key = min(fits)
    return {band.asset: there[key] for band in _bands(spec)}


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
    geometry, bbox = _footprint(known)
    start, end = _times(properties, named)
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
    own_names = any(granule(_file_name(str(asset.get("href")))) for asset in assets.values())
    bands: dict[str, list[Band]] = {}
    for band in _bands(spec):
        bands.setdefault(band.asset, []).append(band)
    files: dict[str, str] = {}
    grids: dict[int, dict[str, Any]] = {}
    for key in bands:
        if key not in assets:
            continue
        href = _href(assets[key], key, base, web=web)
        _check_file(key, href, spec, named, platform)
        if own_names and granule(_file_name(href)) is None:
            raise CatalogError(f"asset {key!r} is no file of its granule: {redact(href)[:80]}")
        if files.setdefault(href, key) != key:
            raise CatalogError(f"its assets {files[href]!r} and {key!r} are the same file")
        side = bands[key][0].resolution_m or spec.resolution_m
        in_table = spec.role is not None and spec.container == "raster"
        grid = grid_of({**properties, **assets[key]}, side if in_table else None)
        if spec.container == "raster":
            if spec.crs and named and named.corner_m:  # the table knows the CRS of the tiles
                grid = {k: v for k, v in grid.items() if k in ("proj:shape", "proj:transform")}
            check_grid(grid, spec.crs, item.bbox, named)
            pixel = grid.get("proj:transform", [0.0])[0]
            if pixel and grids.setdefault(round(pixel), grid) != grid:
                raise CatalogError(f"asset {key!r} has another grid than those beside it")
            if in_table:
                _check_scale(key, assets[key], bands[key][0])
        else:
            grid = {}  # its data sets have several
        if item.bbox is None and item.geometry is None:
            item.bbox = box_of(grid)
        told = {k: v for k, v in assets[key].items() if k in ("file:checksum", "file:size")}
        item.add_asset(key, pystac.Asset(href, extra_fields={**grid, **told}))
    if known.get("geometry") is not None and item.geometry is None and item.bbox is None:
        raise CatalogError("its geometry cannot be understood, and neither bbox nor grid tell")
    return item


def _footprint(known: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[float] | None]:
    """Geometry and bbox, each None where it makes no sense; CatalogError where they are apart."""
    box, geometry = plain_box(known.get("bbox")), known.get("geometry")
    try:
        polygons = polygons_of(geometry)
    except CatalogError:
        polygons = ()
    if not polygons:
        return None, list(box) if box else None
    xs = [x for polygon in polygons for x, _ in polygon[0]]
    ys = [y for polygon in polygons for _, y in polygon[0]]
    plain = box and box[0] <= box[2] and max(xs) - min(xs) < 180
    if box and plain:
        # Within, not equal: a footprint may be of the data alone and the box of the whole tile.
        slack = 0.05 + 0.1 * max(box[2] - box[0], box[3] - box[1])
        beyond = min(
            max(box[0] - (min(xs) + turn), max(xs) + turn - box[2]) for turn in (-360.0, 0.0, 360.0)
        )
        if max(beyond, box[1] - min(ys), max(ys) - box[3]) > slack:
            raise CatalogError(f"its geometry reaches out of its bbox {list(box)}")
    return geometry, list(box) if box else None


def _times(
    properties: Mapping[str, Any], named: Granule | None
) -> tuple[datetime, datetime | None]:
    """When an item was seen, or the first and last time of an interval."""
    told = {
        key: _time(properties.get(key)) for key in ("datetime", "start_datetime", "end_datetime")
    }
    if named and named.corner_m:
        # Of these the day in the name is right, and the times are of a wrong interval.
        return datetime.combine(named.day, time(), UTC), None
    when = told["datetime"] or told["start_datetime"]
    if named:
        if when and when.date() != named.day:
            raise CatalogError(f"its time is {when.isoformat()}, but its name says {named.day}")
        return when or datetime.combine(named.day, time(), UTC), None
    if when is None:
        raise CatalogError("it has neither datetime nor start_datetime, so its day is unknown")
    start, end = told["start_datetime"], told["end_datetime"]
    return (start, end) if told["datetime"] is None and start and end else (when, None)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return when if 1972 <= when.year <= 2100 else None


def _href(asset: Mapping[str, Any], key: str, base: str, *, web: bool) -> str:
    """An asset's address, absolute.  CatalogError where it is none that may be read.

    GDAL opens more than files: ``/vsicurl/`` and its kin reach other hosts and unpack archives,
    and XML in place of a name is a VRT that names any files.  A catalogue from the ``web`` has
    no business with the files of this machine either.
    """
    told = asset.get("href")
    if not isinstance(told, str) or not told.strip() or any(ord(c) < 32 for c in told):
        raise CatalogError(f"asset {key!r} has no address")
    href = _programs(asset, told)
    absolute = re.match(r"/|[a-z][a-z0-9+.-]*:", href, re.IGNORECASE)
    _check_href(key, href, web=web and bool(absolute))
    if not absolute:
        try:
            href = urljoin(base, href) if base.startswith(WEB) else _beside(base, href)
        except ValueError:
            raise CatalogError(f"asset {key!r} is at no address: {redact(href)[:80]}") from None
        _check_href(key, href, web=web)  # ../../vsicurl/ may have become absolute
    if href.lower().startswith("file://"):  # GDAL does not unquote them
        return str(local_path(href))
    return href


def _programs(asset: Mapping[str, Any], href: str) -> str:
    """The address for programs, where the first is for people who log in (LandsatLook)."""
    try:
        access = access_of(href)
    except ValueError:
        return href
    alternate = asset.get("alternate")
    if access is None or access.how != "login" or not isinstance(alternate, dict):
        return href
    other = alternate.get("s3")
    found = other.get("href") if isinstance(other, dict) else None
    return found if isinstance(found, str) and found.startswith("s3://") else href


def _beside(base: str, href: str) -> str:
    path = local_path(base) or PurePosixPath(base)
    parts: list[str] = []
    for part in (path.parent / href).parts:
        if part == ".." and parts[-1:] not in ([], ["/"], [".."]):
            parts.pop()
        elif part != ".." or parts[-1:] != ["/"]:
            parts.append(part)
    return str(PurePosixPath(*parts))


def _check_href(key: str, href: str, *, web: bool) -> None:
    plain = str(local_path(href) or href).lstrip()
    cure = "correct the item, or use a catalogue you trust"
    if plain.startswith(("/vsi", "<")):
        raise CatalogError(
            f"asset {key!r} is neither a file nor a URL: {redact(href)[:80]}; {cure}"
        )
    if web and not href.lower().startswith((*WEB, "s3://")):
        raise CatalogError(
            f"asset {key!r} is at {redact(href)[:80]}, but a catalogue from the web may only name "
            f"http://, https:// and s3://; {cure}"
        )


def _check_file(
    key: str, href: str, spec: CollectionSpec, named: Granule | None, platform: str
) -> None:
    """CatalogError where a file's name says that it is of another granule or band."""
    file = _file_name(href)
    own = granule(file)
    if own and named and own.acquisition != named.acquisition:
        raise CatalogError(f"asset {key!r} is of another granule: {file}")
    if spec.container != "raster":
        return
    names = {band.asset.casefold(): band.asset for band in _bands(spec)}
    for other in spec.keys:
        if not other.platforms or not platform or platform in other.platforms:
            names.setdefault(other.name.casefold(), other.asset)
    stem = re.sub(r"\.[A-Za-z0-9]+$", "", file).casefold()
    if own:
        rest = stem.removeprefix(own.text.casefold()).lstrip("_.")
        if names.get(rest) != key:
            raise CatalogError(f"asset {key!r} is the file of another band: {file}")
        return
    ends = [name for name in names if re.search(rf"(^|[_.-]){re.escape(name)}$", stem)]
    if ends and names[max(ends, key=len)] != key:
        raise CatalogError(f"asset {key!r} is the file of another band: {file}")


def _check_scale(key: str, asset: Mapping[str, Any], band: Band) -> None:
    """CatalogError where an item states another scale or offset than the table."""
    told = asset.get("raster:bands") or asset.get("bands")
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    for name, ours in (("scale", band.scale), ("offset", band.offset)):
        theirs = first.get(f"raster:{name}", first.get(name))
        if theirs is None or isinstance(theirs, str):
            continue
        if not is_number(theirs) or not math.isclose(theirs, ours, rel_tol=1e-6, abs_tol=1e-12):
            raise CatalogError(
                f"asset {key!r} states {name} {str(theirs)[:20]}, and its product has {ours:g}"
            )


def _file_name(href: str) -> str:
    try:
        return unquote(urlsplit(href).path).rpartition("/")[2]
    except ValueError:
        return ""
