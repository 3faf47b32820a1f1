"""What a simulated world is made of; a world is a function of its recipe and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.worlds.spectra import Spectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A calendar, days of the world's period; each parcel is shifted by its own few days."""

    greenup_day: float
    """Half of the full canopy."""
    senescence_day: float
    """Half of the canopy is dry."""
    harvest_day: float
    canopy: float
    """Green share of the ground at the peak, 0 to 1."""
    spread_days: float
    """Standard deviation between parcels."""
    mown: bool = False
    """Cut while green, and grows again (grass); else dry, cut once, then stubble and soil."""
    rise_days: float = 6.0
    fall_days: float = 4.0
    """Time scale of growing and of drying."""
    second_after_days: float | None = None
    """A second crop reaches half of its canopy this long after the harvest of the first."""
    curve: str = "logistic"
    """``logistic`` rises and falls at its own paces; ``bell`` is a Gaussian of power 3 that has
    half of the canopy on the days of greenup and senescence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """The river's level above its banks over time."""

    shape: str
    """``single``: rises, recedes; ``plateau``: stays up; ``double``: two crests; ``linear``:
    rises, stays and falls in straight lines."""
    start_day: float
    rise_days: float
    stay_days: float
    fall_days: float
    crest_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """How the ground is divided and what grows on it."""

    division: str
    """``voronoi``: cells around scattered points; ``split``: rectangles cut in two, again and
    again; ``strips``: long fields that bend with the terrain; ``pivots``: irrigated circles."""
    parcel_ha: float
    """Median area."""
    crops: tuple[Crop, ...]
    forest: float
    bare: float
    town: float
    """Shares of the parcels drawn one by one; forest and town take as much again in groups."""
    texture: float
    """Relative standard deviation inside a parcel."""
    events: float
    """Share of parcels burnt, cut, built on or ploughed within the period."""
    relief_m: float
    """Height at one kilometre from the river."""
    relief: str = "river"
    """``river``: a winding river and a lake in ground that rises from them; ``basins``: ponds in
    rolling ground."""
    fallow: float = 0.0
    """Share of the cropped parcels on which nothing is sown."""
    zoning: float = 0.0
    """Share of the parcels whose crop and ground are those of the neighbourhood."""
    episodes: float = 0.0
    """Share of parcels that change for some days and return: irrigated, wilted, grazed, covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseSensor:
    """The daily sensor with its faults (their ranges: ``model.worlds.draw``)."""

    fwhm_across_m: float
    fwhm_along_m: float
    registration_m: float
    """Standard deviation of the daily shift."""
    offset_m: tuple[float, float]
    """Constant shift, x and y."""
    gain: tuple[float, ...]
    bias: tuple[float, ...]
    angle: tuple[float, ...]
    """Daily relative standard deviation by view and sun angle, per band."""
    aerosol: tuple[float, ...]
    """Daily standard deviation of the haze, per band."""
    noise: float
    response: str = "gaussian"
    """``gaussian``: a Gaussian averaged over the cell, shifted by the day's gridding; ``scan``:
    the nearest observation, a triangle across the track and a box along it."""
    swath: float = 1.0
    """How much of the widening towards the edge of the swath a day shows; a composite of many
    looks shows little."""
    gridding: float = 0.48
    """Largest distance of an observation from its cell, in cells (``gaussian``)."""
    class_angle: float = 0.0
    """How much of ``angle`` each class of ground has to itself."""
    bandpass: tuple[tuple[float, ...], ...] = ()
    """(class, band) relative difference from the 30 m sensor; () for none."""
    haze_slope: float = 0.0
    """Relative change of the haze from the middle of the world to its edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineSensor:
    """The 30 m sensor with its faults."""

    path_gain: float
    """Relative standard deviation between paths."""
    aerosol: tuple[float, ...]
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything a world draws on."""

    spectra: Mapping[str, Spectrum]
    land: Land
    flood: Flood | None
    coarse: CoarseSensor
    fine: FineSensor
    ratio: int = 16
    """Fine pixels along one side of a coarse cell."""
