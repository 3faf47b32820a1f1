"""How the two sensors see a world: blurred, shifted, tinted, hazed, noisy."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.worlds.land import PIXEL_M, Field, rough_field
from model.worlds.recipe import CoarseSensor, FineSensor

SIGMA_PER_FWHM = 1 / 2.3548
MOSAIC = 4
"""Fine pixels averaged before the blur; 120 m is fine enough for a 350 m point spread."""

GRIDDING_M = 230.0
"""Observations lie within half a 500 m cell of the cell they are given to."""

ALONG, ACROSS = 1.0, 3.8
"""How much longer a pixel is at the edge of the swath: x2 along the track, x4.8 across."""


def see_fine(truth: Field, sensor: FineSensor, rng: np.random.Generator) -> Field:
    """One pass of the 30 m sensor over ``truth`` (band, y, x)."""
    bands = len(truth)
    gain = 1 + sensor.path_gain * (0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(bands))
    haze = np.array(sensor.aerosol) * rng.standard_normal()
    noise = sensor.noise * rng.standard_normal(truth.shape)
    return (truth * gain[:, None, None] + haze[:, None, None] + noise).astype(np.float32)


def blur(truth: Field, sensor: CoarseSensor, rng: np.random.Generator) -> Field:
    """The day's point spread and shift, on pixels of ``MOSAIC`` fine ones (band, y/4, x/4)."""
    edge = rng.beta(1, 2) ** 2  # 0 at nadir; most days lie in the inner half of the swath
    sigma = np.array([sensor.fwhm_along_m, sensor.fwhm_across_m]) * (
        1 + edge * np.array([ALONG, ACROSS])
    )
    shift = (
        np.array(sensor.offset_m[::-1])
        + sensor.registration_m * rng.standard_normal(2)
        + rng.uniform(-GRIDDING_M, GRIDDING_M, 2)
    )
    moved = _shift(truth, *np.round(shift / PIXEL_M).astype(int))
    bands, y, x = moved.shape
    small = moved.reshape(bands, y // MOSAIC, MOSAIC, x // MOSAIC, MOSAIC).mean((2, 4))
    pixels = sigma * SIGMA_PER_FWHM / (PIXEL_M * MOSAIC)
    return gaussian_filter(small, (0, *pixels), mode="nearest")


def tint(seen: Field, sensor: CoarseSensor, rng: np.random.Generator) -> Field:
    """Gain, bias, view angle, haze and noise of the day."""
    bands = len(seen)
    angle = np.array(sensor.angle) * (
        0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(bands)
    )
    haze = np.array(sensor.aerosol) * rng.standard_normal()
    gain = np.array(sensor.gain) * (1 + angle)
    noise = sensor.noise * rng.standard_normal(seen.shape)
    bias = np.array(sensor.bias) + haze
    return (seen * gain[:, None, None] + bias[:, None, None] + noise).astype(np.float32)


def see_coarse(truth: Field, sensor: CoarseSensor, ratio: int, rng: np.random.Generator) -> Field:
    """One day of the coarse sensor, (band, y / ratio, x / ratio); ratio a multiple of 4."""
    seen = blur(truth, sensor, rng)
    bands, y, x = seen.shape
    k = ratio // MOSAIC
    cells = seen.reshape(bands, y // k, k, x // k, k).mean((2, 4))
    return tint(cells, sensor, rng)


def cloud_mask(
    rng: np.random.Generator, shape: tuple[int, int], clear: float, size_px: float
) -> NDArray[np.bool_]:
    """True under cloud; about 1 - ``clear`` of the area, rags of many sizes."""
    field = sum(
        weight * rough_field(rng, shape, size_px / scale)
        for scale, weight in ((1, 1.0), (3, 0.5), (8, 0.25))
    )
    return np.asarray(field > np.quantile(field, min(max(clear, 0.0), 1.0)))


def _shift(image: Field, rows: int, cols: int) -> Field:
    padded = np.pad(image, ((0, 0), (abs(rows),) * 2, (abs(cols),) * 2), mode="edge")
    y, x = image.shape[1:]
    top, left = abs(rows) - rows, abs(cols) - cols
    return padded[:, top : top + y, left : left + x]
