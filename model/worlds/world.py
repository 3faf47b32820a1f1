"""A world: the reflectance of the ground on any day, and why it changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.worlds.land import Field, parcels, relief, rough_field
from model.worlds.recipe import Crop, Flood, Recipe

CROP, FOREST, BARE, TOWN = range(4)
NEVER = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ground of a region; ``reflectance(day)`` is what a perfect 30 m sensor would see."""

    recipe: Recipe
    parcel: NDArray[np.int32]
    """(y, x) number of the parcel."""
    cover: NDArray[np.int8]
    """(parcel,) CROP, FOREST, BARE or TOWN."""
    crop: NDArray[np.int8]
    """(parcel,) index of its calendar."""
    shift_days: Field
    """(parcel,) its calendar's own shift."""
    event_day: Field
    """(parcel,) when it burns, is cut, built on or ploughed; NEVER for most."""
    event: NDArray[np.int8]
    """(parcel,) 0 ploughed, 1 cut or cleared, 2 burnt, 3 built on."""
    soil: Field
    """(parcel,) brightness of its ground."""
    height_m: Field
    """(y, x) above the river's banks."""
    vigour: Field
    texture: Field
    """(y, x) factors near 1: of the canopy and of the brightness."""

    @classmethod
    def make(cls, recipe: Recipe, shape: tuple[int, int], seed: int) -> "World":
        """Draw the ground; the same recipe, shape and seed give the same world."""
        rng = np.random.default_rng(seed)
        land = recipe.land
        parcel = parcels(rng, shape, land.parcel_ha, land.division)
        count = int(parcel.max()) + 1
        share = [1 - land.forest - land.bare - land.town, land.forest, land.bare, land.town]
        cover = rng.choice(4, count, p=share).astype(np.int8)
        # Forest and towns come in groups: neighbours in a rough field share their cover.
        patchy = rough_field(rng, shape, 25)[_first_pixels(parcel, count)]
        cover[patchy > np.quantile(patchy, 1 - land.forest)] = FOREST
        cover[patchy < np.quantile(patchy, land.town)] = TOWN
        crop = rng.integers(0, len(land.crops), count).astype(np.int8)
        spread = np.array([c.spread_days for c in land.crops])[crop]
        hit = rng.random(count) < land.events
        shift_days = (rng.standard_normal(count) * spread).astype(np.float32)
        event_day = np.where(hit, rng.uniform(0, 130, count), NEVER).astype(np.float32)
        event = rng.integers(0, 4, count).astype(np.int8)
        soil = rng.lognormal(0, 0.2, count).astype(np.float32)
        height_m = relief(rng, shape, land.relief_m)
        vigour = 1 + 0.6 * land.texture * rough_field(rng, shape, rng.uniform(2, 8))
        grain, patches = rough_field(rng, shape, 1.2), rough_field(rng, shape, 6)
        return cls(
            recipe=recipe,
            parcel=parcel,
            cover=cover,
            crop=crop,
            shift_days=shift_days,
            event_day=event_day,
            event=event,
            soil=soil,
            height_m=height_m,
            vigour=vigour,
            texture=(1 + land.texture * (0.6 * grain + 0.4 * patches)).astype(np.float32),
        )

    def reflectance(self, day: float) -> Field:
        """(band, y, x) surface reflectance, without any sensor's faults."""
        s = self.recipe.spectra
        green, dry, wet = self._canopy(day)
        forest = self.cover == FOREST
        town = (self.cover == TOWN) | ((self.event == 3) & (day >= self.event_day))
        burnt = (self.event == 2) & (day >= self.event_day) & (self.cover != TOWN)
        char = np.where(burnt, np.exp(-np.maximum(day - self.event_day, 0) / 60), 0).astype(
            np.float32
        )

        p = self.parcel
        g = np.clip(green[p] * self.vigour, 0, 1)
        d = np.clip(dry[p] * self.vigour, 0, 1 - g)
        leaf = np.where(forest[:, None], s["needle"], s["green"])
        ground = np.where((self.cover == BARE)[:, None], s["sand"], s["soil"])
        ground = ground * self.soil[:, None] * (1 - 0.3 * wet[:, None])
        ground = np.where(town[:, None], s["roof"] * self.soil[:, None], ground)
        ground += char[:, None] * (s["char"] - ground)
        image = np.stack(
            [g * leaf[:, b][p] + d * s["dry"][b] + (1 - g - d) * ground[:, b][p] for b in range(6)]
        )
        image *= self.texture
        self._add_water(image, day)
        # The 30 m sensor's own blur: edges of parcels are mixed pixels.
        return gaussian_filter(image, (0, 0.45, 0.45)).astype(np.float32)

    def water(self, day: float) -> Field:
        """(y, x) share of the pixel under water."""
        level = flood_level(self.recipe.flood, day)
        return np.clip((level - self.height_m) / 0.15 + 0.5, 0, 1).astype(np.float32)

    def flooded(self, day: float) -> NDArray[np.bool_]:
        """(y, x) under water now, dry ground in ordinary days."""
        return (self.water(day) > 0.5) & (self.height_m > 0)

    def harvested(self, first: float, last: float) -> NDArray[np.bool_]:
        """(y, x) cut or mown between the two days."""
        day = self._harvest_day()
        standing = (self.cover == CROP) & (self.event_day > day)
        return ((day > first) & (day <= last) & standing)[self.parcel]

    def _harvest_day(self) -> Field:
        days = np.array([c.harvest_day for c in self.recipe.land.crops], np.float32)
        return days[self.crop] + self.shift_days

    def _canopy(self, day: float) -> tuple[Field, Field, Field]:
        """Green share, dry share and wetness of each parcel."""
        crops = self.recipe.land.crops
        green = np.zeros(len(self.cover), np.float32)
        dry = np.zeros_like(green)
        for index, crop in enumerate(crops):
            mine = self.crop == index
            green[mine], dry[mine] = canopy(crop, day - self.shift_days[mine])
        forest = self.cover == FOREST
        green[forest], dry[forest] = 0.85 + 0.1 * np.sin((day - 60) / 58), 0.08
        green[self.cover == BARE], dry[self.cover == BARE] = 0.04, 0.05
        town = self.cover == TOWN
        green[town], dry[town] = 0.22 * self.soil[town], 0.05
        gone = (day >= self.event_day) & (self.cover != TOWN)
        for kind, left in ((0, (0.0, 0.02)), (1, (0.08, 0.25)), (2, (0.1, 0.05)), (3, (0.03, 0.0))):
            hit = gone & (self.event == kind)
            green[hit], dry[hit] = left
        wet = np.full_like(green, 0.5 + 0.5 * np.sin(day / 9.0) * np.sin(day / 4.1))
        return green, dry, wet

    def _add_water(self, image: Field, day: float) -> None:
        s, share = self.recipe.spectra, self.water(day)
        ever = self.height_m <= 0
        spectrum = np.where(ever, s["water"][:, None, None], s["turbid"][:, None, None])
        image += share * (spectrum - image)
        # Ground that fell dry stays dark and silty for some days.
        past = np.stack([self.water(day - back) for back in (2, 5, 9)])
        drying = np.clip((past * np.array([0.35, 0.2, 0.1])[:, None, None]).max(0) - share, 0, 1)
        image *= 1 - drying * (1 - ever)


