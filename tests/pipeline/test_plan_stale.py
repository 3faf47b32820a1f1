"""What a change touches: exactly the tile-days that would be made otherwise."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.calibration import Line
from pipeline.coincidence import Coincidence, write_coincident
from pipeline.corrections import Measured
from pipeline.cube import Status
from pipeline.job import PairRules
from pipeline.plan import StaleError, draw_plan
from pipeline.recipe import Recipe
from pipeline.registration import Shift
from tests.pipeline.surveys import (
    FILL,
    a_plan,
    a_young_plan,
    fresh,
    known_until,
    make_recipe,
    make_survey,
    make_tables,
    tile_days,
)
from tests.synthetic import day


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
