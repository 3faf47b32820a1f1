"""A world: the reflectance of the ground on any day, and why it changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.worlds.canopy import canopy, flood_level
from model.worlds.land import Field, parcels, relief, rough_field
from model.worlds.recipe import Recipe

CROP, FOREST, BARE, TOWN = range(4)
NEVER = 10_000.0
PERIOD_DAYS = 130
"""Days from 0 on within which floods, events and episodes begin."""


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
    fallow: NDArray[np.bool_]
    """(parcel,) nothing was sown."""
    episode_day: Field
    episode_days: Field
    """(parcel,) when it changes for a while, NEVER for most, and for how long."""
    episode: NDArray[np.int8]
    """(parcel,) 0 irrigated, 1 wilted, 2 grazed, 3 covered."""
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
        event_day = np.where(hit, rng.uniform(0, PERIOD_DAYS, count), NEVER).astype(np.float32)
        event = rng.integers(0, 4, count).astype(np.int8)
        soil = rng.lognormal(0, 0.2, count).astype(np.float32)
        height_m = relief(rng, shape, land.relief_m, land.relief)
        vigour = 1 + 0.6 * land.texture * rough_field(rng, shape, rng.uniform(2, 8))
        grain, patches = rough_field(rng, shape, 1.2), rough_field(rng, shape, 6)
        # A stream of its own: what is drawn above does not depend on it.
        more = np.random.default_rng([seed, 1])
        if land.zoning:
            zone, ground = (
                rough_field(more, shape, 60)[_first_pixels(parcel, count)] for _ in "zg"
            )
            zoned = more.random(count) < land.zoning
            rank = np.searchsorted(np.sort(zone), zone) / count
            crop = np.where(zoned, rank * len(land.crops), crop).astype(np.int8)
            soil = np.clip(soil * np.exp(0.5 * land.zoning * ground), 0.4, 1.8).astype(np.float32)
        fallow = more.random(count) < land.fallow
        turned = more.random(count) < land.episodes
        episode_day = np.where(turned, more.uniform(-10, PERIOD_DAYS, count), NEVER)
        return cls(
            recipe=recipe,
            parcel=parcel,
            cover=cover,
            crop=crop,
            shift_days=shift_days,
            event_day=event_day,
            event=event,
            soil=soil,
            fallow=fallow,
            episode_day=episode_day.astype(np.float32),
            episode_days=np.exp(more.uniform(np.log(5), np.log(40), count)).astype(np.float32),
            episode=more.integers(0, 4, count).astype(np.int8),
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
        if self.recipe.land.episodes:
            self._add_episodes(image, day)
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
        standing = (self.cover == CROP) & (self.event_day > day) & ~self.fallow
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
        green[self.fallow], dry[self.fallow] = 0.06, 0.12
        strength = self._episode(day)
        for kind, lost, dried in ((1, 0.65, 0.4), (2, 0.55, 0.0)):
            share = lost * strength * (self.episode == kind)
            dry += dried * share * green
            green *= 1 - share
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

    def _episode(self, day: float) -> Field:
        """(parcel,) 0 to 1, how far its episode is under way: two days in, two days out."""
        since = day - self.episode_day
        inside = np.minimum(since / 2, (self.episode_days - since) / 2)
        return np.asarray(np.clip(inside, 0, 1), np.float32)

    def _add_episodes(self, image: Field, day: float) -> None:
        """Water on irrigated fields, bright film on covered ones."""
        strength = self._episode(day) * (self.cover == CROP)
        for kind, spectrum, share in ((0, "water", 0.7), (3, "sand", 0.5)):
            part = share * (strength * (self.episode == kind))[self.parcel]
            if part.any():
                image += part * (self.recipe.spectra[spectrum][:, None, None] - image)

    def _add_water(self, image: Field, day: float) -> None:
        s, share = self.recipe.spectra, self.water(day)
        ever = self.height_m <= 0
        spectrum = np.where(ever, s["water"][:, None, None], s["turbid"][:, None, None])
        image += share * (spectrum - image)
        # Ground that fell dry stays dark and silty for some days.
        past = np.stack([self.water(day - back) for back in (2, 5, 9)])
        drying = np.clip((past * np.array([0.35, 0.2, 0.1])[:, None, None]).max(0) - share, 0, 1)
        image *= 1 - drying * (1 - ever)


def _first_pixels(parcel: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], ...]:
    first = np.unique(parcel, return_index=True)[1]
    assert len(first) == count
    return np.unravel_index(first, parcel.shape)
