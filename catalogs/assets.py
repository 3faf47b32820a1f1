"""The files of an item that its table reads: found among its assets, checked, with their grids."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pystac

from catalogs.granule import Granule, granule
from catalogs.href import asset_href, file_name
from catalogs.items import redact
from catalogs.place import is_number
from catalogs.proj import box_of, check_grid, grid_of
from catalogs.spec import Band, CatalogError, CollectionSpec
from catalogs.web import WEB

SUFFIXES = {"hdf4": ".hdf", "hdf5": ".h5"}
"""How the one file of a container ends; CMR's keys of it differ from item to item."""


def lacking(spec: CollectionSpec, assets: Mapping[str, Any]) -> list[str]:
    """The reflectance assets of a form, where an item has none of them: then it is not of it."""
    wanted = {band.asset for band in spec.bands.values()}
    return [] if wanted & assets.keys() else sorted(wanted)


def find_assets(item: Mapping[str, Any], spec: CollectionSpec, platform: str) -> dict[str, Any]:
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
        if isinstance(href, str) and file_name(href).lower().endswith(ends)
    ]
    if not fits:
        return {}
    *_, key = min(fits)
    return {band.asset: there[key] for band in _bands(spec)}


def add_assets(
    item: pystac.Item,
    found: Mapping[str, Mapping[str, Any]],
    properties: Mapping[str, Any],
    spec: CollectionSpec,
    named: Granule | None,
    platform: str,
    *,
    base: str,
    web: bool,
) -> None:
    """Give an item what was ``found``: addresses, grids, checksums, and a bbox where it has none.

    CatalogError where a file is of another granule or band, or its grid or scale another.
    """
    own_names = any(granule(file_name(str(asset.get("href")))) for asset in found.values())
    bands: dict[str, Band] = {}
    for band in _bands(spec):
        bands.setdefault(band.asset, band)
    files: dict[str, str] = {}
    grids: dict[int, dict[str, Any]] = {}
    for key, band in bands.items():
        if key not in found:
            continue
        href = asset_href(found[key], key, base, web=web)
        _check_file(key, href, spec, named, platform)
        if own_names and granule(file_name(href)) is None:
            raise CatalogError(f"asset {key!r} is no file of its granule: {redact(href)[:80]}")
        if files.setdefault(href, key) != key:
            raise CatalogError(f"its assets {files[href]!r} and {key!r} are the same file")
        grid: dict[str, Any] = {}  # the data sets of a container have several
        if spec.container == "raster":
            grid = _grid(key, found[key], properties, band, spec, named, item.bbox)
            pixel = grid.get("proj:transform", [0.0])[0]
            if pixel and grids.setdefault(round(pixel), grid) != grid:
                raise CatalogError(f"asset {key!r} has another grid than those beside it")
        if item.bbox is None and item.geometry is None:
            item.bbox = box_of(grid)
        told = {k: v for k, v in found[key].items() if k in ("file:checksum", "file:size")}
        item.add_asset(key, pystac.Asset(href, extra_fields={**grid, **told}))


def _grid(
    key: str,
    asset: Mapping[str, Any],
    properties: Mapping[str, Any],
    band: Band,
    spec: CollectionSpec,
    named: Granule | None,
    bbox: list[float] | None,
) -> dict[str, Any]:
    """The grid of a raster, as far as it is told and does not contradict table, name and place."""
    side = band.resolution_m or spec.resolution_m
    in_table = spec.role is not None
    grid = grid_of({**properties, **asset}, side if in_table else None)
    if spec.crs and named and named.corner_m:  # the table knows the CRS of the tiles
        grid = {k: v for k, v in grid.items() if k in ("proj:shape", "proj:transform")}
    check_grid(grid, spec.crs, bbox, named)
    if in_table:
        _check_scale(key, asset, band)
    return grid


def _bands(spec: CollectionSpec) -> tuple[Band, ...]:
    return (*spec.bands.values(), *spec.qa.values(), *spec.angles.values())


def _check_file(
    key: str, href: str, spec: CollectionSpec, named: Granule | None, platform: str
) -> None:
    """CatalogError where a file's name says that it is of another granule or band."""
    file = file_name(href)
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
