"""Reflectance as it would be seen from straight above, under one sun: the c-factor.

    at nadir = seen * model(normal sun, nadir) / model(sun, view)

with one kernel model for all land (Roy et al. 2016, Remote Sensing of Environment 176, 255-271):
the shape of the directional effect varies little from place to place, its size goes with the
reflectance.  Kernels: Ross-thick and Li-sparse reciprocal as in MODIS's own products, with crowns
as high as wide and two of their heights above ground (Wanner et al. 1995; Lucht et al. 2000).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of the isotropic, the volumetric and the geometric kernel."""

    iso: float
    vol: float
    geo: float


GLOBAL = {
    "blue": Weights(iso=0.0774, vol=0.0372, geo=0.0079),
    "green": Weights(iso=0.1306, vol=0.0580, geo=0.0178),
    "red": Weights(iso=0.1690, vol=0.0574, geo=0.0227),
    "nir08": Weights(iso=0.3093, vol=0.1535, geo=0.0330),
    "swir16": Weights(iso=0.3430, vol=0.1154, geo=0.0453),
    "swir22": Weights(iso=0.2658, vol=0.0639, geo=0.0387),
}
"""Means of the MODIS parameters over all land and a year (Roy et al. 2016, table 5)."""

HIGH_ABOVE = 2.0
"""Height of the crowns' centres over their radius."""


def c_factor(band: str, angles: Mapping[str, Any], normal_sun: float) -> Float:
    """What reflectance of ``band`` is multiplied by; NaN where an angle is.

    ``angles`` in degrees, arrays or numbers: ``sun_zenith``, ``view_zenith`` and either
    ``relative_azimuth`` (0: the sensor sees from where the sun shines) or ``view_azimuth`` and
    ``sun_azimuth``, both as seen from the ground.  ``normal_sun``: zenith angle in degrees.
    """
    between = angles.get("relative_azimuth")
    if between is None:
        between = np.subtract(angles["view_azimuth"], angles["sun_azimuth"])
    seen = _model(GLOBAL[band], angles["sun_zenith"], angles["view_zenith"], between)
    return _model(GLOBAL[band], normal_sun, 0.0, 0.0) / seen


def normal_sun(latitude: float) -> float:
    """Solar zenith, in degrees, that Landsat and Sentinel-2 meet over a year at a latitude.

    The polynomial that HLS uses (Zhang et al. 2016, Remote Sensing of Environment 184, 439-450).
    """
    terms = (31.0076, -0.1272, 0.01187, 2.40e-05, -9.48e-07, -1.95e-09, 6.15e-11)
    return float(sum(term * latitude**power for power, term in enumerate(terms)))


def kernels(sun_zenith: Any, view_zenith: Any, relative_azimuth: Any) -> tuple[Float, Float]:
    """Ross-thick and Li-sparse reciprocal kernels of angles in degrees; 0 for sun and view above.

    The same with sun and view exchanged.
    """
    angles = sun_zenith, view_zenith, relative_azimuth
    sun, view, phi = (np.radians(np.asarray(angle, float)) for angle in angles)
    phase = _phase(sun, view, phi)
    vol = ((np.pi / 2 - phase) * np.cos(phase) + np.sin(phase)) / (np.cos(sun) + np.cos(view))
    # Crowns are as high as wide, so the angles of the Li kernel are those of sun and view.
    secants = 1 / np.cos(sun) + 1 / np.cos(view)
    tan_sun, tan_view = np.tan(sun), np.tan(view)
    apart = tan_sun**2 + tan_view**2 - 2 * tan_sun * tan_view * np.cos(phi)
    across = (tan_sun * tan_view * np.sin(phi)) ** 2
    cosine = HIGH_ABOVE * np.sqrt(np.maximum(apart + across, 0)) / secants
    t = np.arccos(np.clip(cosine, -1, 1))
    overlap = (t - np.sin(t) * np.cos(t)) * secants / np.pi
    lit = (1 + np.cos(phase)) / (2 * np.cos(sun) * np.cos(view))
    return vol - np.pi / 4, overlap - secants + lit


def _phase(sun: Float, view: Float, phi: Float) -> Float:
    cosine = np.cos(sun) * np.cos(view) + np.sin(sun) * np.sin(view) * np.cos(phi)
    return np.arccos(np.clip(cosine, -1, 1))


def _model(weights: Weights, sun: Any, view: Any, azimuth: Any) -> Float:
    vol, geo = kernels(sun, view, azimuth)
    return weights.iso + weights.vol * vol + weights.geo * geo
