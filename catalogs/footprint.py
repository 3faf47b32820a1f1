"""Where an item says it lies, as far as that makes sense."""

from collections.abc import Mapping
from typing import Any

from catalogs.place import plain_box, polygons_of
from catalogs.spec import CatalogError


def footprint_of(known: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[float] | None]:
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
