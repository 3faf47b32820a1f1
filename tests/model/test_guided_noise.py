"""The noise of the cells against the likelihood written out in full, and by its laws."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from model import guided_noise
from model.guided_noise import LEVELS, USUAL, WITHIN, noise_of, windows_of

CPU = torch.device("cpu")


def smooth(cells: int) -> np.ndarray:
    """A covariance between cells along one line, counted row by row over a square."""
    side = math.isqrt(cells)
    at = np.array(list(np.ndindex(side, side)), float)
    square = ((at[:, None] - at) ** 2).sum(2)
    return np.asarray(np.exp(-0.5 * square / 1.5**2))


def windows(side: int, between: np.ndarray) -> guided_noise.Windows:
    known = torch.from_numpy(between)

    def covariance(at: torch.Tensor) -> torch.Tensor:
        return torch.stack([known[one][:, one] for one in at])[None]

    return windows_of((side, side), covariance, CPU)


def drawn(between: np.ndarray, noise: float, bands: int, seed: int) -> torch.Tensor:
    rng, n = np.random.default_rng(seed), len(between)
    cells = rng.multivariate_normal(np.zeros(n), between + noise * np.eye(n), bands)
    side = math.isqrt(n)
    return torch.from_numpy(cells.reshape(1, bands, side, side)).float()


def test_in_one_window_it_is_the_mean_over_the_likelihoods() -> None:
    """Each band at its own likeliest variance; scipy gives the likelihoods."""
    between = smooth(49)
    anomaly = 0.03 * drawn(between, 0.4, 2, seed=3)
    logs, weights = np.log(LEVELS), []
    for level in LEVELS:
        log = -0.5 * ((math.log(level) - math.log(USUAL)) / WITHIN) ** 2
        for band in anomaly[0].double().numpy().reshape(2, -1):
            matrix = between + level * np.eye(49)
            scale = band @ np.linalg.solve(matrix, band) / 49
            log += multivariate_normal(np.zeros(49), scale * matrix).logpdf(band)
        weights.append(log)
    share = np.exp(np.array(weights) - max(weights))
    wanted = math.exp((share * logs).sum() / share.sum())
    found = noise_of(anomaly, windows(7, between))
    np.testing.assert_allclose(found.numpy(), np.full((1, 1, 7, 7), wanted), rtol=1e-4)


@pytest.mark.parametrize("noise", [0.1, 0.4, 1.6, 6.4])
def test_it_finds_the_noise_that_is_there(noise: float) -> None:
    """Within a factor of two: the expectation draws it a little towards the usual."""
    between = smooth(256)
    found = noise_of(0.02 * drawn(between, noise, 6, seed=1), windows(16, between))
    assert abs(math.log(float(found.log().mean().exp()) / noise)) < math.log(2)


def test_noise_at_one_end_is_no_noise_at_the_other() -> None:
    between = smooth(24 * 24)
    anomaly = drawn(between, 0.05, 6, seed=2)
    anomaly[..., 12:] = drawn(between, 12.8, 6, seed=2)[..., 12:]
    found = noise_of(anomaly, windows(24, between))[0, 0]
    assert found[:, :6].max() < 0.25
    assert found[:, 18:].min() > 3
    step = found.log().diff(dim=1).abs().max()  # from .1 to 10 in twelve cells, without a jump
    assert step < 2


def test_neither_the_unit_nor_an_absent_band_speaks() -> None:
    between = smooth(64)
    anomaly = drawn(between, 0.3, 3, seed=4)
    here = noise_of(anomaly, windows(8, between))
    torch.testing.assert_close(noise_of(0.01 * anomaly, windows(8, between)), here)
    empty = torch.cat([anomaly, torch.zeros_like(anomaly)], dim=1)
    torch.testing.assert_close(noise_of(empty, windows(8, between)), here)


def test_of_a_day_without_anomaly_the_usual_is_taken() -> None:
    found = noise_of(torch.zeros(2, 6, 5, 5), windows(5, smooth(25)))
    assert torch.isfinite(found).all()
    np.testing.assert_allclose(found.numpy(), USUAL, rtol=0.35)


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("cells", [1, 3, 8, 9, 12, 13, 50])
def test_windows_cover_all_cells_and_their_shares_are_one(cells: int, first: int) -> None:
    at, share = guided_noise._along(cells, first)
    assert set(at.flatten().tolist()) == set(range(cells))
    torch.testing.assert_close(share.sum(1), torch.ones(cells, dtype=torch.float64))
    assert (share >= 0).all()
    for cell, row in enumerate(share):
        for window in row.nonzero().flatten().tolist():
            reach = at.shape[1] / 2 + guided_noise.STRIDE
            assert abs(float(at[window].double().mean()) - cell) <= reach


@pytest.mark.parametrize("first", [(0, 0), (3, 9), (7, 2), (13, 6)])
def test_a_cell_has_the_same_noise_in_every_block_that_shows_it_well(
    first: tuple[int, int],
) -> None:
    """Nine cells from the edges, the halo of a tile; with windows on each block's own cells the
    noises differed by half."""
    anomaly = 0.02 * torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 48, 48)))
    anomaly[:, :, 20:30] *= 5

    def noise(top: int, left: int, side: int) -> torch.Tensor:
        def covariance(at: torch.Tensor) -> torch.Tensor:
            row, col = at // side, at % side
            away = (row[..., None] - row[:, None]) ** 2 + (col[..., None] - col[:, None]) ** 2
            return torch.exp(-0.5 * away.double() / 1.5**2)[None]

        windows = windows_of((side, side), covariance, CPU, (top, left))
        return noise_of(anomaly[:, :, top : top + side, left : left + side], windows)[0, 0]

    whole, (top, left), side = noise(0, 0, 48), first, 30
    inner = slice(9, side - 9)
    there = whole[top : top + side, left : left + side]
    np.testing.assert_allclose(noise(*first, side)[inner, inner], there[inner, inner], rtol=1e-9)
