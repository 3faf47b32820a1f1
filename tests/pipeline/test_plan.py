"""Laws of a plan, on made-up input cubes; nothing is fused here."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.choose import LONGEST
from pipeline.cube import Status
from pipeline.pairs import FILLERS, Bracket, Candidate, Gap, bracket, reference_dates
from pipeline.plan import PRODUCED, Plan, draw_plan
from pipeline.survey import NotIngestedError, Survey
from tests.pipeline.surveys import (
    FILL,
    a_plan,
    a_young_plan,
    fresh,
    identities,
    known_until,
    make_recipe,
    make_survey,
    make_tables,
    tile_days,
)
from tests.synthetic import day


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
