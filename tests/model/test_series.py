"""The methods on the fine series alone, against the solution of the whole axis of days."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.block import Block, Series
from model.card import SERIES_HALO, describe
from model.fuser import load_fuser
from tests.model.makers import make_block
from tests.model.oracles_series import chosen_smoothing, solved, values_of

DAYS = (1, 4, 9, 10, 25, 33, 41)
TARGETS = (0, 3, 9, 20, 50)

Law = Callable[[np.ndarray], np.ndarray]
"""Reflectance (time, 1, 1, 1) by the day (time,)."""


def make_series(
    *,
    y: int = 32,
    x: int = 32,
    bands: tuple[str, ...] = ("red", "nir08"),
    clouded: float = 0.4,
    law: Law | None = None,
    seed: int = 0,
    ratio: int = 16,
) -> Block:
    """Random images, or those of a law, with holes of all patterns."""
    rng = np.random.default_rng(seed)
    block = make_block(y=y, x=x, days=TARGETS, bands=bands, span=(-3, 60), ratio=ratio)
    shape = (len(DAYS), len(bands), y, x)
    images = rng.uniform(0, 0.5, shape).astype(np.float32)
    if law is not None:
        images[...] = law(np.array(DAYS)).reshape(-1, 1, 1, 1)
    clouds = rng.random((len(DAYS), y, x)) < clouded
    images[np.broadcast_to(clouds[:, None], shape)] = np.nan
    return replace(block, series=Series(days=DAYS, images=images))


def fuse(method: str, block: Block) -> np.ndarray:
    return load_fuser(method).fuse(block).reflectance


def at(days: list[int], z: np.ndarray) -> np.ndarray:
    return z[np.clip(np.array(TARGETS) - days[0], 0, len(z) - 1)]


def test_whittaker_is_the_solution_on_the_axis_of_all_days() -> None:
    # One cell, so one smoothing a band: the one that the oracle chooses too.
    block = make_series(y=16, x=16)
    fused = fuse("whittaker", block)
    for band in range(2):
        smoothing = chosen_smoothing(block, band)
        for row in range(16):
            for col in range(16):
                days, values = values_of(block, band, row, col)
                wanted = np.full(len(TARGETS), np.nan)
                if len(days) > 1:
                    wanted = at(days, solved(days, values, smoothing))
                elif days:
                    wanted[:] = values[0]
                np.testing.assert_allclose(fused[:, band, row, col], wanted, atol=1e-6)


def test_linear_series_is_linear_between_the_nearest_clear_images() -> None:
    block = make_series()
    fused = fuse("linear-series", block)
    for band in range(2):
        for row in range(32):
            for col in range(32):
                days, values = values_of(block, band, row, col)
                wanted = np.interp(TARGETS, days, values) if days else np.full(len(TARGETS), np.nan)
                np.testing.assert_allclose(fused[:, band, row, col], wanted, atol=1e-6)


@pytest.mark.parametrize("method", SERIES_HALO)
def test_a_constant_stays_and_a_line_is_followed_between_the_clear_days(method: str) -> None:
    steady = fuse(method, make_series(law=lambda day: 0.3 + 0 * day))
    assert np.nanmax(np.abs(steady - 0.3)) < 1e-6
    block = make_series(law=lambda day: 0.1 + 0.008 * day)
    assert block.series is not None
    clear, days = block.series.clear, np.array(DAYS)[:, None, None]
    first = np.where(clear, days, 999).min(0)
    last = np.where(clear, days, -999).max(0)
    followed = np.clip(np.array(TARGETS)[:, None, None], first, last)
    wanted = np.where(clear.any(0), 0.1 + 0.008 * followed, np.nan)
    for band in range(2):
        np.testing.assert_allclose(fuse(method, block)[:, band], wanted, atol=1e-5)


@pytest.mark.parametrize("method", SERIES_HALO)
def test_where_nothing_is_clear_or_known_the_answer_is_unknown(method: str) -> None:
    block = make_series(clouded=0.7)
    assert block.series is not None
    block.fine_before[0, :5] = np.nan
    seen = block.series.clear.any(0)
    assert 0 < (~seen[5:]).sum() < seen.size / 4
    finite = np.isfinite(fuse(method, block)).all(1)
    np.testing.assert_array_equal(finite, block.known() & seen)


@pytest.mark.parametrize("method", SERIES_HALO)
def test_bands_do_not_mix_and_their_order_does_not_matter(method: str) -> None:
    block = make_series(bands=("red", "nir08", "swir16"))
    assert block.series is not None
    turned = replace(
        block,
        bands=block.bands[::-1],
        series=replace(block.series, images=block.series.images[:, ::-1].copy()),
    )
    np.testing.assert_array_equal(fuse(method, turned), fuse(method, block)[:, ::-1])
    wide = block.in_bands(("blue", "red", "nir08", "swir16"))
    np.testing.assert_array_equal(fuse(method, wide)[:, 1:], fuse(method, block))


@pytest.mark.parametrize("method", SERIES_HALO)
def test_a_tile_with_its_halo_agrees_with_the_whole(method: str) -> None:
    side, ratio = 176, 8
    block = make_series(y=side, x=side, ratio=ratio, bands=("red",))
    rng = np.random.default_rng(1)
    assert block.series is not None
    # Noise beyond what the tile may see: it asks for more smoothing than the curve inside does.
    days = np.array(DAYS)[:, None, None]
    rough = np.where(np.arange(side) >= 112, 0.3, 0.002)[:, None]
    images = 0.3 + 0.2 * np.sin(days / 12) + rough * rng.standard_normal((len(DAYS), side, side))
    images = np.where(block.series.clear, images, np.nan)[:, None].astype(np.float32)
    block = replace(block, series=replace(block.series, images=images))
    whole = fuse(method, block)

    halo = describe(method).halo
    core = slice(0, 48)
    cut = (slice(0, 48 + halo), slice(0, 48 + halo))
    cells = (slice(0, (48 + halo) // ratio + 6),) * 2
    part = replace(
        block,
        fine_before=block.fine_before[:, *cut],
        fine_after=block.fine_after[:, *cut],
        coarse_before=block.coarse_before[:, *cells],
        coarse_after=block.coarse_after[:, *cells],
        coarse=block.coarse[..., *cells],
        series=replace(block.series, images=images[..., *cut]),
        core=(core, core),
    )
    answer = fuse(method, part)
    np.testing.assert_allclose(answer[..., core, core], whole[..., core, core], atol=1e-6)
    assert np.isnan(answer[..., 48:, 48:]).all()


def test_noise_is_smoothed_and_a_clean_curve_followed() -> None:
    rng = np.random.default_rng(0)
    noisy = make_series(clouded=0)
    assert noisy.series is not None
    images = 0.3 + 0.05 * rng.standard_normal(noisy.series.images.shape).astype(np.float32)
    noisy = replace(noisy, series=replace(noisy.series, images=images))
    fused = fuse("whittaker", noisy)[1:-1]
    assert np.std(fused) < 0.7 * np.std(fuse("linear-series", noisy)[1:-1])
    curve = make_series(clouded=0, law=lambda day: 0.3 + 0.2 * np.sin(day / 12))
    truth = (0.3 + 0.2 * np.sin(np.array(TARGETS[1:-1]) / 12)).reshape(-1, 1, 1, 1)
    off = np.abs(fuse("whittaker", curve)[1:-1] - truth).max()
    assert off < 0.6 * np.abs(fuse("linear-series", curve)[1:-1] - truth).max()


def test_a_block_without_its_series_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match=r"give Block\.series"):
        fuse("whittaker", make_block())


@pytest.mark.parametrize(
    ("days", "count", "said"),
    [((4, 1), 2, "ascend"), ((1, 4), 3, "holds 3 images"), ((1, 4), 2, "the series' images")],
)
def test_a_series_that_does_not_fit_is_refused(
    days: tuple[int, ...], count: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        replace(make_block(), series=Series(days=days, images=np.zeros((count, 6, 8, 8), "f4")))
