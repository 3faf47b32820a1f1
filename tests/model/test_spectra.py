import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from model.spectra import WAVELENGTHS_M, octave_power

PIXEL_M = 30.0


def make_noise(*, bands: int = 1, px: int = 128, sd: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, (bands, px, px)).astype(np.float32)


def test_white_noise_has_its_variance_in_every_range() -> None:
    noise = make_noise(bands=8, px=256) * np.array([1.0, 3.0] * 4, np.float32)[:, None, None]
    power = octave_power(noise, PIXEL_M)
    assert power.shape == (8, 3)
    np.testing.assert_allclose(power[::2].mean(0), 1.0, rtol=0.06)
    np.testing.assert_allclose(power[1::2].mean(0), 9.0, rtol=0.06)


@pytest.mark.parametrize(("wavelength_m", "place"), [(80.0, 0), (160.0, 1), (320.0, 2)])
@pytest.mark.parametrize("direction", [0.0, 0.6, np.pi / 2])
def test_a_wave_is_found_in_its_range_whatever_its_direction(
    wavelength_m: float, place: int, direction: float
) -> None:
    y, x = np.mgrid[:128, :128] * PIXEL_M
    along = x * np.cos(direction) + y * np.sin(direction)
    wave = np.sin(2 * np.pi * along / wavelength_m).astype(np.float32)[None]
    power = octave_power(wave, PIXEL_M)[0]
    assert power[place] / power.sum() > 0.99


def test_a_blurred_image_has_the_share_of_power_that_the_blur_lets_through() -> None:
    sigma_px = 1.5
    noise = make_noise(bands=4, px=256)
    blurred = np.stack([gaussian_filter(band, sigma_px, truncate=6) for band in noise])
    frequency = np.hypot(np.fft.fftfreq(256, PIXEL_M)[:, None], np.fft.fftfreq(256, PIXEL_M))
    passed = np.exp(-4 * (np.pi * sigma_px * PIXEL_M * frequency) ** 2)
    ranges = [(frequency <= 1 / low) & (frequency > 1 / high) for low, high in WAVELENGTHS_M]
    expected = [passed[inside].mean() for inside in ranges]
    ratio = (octave_power(blurred, PIXEL_M) / octave_power(noise, PIXEL_M)).mean(0)
    np.testing.assert_allclose(ratio, expected, rtol=0.12)


def test_a_level_has_no_power_and_a_border_makes_none() -> None:
    flat = np.full((1, 64, 64), 0.3, np.float32)
    assert octave_power(flat, PIXEL_M).max() < 1e-12
    slope = np.linspace(0, 1, 64, dtype=np.float32) * np.ones((1, 64, 1), np.float32)
    edges = np.abs(np.fft.fft2(slope - slope.mean())) ** 2 / slope.size
    assert octave_power(slope, PIXEL_M)[0, 0] < 1e-3 * edges[0, 0, 32 // 2 :].mean()


def test_waves_that_a_window_cannot_hold_are_unknown() -> None:
    noise = make_noise(px=64)
    assert np.isnan(octave_power(noise, 70.0)[0]).tolist() == [True, False, False]
    assert np.isnan(octave_power(noise[:, :4, :4], PIXEL_M)[0]).tolist() == [False, False, True]
