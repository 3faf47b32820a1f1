"""Sun and view angles of a scene that comes without angle layers, from its STAC item.

Landsat's Level 2 items tell where the sun stood at the scene's centre, and the angles of each
pixel only as coefficients for a program of USGS's.  But its craft fly one orbit and look straight
down, so the view of a pixel follows from its distance to the middle of the swath.
"""

import math
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from catalogs import CollectionSpec, platform_of
from pipeline.read import ReadError

EARTH_KM = 6371.0
ALTITUDE_KM = 705.0
INCLINATION = 98.2
"""Degrees; Landsat 4 to 9 share the orbit (Landsat 8 Data Users Handbook, section 2)."""

GROUND_KM_S = 6.77
"""Speed of the point under the craft on a resting Earth: 2 pi radii in 98.9 minutes."""

TURNS_KM_S = 0.465
"""Speed of the equator."""

Angles = dict[str, NDArray[np.float64]]


LAYERS = ("sun_zenith", "sun_azimuth", "view_zenith", "view_azimuth")
"""Angles of ``CollectionSpec.angles`` that tell all of a pixel's own."""


def has_layers(item: pystac.Item, spec: CollectionSpec) -> bool:
    """Whether an item tells the angles of each pixel."""
    return all(name in spec.angles and spec.angles[name].asset in item.assets for name in LAYERS)


def tells_angles(item: pystac.Item, spec: CollectionSpec) -> bool:
    """Whether its angles can be known, by layers or by ``scene_angles``."""
    return has_layers(item, spec) or _scene_tells(item)


def _scene_tells(item: pystac.Item) -> bool:
    known = [item.properties.get(f"view:sun_{what}") for what in ("elevation", "azimuth")]
    return platform_of(item).startswith("landsat") and None not in known and bool(item.geometry)


def scene_angles(item: pystac.Item, window: GeoBox) -> Angles:
    """Degrees at the pixels of ``window``, (y, x) each: sun and view zenith, relative azimuth.

    The sun is that of the scene's centre: over a scene it moves by a degree.  The view is right
    to about half a degree of eight.  ReadError for other craft, and where the item does not tell
    the sun or its outline.
    """
    if not _scene_tells(item):
        raise ReadError(
            f"item {item.id} has no angle layers, and is no Landsat item that tells its outline "
            f"and view:sun_elevation and view:sun_azimuth, so `brdf: c-factor` cannot be done; "
            f"add them to the item, or take the line out of the region file"
        )
    elevation, azimuth = (item.properties[f"view:sun_{what}"] for what in ("elevation", "azimuth"))
    zenith, view_azimuth = view_from_orbit(*_places(item, window))
    return {
        "sun_zenith": np.full((window.shape.y, window.shape.x), 90.0 - float(elevation)),
        "view_zenith": zenith,
        "relative_azimuth": view_azimuth - float(azimuth),
    }


def view_from_orbit(
    east_km: NDArray[np.float64], north_km: NDArray[np.float64], latitude: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zenith and azimuth, in degrees, at which the craft stands over places beside its track.

    ``east_km`` and ``north_km`` from a point under the track at ``latitude``, by day (southwards).
    """
    course = math.radians(heading(latitude))
    right = east_km * math.cos(course) - north_km * math.sin(course)
    around = np.abs(right) / EARTH_KM
    orbit = EARTH_KM + ALTITUDE_KM
    zenith = np.arctan2(orbit * np.sin(around), orbit * np.cos(around) - EARTH_KM)
    side = np.where(right > 0, -90.0, 90.0)
    return np.degrees(zenith), (math.degrees(course) + side) % 360


def heading(latitude: float) -> float:
    """Course over the ground, in degrees from north, where a craft crosses ``latitude`` by day."""
    cosine = math.cos(math.radians(latitude))
    inclined = math.cos(math.radians(INCLINATION))
    sine = max(-1.0, min(1.0, inclined / max(cosine, abs(inclined))))
    # Southwards on the resting Earth; the turning Earth moves the ground on to the east below.
    east = GROUND_KM_S * sine - TURNS_KM_S * cosine
    north = -GROUND_KM_S * math.sqrt(1 - sine**2)
    return math.degrees(math.atan2(east, north)) % 360


def _places(
    item: pystac.Item, window: GeoBox
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Kilometres east and north of the scene's centre, (y, x), and the centre's latitude."""
    corners = _corners(item.geometry or {})
    centre = corners.mean(axis=0)
    x, y = np.meshgrid(*(np.asarray(window.coordinates[name].values) for name in ("x", "y")))
    assert window.crs is not None
    lon, lat = Transformer.from_crs(window.crs.to_wkt(), 4326, always_xy=True).transform(x, y)
    degree = math.radians(1) * EARTH_KM
    east = ((lon - centre[0] + 180) % 360 - 180) * np.cos(np.radians(lat)) * degree
    return east, (lat - centre[1]) * degree, float(centre[1])


def _corners(geometry: dict[str, Any]) -> NDArray[np.float64]:
    """(corner, lon and lat) of an outline; longitudes run on beyond the antimeridian."""
    parts: Any = geometry["coordinates"]
    rings = [part[0] for part in parts] if geometry["type"] == "MultiPolygon" else parts[:1]
    # Where an outline was split at the antimeridian there is no corner.
    places = dict.fromkeys((p[0], p[1]) for ring in rings for p in ring if abs(p[0]) != 180)
    corners = np.array(list(places), float)
    corners[:, 0] = corners[0, 0] + (corners[:, 0] - corners[0, 0] + 180) % 360 - 180
    return corners
