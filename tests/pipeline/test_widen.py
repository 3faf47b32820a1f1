"""Factors of uncertainty: by which dates they are measured, what they do to a cube, who hears."""

import json
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from model.card import read_card, write_card
from pipeline import run
from pipeline.chosen import (
    CLASSES,
    ONE_SIDED,
    Chosen,
    chosen_path,
    gap_class,
    read_chosen,
)
from pipeline.cube import day_number
from pipeline.executor import executor
from pipeline.explain import explain_day
from pipeline.images import array_of
from pipeline.job import Job, Method, PairRules
from pipeline.plan import StaleError, make_plan
from pipeline.recipe import Recipe, make_recipe
from pipeline.run import cube_status, run_job
from pipeline.store import read_attrs, read_tables
from pipeline.validate import choice, held_out
from pipeline.validate.answers import FILE
from pipeline.validate.asked import asked
from pipeline.validate.choice import report_periods, within
from pipeline.validate.decide import decided
from pipeline.validate.hide import Region
from pipeline.validate.result import ATTRIBUTE, Validation, report_path
from pipeline.validate.stage import validate
from pipeline.validate.sums import Sums
from tests.model.makers import make_calibration, write_checkpoint
from tests.pipeline.spoilt import BANDS, copied, spoil
from tests.season import make_season
from tests.synthetic import day

