"""How the two sensors see a world: blurred, shifted, tinted, hazed, noisy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from model.worlds.land import PIXEL_M, Field, rough_field
from model.worlds.recipe import CoarseSensor, FineSensor
from model.worlds.spectra import BANDS

SIGMA_PER_FWHM = 1 / 2.3548

ALONG, ACROSS = 1.0, 3.8
"""How much longer a pixel is at the edge of the swath: x2 along the track, x4.8 across."""

CLASSES = ("vegetation", "water", "bare")

_FAR_M = 1e7


def see_fine(truth: Field, sensor: FineSensor, rng: np.random.Generator) -> Field:
    """One pass of the 30 m sensor over ``truth`` (band, y, x)."""
    bands = len(truth)
    gain = 1 + sensor.path_gain * (0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(bands))
    haze = np.array(sensor.aerosol) * rng.standard_normal()
    noise = sensor.noise * rng.standard_normal(truth.shape)
    return (truth * gain[:, None, None] + haze[:, None, None] + noise).astype(np.float32)


def see_coarse(
    truth: Field,
    sensor: CoarseSensor,
    ratio: int,
    rng: np.random.Generator,
    bands: Sequence[str] = BANDS,
) -> Field:
    """One day of the coarse sensor: (band, y, x) -> (band, y // ratio, x // ratio)."""
    return tint(footprint(by_class(truth, sensor, rng, bands), sensor, ratio, rng), sensor, rng)


def by_class(
    truth: Field, sensor: CoarseSensor, rng: np.random.Generator, bands: Sequence[str]
) -> Field:
    """``truth`` as the other bandpass and the day's angle change vegetation, water and soil."""
    angle = sensor.class_angle * np.array(sensor.angle) * rng.standard_normal((len(CLASSES), 1))
    effect = angle + np.array(sensor.bandpass) if sensor.bandpass else angle
    if not effect.any():
        return truth
    shares = class_shares(truth, bands)
    factor = 1 + np.tensordot(effect.astype(np.float32), shares, (0, 0))
    return np.asarray(truth * factor, np.float32)


def class_shares(image: Field, bands: Sequence[str]) -> Field:
    """(class, y, x) how much a pixel is vegetation, water or bare; sums to 1.

    By the normalised difference of near infrared and red and by the near infrared alone, as far as
    the image has these bands.
    """
    nothing = np.zeros(image.shape[1:], np.float32)
    if "nir08" not in bands:
        return np.stack([nothing, nothing, nothing + 1])
    nir = image[bands.index("nir08")]
    if "red" in bands:
        red = image[bands.index("red")]
        green = np.clip(((nir - red) / np.maximum(nir + red, 0.02) - 0.15) / 0.55, 0, 1)
    else:
        green = np.clip((nir - 0.15) / 0.25, 0, 1)
    water = np.clip((0.12 - nir) / 0.06, 0, 1) * (1 - green)
    return np.stack([green, water, 1 - green - water]).astype(np.float32)


def footprint(truth: Field, sensor: CoarseSensor, ratio: int, rng: np.random.Generator) -> Field:
    """Each cell's average of the ground under the day's observation of it.

    Separable: the response is integrated over each fine pixel along one axis and the other, so
    shifts need not be whole pixels.  What lies outside the world is taken from its edge.
    """
    edge = (
        sensor.swath * rng.beta(1, 2) ** 2
    )  # 0 at nadir; most days lie in the inner half of the swath
    fwhm = np.array([sensor.fwhm_along_m, sensor.fwhm_across_m]) * (
        1 + edge * np.array([ALONG, ACROSS])
    )
    shift = np.array(sensor.offset_m[::-1]) + sensor.registration_m * rng.standard_normal(2)
    cell = ratio * PIXEL_M
    weights = []
    for axis, pixels in enumerate(truth.shape[1:]):
        centres = (np.arange(pixels // ratio) + 0.5) * cell
        if sensor.response == "gaussian":
            centres = centres + shift[axis] + sensor.gridding * cell * rng.uniform(-1, 1)
            weights.append(_weights(pixels, centres, "gaussian", fwhm[axis], cell))
        else:
            pitch = fwhm[axis]
            phase = rng.uniform(0, pitch)
            centres = phase + np.round((centres - phase) / pitch) * pitch + shift[axis]
            shape = "triangle" if axis else "box"
            weights.append(_weights(pixels, centres, shape, pitch, cell))
    rows, cols = weights
    return np.asarray(rows @ truth @ cols.T, np.float32)


def tint(seen: Field, sensor: CoarseSensor, rng: np.random.Generator) -> Field:
    """Gain, bias, view angle, haze and noise of the day."""
    bands = len(seen)
    angle = np.array(sensor.angle) * (
        0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(bands)
    )
    haze = (np.array(sensor.aerosol) * rng.standard_normal())[:, None, None]
    gain = np.array(sensor.gain) * (1 + angle)
    noise = sensor.noise * rng.standard_normal(seen.shape)
    if sensor.haze_slope:
        haze = haze * (1 + sensor.haze_slope * _ramp(seen.shape[1:], rng))
    bias = np.array(sensor.bias)[:, None, None] + haze
    return np.asarray(seen * gain[:, None, None] + bias + noise, np.float32)


def cloud_mask(
    rng: np.random.Generator, shape: tuple[int, int], clear: float, size_px: float
) -> NDArray[np.bool_]:
    """True under cloud; about 1 - ``clear`` of the area, rags of many sizes."""
    field = sum(
        weight * rough_field(rng, shape, size_px / scale)
        for scale, weight in ((1, 1.0), (3, 0.5), (8, 0.25))
    )
    return np.asarray(field > np.quantile(field, min(max(clear, 0.0), 1.0)))


def _weights(
    pixels: int, centres: NDArray[np.float64], shape: str, fwhm: float, cell: float
) -> Field:
    """(cell, pixel) share of each fine pixel in each cell's response; rows sum to 1."""
    edges = np.arange(pixels + 1) * PIXEL_M
    edges[0], edges[-1] = -_FAR_M, _FAR_M
    at = edges - centres[:, None]
    if shape == "gaussian":
        sigma = max(fwhm * SIGMA_PER_FWHM, 1e-3)
        below = (_ramped(at + cell / 2, sigma) - _ramped(at - cell / 2, sigma)) / cell
    elif shape == "box":
        below = np.clip(at / fwhm + 0.5, 0, 1)
    else:
        u = np.clip(at / fwhm, -1, 1)
        below = np.where(u < 0, (1 + u) ** 2 / 2, 1 - (1 - u) ** 2 / 2)
    return np.diff(below, axis=1).astype(np.float32)


def _ramped(u: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Integral of the Gaussian's cumulative distribution up to ``u``."""
    return np.asarray(
        u * ndtr(u / sigma) + sigma * np.exp(-0.5 * (u / sigma) ** 2) / np.sqrt(2 * np.pi)
    )


def _ramp(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """-1 to 1 along a random direction."""
    turn = rng.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-1, 1, n) for n in shape)
    ramp = np.sin(turn) * y[:, None] + np.cos(turn) * x
    return (ramp / np.abs(ramp).max()).astype(np.float32)
