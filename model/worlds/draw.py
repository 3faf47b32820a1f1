"""Draw the recipe of a training world: every property anew, from the ranges found in the field.

Two generators: ``train``, and ``other``, on which models are chosen: rectangles for fields, floods
that stay, and a wider point spread.  Both keep away from the demo (``model.worlds.held_out``).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from model.worlds import held_out
from model.worlds.recipe import CoarseSensor, Crop, FineSensor, Flood, Land, Recipe
from model.worlds.spectra import TYPICAL, Spectrum, draw

T = TypeVar("T")

PERIOD_DAYS = 130
MAX_DRAWS = 1000


def recipe(rng: np.random.Generator, generator: str = "train") -> Recipe:
    """A world of the ``train`` or the ``other`` generator."""
    spectra = {kind: _spectrum(rng, kind) for kind in TYPICAL}
    return Recipe(
        spectra=spectra,
        land=_land(rng, generator),
        flood=_flood(rng, generator),
        coarse=_again(lambda: _coarse(rng, generator), held_out.too_near_sensor),
        fine=FineSensor(
            path_gain=rng.uniform(0.01, 0.05),
            aerosol=_aerosol(rng, 0.4),
            noise=rng.uniform(0.001, 0.003),
        ),
    )


def _again(make: Callable[[], T], reject: Callable[[T], bool]) -> T:
    for _ in range(MAX_DRAWS):
        made = make()
        if not reject(made):
            return made
    raise RuntimeError(f"{MAX_DRAWS} draws were all too near the demo's")


def _spectrum(rng: np.random.Generator, kind: str) -> Spectrum:
    return _again(lambda: draw(rng, kind), lambda s: held_out.too_near_spectrum(kind, s))


def _land(rng: np.random.Generator, generator: str) -> Land:
    count = int(rng.integers(3, 8))
    crops = tuple(_again(lambda: _crop(rng), held_out.too_near_crop) for _ in range(count))
    forest, bare, town = rng.dirichlet((1.5, 0.7, 0.7, 5))[:3]
    return Land(
        division="split" if generator == "other" else "voronoi",
        parcel_ha=_parcel_ha(rng),
        crops=crops,
        forest=forest,
        bare=bare,
        town=town,
        texture=rng.uniform(0.03, 0.10),
        events=rng.uniform(0, 0.15),
        relief_m=float(np.exp(rng.uniform(np.log(1.0), np.log(12)))),
    )


def _parcel_ha(rng: np.random.Generator) -> float:
    """Half of the worlds have fields below 5 ha: there the coarse sensor sees mixtures only."""
    low, high = (0.3, 5) if rng.random() < 0.5 else (5, 30)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _crop(rng: np.random.Generator) -> Crop:
    greenup = rng.uniform(-60, PERIOD_DAYS)
    length = rng.uniform(45, 120)
    mown = rng.random() < 0.25
    return Crop(
        greenup_day=greenup,
        senescence_day=greenup + length,
        harvest_day=rng.uniform(0, PERIOD_DAYS) if mown else greenup + length + rng.uniform(3, 22),
        canopy=rng.uniform(0.55, 0.98),
        spread_days=rng.uniform(5, 15),
        mown=mown,
    )


def _flood(rng: np.random.Generator, generator: str) -> Flood | None:
    if rng.random() < 0.4:
        return None
    shape = "plateau" if generator == "other" or rng.random() < 0.4 else "single"
    return Flood(
        shape=shape,
        start_day=rng.uniform(0, PERIOD_DAYS * 0.6),
        rise_days=rng.uniform(1, 10),
        stay_days=rng.uniform(0, 20) * (shape == "plateau"),
        fall_days=rng.uniform(2, 14),
        crest_m=rng.uniform(0.5, 4),
    )


def _coarse(rng: np.random.Generator, generator: str) -> CoarseSensor:
    far = rng.random() < 0.1
    turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(0, 550 if far else 250)
    residual = float(np.exp(rng.uniform(np.log(0.02), np.log(0.10))))
    per_band = rng.uniform(0.6, 1.3, 6)
    wide = 1.15 if generator == "other" else 1.0
    return CoarseSensor(
        fwhm_across_m=rng.uniform(350, 1000) * wide,
        fwhm_along_m=rng.uniform(350, 800),
        registration_m=rng.uniform(20, 60),
        offset_m=(length * np.cos(turn), length * np.sin(turn)),
        gain=tuple(rng.uniform(0.65, 1.05) * rng.normal(1, 0.05, 6)),
        bias=tuple(np.clip(rng.uniform(-0.01, 0.08) + rng.normal(0, 0.015, 6), -0.02, 0.11)),
        angle=tuple(residual * per_band),
        aerosol=_aerosol(rng, 1.0),
        noise=rng.uniform(0.001, 0.006),
    )


def _aerosol(rng: np.random.Generator, share: float) -> tuple[float, ...]:
    low = np.array([0.005, 0.004, 0.003, 0.002, 0.001, 0.001])
    high = np.array([0.015, 0.011, 0.008, 0.005, 0.003, 0.002])
    return tuple(share * rng.uniform(low, high))
