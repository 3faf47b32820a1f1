"""Real textures with simulated change: the fields of a real image, on a simulated calendar.

An image is cut into parcels along its own edges.  Each parcel keeps its inner texture, its pixels
over its mean, while its mean wanders towards the spectra of other parcels of the same image: in
groups that are alike, as crops are, a few at once (events), some there and back, some under water.
So shapes, sizes and spectra are real, and the truth of every day is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, mean, watershed_ift

from model.block import Array
from model.upsample import fill_nearest
from model.worlds.canopy import flood_level
from model.worlds.land import Field, relief
from model.worlds.recipe import CoarseSensor, FineSensor, Flood
from model.worlds.spectra import BANDS, TYPICAL
from model.worlds.world import NEVER, PERIOD_DAYS

GROUPS = 6
CONTRAST = (0.5, 2.0)
"""A pixel over its parcel's mean is kept within these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """A real image."""

    name: str
    bands: tuple[str, ...]
    image: Array
    """(band, y, x) reflectance, NaN unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TexturedGround:
    """A window of a texture; ``reflectance(day)`` as of ``model.worlds.world.World``."""

    parcel: NDArray[np.int32]
    """(y, x) from 0."""
    texture: Array
    """(band, y, x) factors near 1."""
    own: Array
    """(band, parcel) spectrum at first,"""
    goal: Array
    """(band, parcel) where its season goes,"""
    struck: Array
    """(band, parcel) and what an event makes of it."""
    begins: Field
    rises_days: Field
    returns: Field
    """(parcel,) middle of the change to the goal, its time scale, middle of the way back."""
    event_day: Field
    """(parcel,) NEVER for most."""
    height_m: Field
    """(y, x) above the water."""
    turbid: Array
    """(band,)"""
    flood: Flood | None

    @classmethod
    def make(
        cls,
        texture: Texture,
        size: int,
        flood: Flood | None,
        relief_m: float,
        rng: np.random.Generator,
    ) -> "TexturedGround":
        """Draw a window of at most ``size`` pixels and everything that happens to it."""
        image = _window(texture.image, size, rng)
        parcel = segments(image, rng)
        own = _means(image, parcel)
        count = own.shape[1]
        group = kmeans2(
            own.T / own.std(1).clip(1e-3),
            min(GROUPS, count),
            minit="++",
            rng=rng,
            missing="warn",
        )[1]
        # A group turns into another, at about the same time; where it goes is drawn per parcel.
        target, middle = rng.integers(0, GROUPS, GROUPS), rng.uniform(0, PERIOD_DAYS, GROUPS)
        share, back = rng.uniform(0, 1, GROUPS), rng.random(GROUPS) < 0.4
        goal = own[:, _members(group, target[group], rng)]
        goal = own + share[group] * rng.uniform(0.6, 1, count) * (goal - own)
        begins = middle[group] + rng.uniform(5, 15) * rng.standard_normal(count)
        returns = np.where(back[group], begins + rng.uniform(10, 60, count), NEVER)
        hit = rng.random(count) < rng.uniform(0, 0.15)
        bands = [BANDS.index(band) for band in texture.bands]
        return cls(
            parcel=parcel,
            texture=np.clip(image / np.maximum(own, 0.005)[:, parcel], *CONTRAST),
            own=own,
            goal=goal.astype(np.float32),
            struck=own[:, rng.integers(0, count, count)],
            begins=begins.astype(np.float32),
            rises_days=rng.uniform(1, 12, GROUPS)[group].astype(np.float32),
            returns=returns.astype(np.float32),
            event_day=np.where(hit, rng.uniform(0, PERIOD_DAYS, count), NEVER).astype(np.float32),
            height_m=relief(rng, image.shape[1:], relief_m, str(rng.choice(("river", "basins")))),
            turbid=np.array(TYPICAL["turbid"], np.float32)[bands],
            flood=flood,
        )

    def reflectance(self, day: float) -> Array:
        """(band, y, x)"""
        there = _logistic((day - self.begins) / self.rises_days)
        back = _logistic((day - self.returns) / self.rises_days)
        mean_of = self.own + there * (1 - back) * (self.goal - self.own)
        mean_of = np.where(day >= self.event_day, self.struck, mean_of)
        image = mean_of[:, self.parcel] * self.texture
        level = flood_level(self.flood, day)
        wet = np.clip((level - np.maximum(self.height_m, 0)) / 0.15 + 0.5, 0, 1)
        wet = wet * np.clip(level / 0.15, 0, 1)
        return np.asarray(image + wet * (self.turbid[:, None, None] - image), np.float32)


def segments(image: Array, rng: np.random.Generator) -> NDArray[np.int32]:
    """Number each pixel's parcel from 0: watersheds of the image's gradient, from seeds in its
    even places, 12 to 60 pixels a parcel."""
    scale = np.maximum(image.std((1, 2), keepdims=True), 1e-3)
    smooth = gaussian_filter(image / scale, (0, 0.7, 0.7))
    edge = np.sqrt(sum(gaussian_gradient_magnitude(band, 0.7) ** 2 for band in smooth))
    y, x = edge.shape
    side = int(rng.integers(3, 8))
    markers = np.zeros((y, x), np.int32)
    number = 0
    for top in range(0, y, side):
        for left in range(0, x, side):
            box = edge[top : top + side, left : left + side]
            row, col = np.unravel_index(int(box.argmin()), box.shape)
            number += 1
            markers[top + row, left + col] = number
    steep = np.clip(edge / np.quantile(edge, 0.99) * 60_000, 0, 65_535).astype(np.uint16)
    return np.asarray(watershed_ift(steep, markers) - 1, np.int32)


def of_bands(
    coarse: CoarseSensor, fine: FineSensor, bands: Sequence[str]
) -> tuple[CoarseSensor, FineSensor]:
    """The sensors with ``bands`` only."""
    at = [BANDS.index(band) for band in bands]

    def cut(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[band] for band in at)

    return (
        replace(
            coarse,
            gain=cut(coarse.gain),
            bias=cut(coarse.bias),
            angle=cut(coarse.angle),
            aerosol=cut(coarse.aerosol),
            bandpass=tuple(map(cut, coarse.bandpass)),
        ),
        replace(fine, aerosol=cut(fine.aerosol)),
    )


def _window(image: Array, size: int, rng: np.random.Generator) -> Array:
    """A square of the image in one of four turns; holes take their nearest known pixel."""
    side = min(size, *image.shape[1:])
    y, x = (int(rng.integers(0, n - side + 1)) for n in image.shape[1:])
    window = fill_nearest(image[:, y : y + side, x : x + side].astype(np.float32))
    return np.ascontiguousarray(np.rot90(window, int(rng.integers(4)), (1, 2)))


def _means(image: Array, parcel: NDArray[np.int32]) -> Array:
    index = np.arange(int(parcel.max()) + 1)
    return np.stack([mean(band, parcel, index) for band in image]).astype(np.float32)


def _members(
    group: NDArray[np.int32], wanted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """For each parcel one of the parcels of its ``wanted`` group, itself where that is empty."""
    chosen = np.arange(len(group))
    for number in np.unique(wanted):
        members = np.flatnonzero(group == number)
        if members.size:
            mine = wanted == number
            chosen[mine] = rng.choice(members, int(mine.sum()))
    return chosen


def _logistic(x: Field) -> Field:
    return np.asarray(1 / (1 + np.exp(np.clip(-x, -80, 80))), np.float32)
