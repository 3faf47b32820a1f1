"""The demo's own point spread, calendars, spectra and flood: no training world may come near.

``model.worlds.draw`` draws again whenever it falls within the distances below, and a test draws
hundreds of recipes to see that it does.  So the demo is a region of another kind to the shipped
weights, not the same kind under another seed.
"""

from types import MappingProxyType

import numpy as np

from model.worlds.recipe import CoarseSensor, Crop, Flood
from model.worlds.spectra import Spectrum, distance

FWHM_ACROSS_M, FWHM_ALONG_M = 690.0, 560.0
FWHM_DISTANCE_M = 45.0

CROPS = (
    # Days of the demo's 90, from 1 May.
    Crop(greenup_day=-25, senescence_day=38, harvest_day=51, canopy=0.88, spread_days=6),  # barley
    Crop(greenup_day=-18, senescence_day=58, harvest_day=75, canopy=0.92, spread_days=6),  # wheat
    Crop(greenup_day=-35, senescence_day=48, harvest_day=66, canopy=0.80, spread_days=5),  # rape
    Crop(greenup_day=42, senescence_day=140, harvest_day=160, canopy=0.90, spread_days=8),  # maize
    Crop(greenup_day=30, senescence_day=135, harvest_day=150, canopy=0.75, spread_days=7),  # beet
    Crop(
        greenup_day=-40, senescence_day=200, harvest_day=33, canopy=0.85, spread_days=8, mown=True
    ),
)
CROP_DISTANCE_DAYS = 6.0

SPECTRA = MappingProxyType(
    {
        name: np.array(values, np.float32)
        for name, values in {
            "green": (0.033, 0.072, 0.034, 0.50, 0.185, 0.080),
            "needle": (0.019, 0.036, 0.021, 0.29, 0.125, 0.054),
            "dry": (0.088, 0.136, 0.185, 0.30, 0.350, 0.235),
            "soil": (0.071, 0.104, 0.138, 0.205, 0.295, 0.240),
            "sand": (0.155, 0.235, 0.305, 0.380, 0.420, 0.370),
            "roof": (0.098, 0.115, 0.132, 0.205, 0.245, 0.220),
            "water": (0.039, 0.046, 0.030, 0.016, 0.007, 0.004),
            "turbid": (0.082, 0.118, 0.122, 0.072, 0.022, 0.013),
            "char": (0.034, 0.041, 0.050, 0.078, 0.165, 0.160),
        }.items()
    }
)
SPECTRUM_DISTANCE = 0.06

FLOOD = Flood(shape="double", start_day=38, rise_days=5, stay_days=12, fall_days=6, crest_m=2.6)


def too_near_spectrum(kind: str, spectrum: Spectrum) -> bool:
    """Within 6 % (root mean square) of the demo's spectrum of that kind."""
    return distance(spectrum, SPECTRA[kind]) < SPECTRUM_DISTANCE


def too_near_crop(crop: Crop) -> bool:
    """Grows and is cut within six days of one of the demo's crops."""
    return any(
        abs(crop.greenup_day - own.greenup_day) < CROP_DISTANCE_DAYS
        and abs(crop.harvest_day - own.harvest_day) < CROP_DISTANCE_DAYS
        for own in CROPS
    )


def too_near_sensor(sensor: CoarseSensor) -> bool:
    """A point spread within 45 m of the demo's along either axis."""
    return (
        abs(sensor.fwhm_across_m - FWHM_ACROSS_M) < FWHM_DISTANCE_M
        or abs(sensor.fwhm_along_m - FWHM_ALONG_M) < FWHM_DISTANCE_M
    )
