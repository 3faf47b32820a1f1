"""Laws of a plan, on made-up input cubes; nothing is fused here."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.calibration import Line
from pipeline.choose import LONGEST
from pipeline.coincidence import Coincidence, write_coincident
from pipeline.corrections import Measured
from pipeline.cube import PARTLY, Status
from pipeline.job import Job, PairRules
from pipeline.pairs import FILLERS, Bracket, Candidate, Gap, bracket, reference_dates
from pipeline.plan import PRODUCED, FuseTask, Plan, StaleError, draw_plan
from pipeline.recipe import Recipe
from pipeline.registration import Shift
from pipeline.store import Tables
from pipeline.survey import NotIngestedError, Survey
from tests.pipeline.test_job import make_job
from tests.synthetic import day

DAYS = 90
FILL = 2


def make_survey(*, tiles: int = 4, every: int = 5, seed: int = 0) -> Survey:
    """Fine images every ``every`` days from cloudless to none, coarse ones on most days."""
    noise = np.random.default_rng(seed)
    fine_days = tuple(day(number) for number in range(0, DAYS, every))
    coarse_days = tuple(day(number) for number in range(DAYS))
    clear = noise.choice([0, 0.3, 0.61, 0.8, 1], (len(fine_days), tiles)).astype(np.float32)
    sky = noise.choice([0, 0, 0.4, 1], (DAYS, tiles)).astype(np.float32)
    known = np.stack([sky[max(at - FILL, 0) : at + FILL + 1].max(0) for at in range(DAYS)])
    return Survey(
        fine_days=fine_days,
        fine_clear=clear,
        cloud_distance=noise.choice([100, 600, 1500], clear.shape).astype(np.float32),
        fine_done=np.ones(clear.shape, np.uint8),
        fine_prints={when: 1000 + at for at, when in enumerate(fine_days)},
        coarse_days=coarse_days,
        coarse_known=known,
        coarse_clear=sky,
        coarse_done=np.ones(DAYS, np.uint8),
        coarse_prints={when: 5000 + at for at, when in enumerate(coarse_days)},
    )


def make_recipe(*, halo: int = 0, sha: str = "one", series: bool = False, **changes: Any) -> Recipe:
    asked = {
        "start": day(20),
        "end": day(60),
        "rules": PairRules(min_clear=0.6, max_span_days=24, single_pair="ignore"),
        "coarse_fill_days": FILL,
    }
    job = make_job(**(asked | changes))
    return Recipe(
        job=job,
        bands=("red",),
        halo=halo,
        sha=sha,
        series=series,
        centre=(0.1,),
        spread=(0.2,),
    )


def make_tables(job: Job, made: Iterable[FuseTask] = ()) -> Tables:
    """The tables of a cube in which ``made`` has been carried out."""
    shape = (len(job.days), len(job.grid.tiles))
    status, hashes = np.zeros(shape, np.uint8), np.zeros(shape, np.uint64)
    for task in made:
        for when, identity in zip(task.days, task.hashes, strict=True):
            if when in job.days:
                status[job.days.index(when), task.tile] = task.status
                hashes[job.days.index(when), task.tile] = identity
    return Tables(days=job.days, arrays={"status": status, "plan_hash": hashes})


def fresh(survey: Survey, recipe: Recipe | None = None) -> Plan:
    recipe = recipe or make_recipe()
    return draw_plan(recipe, survey, make_tables(recipe.job))


def tile_days(tasks: Iterable[FuseTask]) -> dict[tuple[int, date], FuseTask]:
    return {(task.tile, when): task for task in tasks for when in task.days}


def identities(plan: Plan) -> Mapping[tuple[int, date], int]:
    return {
        (task.tile, when): identity
        for task in plan.tasks
        for when, identity in zip(task.days, task.hashes, strict=True)
    }


def known_until(survey: Survey, last: date) -> Survey:
    """The survey as it was when nothing after ``last`` had been seen."""
    fine = sum(when <= last for when in survey.fine_days)
    coarse = sum(when <= last for when in survey.coarse_days)
    sky = survey.coarse_clear[:coarse]
    known = [sky[max(at - FILL, 0) : at + FILL + 1].max(0) for at in range(coarse)]
    return replace(
        survey,
        fine_days=survey.fine_days[:fine],
        fine_clear=survey.fine_clear[:fine],
        cloud_distance=survey.cloud_distance[:fine],
        fine_done=survey.fine_done[:fine],
        fine_prints=_first(survey.fine_prints, fine),
        coarse_days=survey.coarse_days[:coarse],
        coarse_known=np.stack(known),
        coarse_clear=sky,
        coarse_done=survey.coarse_done[:coarse],
        coarse_prints=_first(survey.coarse_prints, coarse),
    )


def _first(prints: Mapping[date, int], count: int) -> dict[date, int]:
    return dict(list(prints.items())[:count])


@cache
def a_plan() -> Plan:
    return fresh(make_survey())


@cache
def a_young_plan() -> Plan:
    return fresh(known_until(make_survey(), day(56)))


@pytest.mark.parametrize("seed", range(4))
def test_tasks_and_gaps_partition_the_tile_days_of_the_job(seed: int) -> None:
    plan = fresh(make_survey(seed=seed))
    job = plan.recipe.job
    made = [(task.tile, when) for task in plan.tasks for when in task.days]
    closed = [(one.tile, one.day) for one in plan.closed]

    assert sorted(made + closed) == [
        (tile.index, when) for tile in job.grid.tiles for when in job.days
    ]
    assert sum(plan.counts.values()) == len(made) + len(closed)


@pytest.mark.parametrize("seed", range(4))
def test_a_task_holds_days_that_share_the_bracket_brute_force_finds(seed: int) -> None:
    survey = make_survey(seed=seed)
    plan = fresh(survey)
    rules = plan.recipe.job.rules
    for task in plan.tasks:
        fine, coarse = survey.fine_shares(task.tile), survey.coarse_shares(task.tile)
        away = survey.cloud_distances(task.tile)
        references = [
            Candidate(day=one, clear=fine[one], cloud_distance=away[one])
            for one in reference_dates(fine, coarse, min_clear=rules.min_clear)
        ]
        covered = {when for when, share in coarse.items() if share}
        assert len(task.days) <= LONGEST
        for when in task.days:
            found = bracket(
                when, references, max_span_days=rules.max_span_days, coarse_days=covered
            )
            if isinstance(found, Bracket):
                assert (task.before[0], task.after[0]) == (found.before, found.after)
            else:
                assert (task.before, task.after, task.gap) == ((), (), found)
                assert fine.get(when, 0) > 0, "only an observation is written without a bracket"


@pytest.mark.parametrize("seed", range(4))
def test_all_dates_of_a_task_lie_around_its_days_and_within_the_span(seed: int) -> None:
    plan = fresh(make_survey(seed=seed))
    fused = [task for task in plan.tasks if task.gap is None]

    assert any(len(task.before) > 1 for task in fused)
    for task in fused:
        assert max(task.before) < task.days[0]
        assert task.days[-1] < min(task.after)
        assert len(task.before) <= 1 + FILLERS.most
        assert len(task.after) <= 1 + FILLERS.most
        span = timedelta(days=plan.recipe.job.rules.max_span_days)
        assert max(task.after) - task.before[0] <= span
        assert task.after[0] - min(task.before) <= span


def test_a_plan_that_was_carried_out_leaves_nothing() -> None:
    plan = a_plan()
    tables = make_tables(plan.recipe.job, plan.tasks)
    for one in plan.closed:
        tables.arrays["status"][plan.recipe.job.days.index(one.day), one.tile] = one.status

    again = draw_plan(plan.recipe, make_survey(), tables)

    assert (again.tasks, again.closed, again.stale) == ((), (), ())
    assert again.done == sum(plan.counts.values())


def test_what_was_interrupted_or_failed_is_made_again_as_it_was_planned() -> None:
    plan = a_plan()
    done, left = plan.tasks[::2], plan.tasks[1::2]
    tables = make_tables(plan.recipe.job, done)
    for number, task in enumerate(left):
        for when in task.days:
            place = plan.recipe.job.days.index(when)
            tables.arrays["status"][place, task.tile] = (
                Status.RUNNING,
                Status.FAILED,
                Status.EMPTY,
            )[number % 3]

    again = draw_plan(plan.recipe, make_survey(), tables)

    assert again.tasks == left
    assert not again.stale


@pytest.mark.parametrize("seed", range(3))
def test_the_series_of_a_day_is_every_clear_image_near_it_but_its_own(seed: int) -> None:
    survey = make_survey(seed=seed)
    plan = fresh(survey, make_recipe(series=True))
    alone = tile_days(fresh(survey).tasks)
    for (tile, when), task in tile_days(plan.tasks).items():
        near = [
            one
            for one, share in survey.fine_shares(tile).items()
            if share and 0 < abs((one - when).days) <= plan.recipe.job.rules.max_span_days
        ]
        assert list(task.series) == (near if task.gap is None else [])
        assert {task.before[0], task.after[0]} <= {*task.series} if task.before else task.gap
        assert (task.before, task.after) == (alone[tile, when].before, alone[tile, when].after)
        assert not alone[tile, when].series


@pytest.mark.parametrize("series", [False, True])
@pytest.mark.parametrize("number", [3, 7, 9])
def test_a_changed_fine_image_touches_exactly_the_tile_days_made_from_it(
    number: int, series: bool
) -> None:
    survey = make_survey()
    plan = fresh(survey, make_recipe(series=series))
    changed_day = survey.fine_days[number]
    changed = replace(survey, fine_prints={**survey.fine_prints, changed_day: 1})

    again = draw_plan(plan.recipe, changed, make_tables(plan.recipe.job, plan.tasks))

    made_from = {
        place: task
        for place, task in tile_days(plan.tasks).items()
        if changed_day in (place[1], *task.before, *task.after, *task.series)
    }
    assert set(tile_days(again.tasks)) == set(made_from)
    final = {place for place, task in made_from.items() if task.status is Status.FINAL}
    assert set(again.stale) == final
    assert final


def test_a_changed_coarse_image_touches_exactly_the_days_it_could_fill() -> None:
    survey, plan = make_survey(), a_plan()
    changed_day = day(37)
    changed = replace(survey, coarse_prints={**survey.coarse_prints, changed_day: 1})

    again = draw_plan(plan.recipe, changed, make_tables(plan.recipe.job, plan.tasks))

    near = {changed_day + timedelta(days=by) for by in range(-FILL, FILL + 1)}
    assert set(tile_days(again.tasks)) == {
        place
        for place, task in tile_days(plan.tasks).items()
        if task.gap is None and near & {place[1], *task.before, *task.after}
    }


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


def test_new_images_at_the_end_make_nothing_stale_but_finish_what_was_provisional() -> None:
    survey = make_survey()
    early = fresh(known_until(survey, day(50)))
    tables = make_tables(early.recipe.job, early.tasks)

    later = draw_plan(early.recipe, survey, tables)

    assert not later.stale
    assert early.counts["provisional"] > later.counts.get("provisional", 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_longer_period_makes_nothing_stale(seed: int) -> None:
    survey = make_survey(seed=seed)
    short = fresh(survey, make_recipe(start=day(30), end=day(45)))
    recipe = make_recipe(start=day(10), end=day(70))

    grown = draw_plan(recipe, survey, make_tables(recipe.job, short.tasks))

    assert not grown.stale
    assert not set(tile_days(grown.tasks)) & set(tile_days(short.tasks))


@pytest.mark.parametrize(
    "other",
    [
        make_recipe(sha="two"),
        make_recipe(coarse_fill_days=FILL + 1),
        replace(make_recipe(), centre=(0.11,)),
        make_recipe(halo=16),
        make_recipe(calibrate="linear"),
        make_recipe(coregister="none"),
        make_recipe(coregister="shift"),
        make_recipe(flicker="keep"),
    ],
    ids=[
        "weights",
        "coarse_fill_days",
        "statistics",
        "halo",
        "calibrate",
        "not flagged",
        "shift",
        "not calmed",
    ],
)
def test_other_settings_or_weights_make_all_stale_the_provisional_too(other: Recipe) -> None:
    plan = a_young_plan()
    assert plan.counts["provisional"]
    assert plan.counts["final"]

    again = draw_plan(
        other, known_until(make_survey(), day(56)), make_tables(plan.recipe.job, plan.tasks)
    )

    assert set(again.stale) == set(tile_days(plan.tasks))


def test_what_was_measured_is_part_of_it_only_where_it_is_used() -> None:
    line = Line(gain=1.1, bias=0.0, scatter=0.01, cells=900)
    other = Measured(lines=(line,), shift=(0.4, 0.0))
    for changes, differs in (
        ({"coregister": "none"}, False),
        ({"coregister": "flag"}, False),
        ({"coregister": "shift"}, True),
        ({"calibrate": "linear"}, True),
    ):
        recipe = make_recipe(**changes)
        assert (replace(recipe, measured=other).code != recipe.code) == differs, changes


def test_a_day_found_misplaced_touches_what_is_made_from_it(tmp_path: Path) -> None:
    recipe = make_recipe(cube=tmp_path / "a.zarr")
    survey = make_survey()
    plan = draw_plan(recipe, survey, make_tables(recipe.job))
    recipe.job.inputs.mkdir()
    found = plan.tasks[0].before[0]
    shift = Shift(y=1.5, x=0.0, sigma=0.1, likeness=0.9, cells=900)
    known = Coincidence(day=found, images="a b", shift=shift, lines=(None,))
    write_coincident(recipe.job.inputs, [known])
    again = draw_plan(recipe, survey, make_tables(recipe.job, plan.tasks))
    near = {found + timedelta(days=n) for n in range(-FILL, FILL + 1)}
    made_from_it = {
        (tile, when)
        for task in plan.tasks
        for tile, when in tile_days([task])
        if task.gap is None and near & {when, *task.before, *task.after}
    }
    assert made_from_it
    assert set(again.stale) == made_from_it


def test_rules_that_choose_the_same_images_leave_the_cube_as_it_is() -> None:
    survey, plan = make_survey(), a_plan()
    # No tile is between 0.6 and 0.61 clear.
    rules = PairRules(min_clear=0.605, max_span_days=24, single_pair="ignore")

    again = draw_plan(make_recipe(rules=rules), survey, make_tables(plan.recipe.job, plan.tasks))

    assert not again.tasks
    assert not again.stale


@pytest.mark.parametrize("observed", ["fuse", "skip"])
def test_another_use_of_observed_days_makes_exactly_those_stale_that_it_changes(observed) -> None:
    survey, plan = make_survey(), a_plan()
    rules = replace(plan.recipe.job.rules, observed=observed)

    again = draw_plan(make_recipe(rules=rules), survey, make_tables(plan.recipe.job, plan.tasks))

    least = 0.6 if observed == "skip" else 0.01
    seen = {
        (tile, when)
        for tile, when in tile_days(plan.tasks)
        if survey.fine_shares(tile).get(when, 0) >= least
    }
    assert seen
    assert set(again.stale) == seen


def test_single_pairs_fill_gaps_and_make_nothing_else_stale_but_all_of_them_do() -> None:
    survey, plan = make_survey(), a_plan()
    tables, rules = make_tables(plan.recipe.job, plan.tasks), plan.recipe.job.rules
    paired = {place for place, task in tile_days(plan.tasks).items() if task.gap is None}

    mixed = draw_plan(make_recipe(rules=replace(rules, single_pair="mixed")), survey, tables)
    alone = draw_plan(make_recipe(rules=replace(rules, single_pair="all")), survey, tables)

    assert mixed.tasks
    assert all(bool(task.before) != bool(task.after) for task in mixed.tasks)
    assert not set(tile_days(mixed.tasks)) & paired
    assert paired <= set(tile_days(alone.tasks))
    assert {one.day for one in mixed.closed} <= {one.day for one in plan.closed}


def test_the_refusal_names_cube_tile_days_and_cure() -> None:
    plan = a_plan()
    stale = replace(plan, stale=((2, day(30)), (2, day(31)), (2, day(33)), (3, day(40))))

    with pytest.raises(StaleError) as refusal:
        stale.refuse_stale()

    text = str(refusal.value)
    assert "4 finished tile-days of /data/fields.zarr" in text
    assert "tile 2: 2023-05-31 to 2023-06-01, 2023-06-03" in text
    assert "tile 3: 2023-06-10" in text
    assert "--refresh" in text


def test_an_image_that_cannot_be_read_fails_its_tile_day_and_delays_those_around() -> None:
    survey = make_survey(every=6)
    broken = survey.fine_days[6]
    done = survey.fine_done.copy()
    done[6, 1] = False
    clear = survey.fine_clear.copy()
    clear[6, 1] = 0

    plan = fresh(replace(survey, fine_done=done, fine_clear=clear))
    healthy = fresh(survey)

    failed = [(one.tile, one.day) for one in plan.closed if one.status is Status.FAILED]
    assert failed == [(1, broken)]
    assert {task.status for task in plan.tasks if task.tile == 1} == {Status.PROVISIONAL}
    # What the others take from that day may yet be found to lie elsewhere.
    near = {broken + timedelta(days=by) for by in range(-FILL, FILL + 1)}
    made, wanted = identities(plan), identities(healthy)
    elsewhere = {
        (tile, when)
        for (tile, when), task in tile_days(healthy.tasks).items()
        if tile != 1 and not near & {when, *task.before, *task.after}
    }
    assert elsewhere
    assert all(made[place] == wanted[place] for place in elsewhere)


def test_a_tile_waits_for_the_unread_image_of_a_neighbour_in_its_halo_without_failing() -> None:
    survey = make_survey()
    done = survey.fine_done.copy()
    done[8, 1] = False

    plan = fresh(replace(survey, fine_done=done), make_recipe(halo=4))

    assert {task.status for task in plan.tasks if task.tile == 0} == {Status.PROVISIONAL}
    assert not [one for one in plan.closed if one.tile == 0 and one.status is Status.FAILED]


def test_a_gap_where_something_was_written_is_emptied_by_a_task() -> None:
    plan = a_plan()
    gap = next(one for one in plan.closed if one.status >= Status.NO_COARSE)
    tables = make_tables(plan.recipe.job, plan.tasks)
    tables.arrays["status"][plan.recipe.job.days.index(gap.day), gap.tile] = Status.RUNNING

    again = draw_plan(plan.recipe, make_survey(), tables)

    assert [(task.tile, task.days, task.status) for task in again.tasks] == [
        (gap.tile, (gap.day,), gap.status)
    ]


def test_days_beyond_the_coarse_record_are_gaps() -> None:
    survey = known_until(make_survey(), day(50))

    plan = fresh(survey)

    beyond = [one for one in plan.closed if one.day > day(50)]
    assert beyond
    assert {one.status for one in beyond} == {Status.NO_COARSE}
    assert max(when for task in plan.tasks for when in task.days) <= day(50)


def test_a_plan_survives_the_way_through_its_file(tmp_path: Path) -> None:
    job = replace(make_recipe().job, cube=tmp_path / "fields.zarr")
    job.inputs.mkdir()
    plan = fresh(make_survey(), replace(make_recipe(), job=job))
    plan = replace(plan, stale=((1, day(22)),))
    plan.save()

    assert Plan.load(plan.path) == plan
    assert plan.tasks[0].plan == str(plan.path)


def test_the_table_and_the_lines_tell_every_task() -> None:
    plan = a_young_plan()

    assert sum(row["days"] for row in plan.table()) == plan.tile_days
    assert f"{plan.tile_days} to make in {len(plan.tasks)} tasks" in plan.lines()[0]
    assert sum(plan.counts[status.name.lower()] for status in PRODUCED) == plan.tile_days
    assert {row["status"] for row in plan.table()} >= {"final", Gap.TOO_FAR.value}


def test_a_region_without_scenes_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotIngestedError, match=r"run `daily30 plan REGION\.yaml`"):
        Survey.of(tmp_path / "none.inputs", make_recipe().job.grid, coarse_fill_days=1)


def test_planning_does_not_load_torch() -> None:
    code = "import sys, pipeline.run, pipeline.validate; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "False", done.stderr
