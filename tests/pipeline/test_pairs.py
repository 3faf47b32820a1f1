from itertools import pairwise
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cube import Status
from pipeline.pairs import (
    SCORE,
    Bracket,
    Candidate,
    Gap,
    bracket,
    fillers,
    reference_dates,
    runs,
)
from tests.synthetic import day

ALL_DAYS = {day(n) for n in range(-5, 70)}
shares = st.sampled_from([0.3, 0.45, 0.7, 0.9, 1.0])
images = st.dictionaries(
    st.integers(0, 60),
    st.tuples(shares, st.sampled_from([0.0, 200.0, 700.0, 1500.0])),
    max_size=16,
)


def make_candidates(images) -> list[Candidate]:
    return [
        Candidate(day=day(n), clear=clear, cloud_distance=metres)
        for n, (clear, metres) in sorted(images.items())
    ]


def clean(*numbers: int) -> list[Candidate]:
    return make_candidates(dict.fromkeys(numbers, (1.0, SCORE.cloud_reach_m)))


def price(one: Candidate, target: int) -> float:
    """The cost, written once more by the words of ``Score``."""
    days = abs((one.day - day(target)).days)
    cloud = 4 * (1 - one.clear)
    near_cloud = 4 * max(0.0, 1 - one.cloud_distance / 1500)
    eighths = (round(8 * part) / 8 for part in (cloud, near_cloud))
    return days + max(0, days - 32) + sum(eighths)


def found_by_trying_all(target, candidates, span, single_pair):
    before = [one for one in candidates if one.day < day(target)]
    after = [one for one in candidates if one.day > day(target)]
    pairs = [
        (price(a, target) + price(b, target), -a.day.toordinal(), b.day, a.day)
        for a in before
        for b in after
        if (b.day - a.day).days <= span
    ]
    if pairs and single_pair != "all":
        *_, last, first = min(pairs)
        return Bracket(before=first, after=last)
    near = [one for one in (*before, *after) if abs((one.day - day(target)).days) <= span // 2]
    if near and single_pair != "ignore":

        def order(one):
            return price(one, target), one.day > day(target), abs(one.day - day(target))

        best = min(near, key=order).day
        earlier = best < day(target)
        return Bracket(before=best if earlier else None, after=None if earlier else best)
    if not before:
        return Gap.NONE_BEFORE
    return Gap.TOO_FAR if after else Gap.NONE_AFTER


@given(st.integers(0, 60), images, st.integers(2, 60), st.sampled_from(["ignore", "mixed", "all"]))
def test_a_bracket_is_the_one_of_least_cost_of_all_that_may_be(
    target, images, span, single_pair
) -> None:
    candidates = make_candidates(images)
    found = bracket(
        day(target),
        candidates,
        max_span_days=span,
        coarse_days=ALL_DAYS,
        single_pair=single_pair,
    )
    assert found == found_by_trying_all(target, candidates, span, single_pair)


@given(images, st.integers(2, 60))
def test_as_the_days_go_on_no_reference_goes_back(images, span) -> None:
    candidates = make_candidates(images)
    found = [
        bracket(day(n), candidates, max_span_days=span, coarse_days=ALL_DAYS) for n in range(61)
    ]
    pairs = [one for one in found if isinstance(one, Bracket)]
    for one, next_one in pairwise(pairs):
        assert one.before <= next_one.before
        assert one.after <= next_one.after


def test_a_target_without_a_coarse_cell_is_a_gap_whatever_else_there_is() -> None:
    for single_pair in ("ignore", "mixed", "all"):
        found = bracket(
            day(4),
            clean(3, 5),
            max_span_days=9,
            coarse_days={day(3)},
            single_pair=single_pair,
        )
        assert found is Gap.NO_COARSE


@given(images, st.integers(1, 59), st.integers(0, 20))
def test_the_nearest_image_wins_where_it_is_cloudless(images, target, nearest) -> None:
    images = {n: seen for n, seen in images.items() if abs(n - target) > nearest + 1}
    away = nearest + 1
    candidates = make_candidates(images) + clean(target - away, target + away)
    candidates.sort(key=lambda one: one.day)
    found = bracket(day(target), candidates, max_span_days=64, coarse_days=ALL_DAYS)
    assert found == Bracket(before=day(target - away), after=day(target + away))


def test_a_much_clearer_image_wins_over_one_days_nearer_and_a_little_clearer_does_not() -> None:
    def before(clear: float, metres: float) -> object:
        hazy = make_candidates({8: (clear, metres)})
        candidates = [*clean(4), *hazy, *clean(20)]
        found = bracket(day(15), candidates, max_span_days=64, coarse_days=ALL_DAYS)
        assert isinstance(found, Bracket)
        return found.before

    assert before(0.4, 500.0) == day(4)
    assert before(0.8, 900.0) == day(8)
    assert before(0.3, 1500.0) == day(8)
    assert before(0.3, 600.0) == day(4)


def test_far_away_a_day_counts_double() -> None:
    near, far = (make_candidates({n: (0.5, 1500.0)})[0].cost(day(60)) for n in (60 - 30, 60 - 40))
    assert (near, far) == (30 + 2, 40 + 2 + 8)


def test_a_pair_within_the_span_is_found_where_the_best_of_each_side_are_too_far_apart() -> None:
    hazy = make_candidates({18: (0.3, 0.0)})
    candidates = [*clean(14), *hazy, *clean(50)]
    found = bracket(day(20), candidates, max_span_days=34, coarse_days=ALL_DAYS)
    assert found == Bracket(before=day(18), after=day(50))
    found = bracket(day(20), candidates, max_span_days=40, coarse_days=ALL_DAYS)
    assert found == Bracket(before=day(14), after=day(50)), "6 days are less than 2 + 6.75"


def test_a_target_never_uses_itself() -> None:
    for single_pair, wanted in (
        ("ignore", Bracket(before=day(0), after=day(9))),
        ("all", Bracket(before=None, after=day(9))),
    ):
        found = bracket(
            day(5),
            clean(0, 5, 9),
            max_span_days=30,
            coarse_days=ALL_DAYS,
            single_pair=single_pair,
        )
        assert found == wanted


def test_a_single_reference_is_no_farther_than_the_nearer_of_a_pair_may_be() -> None:
    def found(away: int) -> object:
        return bracket(
            day(away), clean(0), max_span_days=20, coarse_days=ALL_DAYS, single_pair="mixed"
        )

    assert found(10) == Bracket(before=day(0), after=None)
    assert found(11) is Gap.NONE_AFTER


def test_a_reference_needs_its_coarse_image_as_much_as_its_own_clear_pixels() -> None:
    fine = {day(0): 0.6, day(1): 0.59, day(2): 1.0, day(3): 1.0}
    coarse = {day(0): 0.6, day(1): 1.0, day(2): 0.5}
    assert reference_dates(fine, coarse, min_clear=0.6) == (day(0),)


@pytest.mark.parametrize("gap", Gap)
def test_each_gap_has_the_status_of_its_own_name(gap) -> None:
    assert Status[gap.name] == gap.status


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 16))
def test_runs_part_the_days_and_share_what_they_are_made_from(made_from, longest) -> None:
    by_day = {day(n): one for n, one in enumerate(made_from)}
    cut = runs(by_day, longest=longest)
    assert [one for run in cut for one in run] == sorted(by_day)
    for run in cut:
        assert len(run) <= longest
        assert len({by_day[one] for one in run}) == 1
    for left, right in pairwise(cut):  # no cut without a reason
        assert len(left) == longest or by_day[left[-1]] != by_day[right[0]]


