"""How much fine detail an image holds: its power by wavelength on the ground.

A prediction that is too smooth can have a small RMSE; its power at 60 to 480 m over that of the
truth tells (1: as much detail, whether at the right place or not).
"""

import numpy as np
from numpy.typing import NDArray

from model.block import Array

WAVELENGTHS_M = ((60.0, 120.0), (120.0, 240.0), (240.0, 480.0))
"""Octaves from twice a 30 m pixel to a coarse cell."""


def octave_power(
    image: Array,
    pixel_m: float,
    wavelengths_m: tuple[tuple[float, float], ...] = WAVELENGTHS_M,
) -> NDArray[np.float64]:
    """Mean power of the waves of each range, all directions alike; (band, range).

    ``image`` (band, y, x) without NaN, pixels of ``pixel_m``.  A range holds its lower end and not
    its upper one.  Without its mean and under a Hann window, so that the borders of a window make
    no waves; scaled so that white noise of variance v has v in every range.  NaN where the window
    holds no wave of a range: pixels too large, or too few.
    """
    y, x = image.shape[-2:]
    taper = np.outer(_hann(y), _hann(x))
    mean = (image * taper).sum((-2, -1), keepdims=True) / taper.sum()
    waves = np.fft.fft2((image - mean) * taper)
    power = np.abs(waves) ** 2 / (taper**2).sum()
    frequency = np.hypot(np.fft.fftfreq(y, pixel_m)[:, None], np.fft.fftfreq(x, pixel_m))
    means = []
    for low, high in wavelengths_m:
        # Waves shorter than two pixels exist along diagonals alone.  The rounding of 1 / (2 * 30)
        # must not decide whether 60 m is within 60 m.
        shortest = max(low, 2 * pixel_m)
        inside = (frequency <= (1 + 1e-9) / shortest) & (frequency > (1 + 1e-9) / high)
        means.append(power[..., inside].mean(-1) if inside.any() else np.full(len(image), np.nan))
    return np.stack(means, axis=1)


def _hann(length: int) -> NDArray[np.float64]:
    return np.asarray(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2)
