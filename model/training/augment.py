"""What is done to the arrays of an example: turns, gains, fewer bands, clouds."""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.block import Array

Bool = NDArray[np.bool_]

SKY_PX, SKIES = 768, 8
SUN_PX = 12
"""Longest way from a cloud to its shadow."""
THIN = MappingProxyType(
    {"blue": 1.0, "green": 0.97, "red": 0.95, "nir08": 0.9, "swir16": 0.6, "swir22": 0.45}
)
"""How much of a thin cloud's blue brightness it has in each band."""
MISSED = (0.02, 0.05)
"""Share of the ground under thin cloud that no mask shows."""
THIN_BRIGHTNESS = (0.02, 0.15)
CLEAR_COARSE = 0.3
CLOUDED_COARSE = (0.0, 0.7)
"""Share of the coarse images without a cloud, and of clouds in the others."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One of the eight ways to lay a square: mirrored along y, along x, then axes exchanged."""

    flip_y: bool = False
    flip_x: bool = False
    swap: bool = False

    def lay(self, array: NDArray[Any]) -> NDArray[Any]:
        """(..., y, x) -> (..., y, x)"""
        laid = array[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(laid.swapaxes(-2, -1) if self.swap else laid)


def draw_layout(rng: np.random.Generator, augment: str) -> Layout:
    """``none``; ``flip``: left to right in half of the examples; ``eight``: any of the eight."""
    if augment == "none":
        return Layout()
    if augment == "flip":
        return Layout(flip_x=bool(rng.random() < 0.5))
    return Layout(*(bool(toss) for toss in rng.random(3) < 0.5))


def draw_gain(rng: np.random.Generator, bands: int) -> Array:
    """(band,) brighter or darker by one factor, and another colour."""
    return (rng.uniform(0.8, 1.25) * rng.uniform(0.9, 1.1, bands)).astype(np.float32)


def draw_bands(rng: np.random.Generator, bands: tuple[str, ...], present: Bool) -> Bool:
    """Which of ``present`` stay: one only in 20 %, green, red and near infrared in 20 %."""
    toss = rng.random()
    there = np.flatnonzero(present)
    kept = np.zeros(len(bands), np.bool_)
    if toss < 0.2:
        kept[rng.choice(there)] = True
    elif toss < 0.4:
        kept[[at for at in there if bands[at] in ("green", "red", "nir08")]] = True
    return kept if kept.any() else present


@dataclass(frozen=True, slots=True)
class Sky:
    """A window of a cloud field: ``rank`` (y, x) uniform in 0 to 1 over the whole field."""

    rank: Array
    """Cloud where it is below the day's share of cloud."""
    sunward: Array
    """The same a little towards the sun, for the shadows."""

    def cloud(self, share: float) -> Bool:
        """(y, x) where the mask says cloud."""
        return self.rank < share

    def seen_through(
        self, image: Array, share: float, thin: Array, rng: np.random.Generator
    ) -> Array:
        """``image`` (band, y, x) under the thin rims that the mask misses, and their shadows;
        ``thin`` (band,) as in ``THIN``."""
        missed = share + rng.uniform(*MISSED)
        rim, shaded = self.rank < missed, self.sunward < missed
        if not (rim | shaded).any():
            return image
        bright, dark = np.exp(rng.uniform(*np.log(THIN_BRIGHTNESS))), rng.uniform(0.05, 0.3)
        shade = image * (1 - dark * (shaded & ~rim))
        return np.asarray(shade + bright * thin[:, None, None] * rim, np.float32)


def draw_sky(rng: np.random.Generator, shape: tuple[int, int], step: int) -> Sky:
    """A window of one of the skies, on pixels of ``step`` fine ones: up to 744 fine pixels wide."""
    field = _skies()[rng.integers(SKIES)]
    room = SKY_PX - 2 * SUN_PX - step * np.array(shape)
    y, x = SUN_PX + rng.integers(0, room + 1)
    dy, dx = rng.integers(3, SUN_PX + 1, 2) * rng.choice((-1, 1), 2)
    height, width = step * shape[0], step * shape[1]
    return Sky(
        field[y : y + height : step, x : x + width : step],
        field[y + dy : y + dy + height : step, x + dx : x + dx + width : step],
    )


@cache
def _skies() -> Array:
    """(sky, y, x) rank of each pixel in fields of power-law spectrum, from ragged to solid.

    The same for every source and process: which part of which sky is drawn is what varies.
    """
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SKY_PX)[:, None], np.fft.rfftfreq(SKY_PX))
    frequency[0, 0] = np.inf
    skies = np.empty((SKIES, SKY_PX, SKY_PX), np.float32)
    for sky, power in zip(skies, np.linspace(1.1, 1.9, SKIES), strict=True):
        waves = rng.standard_normal((2, *frequency.shape)) / frequency**power
        field = np.fft.irfft2(waves[0] + 1j * waves[1], (SKY_PX, SKY_PX))
        sky.ravel()[np.argsort(field, axis=None)] = np.linspace(0, 1, SKY_PX**2, endpoint=False)
    return skies
