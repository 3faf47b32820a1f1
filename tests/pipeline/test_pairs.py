from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cube import Status
from pipeline.pairs import Bracket, Gap, bracket, explain, fillers, reference_dates, runs
from tests.synthetic import day

numbers = st.sets(st.integers(0, 60)).map(sorted)


@given(st.integers(0, 60), numbers, numbers, st.integers(2, 40))
def test_a_bracket_is_the_nearest_pair_around_the_target(target, references, coarse, span) -> None:
    found = bracket(
        day(target),
        [day(n) for n in references],
        max_span_days=span,
        coarse_days={day(n) for n in coarse},
    )
    before = [n for n in references if n < target]
    after = [n for n in references if n > target]
    if target not in coarse:
        assert found is Gap.NO_COARSE
    elif not before:
        assert found is Gap.NONE_BEFORE
    elif not after:
        assert found is Gap.NONE_AFTER
    elif min(after) - max(before) > span:
        assert found is Gap.TOO_FAR
    else:
        assert found == Bracket(before=day(max(before)), after=day(min(after)))


def test_a_target_never_uses_itself() -> None:
    references = [day(n) for n in (0, 5, 9)]
    found = bracket(day(5), references, max_span_days=30, coarse_days={day(5)})
    assert found == Bracket(before=day(0), after=day(9))


def test_a_reference_needs_its_coarse_image_as_much_as_its_own_clear_pixels() -> None:
    fine = {day(0): 0.6, day(1): 0.59, day(2): 1.0, day(3): 1.0}
    coarse = {day(0): 0.6, day(1): 1.0, day(2): 0.5}
    assert reference_dates(fine, coarse, min_clear=0.6) == (day(0),)


@pytest.mark.parametrize("gap", Gap)
def test_each_gap_has_the_status_of_its_own_name(gap) -> None:
    assert Status[gap.name] == gap.status


@given(numbers, numbers, st.integers(1, 16))
def test_runs_part_the_days_and_share_a_bracket_and_lie_on_one_side_of_every_image(
    references, images, longest
) -> None:
    brackets = {
        day(n): bracket(
            day(n),
            [day(r) for r in references],
            max_span_days=20,
            coarse_days={day(k) for k in range(61)},
        )
        for n in range(61)
    }
    breaks = {day(n) for n in images}
    cut = runs(brackets, breaks=breaks, longest=longest)
    assert [one for run in cut for one in run] == sorted(brackets)
    for run in cut:
        assert len(run) <= longest
        assert len({brackets[one] for one in run}) == 1
        assert len(run) == 1 or not breaks & set(run)
    for left, right in pairwise(cut):  # no cut without a reason
        joined = (*left, *right)
        assert (
            len(left) == longest
            or brackets[left[-1]] != brackets[right[0]]
            or breaks & {left[-1], right[0]}
        ), joined


def test_days_apart_are_not_one_run() -> None:
    same = Bracket(before=day(0), after=day(9))
    assert runs({day(1): same, day(3): same}, breaks=()) == [(day(1),), (day(3),)]


@given(numbers, st.integers(10, 20), st.integers(0, 10), st.integers(1, 30), st.integers(0, 5))
def test_fillers_are_the_nearest_dates_on_each_side_of_the_days(
    images, first, length, span, most
) -> None:
    found = Bracket(before=day(4), after=day(40))
    days = [day(first + n) for n in range(length + 1)]
    before, after = fillers(found, days, [day(n) for n in images], max_span_days=span, most=most)
    assert (before[0], after[0]) == (found.before, found.after)
    for side, reference, edge in ((before, 4, days[0]), (after, 40, days[-1])):
        usable = [
            day(n)
            for n in images
            if (day(n) < days[0] if reference == 4 else day(n) > days[-1])
            and abs(n - reference) <= span
            and n != reference
        ]
        usable.sort(key=lambda one: abs(one - edge))
        assert list(side[1:]) == usable[:most]


def _explained(target, fine, coarse):
    return explain(day(target), fine, coarse, min_clear=0.6, max_span_days=20)


def test_explain_names_the_references_and_what_was_passed_over() -> None:
    fine = {day(0): 0.9, day(4): 0.31, day(8): 0.8, day(6): 0.9, day(5): 0.4}
    coarse = {day(n): 1.0 for n in range(10)} | {day(6): 0.2}
    text = _explained(5, fine, coarse)
    assert f"{day(0)} (5 days before)" in text
    assert f"{day(8)} (3 days after)" in text
    assert f"{day(4)} (31% clear, needs 60%)" in text
    assert f"{day(6)} (coarse cells known 20%, needs 60%)" in text
    assert "fine image of the day: 40% clear" in text


def test_explain_says_why_there_is_no_bracket_and_what_would_help() -> None:
    coarse = {day(n): 1.0 for n in range(60)}
    both = {day(10): 1.0, day(40): 1.0}
    assert "no coarse image" in _explained(70, both, coarse)
    assert f"the first is {day(10)}" in _explained(3, both, coarse)
    assert f"the last is {day(40)}" in _explained(50, both, coarse)
    assert "30 days apart, more than pairs.max_span_days = 20" in _explained(20, both, coarse)
    assert "there is none at all" in _explained(20, {}, coarse)


def test_the_span_of_a_bracket_is_in_days() -> None:
    assert Bracket(before=day(3), after=day(3) + timedelta(days=11)).span == 11
