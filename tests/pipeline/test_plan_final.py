"""What is final stays so, whatever images are still to come; what may change is provisional."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cube import PARTLY, Status
from pipeline.job import PairRules
from tests.pipeline.surveys import (
    DAYS,
    FILL,
    fresh,
    identities,
    known_until,
    make_recipe,
    make_survey,
    tile_days,
)
from tests.synthetic import day

RULES = [
    PairRules(min_clear=0.6, max_span_days=24, single_pair=single_pair, observed=observed)
    for single_pair, observed in (
        *(("ignore", "keep"), ("mixed", "keep"), ("all", "keep")),
        *(("ignore", "skip"), ("mixed", "fuse")),
    )
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: f"{rules.single_pair}-{rules.observed}")
@pytest.mark.parametrize(("seed", "series"), [(0, False), (1, False), (2, False), (1, True)])
def test_what_is_final_stays_whatever_images_the_nights_bring(
    seed: int, series: bool, rules: PairRules
) -> None:
    survey = make_survey(seed=seed, every=3 + 2 * (seed % 2))
    recipe = make_recipe(rules=rules, series=series)
    at_last = identities(fresh(survey, recipe))
    finals = 0
    for number in range(25, DAYS, 2):
        early = fresh(known_until(survey, day(number)), recipe)
        identity = identities(early)
        for place, task in tile_days(early.tasks).items():
            if task.status is Status.FINAL:
                finals += 1
                assert identity[place] == at_last[place], (number, place)
    assert finals > 500


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(RULES), st.integers(28, 75), st.booleans())
def test_no_future_changes_what_is_final(
    seed: int, rules: PairRules, last: int, series: bool
) -> None:
    """Of one past many futures: the images of either sensor after ``last`` are drawn anew, and so
    are those of the day itself, of which the rest may come."""
    noise = np.random.default_rng(seed)
    past = make_survey(every=int(noise.integers(1, 6)), seed=seed)
    recipe = make_recipe(rules=rules, series=series)
    now = fresh(known_until(past, day(last)), recipe)
    identity = identities(now)
    finals = {p: task for p, task in tile_days(now.tasks).items() if task.status is Status.FINAL}
    newest = max(one for one in past.fine_days if one <= day(last))
    for future in range(3):
        other = replace(
            past,
            fine_clear=_drawn_from(past.fine_days, past.fine_clear, newest, seed + future),
            coarse_clear=_drawn_from(past.coarse_days, past.coarse_clear, day(last), seed - future),
            fine_prints={**past.fine_prints, newest: 1},
            coarse_prints={**past.coarse_prints, day(last): 2},
        )
        then = identities(fresh(known_until(other, day(DAYS)), recipe))
        for place in finals:
            assert identity[place] == then[place], (place, future)


def _drawn_from(days, shares, first: date, seed: int):
    noise = np.random.default_rng(abs(seed))
    drawn = noise.choice([0, 0.3, 0.61, 0.8, 1], shares.shape).astype(np.float32)
    late = np.array([one >= first for one in days])
    return np.where(late[:, None], drawn, shares)


@pytest.mark.parametrize("coregister", ["none", "flag", "shift"])
def test_what_may_be_found_misplaced_once_it_is_wholly_read_is_provisional(coregister) -> None:
    """A fine image that is lacking on one tile far away takes part in where the coarse one lies."""
    recipe, survey = make_recipe(coregister=coregister), make_survey(tiles=4)
    found = fresh(survey, recipe).tasks[0].before[0]
    done = survey.fine_done.copy()
    done[survey.fine_days.index(found), 3] = PARTLY
    plan = fresh(replace(survey, fine_done=done), recipe)
    near = {found + timedelta(days=n) for n in range(-FILL, FILL + 1)}
    made_from_it = {
        (tile, when): task.status
        for (tile, when), task in tile_days(plan.tasks).items()
        if tile != 3 and task.gap is None and near & {when, *task.before, *task.after}
    }
    assert made_from_it
    wanted = Status.FINAL if coregister == "none" else Status.PROVISIONAL
    assert set(made_from_it.values()) == {wanted}


def test_a_clearer_image_to_come_keeps_a_day_provisional_only_as_long_as_it_could_win() -> None:
    """The reference after day 40 is whole, but clouds stand right beside it: it costs 5 + 4."""
    survey = make_survey(every=1)
    clear, metres = np.zeros_like(survey.fine_clear), np.full_like(survey.fine_clear, 1500)
    for number, away in ((35, 1500), (45, 0)):
        at = survey.fine_days.index(day(number))
        clear[at], metres[at] = 1, away
    sky = np.ones_like(survey.coarse_clear)
    survey = replace(survey, fine_clear=clear, cloud_distance=metres, coarse_clear=sky)
    recipe = make_recipe(rules=PairRules(min_clear=0.4, max_span_days=24, single_pair="ignore"))
    status = {
        last: tile_days(fresh(known_until(survey, day(last)), recipe).tasks)[0, day(40)].status
        for last in (47, 49)
    }
    # A cloudless day 48 would cost 8, less than 9, and its pair reach back to 35; day 50 costs 10.
    assert status == {47: Status.PROVISIONAL, 49: Status.FINAL}
