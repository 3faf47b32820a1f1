"""Where on Earth: a box or polygons in degrees, and whether an item touches them.

Longitudes run on across the antimeridian here: a ring from 179 to -179 is one from 179 to 181.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from catalogs.spec import CatalogError

BBox = tuple[float, float, float, float]
Ring = tuple[tuple[float, float], ...]
Polygon = tuple[Ring, ...]
"""Outer ring and holes, each closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A region to be searched."""

    bbox: BBox
    """West, south, east, north; west > east across the antimeridian."""

    polygons: tuple[Polygon, ...] = ()
    """What of the box is meant; () all."""

    def boxes(self) -> tuple[BBox, ...]:
        """The box as boxes that do not cross the antimeridian."""
        west, south, east, north = self.bbox
        if west <= east:
            return (self.bbox,)
        return (west, south, 180.0, north), (-180.0, south, east, north)

    def touched_by(self, geometry: Any, bbox: Any) -> bool:
        """Whether an item's footprint, or else its box, touches the place.

        True where neither can be understood: reading the item will tell.
        """
        try:
            footprint = polygons_of(geometry)
        except CatalogError:
            footprint = ()
        if not footprint:
            if (box := plain_box(bbox)) is None:
                return True
            footprint = (_rectangle(box),)
        own = self.polygons or (_rectangle(self.bbox),)
        return any(
            _touch(one, two, shift)
            for one in footprint
            for two in own
            for shift in (-360.0, 0.0, 360.0)
        )


def place_of(geometry: Mapping[str, Any]) -> Place:
    """The place of a GeoJSON geometry, feature or collection of features.

    CatalogError where there is no polygon with an area in it.
    """
    polygons = polygons_of(geometry)
    if not polygons:
        raise CatalogError(
            f"{str(geometry)[:60]}... holds no polygon; give a GeoJSON Polygon or MultiPolygon"
        )
    xs = [x for polygon in polygons for x, _ in polygon[0]]
    ys = [y for polygon in polygons for _, y in polygon[0]]
    # Parts on both sides of the antimeridian, as GeoJSON wants them, belong together.
    if max(xs) - min(xs) > 180:
        polygons = tuple(
            _shifted(polygon, 360.0) if max(x for x, _ in polygon[0]) <= 0 else polygon
            for polygon in polygons
        )
        xs = [x for polygon in polygons for x, _ in polygon[0]]
    west, east = min(xs), max(xs)
    if east - west < 360:
        west, east = _wrapped(west), _wrapped(east)
        if west == 180.0:
            west = -180.0
    else:
        west, east = -180.0, 180.0
    return Place(bbox=(west, min(ys), east, max(ys)), polygons=polygons)


def polygons_of(geometry: Any) -> tuple[Polygon, ...]:
    """The polygons of a GeoJSON object.  CatalogError where they are none."""
    if not isinstance(geometry, Mapping):
        return ()
    kind, parts = geometry.get("type"), geometry.get("coordinates")
    if kind == "FeatureCollection":
        some = geometry.get("features")
        return _all(some)
    if kind == "Feature":
        return polygons_of(geometry.get("geometry"))
    if kind == "GeometryCollection":
        return _all(geometry.get("geometries"))
    if kind == "Polygon":
        return (_polygon(parts),)
    if kind == "MultiPolygon" and isinstance(parts, list | tuple):
        return tuple(_polygon(part) for part in parts)
    return ()


def plain_box(bbox: Any) -> BBox | None:
    """A STAC bbox of four or six numbers as west, south, east, north; None for anything else."""
    if not isinstance(bbox, list | tuple) or len(bbox) not in (4, 6):
        return None
    if not all(is_number(value) for value in bbox):
        return None
    half = len(bbox) // 2
    west, south, east, north = bbox[0], bbox[1], bbox[half], bbox[half + 1]
    sane = south <= north and south >= -91 and north <= 91 and max(abs(west), abs(east)) <= 540
    return (float(west), float(south), float(east), float(north)) if sane else None


def _all(some: Any) -> tuple[Polygon, ...]:
    many = some if isinstance(some, list | tuple) else ()
    return tuple(polygon for one in many for polygon in polygons_of(one))


def _polygon(rings: Any) -> Polygon:
    shown = json.dumps(rings, default=str)[:60]
    if not isinstance(rings, list | tuple) or not rings:
        raise CatalogError(f"the polygon {shown} has no ring; give its corners, longitude first")
    made = tuple(_ring(ring, shown) for ring in rings)
    if abs(_area(made[0])) < 1e-12:
        raise CatalogError(
            f"the polygon {shown}... has no area; give at least three corners that are not in line"
        )
    return made


def _ring(corners: Any, shown: str) -> Ring:
    wrong = CatalogError(
        f"the polygon {shown}... is not made of corners [longitude, latitude] in degrees"
    )
    if not isinstance(corners, list | tuple) or len(corners) < 3:
        raise wrong
    made: list[tuple[float, float]] = []
    for corner in corners:
        if not isinstance(corner, list | tuple) or len(corner) < 2:
            raise wrong
        x, y = corner[0], corner[1]
        if not (is_number(x) and is_number(y) and abs(x) <= 540 and abs(y) <= 90.01):
            raise wrong
        if made:  # the short way round, so a jump from 179 to -179 is a step of 2 degrees
            x = made[-1][0] + math.remainder(x - made[-1][0], 360.0) if _jumps(made, x) else x
        made.append((float(x), float(y)))
    if made[0] != made[-1]:
        made.append(made[0])
    return tuple(made)


def _jumps(made: Sequence[tuple[float, float]], x: float) -> bool:
    return abs(x - made[-1][0]) > 180


def is_number(value: Any) -> bool:
    """A number that may be a coordinate; JSON has integers that no float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _area(ring: Ring) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def _wrapped(x: float) -> float:
    return x if -180 <= x <= 180 else (x + 180) % 360 - 180