def canopy(crop: Crop, day: Field) -> tuple[Field, Field]:
    """Green and dry share of the ground under a crop, by the day of its own calendar."""
    growth = crop.canopy / (1 + np.exp(-(day - crop.greenup_day) / 6))
    after = day - crop.harvest_day
    if crop.mown:
        again = np.clip(1 - 0.75 * np.exp(-np.maximum(after, 0) / 14), 0, 1)
        left = np.where(after > 0, again, 1.0)
        return (growth * left).astype(np.float32), np.where(after > 0, 0.12, 0.06).astype("f4")
    ripe = 1 / (1 + np.exp(-(day - crop.senescence_day) / 4))
    green, dry = growth * (1 - ripe), 0.85 * growth * ripe
    stubble = np.where(after > 18, 0.04, 0.45)
    return (
        np.where(after > 0, 0.03, green).astype(np.float32),
        np.where(after > 0, stubble, dry).astype(np.float32),
    )


def flood_level(flood: Flood | None, day: float) -> float:
    """Metres above the banks; 0 in ordinary days."""
    if flood is None:
        return 0.0
    since = day - flood.start_day
    crest = flood.start_day + flood.rise_days
    falling = day - crest - flood.stay_days
    if since <= 0:
        return 0.0
    if day <= crest:
        return flood.crest_m * float(np.sin(np.pi / 2 * since / flood.rise_days))
    if falling <= 0:
        if flood.shape == "double":  # down to a third and up again while it stays
            return flood.crest_m * (
                2 / 3 + float(np.cos(2 * np.pi * (day - crest) / flood.stay_days)) / 3
            )
        return flood.crest_m
    return flood.crest_m * float(np.exp(-falling / flood.fall_days))


def _first_pixels(parcel: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], ...]:
    first = np.unique(parcel, return_index=True)[1]
    assert len(first) == count
    return np.unravel_index(first, parcel.shape)
