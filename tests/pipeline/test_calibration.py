"""Robust lines between the sensors: found among outliers, drawn towards none by few cells."""

import numpy as np
import pytest

from pipeline.calibration import FEW, SAME, Line, fit, pool


def make_cells(
    seed: int, *, gain: float = 0.9, bias: float = 0.02, cells: int = 400, clouds: float = 0.0
):
    """Fine and coarse values, coarse = gain * fine + bias and noise; some coarse ones cloudy."""
    rng = np.random.default_rng(seed)
    fine = rng.uniform(0.05, 0.4, cells)
    coarse = gain * fine + bias + 0.01 * rng.standard_normal(cells)
    cloudy = rng.random(cells) < clouds
    coarse[cloudy] += rng.uniform(0.2, 0.5, cloudy.sum())
    return fine, coarse


@pytest.mark.parametrize("clouds", [0.0, 0.15])
def test_a_line_is_found_and_turned_round(clouds: float) -> None:
    line = fit(*make_cells(1, clouds=clouds))
    assert line is not None
    assert line.gain == pytest.approx(1 / 0.9, abs=0.03)
    assert line.gain * 0.2 + line.bias == pytest.approx((0.2 - 0.02) / 0.9, abs=0.004)
    assert line.scatter == pytest.approx(0.01, rel=0.35)


def test_least_squares_would_not_do() -> None:
    fine, coarse = make_cells(1, clouds=0.15)
    slope, level = np.polyfit(fine, coarse, 1)
    assert abs((0.2 - level) / slope - (0.2 - 0.02) / 0.9) > 0.03


def test_too_few_cells_and_no_relation_tell_nothing() -> None:
    assert fit(*make_cells(1, cells=20)) is None
    fine, coarse = make_cells(1)
    assert fit(fine, -coarse) is None
    assert fit(fine, np.full_like(fine, 0.2)) is None
    assert fit(np.full_like(fine, 0.2), coarse) is None


def test_days_are_pooled_and_one_bad_day_does_not_decide() -> None:
    days = [fit(*make_cells(seed, cells=4000)) for seed in range(7)]
    bad = fit(*make_cells(99, gain=1.5, bias=-0.1, cells=4000))
    line = pool([*days, bad, None])
    assert line.gain == pytest.approx(1 / 0.9, abs=0.01)
    assert line.bias == pytest.approx(-0.02 / 0.9, abs=0.003)
    assert line.cells == 8 * 4000


def test_few_cells_leave_the_coarse_image_almost_as_it_is() -> None:
    day = fit(*make_cells(1, cells=100))
    assert day is not None
    line = pool([day])
    assert line.gain - 1 == pytest.approx((day.gain - 1) * 100 / (100 + FEW))
    assert line.bias == pytest.approx(day.bias * 100 / (100 + FEW))
    assert pool([None, None]) == pool([]) == SAME


def test_the_bias_of_a_day_is_taken_with_the_gain_of_all() -> None:
    # Two days through the same point at .2; their own biases would not fit the median gain.
    days = [
        Line(gain=gain, bias=0.2 - 0.2 * gain, scatter=0.01, cells=10**9, at=0.2, weight=1.0)
        for gain in (0.8, 1.0, 1.3)
    ]
    line = pool(days)
    assert line.gain * 0.2 + line.bias == pytest.approx(0.2)
