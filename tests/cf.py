"""A compact check of CF 1.11, ACDD and the zarr conventions, over the files of a cube.

It reads ``zarr.json`` as any program would and knows nothing of ``pipeline``.  The rules are from
the CF conventions (chapters in brackets) and from the schemas of the zarr conventions.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from pyproj import CRS, Transformer

STANDARD_NAMES = {
    # Name and canonical units, from the CF standard name table (version 78 and later).
    "time": "s",
    "projection_x_coordinate": "m",
    "projection_y_coordinate": "m",
    "surface_bidirectional_reflectance": "1",
    "quality_flag": "1",
    "status_flag": "1",
}
MODIFIERS = {"standard_error"}  # [appendix C]
UNITS = {"1", "m", "day", "nm"}

GLOBAL = {
    *("Conventions", "title", "institution", "source", "history", "references"),  # [2.6.2]
    *("id", "summary", "license", "product_version", "date_created"),  # from here on ACDD
    *("time_coverage_start", "time_coverage_end", "geospatial_lat_min", "geospatial_lat_max"),
    *("geospatial_lon_min", "geospatial_lon_max"),
}
LAID_OUT = GLOBAL - {"institution", "source", "references", "license", "summary", "id"}
"""What a cube that nothing was written to yet has of them; the inputs stay so."""

CONVENTIONS = {
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
    "proj": (
        "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "Coordinate reference system information for geospatial data",
    ),
}


def faults(cube: Path, *, published: bool) -> list[str]:
    """What is wrong with a cube, one line each."""
    root = zarr.open_group(cube, mode="r")
    arrays = dict(root.arrays())
    found = list(_group(dict(root.attrs), published=published))
    for name, array in arrays.items():
        found += [f"{name}: {fault}" for fault in _array(array, arrays)]
    found += _axes(arrays)
    found += _conventions(dict(root.attrs), arrays)
    return found + list(_consolidated(cube, arrays))


def _group(attrs: dict[str, Any], *, published: bool) -> Iterator[str]:
    if not str(attrs.get("Conventions", "")).startswith("CF-1.11"):
        yield "Conventions does not name CF-1.11"
    for name in sorted(GLOBAL if published else LAID_OUT):
        if attrs.get(name) in (None, "", []):
            yield f"no global attribute {name}"
    for name in ("date_created", "time_coverage_start", "time_coverage_end"):
        try:
            datetime.fromisoformat(attrs[name])
        except (KeyError, ValueError):
            yield f"{name} is no ISO 8601 time"
    for line in str(attrs.get("history", "")).splitlines():
        try:
            datetime.fromisoformat(line.partition(": ")[0])
        except ValueError:
            yield f"history line without a time stamp: {line}"


def _array(array: Any, arrays: dict[str, Any]) -> Iterator[str]:
    attrs, dims = dict(array.attrs), array.metadata.dimension_names or ()
    if len(dims) != array.ndim:
        yield "dimension_names do not match the shape"
    for dim, length in zip(dims, array.shape, strict=False):
        if dim not in arrays or arrays[dim].shape != (length,):
            yield f"dimension {dim} has no coordinate of its length"
    if "grid_mapping_name" in attrs:
        return
    if not attrs.get("long_name"):
        yield "no long_name"
    yield from _names(attrs)
    yield from _values(attrs, array)
    yield from _flags(attrs, array)
    if {"y", "x"} <= set(dims):
        yield from _grid_mapping(attrs, arrays)
    for other in attrs.get("ancillary_variables", "").split():
        if other not in arrays:
            yield f"ancillary variable {other} does not exist"
        elif arrays[other].metadata.dimension_names != dims:
            yield f"ancillary variable {other} has other dimensions"
    method = attrs.get("cell_methods")
    if method and method.partition(":")[0] not in dims:
        yield f"cell_methods {method!r} names no dimension"


def _names(attrs: dict[str, Any]) -> Iterator[str]:
    units, flags = attrs.get("units"), {"flag_masks", "flag_values"} & set(attrs)
    since = units is not None and " since " in units
    if "standard_name" in attrs:
        standard, *modifier = attrs["standard_name"].split()
        if standard not in STANDARD_NAMES or set(modifier) - MODIFIERS:
            yield f"standard_name {attrs['standard_name']!r} is not in the table"
        elif not flags and units != STANDARD_NAMES[standard] and not since:
            yield f"units {units!r} are not those of {standard}"  # [3.3]
    if units is not None and units not in UNITS and not since:
        yield f"units {units!r} are unknown to UDUNITS"  # [3.1]
    if units is not None and flags:
        yield "a flag variable has units"  # [3.5]
    if since and "calendar" not in attrs:
        yield "no calendar"  # [4.4.1]


def _values(attrs: dict[str, Any], array: Any) -> Iterator[str]:
    for name in ("_FillValue", "valid_min", "valid_max"):
        if name in attrs and not _fits(attrs[name], array.dtype):
            yield f"{name} {attrs[name]} is no {array.dtype}"  # [2.5.1, 8.1: the packed type]
    if "_FillValue" in attrs:
        if attrs["_FillValue"] != array.fill_value:
            yield "_FillValue differs from zarr's fill_value"
        if attrs.get("valid_min", np.inf) <= attrs["_FillValue"] <= attrs.get("valid_max", -np.inf):
            yield "_FillValue lies in the valid range"  # [2.5.1]
    if "scale_factor" in attrs and array.dtype.kind not in "iu":
        yield "packed values are no integers"  # [8.1]


def _flags(attrs: dict[str, Any], array: Any) -> Iterator[str]:
    kinds = [name for name in ("flag_masks", "flag_values") if name in attrs]
    meanings = attrs.get("flag_meanings", "").split()
    if not kinds and meanings:
        yield "flag_meanings without masks or values"
    for kind in kinds:  # [3.5]
        values = attrs[kind]
        if len(values) != len(meanings):
            yield f"{kind} and flag_meanings have different lengths"
        if array.dtype.kind not in "iu" or not all(_fits(value, array.dtype) for value in values):
            yield f"{kind} are not of the type {array.dtype}"
        if len(set(values)) != len(values):
            yield f"{kind} repeat"
        if kind == "flag_masks" and not all(values):
            yield "a mask is 0"
    if len(set(meanings)) != len(meanings):
        yield "flag_meanings repeat"


def _grid_mapping(attrs: dict[str, Any], arrays: dict[str, Any]) -> Iterator[str]:
    mapping = arrays.get(attrs.get("grid_mapping", ""))
    if mapping is None:
        yield "no grid_mapping"  # [5.6]
        return
    known = CRS.from_cf(dict(mapping.attrs))
    # A reader that knows no WKT takes the parameters.
    plain = CRS.from_cf({key: mapping.attrs[key] for key in mapping.attrs if key != "crs_wkt"})
    there = Transformer.from_crs(known, plain, always_xy=True)
    x, y = np.asarray(arrays["x"][...]), np.full(arrays["x"].shape, arrays["y"][0])
    if not np.allclose(there.transform(x, y), (x, y), rtol=0, atol=1e-6):
        yield "the grid mapping's parameters are not its WKT"
    if attrs.get("coordinates") != attrs["grid_mapping"]:
        yield "the grid mapping is no coordinate in a plain open"


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return isinstance(value, int | float)
    return isinstance(value, int) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _axes(arrays: dict[str, Any]) -> Iterator[str]:
    for name, axis in (("time", "T"), ("y", "Y"), ("x", "X")):
        if arrays[name].attrs.get("axis") != axis:
            yield f"{name}: no axis {axis}"
        steps = np.diff(np.asarray(arrays[name][...]))
        if not (np.all(steps > 0) or np.all(steps < 0)):
            yield f"{name}: not monotonic"  # [1.3]


def _conventions(attrs: dict[str, Any], arrays: dict[str, Any]) -> Iterator[str]:
    registered = {one["uuid"]: one for one in attrs.get("zarr_conventions", [])}
    for name, (uuid, description) in CONVENTIONS.items():
        there = f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/"
        wanted = {
            "name": name,
            "uuid": uuid,
            "schema_url": f"{there}schema.json",
            "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
            "description": description,
        }
        if registered.get(uuid) != wanted:
            yield f"zarr convention {name} is not registered as its schema says"
    given = [key for key in ("proj:code", "proj:wkt2", "proj:projjson") if key in attrs]
    if len(given) != 1:
        yield f"the proj convention wants exactly one CRS, there are {given}"
        return
    if CRS.from_user_input(attrs[given[0]]) != CRS.from_cf(dict(arrays["spatial_ref"].attrs)):
        yield "proj: tells another CRS than CF"
    yield from _place(attrs, arrays)


def _place(attrs: dict[str, Any], arrays: dict[str, Any]) -> Iterator[str]:
    y, x = (np.asarray(arrays[name][...]) for name in ("y", "x"))
    a, b, c, d, e, f = attrs["spatial:transform"]
    if attrs["spatial:dimensions"] != ["y", "x"] or attrs["spatial:registration"] != "pixel":
        yield "spatial:dimensions or spatial:registration is wrong"
    if attrs["spatial:shape"] != [y.size, x.size]:
        yield "spatial:shape is not that of the coordinates"
    centres = (np.arange(x.size) + 0.5) * a + c, (np.arange(y.size) + 0.5) * e + f
    if b or d or not (np.array_equal(centres[0], x) and np.array_equal(centres[1], y)):
        yield "spatial:transform does not give the coordinates"
    box = [c, f + e * y.size, c + a * x.size, f]
    if attrs["spatial:bbox"] != box:
        yield "spatial:bbox is not the outline of the pixels"
    mapping = dict(arrays["spatial_ref"].attrs)
    if [float(value) for value in mapping["GeoTransform"].split()] != [c, a, b, f, d, e]:
        yield "GeoTransform is not spatial:transform"
    to_degrees = Transformer.from_crs(CRS.from_cf(mapping), 4326, always_xy=True)
    told = [attrs[f"geospatial_{name}"] for name in ("lon_min", "lat_min", "lon_max", "lat_max")]
    if not np.allclose(to_degrees.transform_bounds(*box), told, atol=1e-6):
        yield "geospatial_* is not the outline of the pixels"
    seconds = np.asarray(arrays["time"][...])
    first, last = (date(1970, 1, 1).toordinal() + int(seconds[end]) // 86400 for end in (0, -1))
    days = [date.fromordinal(number).isoformat() for number in (first, last)]
    if [attrs["time_coverage_start"], attrs["time_coverage_end"]] != days:
        yield "time_coverage_* is not the time axis"
    if "time_coverage_resolution" in attrs and any(n - p != 86400 for p, n in pairwise(seconds)):
        yield "the time axis is not daily"


def _consolidated(cube: Path, arrays: dict[str, Any]) -> Iterator[str]:
    known = json.loads((cube / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    if set(known) != set(arrays):
        yield "the consolidated metadata lacks arrays"
    for name in known:
        if known[name] != json.loads((cube / name / "zarr.json").read_text()):
            yield f"{name}: the consolidated metadata is out of date"
