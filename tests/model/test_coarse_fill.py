import weakref

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.coarse_fill import fill_coarse, fillable


def _one_cell(values, days, window):
    """The rule, said for one series at a time."""
    filled = []
    for day, value in zip(days, values, strict=True):
        if np.isfinite(value):
            filled.append(value)
            continue
        known = [(d, v) for d, v in zip(days, values, strict=True) if np.isfinite(v)]
        left = [(d, v) for d, v in known if day - window <= d < day]
        right = [(d, v) for d, v in known if day < d <= day + window]
        if left and right:
            (d0, v0), (d1, v1) = left[-1], right[0]
            filled.append(v0 + (day - d0) / (d1 - d0) * (v1 - v0))
        elif left or right:
            filled.append(left[-1][1] if left else right[0][1])
        else:
            filled.append(np.nan)
    return filled


@st.composite
def series(draw):
    time, bands = draw(st.integers(1, 12)), draw(st.integers(1, 2))
    steps = draw(st.lists(st.integers(1, 4), min_size=time, max_size=time))
    noise = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = noise.uniform(0, 1, (time, bands, 2, 3)).astype(np.float32)
    values[noise.random(values.shape) < draw(st.floats(0, 1))] = np.nan
    return values, list(np.cumsum(steps)), draw(st.integers(0, 9))


@given(series())
@settings(max_examples=60, deadline=None)
def test_every_cell_is_filled_as_the_rule_says_it_in_words(case) -> None:
    values, days, window = case
    filled, flagged = fill_coarse(values, days, window=window)
    wanted = np.apply_along_axis(_one_cell, 0, values.astype(np.float64), days, window)
    np.testing.assert_allclose(filled, wanted, atol=1e-6)
    np.testing.assert_array_equal(
        flagged, (np.isfinite(wanted) & ~np.isfinite(values)).any(1), strict=True
    )


@given(series())
@settings(max_examples=60, deadline=None)
def test_fillable_says_beforehand_what_filling_leaves_known(case) -> None:
    values, days, window = case
    one_band = values[:, :1]
    filled, _ = fill_coarse(one_band, days, window=window)
    known = list(fillable(np.isfinite(one_band[:, 0]), days, window=window))
    np.testing.assert_array_equal(known, np.isfinite(filled[:, 0]))


def test_fillable_holds_the_images_of_a_window_and_no_more() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    held: list[int] = []

    def images():
        for _ in range(100):
            image = np.zeros((2, 2), bool)
            alive.append(weakref.ref(image))
            yield image

    for _ in fillable(images(), range(100), window=3):
        held.append(sum(one() is not None for one in alive))
    assert len(held) == 100
    assert max(held) <= 2 * 3 + 2  # the generator above holds on to its last one


@given(series(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_day_needs_no_days_beyond_its_window(case, data) -> None:
    values, days, window = case
    at = data.draw(st.integers(0, len(days) - 1))
    near = [i for i, day in enumerate(days) if abs(day - days[at]) <= window]
    whole, _ = fill_coarse(values, days, window=window)
    part, _ = fill_coarse(values[near], [days[i] for i in near], window=window)
    np.testing.assert_array_equal(part[near.index(at)], whole[at])


def test_known_values_are_never_touched() -> None:
    values = np.random.default_rng(0).random((5, 1, 2, 2)).astype(np.float32)
    filled, flagged = fill_coarse(values, range(5), window=8)
    np.testing.assert_array_equal(filled, values)
    assert not flagged.any()
