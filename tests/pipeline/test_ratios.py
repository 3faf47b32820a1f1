"""Errors by how far they reach beyond what was stated of them, against the pixels themselves."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.proper_scores import covered, interval_score
from pipeline.validate.ratios import AS_STATED, FACTORS, STEPS, Ratios, place_of


def drawn(size: int, factor: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Errors of ``factor`` times the deviation that is stated, and that."""
    rng = np.random.default_rng(seed)
    sigma = rng.lognormal(-4, 0.5, size).astype(np.float32)
    return (factor * sigma * rng.standard_normal(size)).astype(np.float32), sigma


@given(st.floats(0.55, 7.5))
def test_errors_of_so_many_times_what_is_stated_take_that_factor(factor: float) -> None:
    found = Ratios.of(*drawn(40_000, factor))
    assert FACTORS[found.least] == pytest.approx(factor, rel=0.035)
    assert found.covered(found.least) >= 0.9 * found.stated > found.covered(found.least - 1)


def test_shares_and_scores_are_those_of_the_pixels_for_every_factor() -> None:
    error, sigma = drawn(5000, 1.4)
    found = Ratios.of(error, sigma)
    for place in range(0, len(FACTORS), 5):
        written = FACTORS[place] * sigma.astype(np.float64)
        assert found.covered(place) == covered(error.astype(np.float64), written).sum()
        wanted = interval_score(error, written).sum()
        assert found.score(place) == pytest.approx(wanted, rel=1e-4)
    assert (FACTORS[AS_STATED], place_of(1.0)) == (1, AS_STATED)
    assert FACTORS[AS_STATED + STEPS] == 2


def test_sums_are_the_same_in_whichever_order_they_are_added() -> None:
    error, sigma = drawn(999)
    parts = [Ratios.of(error[at::7], sigma[at::7]) for at in range(7)]
    forth, back = Ratios.none(), Ratios.none()
    for one, other in zip(parts, reversed(parts), strict=True):
        forth, back = forth + one, back + other
    assert forth.to_dict() == back.to_dict()
    np.testing.assert_array_equal(forth.count, Ratios.of(error, sigma).count)


def test_sums_survive_a_file_and_none_take_no_room() -> None:
    found = Ratios.of(*drawn(100))
    again = Ratios.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert Ratios.none().to_dict() == {}
    assert Ratios.from_dict({}).stated == 0


def test_what_is_far_off_either_way_ends_at_the_last_factor() -> None:
    error, sigma = drawn(100, 1000)
    assert Ratios.of(error, sigma).least == len(FACTORS) - 1
    assert Ratios.of(error * 0, sigma).least == 0
