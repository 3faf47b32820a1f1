"""Draw the recipe of a training world: every property anew, from the ranges found in the field.

Two generators that share the ranges and little else: models are trained on ``train`` and chosen on
``other``.

| | ``train`` | ``other`` |
|---|---|---|
| fields | cells around scattered points | rectangles, bent strips, irrigated circles |
| crops | logistic rise and fall | bells |
| water | a river and a lake; floods with a crest | ponds in basins; floods in straight lines |
| daily coarse pixel | Gaussian, averaged over its cell | nearest observation, triangle by box |
| haze | even | with a gradient |

Both keep away from the demo (``model.worlds.held_out``).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from model.worlds import held_out
from model.worlds.land import PIXEL_M
from model.worlds.recipe import CoarseSensor, Crop, FineSensor, Flood, Land, Recipe
from model.worlds.sensor import CLASSES
from model.worlds.spectra import TYPICAL, Spectrum, draw
from model.worlds.world import PERIOD_DAYS

T = TypeVar("T")

GENERATORS = ("train", "other")
RATIOS = (6, 20)
USUAL_RATIO = 16
"""Cells of 480 m, those of the product; two worlds in five have them."""
MAX_DRAWS = 1000


def recipe(rng: np.random.Generator, generator: str = "train") -> Recipe:
    """A world of the ``train`` or the ``other`` generator."""
    spectra = {kind: _spectrum(rng, kind) for kind in TYPICAL}
    low, high = RATIOS
    drawn = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
    ratio = USUAL_RATIO if rng.random() < 0.4 else drawn
    return Recipe(
        spectra=spectra,
        land=_land(rng, generator),
        flood=_flood(rng, generator),
        coarse=coarse_sensor(rng, generator, ratio),
        fine=fine_sensor(rng),
        ratio=ratio,
    )


def fine_sensor(rng: np.random.Generator) -> FineSensor:
    """Two paths of the 30 m sensor differ by 3 to 8 %: each is off by 1 / sqrt(2) of that."""
    return FineSensor(
        path_gain=rng.uniform(0.03, 0.08) / np.sqrt(2),
        aerosol=_aerosol(rng, 0.4),
        noise=rng.uniform(0.001, 0.003),
    )


def coarse_sensor(rng: np.random.Generator, generator: str, ratio: int) -> CoarseSensor:
    """A daily sensor with cells of ``ratio`` fine pixels."""
    return _again(lambda: _coarse(rng, generator, ratio), held_out.too_near_sensor)


def _again(make: Callable[[], T], reject: Callable[[T], bool]) -> T:
    for _ in range(MAX_DRAWS):
        made = make()
        if not reject(made):
            return made
    raise RuntimeError(f"{MAX_DRAWS} draws were all too near the demo's")


def _spectrum(rng: np.random.Generator, kind: str) -> Spectrum:
    return _again(lambda: draw(rng, kind), lambda s: held_out.too_near_spectrum(kind, s))


def _land(rng: np.random.Generator, generator: str) -> Land:
    other = generator == "other"
    count = int(rng.integers(3, 8))
    crops = tuple(
        _again(lambda: _crop(rng, "bell" if other else "logistic"), held_out.too_near_crop)
        for _ in range(count)
    )
    forest, bare, town = rng.dirichlet((1.5, 0.7, 0.7, 5))[:3]
    return Land(
        division=str(rng.choice(("split", "strips", "pivots"))) if other else "voronoi",
        parcel_ha=_parcel_ha(rng),
        crops=crops,
        forest=forest,
        bare=bare,
        town=town,
        texture=rng.uniform(0.03, 0.10),
        events=rng.uniform(0, 0.15),
        relief_m=float(np.exp(rng.uniform(np.log(1.0), np.log(12)))),
        relief="basins" if other else "river",
        fallow=rng.uniform(0, 0.25),
        zoning=rng.uniform(0, 0.95),
        episodes=rng.uniform(0, 0.5),
    )


def _parcel_ha(rng: np.random.Generator) -> float:
    """Four in ten have fields below 5 ha, of which the coarse sensor sees mixtures only; three in
    ten fields about as large as its cells, each with an edge to be found (Salton Sea)."""
    low, high = ((0.3, 5), (5, 30), (20, 120))[rng.choice(3, p=(0.4, 0.3, 0.3))]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _crop(rng: np.random.Generator, curve: str) -> Crop:
    greenup = rng.uniform(-60, PERIOD_DAYS)
    length = rng.uniform(45, 120)
    mown = rng.random() < 0.25
    twice = not mown and rng.random() < 0.2
    return Crop(
        greenup_day=greenup,
        senescence_day=greenup + length,
        harvest_day=rng.uniform(0, PERIOD_DAYS) if mown else greenup + length + rng.uniform(3, 22),
        canopy=rng.uniform(0.55, 0.98),
        spread_days=float(np.exp(rng.uniform(np.log(5), np.log(30)))),
        mown=mown,
        rise_days=rng.uniform(3, 12),
        fall_days=rng.uniform(2.5, 9),
        second_after_days=rng.uniform(15, 45) if twice else None,
        curve=curve,
    )


def _flood(rng: np.random.Generator, generator: str) -> Flood | None:
    if rng.random() < 0.4:
        return None
    shape = "plateau" if rng.random() < 0.4 else "single"
    if generator == "other":
        shape = "linear"
    return Flood(
        shape=shape,
        start_day=rng.uniform(-10, PERIOD_DAYS * 0.8),
        rise_days=rng.uniform(1, 10),
        stay_days=0.0 if shape == "single" else rng.uniform(0, 20),
        fall_days=rng.uniform(2, 14),
        crest_m=rng.uniform(0.5, 4),
    )


def _coarse(rng: np.random.Generator, generator: str, ratio: int) -> CoarseSensor:
    """Ranges of a 480 m cell, in proportion for others; registration is the satellite's."""
    other = generator == "other"
    size = ratio * PIXEL_M / 480
    far = rng.random() < 0.1
    turn, length = (
        rng.uniform(0, 2 * np.pi),
        size * rng.uniform(250 if far else 0, 550 if far else 250),
    )
    # Half of the sensors are sharp, as the real sets' are: their blur beyond the cell's own box
    # has a sigma of .05 to .3 cells (measured: 0 to .5).
    sharp = rng.random() < 0.5
    across, along = ((60, 340), (60, 340)) if sharp else ((350, 1000), (350, 800))
    # Seven worlds in ten have a product of nadir reflectance, a composite of many looks: 2 %, and
    # several observations average within a cell: its footprint hardly changes from day to day.
    nbar = rng.random() < 0.7
    # Daily product: red 3-8 %, near infrared 3-7 % by view and sun angle.  The literature's 5-12 %
    # made linear interpolation better than any use of the coarse images; on the real sets it is
    # worse from gaps of ten days on.
    low, high = np.array([(6, 5, 5, 4, 4, 4), (14, 12, 12, 10, 10, 11)]) / 100
    angle = (
        np.full(6, rng.uniform(0.005, 0.02)) if nbar else 0.7 * (low + rng.random() * (high - low))
    )
    return CoarseSensor(
        fwhm_across_m=size * rng.uniform(*across),
        fwhm_along_m=size * rng.uniform(*along),
        registration_m=rng.uniform(10, 30) if nbar else rng.uniform(35, 65),
        offset_m=(length * np.cos(turn), length * np.sin(turn)),
        gain=tuple(rng.uniform(0.65, 1.05) * rng.normal(1, 0.05, 6)),
        bias=tuple(np.clip(rng.uniform(-0.01, 0.08) + rng.normal(0, 0.015, 6), -0.02, 0.11)),
        angle=tuple(angle * rng.uniform(0.85, 1.15, 6)),
        aerosol=_aerosol(rng, 0.4 if nbar else 1.0),
        noise=(0.5 if nbar else 1.0) * float(np.exp(rng.uniform(np.log(0.001), np.log(0.01)))),
        gridding=rng.uniform(0, 0.15) if nbar else 0.48,
        swath=rng.uniform(0, 0.3) if nbar else 1.0,
        response="scan" if other and not nbar else "gaussian",
        class_angle=rng.uniform(0.2, 0.5),
        bandpass=tuple(map(tuple, rng.uniform(-0.05, 0.05, (len(CLASSES), 6)))),
        haze_slope=rng.uniform(0.2, 0.8) if other else 0.0,
    )


def _aerosol(rng: np.random.Generator, share: float) -> tuple[float, ...]:
    low = np.array([0.005, 0.004, 0.003, 0.002, 0.001, 0.001])
    high = np.array([0.015, 0.011, 0.008, 0.005, 0.003, 0.002])
    return tuple(share * rng.uniform(low, high))
