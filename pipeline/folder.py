"""A folder of dated GeoTIFFs to a STAC catalogue and a region file that is ready to run."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from pyproj import CRS, Transformer

from catalogs import BANDS
from pipeline.geotiffs import BAND_NAMES, DatedFile, band_word, dated_paths, read_file

_FINE = ("fine", "landsat", "hls", "sentinel2")
_COARSE = ("coarse", "modis", "viirs", "mod09ga", "mcd43a4")

TILE = 512
"""Side in fine pixels that a region's tiles stay below."""

CELL_M = 480.0
"""Wished side of a coarse cell where the coarse images do not give one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderCatalog:
    """What was written."""

    catalog: Path
    region: Path
    messages: tuple[str, ...]
    """Every guess that was made, one a line."""


def catalog_folder(
    fine: Path,
    coarse: Path,
    out: Path,
    *,
    name: str | None = None,
    bands: Sequence[str] | None = None,
    ratio: int | None = None,
) -> FolderCatalog:
    """Write ``catalog.json`` and ``region.yaml`` for two folders of dated GeoTIFFs into ``out``.

    Days stand in the file names (YYYY-MM-DD, YYYYMMDD or YYYYDDD).  A file holds all bands, or
    one band that its name tells.  ``bands`` names the layers of the files in their order;
    without it they are told by the files' descriptions or names, and six unnamed layers are
    taken for ``BANDS``.  Nodata, scale and offset are the files' own; a scale that is not told is
    guessed from the values.  Files without a single known value are left out.  ``ratio``, fine
    pixels a coarse cell, follows from the pixels where they nest.  The images stay where they
    are.  ValueError, with the cure, where a folder cannot be understood.
    """
    messages: list[str] = []
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "-", Path(os.path.commonpath([fine, coarse])).name)
    catalog = pystac.Catalog(name, f"Images of {name}, catalogued by daily30")
    told, files = {}, {}
    for role, folder in (("fine", fine), ("coarse", coarse)):
        files[role] = _known_files(folder, messages)
        layers = _layers(folder, files[role], bands, messages)
        told[role] = _collection(f"{name}-{folder.name}", files[role], layers, messages)
        catalog.add_child(told[role][0])
    both = [band for band in BANDS if all(band in known for _, known in told.values())]
    if not both:
        raise ValueError(
            f"{fine} and {coarse} have no band in common; name their layers by --bands, e.g. "
            f"--bands {','.join(BANDS)}"
        )
    catalog.normalize_hrefs(str(out.absolute()))
    for item in catalog.get_items(recursive=True):
        item.make_asset_hrefs_relative()
    catalog.save(pystac.CatalogType.SELF_CONTAINED)
    region = out / "region.yaml"
    collections = {role: one.id for role, (one, _) in told.items()}
    region.write_text(_region(name, collections, files, both, ratio, messages), encoding="utf-8")
    return FolderCatalog(catalog=out / "catalog.json", region=region, messages=tuple(messages))


def find_pair(folder: Path) -> tuple[Path, Path]:
    """The fine and the coarse subfolder of ``folder``.

    By name (``fine``, ``landsat``; ``coarse``, ``modis`` ...), else the two that hold dated
    GeoTIFFs, by the size of their pixels.  ValueError, with the cure, where they are not plain.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    subfolders = [path for path in sorted(folder.iterdir()) if path.is_dir() and dated_paths(path)]
    fine = [path for path in subfolders if path.name.lower() in _FINE]
    coarse = [path for path in subfolders if path.name.lower() in _COARSE]
    if len(fine) == 1 and len(coarse) == 1:
        return fine[0], coarse[0]
    if len(subfolders) == 2:
        sizes = {path: read_file(*dated_paths(path)[0]).pixel[0] for path in subfolders}
        if len(set(sizes.values())) == 2:
            return min(subfolders, key=sizes.__getitem__), max(subfolders, key=sizes.__getitem__)
    names = ", ".join(path.name for path in subfolders) or "none"
    raise ValueError(
        f"cannot tell the fine from the coarse images of {folder} (subfolders with dated "
        f"GeoTIFFs: {names}); give both by --fine SUBFOLDER --coarse SUBFOLDER"
    )


def _known_files(folder: Path, messages: list[str]) -> list[DatedFile]:
    """The dated files of a folder that hold a known value."""
    files = [read_file(path, day) for path, day in dated_paths(folder)]
    if not files:
        raise ValueError(
            f"{folder} has no GeoTIFF with a day in its name; name them e.g. 2023-05-01.tif, "
            f"20230501.tif or 2023121.tif"
        )
    known = [file for file in files if np.isfinite(file.largest)]
    if not known:
        raise ValueError(f"none of the {len(files)} images of {folder} holds a value")
    if len(known) < len(files):
        messages.append(f"{folder}: {len(files) - len(known)} of {len(files)} files are empty")
    return known


