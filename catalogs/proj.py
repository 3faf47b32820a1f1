"""The grid an item states for an asset, as far as it can be believed.

What is not understood is left out, and then the file's own header tells; what contradicts the
item's place or its tile is refused, since a wrong grid would be read without an error.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pyproj

from catalogs.granule import TILE_M, Granule
from catalogs.place import BBox, is_number, plain_box
from catalogs.spec import CatalogError

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]*:[A-Za-z0-9.]+")

_WKT = re.compile(r"\s*(PROJ|GEOG|GEOD|BOUND|COMPOUND|DERIVED)[A-Z]*\[")
"""Other text is looked up as a name, and much is one."""

WIDEST_M = 1_300_000.0
"""No scene or tile is wider than a tile of MODIS."""

INSIDE = 0.8
"""Share of an item's box that its grid must cover; footprints are drawn with some slack."""


def grid_of(fields: Mapping[str, Any], resolution_m: float | None) -> dict[str, Any]:
    """The ``proj`` fields of an item or asset that make sense, in one form.

    One of ``proj:code``, ``proj:wkt2``, ``proj:projjson``; and ``proj:shape`` with
    ``proj:transform`` where they are whole, upright and of the table's pixel size.
    """
    known = _crs(fields)
    shape: Any = fields.get("proj:shape")
    transform: Any = fields.get("proj:transform")
    if _is_shape(shape) and _is_transform(transform, resolution_m):
        known["proj:shape"] = [int(side) for side in shape]
        known["proj:transform"] = [float(value) for value in transform[:6]]
    return known


def check_grid(
    grid: Mapping[str, Any], default_crs: str | None, bbox: Any, granule: Granule | None
) -> None:
    """CatalogError where a grid cannot be that of the item's tile, or of its place."""
    if "proj:transform" not in grid:
        return
    a, _, left, _, e, top = grid["proj:transform"]
    rows, cols = grid["proj:shape"]
    if max(cols * abs(a), rows * abs(e)) > WIDEST_M:
        raise CatalogError(
            f"its grid of {rows} x {cols} pixels is {cols * abs(a) / 1000:.0f} km wide"
        )
    if granule and (corner := granule.corner_m):
        if not _in_tile((left - corner[0]) / a, (top - corner[1]) / e, rows, cols, TILE_M / a):
            raise CatalogError(f"its grid at x {left:g}, y {top:g} is not of tile {granule.place}")
        return
    crs, box = crs_text(grid) or default_crs, plain_box(bbox)
    if crs is None or box is None or box[0] > box[2]:
        return
    covered = _covered(grid, crs)
    if covered is None or _share(box, covered) < INSIDE:
        where = [round(v, 2) for v in covered] if covered else "no place on Earth"
        raise CatalogError(f"its grid lies at {where} and its bbox at {list(box)}")


def box_of(grid: Mapping[str, Any]) -> list[float] | None:
    """West, south, east, north of a grid in degrees, None where that cannot be told."""
    crs = crs_text(grid)
    covered = _covered(grid, crs) if crs and "proj:transform" in grid else None
    return list(covered) if covered and covered[2] <= 180 else None


def _covered(grid: Mapping[str, Any], crs: str) -> BBox | None:
    a, _, left, _, e, top = grid["proj:transform"]
    rows, cols = grid["proj:shape"]
    return _degrees(crs, (left, top + rows * e, left + cols * a, top))


def _in_tile(col: float, row: float, rows: int, cols: int, side: float) -> bool:
    """Whether a grid is the tile's, or a cut of it: whole pixels from its corner, within it."""
    near = 0.01  # makers round the corner differently
    whole = abs(col - round(col)) < near and abs(row - round(row)) < near
    return whole and min(col, row) > -near and max(col + cols, row + rows) < side + near


def crs_text(fields: Mapping[str, Any]) -> str | None:
    """The CRS of normal ``proj`` fields as text that PROJ understands."""
    for key in ("proj:code", "proj:wkt2"):
        if key in fields:
            return str(fields[key])
    return str(pyproj.CRS(fields["proj:projjson"])) if "proj:projjson" in fields else None


def _crs(fields: Mapping[str, Any]) -> dict[str, Any]:
    code, epsg = fields.get("proj:code"), fields.get("proj:epsg")
    if isinstance(code, str) and _CODE.fullmatch(code) and _is_crs(code):
        return {"proj:code": code}
    if isinstance(epsg, int | str) and not isinstance(epsg, bool) and _is_crs(f"EPSG:{epsg}"):
        return {"proj:code": f"EPSG:{epsg}"}
    wkt, projjson = fields.get("proj:wkt2"), fields.get("proj:projjson")
    if isinstance(wkt, str) and _WKT.match(wkt) and _is_crs(wkt):
        return {"proj:wkt2": wkt}
    if isinstance(projjson, dict):
        try:
            pyproj.CRS.from_json_dict(projjson)
        except (pyproj.exceptions.ProjError, TypeError, ValueError, RecursionError):
            return {}
        return {"proj:projjson": projjson}
    return {}


@lru_cache(maxsize=256)
def _is_crs(text: str) -> bool:
    try:
        crs = pyproj.CRS.from_user_input(text)
    except (pyproj.exceptions.ProjError, TypeError, ValueError):
        return False
    return crs.is_projected or crs.is_geographic


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list | tuple)
        and len(shape) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 10**6 for n in shape)
    )


def _is_transform(transform: Any, resolution_m: float | None) -> bool:
    if not isinstance(transform, list | tuple) or len(transform) not in (6, 9):
        return False
    if not all(map(is_number, transform)):
        return False
    a, b, _, d, e, _ = transform[:6]
    upright = a > 0 and b == 0 and d == 0 and e < 0
    return upright and (
        resolution_m is None
        or (abs(a - resolution_m) < 0.01 * resolution_m and abs(a + e) < 0.01 * a)
    )


@lru_cache(maxsize=256)
def _to_degrees(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)


def _degrees(crs: str, bounds: BBox) -> BBox | None:
    """Bounds in degrees, east beyond 180 across the antimeridian; None off the projection."""
    west, south, east, north = _to_degrees(crs).transform_bounds(*bounds, errcheck=False)
    if not all(map(math.isfinite, (west, south, east, north))):
        return None
    return west, south, east + 360 if west > east else east, north


def _share(box: BBox, other: BBox) -> float:
    """Share of ``box`` that lies in ``other``, both sides at once, across the antimeridian too."""
    best = 0.0
    for shift in (-360.0, 0.0, 360.0):
        width = min(box[2], other[2] + shift) - max(box[0], other[0] + shift)
        height = min(box[3], other[3]) - max(box[1], other[1])
        area = max(box[2] - box[0], 1e-9) * max(box[3] - box[1], 1e-9)
        best = max(best, max(0.0, width) * max(0.0, height) / area)
    return best