FIRST, LAST = 4, 54


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A cube by a network that is too sure of itself; who changes it takes a copy."""
    folder = tmp_path_factory.mktemp("widen")
    weights = write_checkpoint(folder / "weights", trained=False, bands=BANDS)
    sure = replace(make_calibration(BANDS), intercept=np.full(2, -6.0, np.float32))
    write_card(weights, read_card(weights) | {"uncertainty": [sure.to_dict()]})
    season = make_season(folder / "files", days=LAST + 1, every=4, clear=(0.9, 1), cols=4)
    job = season.job(
        start=day(FIRST),
        end=day(LAST),
        rules=PairRules(min_clear=0.4, max_span_days=48),
        method=Method(name="sa-stf", checkpoint=str(weights)),
        validation="sample",
    )
    summary = run_job(job, scheduler="synchronous")
    assert summary.ok, summary.errors
    return job


def chosen_of(job: Job) -> Chosen:
    found = read_chosen(job)
    assert found is not None
    return found


def factors(job: Job) -> list[float]:
    return [pick.used.sigma_factor for pick in chosen_of(job).picks]


def pixels(job: Job, name: str) -> np.ndarray:
    return np.asarray(array_of(zarr.open_group(job.cube, mode="r"), name))


def classes(job: Job) -> np.ndarray:
    """(time,) the class of gaps of each fused day of the one tile; -1 where nothing is fused."""
    tables = read_tables(job.cube)
    found = []
    for at, when in enumerate(tables.days):
        sides = [int(tables.arrays[name][at, 0]) for name in ("ref_prev", "ref_next")]
        away = [abs(day_number(when) - one) for one in sides if one]
        found.append(gap_class(min(away), one_sided=len(away) == 1) if away else -1)
    return np.array(found)


def test_the_interval_of_the_cube_holds_more_of_other_dates(done: Job) -> None:
    found = Validation.read(done.inputs)
    assert found is not None
    assert found.intervals
    for row in found.intervals:
        assert row.factor == pytest.approx(factors(done)[row.gap], rel=1e-3)
        assert abs(row.written - 0.9) < abs(row.stated - 0.9)
        assert row.score_written < row.score_stated


def test_sigma_is_what_the_method_states_times_the_factor_of_its_class(
    done: Job, tmp_path: Path
) -> None:
    cube = tmp_path / "plain" / "season.zarr"
    plain = replace(done, cube=cube, validation="none", start=day(LAST - 8))
    assert run_job(plain, scheduler="synchronous").ok
    assert read_chosen(plain) is None
    assert make_recipe(plain).picks == ()
    assert "uncertainty" not in read_attrs(plain.cube)["daily30_run"]
    by_day = classes(plain)
    assert set(by_day) == {0, ONE_SIDED}
    np.testing.assert_array_equal(pixels(done, "red")[-9:], pixels(plain, "red"))
    ours, stated = (pixels(job, "sigma_red")[-9:].astype(np.float64) for job in (done, plain))
    np.testing.assert_array_equal(ours > 0, stated > 0)
    for gap, factor in enumerate(factors(done)):
        here = (stated > 0) & (by_day == gap)[:, None, None]
        if gap in by_day:
            assert here.any()
            assert factor > 1.1
            # Both are packed, each to within a sixtieth.
            np.testing.assert_allclose(ours[here], factor * stated[here], rtol=0.035, atol=factor)


def test_attributes_status_report_and_explain_tell_what_was_done(done: Job) -> None:
    chosen, attrs = chosen_of(done), read_attrs(done.cube)
    told = attrs["daily30_run"]["uncertainty"]
    assert [one["factor"] for one in told] == pytest.approx(factors(done), rel=1e-3)
    assert [one["why"] for one in told] == [pick.factor_why for pick in chosen.picks]
    first = chosen.lines[0]
    assert first.startswith(f"uncertainty x {factors(done)[0]:.2f}, reference up to 8 days away: ")
    assert "would hold 90 % on " in first
    assert f"held-out dates, {day(FIRST)} to " in first
    known = attrs[ATTRIBUTE]
    assert known["choice"] == chosen.lines
    again = Validation.from_dict(json.loads(json.dumps(known)))
    assert again.to_dict() == known
    lines = cube_status(done.cube).lines()
    assert set(chosen.lines) <= set(lines)
    assert {row.line for row in again.intervals} <= set(lines)
    assert any("| reference up to 8 days away | sa-stf | " in line for line in again.markdown())
    assert ">Uncertainty<" in report_path(done.cube).read_text()
    (line,) = [one for one in explain_day(done, day(30), tile=0) if one.startswith("tile 0")]
    assert f", uncertainty x {factors(done)[0]:.2f}" in line


def test_a_plan_keeps_the_factors(done: Job) -> None:
    recipe = make_recipe(done)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert recipe.picks == chosen_of(done).picks
    planned = make_plan(done)
    assert not planned.tasks
    assert not planned.stale


def test_another_factor_makes_the_days_of_its_class_stale_and_no_others(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "other")
    known = json.loads(chosen_path(job).read_text())
    known["picks"][0]["used"]["sigma_factor"] *= 2
    chosen_path(job).write_text(json.dumps(known))
    planned = make_plan(job)
    days = read_tables(job.cube).days
    assert planned.stale
    wanted = {days[at] for at in np.flatnonzero(classes(job) == 0)}
    assert {when for task in planned.tasks for when in task.days} == wanted
    with pytest.raises(StaleError, match="--refresh"):
        run_job(job, scheduler="synchronous")


def test_a_later_run_measures_nothing_and_its_factors_stay_without_validation(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "later")
    before = chosen_path(job).read_bytes()
    told: list[Any] = []
    for validation in ("sample", "none"):
        again = replace(job, validation=validation)
        run_job(again, scheduler="synchronous", on_progress=told.append)
        assert not [one for one in told if one.stage in ("validate", "fuse")]
        assert chosen_path(job).read_bytes() == before
    assert read_attrs(job.cube)["daily30_run"]["uncertainty"]


def test_a_cube_begun_without_factors_goes_on_without_until_it_is_refreshed(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "begun")
    path = chosen_path(job)
    measured = path.read_bytes()
    path.unlink()
    with executor(scheduler="synchronous") as ex:
        found = validate(job, ex, extent="sample")
        assert not path.exists()
        assert found.choice[0].startswith("uncertainty x 1.00, ")
        assert "the cube was begun so; --refresh measures it" in found.choice[0]
        assert not found.intervals
        run.validate(job, ex, refresh=True)
        assert path.read_bytes() == measured
        without = replace(job, validation="none")
        run.validate(without, ex)
        assert path.read_bytes() == measured
        run.validate(without, ex, refresh=True)
        assert not path.exists()


def test_who_validates_other_weights_leaves_those_of_the_cube_their_factors(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "tried")
    other = replace(job, method=replace(job.method, seed=job.method.seed + 1))
    with executor(scheduler="synchronous") as ex:
        assert validate(other, ex, extent="sample").choice
    assert read_chosen(other) is not None
    assert factors(job) == factors(done)
    assert not make_plan(job).stale


def test_what_was_chosen_goes_with_the_cube(done: Job, tmp_path: Path) -> None:
    job = copied(done, tmp_path / "gone")
    kept = chosen_path(job).with_name("chosen-0.json")  # of other methods
    shutil.copy(chosen_path(job), kept)
    run.prepare(job)
    assert read_chosen(job) == read_chosen(done)
    shutil.rmtree(job.cube)
    run.prepare(job)
    assert read_chosen(job) is None
    assert not kept.exists()


def test_that_a_region_is_validated_from_now_on_makes_no_day_stale(
    done: Job, tmp_path: Path
) -> None:
    job = replace(done, cube=tmp_path / "on" / "season.zarr", end=day(FIRST + 3))
    assert run_job(replace(job, validation="none"), scheduler="synchronous").ok
    summary = run_job(job, scheduler="synchronous")
    assert summary.ok
    assert not summary.fused.tile_days


def test_a_worker_that_is_lost_once_chooses_nothing_and_what_fails_again_is_told(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(folder: str, fails: Collection[int]) -> tuple[Chosen, bool]:
        """What is chosen anew where tasks of these numbers fail."""
        job = copied(done, tmp_path / folder)
        for one in (chosen_path(job), job.inputs / FILE):
            one.unlink()
        count = iter(range(1000))

        def unsure(task: held_out.HeldOut, device: str) -> list[Sums]:
            if next(count) in fails:
                raise MemoryError("the worker is gone")
            return compare(task, device)

        monkeypatch.setattr(held_out, "compare", unsure)
        own = asked(job, ["sa-stf"])
        region = Region(job, own[0].halo)
        with executor(scheduler="synchronous") as ex:
            found, errors = decided(region, own, ex, extent="sample", anew=True, on_progress=None)
        assert found is not None
        assert found == chosen_of(job)
        return found, not errors

    compare = held_out.compare
    assert measured("once", range(5)) == (chosen_of(done), True)
    some, fine = measured("always", range(999))
    assert not fine
    assert {pick.used.sigma_factor for pick in some.picks} == {1.0}
    assert all("failed and had no part in it" in pick.factor_why for pick in some.picks)


def test_a_short_period_is_as_stated_and_says_so(done: Job, tmp_path: Path) -> None:
    job = replace(copied(done, tmp_path / "short"), end=day(FIRST + 14))
    with executor(scheduler="synchronous") as ex:
        validate(job, ex, extent="sample", choose_anew=True)
    assert factors(job) == [1.0] * CLASSES
    assert all("no held-out date can measure it" in line for line in chosen_of(job).lines)


@pytest.mark.slow
def test_what_is_chosen_is_the_same_whatever_the_workers(done: Job, tmp_path: Path) -> None:
    job = copied(done, tmp_path / "workers")
    before = chosen_path(job).read_bytes()
    answers = job.inputs / "validation.jsonl"
    known = answers.read_bytes()
    answers.unlink()
    with executor(2, "processes") as ex:
        validate(job, ex, extent="sample", choose_anew=True)
    assert chosen_path(job).read_bytes() == before
    assert answers.read_bytes() == known


def measured(job: Job) -> dict[str, Any]:
    """What is chosen, made from nothing."""
    (job.inputs / "validation.jsonl").unlink(missing_ok=True)
    with executor(scheduler="synchronous") as ex:
        validate(job, ex, extent="sample", choose_anew=True)
    return chosen_of(job).to_dict()


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "a leak planted"])
def test_no_reported_image_reaches_a_factor(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: bool
) -> None:
    job = copied(done, tmp_path / "spoilt")
    before = chosen_of(job).to_dict()
    if planted:
        every = choice.targets

        def leaky(*known: Any, besides: Any = (), **asked_for: Any) -> Any:
            return every(*known, **asked_for)

        monkeypatch.setattr(choice, "targets", leaky)
    spoil(job, within(Region(job).survey.fine_days, report_periods(job)))
    assert (measured(job) != before) == planted