def _layers(
    folder: Path, files: Sequence[DatedFile], bands: Sequence[str] | None, messages: list[str]
) -> tuple[str, ...] | None:
    """The bands of the layers of each file; None where every file is one band its name tells."""
    count = len(files[0].scales)
    uneven = next((file for file in files if len(file.scales) != count), None)
    if uneven is not None:
        raise ValueError(
            f"{uneven.path} has {len(uneven.scales)} layers, {files[0].path.name} {count}; "
            f"put images of one kind into one folder"
        )
    if bands is not None:
        unknown = [band for band in bands if band not in BANDS]
        if unknown or len(bands) != count:
            raise ValueError(
                f"--bands {','.join(bands)} does not name the {count} layers of the files in "
                f"{folder} by {', '.join(BANDS)}"
            )
        return tuple(bands)
    described = tuple(BAND_NAMES.get((text or "").lower(), "") for text in files[0].descriptions)
    if all(described):
        return described
    if count == 1:
        if all(band_word(file.path.stem) for file in files):
            return None
        for place in (folder.name, folder.absolute().parent.name):
            if (band := band_word(place)) is not None:
                messages.append(f"{folder}: the one band is taken for {band}, by the folder's name")
                return (band,)
    if count == len(BANDS):
        messages.append(f"{folder}: the six layers are taken for {', '.join(BANDS)}")
        return BANDS
    raise ValueError(
        f"the {count} layers of the files in {folder} have no names; name them in order, e.g. "
        f"--bands {','.join(BANDS[:count])}"
    )


def _collection(
    identity: str,
    files: Sequence[DatedFile],
    layers: tuple[str, ...] | None,
    messages: list[str],
) -> tuple[pystac.Collection, tuple[str, ...]]:
    """A collection with an item a file, or an item a day where each file is one band."""
    guessed = _guess_scale(identity, files, messages)
    assets: dict[str, dict[str, Any]] = {}
    items: dict[str, pystac.Item] = {}
    for file in files:
        names = layers or (band_word(file.path.stem) or "",)
        asset = "image" if layers else names[0]
        fields = {
            "data_type": file.dtype,
            "bands": [
                _band_fields(file, band, scale if scale != (1.0, 0.0) else guessed)
                for band, scale in zip(names, file.scales, strict=True)
            ],
        }
        # What holds for a collection is told once; a file that differs would be misread.
        if assets.setdefault(asset, fields) != fields:
            raise ValueError(
                f"{file.path} differs from the files before it in type, nodata or scale; put "
                f"images of one kind into one folder"
            )
        key = file.path.stem if layers else file.day.isoformat()
        if key not in items:
            items[key] = _item(key, file)
        if asset in items[key].assets:
            raise ValueError(f"{file.path} is a second {asset} file of {key}; keep one of them")
        items[key].add_asset(
            asset,
            pystac.Asset(
                str(file.path.absolute()),
                media_type=pystac.MediaType.GEOTIFF,
                roles=["data"],
                extra_fields=fields
                | {"proj:shape": list(file.shape), "proj:transform": list(file.transform)},
            ),
        )
    days = [datetime.combine(file.day, time(), UTC) for file in files]
    boxes = [item.bbox for item in items.values() if item.bbox]
    extent = pystac.Extent(
        pystac.SpatialExtent([list(_union(boxes))]),
        pystac.TemporalExtent([[min(days), max(days)]]),
    )
    collection = pystac.Collection(identity, f"Dated GeoTIFFs of {identity}", extent)
    collection.extra_fields["item_assets"] = assets
    collection.add_items(items[key] for key in sorted(items))
    return collection, tuple(band["name"] for one in assets.values() for band in one["bands"])


def _band_fields(file: DatedFile, band: str, scale: tuple[float, float]) -> dict[str, Any]:
    finite = file.nodata is None or np.isfinite(file.nodata)
    return {
        "name": band,
        # JSON has no NaN: STAC spells it.
        "nodata": file.nodata if finite else str(file.nodata),
        "raster:scale": scale[0],
        "raster:offset": scale[1],
        "raster:spatial_resolution": max(file.pixel),
    }