def _shifted(polygon: Polygon, by: float) -> Polygon:
    return tuple(tuple((x + by, y) for x, y in ring) for ring in polygon)


def _rectangle(box: BBox) -> Polygon:
    west, south, east, north = box
    if west > east:
        east += 360
    return (((west, south), (east, south), (east, north), (west, north), (west, south)),)


def _touch(one: Polygon, two: Polygon, shift: float) -> bool:
    """Whether two polygons share a point, the first moved by ``shift`` degrees to the east."""
    a, b = _bounds(one[0]), _bounds(two[0])
    if a[0] + shift > b[2] or b[0] > a[2] + shift or a[1] > b[3] or b[1] > a[3]:
        return False
    one = _shifted(one, shift)
    crossing = any(
        _cross(p, q, r, s)
        for own in one
        for other in two
        for p, q in pairwise(own)
        for r, s in pairwise(other)
    )
    return crossing or _inside(one[0][0], two) or _inside(two[0][0], one)


def _bounds(ring: Iterable[tuple[float, float]]) -> BBox:
    xs, ys = zip(*ring, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _cross(
    p: tuple[float, float], q: tuple[float, float], r: tuple[float, float], s: tuple[float, float]
) -> bool:
    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    # Boxes first: they also settle segments on one line.
    if max(p[0], q[0]) < min(r[0], s[0]) or max(r[0], s[0]) < min(p[0], q[0]):
        return False
    if max(p[1], q[1]) < min(r[1], s[1]) or max(r[1], s[1]) < min(p[1], q[1]):
        return False
    return side(p, q, r) * side(p, q, s) <= 0 and side(r, s, p) * side(r, s, q) <= 0


def _inside(point: tuple[float, float], polygon: Polygon) -> bool:
    """Even-odd rule over the outer ring and the holes."""
    x, y = point
    odd = False
    for ring in polygon:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                odd = not odd
    return odd
