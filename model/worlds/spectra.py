"""Endmember spectra in the six bands, surface reflectance.

blue, green, red, nir08, swir16, swir22; typical values of the USGS and ECOSTRESS libraries,
rounded.  A world draws its own around them (``draw``).
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Spectrum = NDArray[np.float32]

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")

TYPICAL = MappingProxyType(
    {
        "green": (0.028, 0.065, 0.030, 0.46, 0.200, 0.085),
        "needle": (0.022, 0.040, 0.026, 0.26, 0.110, 0.050),
        "dry": (0.075, 0.120, 0.170, 0.31, 0.380, 0.270),
        "soil": (0.080, 0.120, 0.165, 0.24, 0.320, 0.270),
        "sand": (0.140, 0.210, 0.280, 0.36, 0.450, 0.410),
        "roof": (0.110, 0.125, 0.140, 0.19, 0.230, 0.210),
        "water": (0.045, 0.050, 0.035, 0.018, 0.008, 0.005),
        "turbid": (0.070, 0.100, 0.105, 0.060, 0.018, 0.011),
        "char": (0.038, 0.045, 0.055, 0.085, 0.150, 0.150),
    }
)


def draw(rng: np.random.Generator, kind: str) -> Spectrum:
    """A plausible relative of a typical spectrum: brighter or darker, another slope."""
    typical = np.array(TYPICAL[kind])
    brightness = rng.lognormal(0, 0.2)
    slope = rng.normal(0, 0.08) * np.linspace(-1, 1, 6)
    own = rng.normal(0, 0.06, 6)
    return np.clip(typical * brightness * np.exp(slope + own), 0.003, 0.7).astype(np.float32)


def distance(a: Spectrum, b: Spectrum) -> float:
    """Root mean square of the relative difference of two spectra."""
    return float(np.sqrt(np.mean((2 * (a - b) / (a + b)) ** 2)))