def _guess_scale(
    identity: str, files: Sequence[DatedFile], messages: list[str]
) -> tuple[float, float]:
    """Scale and offset of files that tell none, from the size of their values."""
    if any(scale != (1.0, 0.0) for scale in files[0].scales):
        return 1.0, 0.0
    largest = float(np.median([file.largest for file in files]))
    if largest <= 2:
        messages.append(f"{identity}: values up to {largest:.3g} are taken for reflectance")
        return 1.0, 0.0
    if 100 < largest <= 20000:
        messages.append(f"{identity}: values up to {largest:.5g} are taken for reflectance x 1e4")
        return 1e-4, 0.0
    raise ValueError(
        f"the values of {identity} reach {largest:.5g}, which is neither reflectance (0 to 1) nor "
        f"reflectance x 1e4; set scale and offset in the files, e.g. by gdal_edit.py -scale"
    )


def _item(key: str, file: DatedFile) -> pystac.Item:
    west, south, east, north = _degrees(file.crs, file.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return pystac.Item(
        key,
        {"type": "Polygon", "coordinates": [ring]},
        [west, south, east, north],
        datetime.combine(file.day, time(), UTC),
        {"proj:code" if file.crs.startswith("EPSG:") else "proj:wkt2": file.crs},
        stac_extensions=["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
    )


def _degrees(
    crs: str, bounds: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Bounds in degrees, rounded outward so that a search cannot miss an edge."""
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*bounds, densify_pts=32)
    return (
        float(np.floor(west * 1e6) / 1e6),
        float(np.floor(south * 1e6) / 1e6),
        float(np.ceil(east * 1e6) / 1e6),
        float(np.ceil(north * 1e6) / 1e6),
    )


def _union(boxes: Iterable[Sequence[float]]) -> tuple[float, float, float, float]:
    low_x, low_y, high_x, high_y = zip(*boxes, strict=True)
    return min(low_x), min(low_y), max(high_x), max(high_y)


def _nested_ratio(fine: DatedFile, coarse: DatedFile) -> int | None:
    """Fine pixels a coarse one, if it is a whole number of them and starts on one's edge."""
    if CRS(fine.crs) != CRS(coarse.crs):
        return None
    across, down = (coarse.pixel[k] / fine.pixel[k] for k in (0, 1))
    ratio = round(across)
    start_x = (coarse.bounds[0] - fine.bounds[0]) / fine.pixel[0]
    start_y = (coarse.bounds[3] - fine.bounds[3]) / fine.pixel[1]
    aligned = all(abs(value - round(value)) < 0.01 for value in (start_x, start_y))
    exact = max(abs(across - ratio), abs(down - ratio)) < 1e-3
    return ratio if exact and aligned and ratio > 1 else None


def _region(
    name: str,
    collections: Mapping[str, str],
    files: Mapping[str, Sequence[DatedFile]],
    bands: Sequence[str],
    ratio: int | None,
    messages: list[str],
) -> str:
    """The text of the region file; every value is written as JSON, which is YAML too."""
    fine, coarse = files["fine"][0], files["coarse"][0]
    corner = fine.bounds[0], fine.bounds[3]
    nested = _nested_ratio(fine, coarse)
    if ratio is None and nested is not None:
        ratio = nested
        corner = coarse.bounds[0], coarse.bounds[3]
    elif ratio is None:
        ratio = max(2, round(CELL_M / max(fine.pixel)))
        messages.append(
            f"{name}: the coarse images are not on a grid of whole fine pixels, so they are "
            f"averaged to cells of {ratio} x {ratio} ({ratio * max(fine.pixel):.0f} m)"
        )
    method = "sa-stf" if tuple(bands) == BANDS else "anomaly"
    if method == "anomaly":
        messages.append(f"{name}: {', '.join(bands)} alone fit no checkpoint, so method: anomaly")
    bounds = _union([file.bounds for file in files["fine"] if file.crs == fine.crs])
    days = sorted(file.day for some in files.values() for file in some)
    square = abs(fine.pixel[0] - fine.pixel[1]) < 1e-9
    known = {
        "name": name,
        "bbox": list(_degrees(fine.crs, bounds)),
        "start": days[0].isoformat(),
        "end": days[-1].isoformat(),
        "catalog": "catalog.json",
        "fine": collections["fine"],
        "coarse": collections["coarse"],
        "cube": f"{name}.zarr",
        "method": method,
        "grid": {
            "crs": fine.crs,
            "resolution_m": fine.pixel[0] if square else list(fine.pixel),
            "ratio": ratio,
            "tile_px": max(TILE // ratio, 1) * ratio,
            "anchor_m": list(corner),
            "bounds_m": list(bounds),
        },
    }
    lines = ["# Written by `daily30 catalog`.  Edit freely; run it by `daily30 fuse region.yaml`."]
    for key, value in known.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {one}: {json.dumps(two)}" for one, two in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"
