"""The flicker of single coarse days goes, and what changed and stays changed does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.coarse_calm import (
    ALIKE,
    FARTHEST,
    FEW,
    FILLED,
    LEAST,
    REACH,
    USUAL,
    calm_coarse,
    noise_of,
)
from model.coarse_fill import fill_coarse
from model.fuser import load_fuser
from model.metrics.roughness import roughness
from model.worlds.timeline import Timeline

WINDOW = 8


def calmed(series, *, window=WINDOW, at=None):
    """(time, band) of one cell, on consecutive days."""
    images = np.asarray(series, np.float32).reshape(len(series), -1, 1, 1)
    days = range(len(series))
    return calm_coarse(images, days, at=days if at is None else at, window=window)[:, :, 0, 0]


def in_words(series, day, window):
    """The rule for one day (time, band) of one cell, in plain Python."""
    days, bands = range(day - window, day + window + 1), range(series.shape[1])

    def known(u, band):
        return 0 <= u < len(series) and np.isfinite(series[u, band])

    def at(u, band):
        """Known or filled from the days of the window alone."""
        if known(u, band):
            return float(series[u, band])
        left = [v for v in days if v < u and known(v, band)]
        right = [v for v in days if v > u and known(v, band)]
        if left and right:
            share = (u - left[-1]) / (right[0] - left[-1])
            first, last = (float(series[v, band]) for v in (left[-1], right[0]))
            return first + share * (last - first)
        ends = left[-1:] or right[:1]
        return float(series[ends[0], band]) if ends else np.nan

    def typical(u, band):
        near = [min(max(u + k, days[0]), days[-1]) for k in range(-2, 3)]
        return float(np.median([at(v, band) for v in near]))

    def noise(band):
        seen = [u for u in days if known(u, band)]
        off = []
        for a, u, b in zip(seen, seen[1:], seen[2:], strict=False):
            share = (u - a) / (b - a)
            line = (1 - share) * at(a, band) + share * at(b, band)
            off.append(abs(at(u, band) - line) / np.sqrt(1 + share**2 + (1 - share) ** 2))
        found = float(np.median(off)) / 0.6745 if off else 0.0
        return max((len(off) * found + FEW * USUAL) / (len(off) + FEW), LEAST)

    def unlike(u):
        apart = [((typical(u, b) - typical(day, b)) / noise(b)) ** 2 for b in bands]
        return min(np.mean([one for one in apart if np.isfinite(one)]) / ALIKE, FARTHEST)

    answer = []
    for band in bands:
        used = [u for u in days if np.isfinite(at(u, band))]
        weights = [
            (1 if known(u, band) else FILLED)
            * np.exp(-0.5 * (((u - day) / REACH) ** 2 + unlike(u)))
            for u in used
        ]
        answer.append(np.average([at(u, band) for u in used], weights=weights) if used else np.nan)
    return answer


@st.composite
def cells(draw, most=24):
    """(time, band) of a cell that changes by steps, under noise and cloud."""
    time, bands = draw(st.integers(1, most)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    steps = rng.normal(0, 0.1, (time, bands)) * (rng.random((time, 1)) < 0.1)
    series = (
        0.3 + steps.cumsum(0) + rng.normal(0, draw(st.sampled_from((0, 0.01, 0.03))), (time, bands))
    )
    series[rng.random((time, 1)).repeat(bands, 1) < draw(st.floats(0, 0.9))] = np.nan
    series[rng.random((time, bands)) < draw(st.floats(0, 0.3))] = np.nan
    return series.astype(np.float32)


@given(cells(), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_every_day_is_calmed_as_the_rule_says_it_in_words(series, window) -> None:
    wanted = [in_words(series, day, window) for day in range(len(series))]
    np.testing.assert_allclose(calmed(series, window=window), wanted, rtol=1e-4, atol=1e-6)


@given(cells(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_no_value_leaves_the_range_of_what_was_seen_and_all_that_is_filled_is_known(
    series, window
) -> None:
    found = calmed(series, window=window)
    filled, _ = fill_coarse(series[:, :, None, None], range(len(series)), window=window)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(filled[:, :, 0, 0]))
    for band in range(series.shape[1]):
        seen = series[np.isfinite(series[:, band]), band]
        known = found[np.isfinite(found[:, band]), band]
        assert ((known >= seen.min(initial=1)) & (known <= seen.max(initial=0))).all()


@given(cells(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_day_is_the_same_bytes_whatever_is_asked_for_with_it_and_known_beyond_it(
    series, data
) -> None:
    images, days = series[:, :, None, None], list(range(len(series)))
    day = data.draw(st.sampled_from(days))
    whole = calm_coarse(images, days, at=days, window=3)
    near = [one for one in days if abs(one - day) <= 3]
    alone = calm_coarse(images[near], near, at=[day], window=3)
    np.testing.assert_array_equal(alone[0], whole[day])


def test_cells_do_not_see_each_other() -> None:
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (12, 2, 3, 4)).astype(np.float32)
    whole = calm_coarse(images, range(12), at=range(12), window=WINDOW)
    part = calm_coarse(images[:, :, 1:, :2], range(12), at=range(12), window=WINDOW)
    np.testing.assert_array_equal(whole[:, :, 1:, :2], part)


def test_what_does_not_change_stays_as_it_is_to_the_bit() -> None:
    series = np.full((20, 3), (0.1, 0.2, 0.30000001), np.float32)
    np.testing.assert_array_equal(calmed(series), series)
    series[[3, 4, 11]] = np.nan
    np.testing.assert_array_equal(calmed(series), np.full_like(series, series[0]))


def test_without_other_days_an_image_is_what_was_seen() -> None:
    series = np.random.default_rng(0).uniform(0, 1, (6, 2)).astype(np.float32)
    np.testing.assert_array_equal(calmed(series, window=0), series)


def test_a_straight_line_stays_one_away_from_its_ends() -> None:
    series = np.linspace(0.1, 0.3, 40)[:, None].repeat(2, 1)
    np.testing.assert_allclose(calmed(series)[8:-8], series[8:-8], atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02])
def test_a_step_that_stays_is_kept_with_its_day(noise: float) -> None:
    rng = np.random.default_rng(3)
    truth = np.where(np.arange(30)[:, None] < 15, 0.30, 0.08).repeat(6, 1)
    found = calmed(truth + rng.normal(0, noise, truth.shape))
    # A tenth of the step, or the noise of a day, which is what one had before.
    beside = np.abs(found - truth)[12:18].max()
    assert beside < max(0.022, 2 * noise)
    rms = np.sqrt(np.mean((found - truth)[[14, 15]] ** 2))
    assert rms <= max(0.7 * noise, 1e-3)


def test_a_flood_of_three_days_is_seen_and_an_odd_single_day_is_not() -> None:
    rng = np.random.default_rng(4)
    ground = np.full((30, 6), 0.25) + rng.normal(0, 0.005, (30, 6))
    flood, odd = ground.copy(), ground.copy()
    flood[14:17] -= 0.2
    odd[15] += 0.1
    np.testing.assert_allclose(calmed(flood)[14:17], 0.05, atol=0.01)
    np.testing.assert_allclose(calmed(flood)[[13, 17]], 0.25, atol=0.01)
    assert np.abs(calmed(odd)[15] - 0.25).max() < 0.025


def test_a_cloudy_day_amid_a_rise_stays_between_the_days_around_it() -> None:
    rise = np.clip((np.arange(30)[:, None] - 10) / 10, 0, 1).repeat(6, 1) * -0.2 + 0.3
    seen = rise.copy()
    seen[[11, 12, 14, 15, 17, 18]] = np.nan
    np.testing.assert_allclose(calmed(seen)[10:20], rise[10:20], atol=0.02)


def test_the_noise_is_found_whatever_the_ground_does_meanwhile() -> None:
    rng = np.random.default_rng(5)
    trend = np.linspace(0.1, 0.4, 17)[:, None, None, None]
    seen = (trend + rng.normal(0, 0.02, (17, 4, 40, 40))).astype(np.float32)
    seen[8:] += 0.2
    assert np.sqrt((noise_of(seen) ** 2).mean()) == pytest.approx(0.02, rel=0.2)
    assert np.unique(noise_of(np.full((17, 1, 1, 1), np.nan, np.float32))) == np.float32(USUAL)


def test_a_fused_season_does_not_flicker() -> None:
    """What this module is for: within runs of days that share their references this season bends
    1.3 times as much as the truth, and 32 times from images as they were seen."""
    world = Timeline.make("train", 111, size=96, days=65)
    anomaly = load_fuser("anomaly")
    bends = [
        roughness(anomaly.fuse(block).reflectance, world.truth[list(block.days)]).bends
        for block in world.runs()
        if len(block.days) > 3
    ]
    assert len(bends) > 3
    assert np.mean(bends) < 2