def test_days_apart_are_not_one_run() -> None:
    same = Bracket(before=day(0), after=day(9))
    assert runs({day(1): same, day(3): same}) == [(day(1),), (day(3),)]


@given(
    images,
    st.integers(5, 39),
    st.integers(36, 64),
    st.sampled_from(["before", "after", "both"]),
)
def test_what_fills_holes_costs_least_on_its_side_and_stays_within_the_span(
    images, target, span, sides
) -> None:
    found = Bracket(
        before=day(4) if sides != "after" else None, after=day(40) if sides != "before" else None
    )
    candidates = make_candidates(images)
    lists = fillers(found, day(target), candidates, max_span_days=span)
    for side, reference, other in (
        (lists[0], found.before, found.after),
        (lists[1], found.after, found.before),
    ):
        if reference is None:
            assert side == ()
            continue
        assert side[0] == reference
        usable = [
            one
            for one in candidates
            if (one.day < day(target)) == (reference == day(4))
            and one.day not in (day(target), reference)
            and (
                abs((one.day - reference).days) <= span // 2
                if other is None
                else max(abs((one.day - date).days) for date in (reference, other)) <= span
            )
        ]
        usable.sort(key=lambda one: (price(one, target), abs(one.day - day(target))))
        holes = [1 - one.clear for one in candidates if one.day == reference]
        enough = 4
        while enough < 12 and prod([*holes, *(1 - one.clear for one in usable[:enough])]) > 1e-3:
            enough += 1
        assert list(side[1:]) == sorted(one.day for one in usable[:enough])
        if (
            other is not None or abs((reference - day(target)).days) <= span // 2
        ):  # as bracket has it
            assert all(abs((one - day(target)).days) <= span for one in side)


@pytest.mark.parametrize(("clear", "listed"), [(0.9, 4), (0.5, 9), (0.3, 12)])
def test_the_holes_of_a_tile_that_is_seldom_clear_may_be_filled_from_more_dates(
    clear: float, listed: int
) -> None:
    candidates = [
        Candidate(day=day(n), clear=clear, cloud_distance=1500.0) for n in range(40) if n != 20
    ]
    found = Bracket(before=day(19), after=day(21))
    before, after = fillers(found, day(20), candidates, max_span_days=64)
    assert before == (day(19), *(day(19 - n) for n in range(listed, 0, -1)))
    assert after == tuple(day(21 + n) for n in range(1 + listed))
