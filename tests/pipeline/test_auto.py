"""``method: auto``: what it picks, on which dates, and what a cube by several methods tells."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from model.card import METHODS
from pipeline.chosen import GAPS, Chosen, NotChosenError, chosen_path, gap_class, read_chosen
from pipeline.cube import METHOD_CODES, day_number
from pipeline.executor import executor
from pipeline.explain import explain_day
from pipeline.images import array_of
from pipeline.job import AUTO, CANDIDATES, Job, JobError, Method, PairRules
from pipeline.plan import StaleError, make_plan
from pipeline.recipe import Recipe, make_recipe
from pipeline.run import cube_status, plan, run_job
from pipeline.store import read_attrs, read_tables
from pipeline.validate import choice
from pipeline.validate.asked import Asked, asked
from pipeline.validate.choice import choose, choosing, report_periods, within
from pipeline.validate.held_out import answered
from pipeline.validate.hide import HIDE, ONE_SIDED, Region
from pipeline.validate.result import ATTRIBUTE
from pipeline.validate.stage import validate
from pipeline.validate.sums import Sums
from pipeline.validate.table import Answered
from pipeline.validate.targets import SAMPLE_DATES, Target
from tests.pipeline.spoilt import copied, spoil
from tests.season import make_season
from tests.synthetic import day

AMONG = ("copy-before", "anomaly", "linear")
FIRST, LAST = 8, 80


def make_job(folder: Path, **changes: Any) -> Job:
    """A job over 73 days with a fine image every four; one tile."""
    season = make_season(folder / "files", days=97, every=4, clear=(0.7, 1), cols=4)
    asked_for: dict[str, Any] = {
        "start": day(FIRST),
        "end": day(LAST),
        "rules": PairRules(min_clear=0.4, max_span_days=64),
        "method": Method(name=AUTO, among=AMONG),
        "validation": "sample",
    }
    return season.job(**(asked_for | changes))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A cube made by what ``auto`` picked; who changes it takes a copy."""
    job = make_job(tmp_path_factory.mktemp("auto"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)
        summary = run_job(job, scheduler="synchronous")
    assert summary.ok, summary.errors
    return job


def picked(job: Job) -> Chosen:
    found = read_chosen(job)
    assert found is not None
    return found


def test_every_method_has_a_number_of_its_own_in_the_cubes() -> None:
    assert set(METHODS) <= set(METHOD_CODES)
    assert len(set(METHOD_CODES.values())) == len(METHOD_CODES)
    assert (METHOD_CODES["sa-stf"], METHOD_CODES["stfdiff"], METHOD_CODES["anomaly"]) == (1, 7, 15)


def test_the_cube_tells_of_each_tile_day_which_method_fused_it(done: Job) -> None:
    by_gap = [pick.used.name for pick in picked(done).picks]
    tables = read_tables(done.cube)
    seen = set()
    for at, tile in np.argwhere(tables.arrays["method"] > 0):
        here = day_number(tables.days[at])
        references = [tables.arrays[name][at, tile] for name in ("ref_prev", "ref_next")]
        gap = min(abs(here - int(one)) for one in references if one)
        code = int(tables.arrays["method"][at, tile])
        assert code == METHOD_CODES[by_gap[gap_class(gap, one_sided=0 in references)]]
        seen.add(code)
    assert seen
    with xr.open_zarr(done.cube) as cube:
        meanings = cube["method"].attrs["flag_meanings"].split()
        values = cube["method"].attrs["flag_values"]
    assert dict(zip(meanings, values, strict=True)) == {"none": 0, **METHOD_CODES}


def test_a_tile_day_is_what_its_method_alone_would_have_made(done: Job, tmp_path: Path) -> None:
    tables = read_tables(done.cube).arrays["method"]
    code = int(np.bincount(tables[tables > 0]).argmax())
    name = next(name for name, number in METHOD_CODES.items() if number == code)
    method = Method(name=name, checkpoint=None)
    alone = replace(done, method=method, validation="none", cube=tmp_path / "alone.zarr")
    assert run_job(alone, scheduler="synchronous").ok
    ours, theirs = (zarr.open_group(one.cube, mode="r") for one in (done, alone))
    for tile in done.grid.tiles:
        days = np.flatnonzero(tables[:, tile.index] == code)
        assert days.size
        for array in ("red", "nir08", "quality"):
            one, two = (
                np.stack([array_of(root, array)[int(at), tile.y, tile.x] for at in days])
                for root in (ours, theirs)
            )
            assert np.array_equal(one, two)


def test_status_attributes_and_explain_tell_what_was_picked_and_why(done: Job) -> None:
    chosen = picked(done)
    known = read_attrs(done.cube)[ATTRIBUTE]
    assert known["choice"] == chosen.lines
    assert set(chosen.lines) <= set(cube_status(done.cube).lines())
    assert f"auto, reference up to 8 days away: {chosen.picks[0].used.name}, " in chosen.lines[0]
    rows = {row["method"] for row in known["rows"]}
    assert {AUTO, *AMONG} <= rows
    (line,) = [line for line in explain_day(done, day(30), tile=0) if line.startswith("tile 0")]
    assert f"fused by {chosen.picks[0].used.name} from " in line


def test_a_second_run_has_nothing_to_do_and_keeps_the_choice(done: Job, tmp_path: Path) -> None:
    job = copied(done, tmp_path / "again")
    before = chosen_path(job).read_bytes()
    planned = make_plan(job)
    assert not planned.tasks
    assert not planned.stale
    told: list[Any] = []
    run_job(job, scheduler="synchronous", on_progress=told.append)
    assert not [one for one in told if one.stage in ("validate", "fuse")]
    assert chosen_path(job).read_bytes() == before


def test_another_choice_makes_the_days_of_its_class_stale_and_no_others(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "other")
    known = json.loads(chosen_path(job).read_text())
    place = 0
    (one,) = asked(job, ["linear-series"])
    used = {"name": one.name, "sha": one.sha, "halo": one.halo, "series": one.series}
    known["picks"][place]["used"] = used
    chosen_path(job).write_text(json.dumps(known))
    planned = make_plan(job)
    assert planned.stale
    assert {task.method for task in planned.tasks} == {"linear-series"}
    with pytest.raises(StaleError, match="--refresh"):
        planned.refuse_stale()
    tables = read_tables(job.cube)
    for tile, when in planned.stale:
        at = tables.days.index(when)
        here = day_number(when)
        references = [tables.arrays[name][at, tile] for name in ("ref_prev", "ref_next")]
        assert min(abs(here - int(ref)) for ref in references if ref) <= GAPS[place]


def test_other_candidates_are_picked_among_anew(done: Job, tmp_path: Path) -> None:
    job = copied(done, tmp_path / "fewer")
    fewer = replace(job, method=Method(name=AUTO, among=("linear", "mean")))
    assert read_chosen(fewer) is None
    with pytest.raises(NotChosenError, match="has not picked yet"):
        make_recipe(fewer)
    with executor(scheduler="synchronous") as ex:
        validate(fewer, ex, extent="sample")
    assert {pick.used.name for pick in picked(fewer).picks} <= {"linear", "mean"}


def test_a_plan_keeps_what_was_picked(done: Job) -> None:
    recipe = make_recipe(done)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    assert again.picks == picked(done).picks
    assert plan(done).recipe.codes == recipe.codes


def test_a_class_of_gaps_ends_with_the_days_it_is_named_by() -> None:
    assert [gap_class(days, one_sided=False) for days in (1, 8, 9, 16, 17, 32, 33, 90)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_the_method_is_chosen_on_other_dates_than_are_reported(done: Job) -> None:
    region, chosen = Region(done), picked(done)
    reported = within(region.survey.fine_days, chosen.report)
    choosers = choosing(region, chosen.report, "all")
    assert choosers
    assert reported
    for target in choosers:
        hidden = {near for when in reported for near in region.hidden(when, target.hide)}
        assert hidden <= target.hidden
        assert target.day not in reported
        assert target.hide != ONE_SIDED or target.day < min(reported)
        assert target.gap_class == HIDE.index(target.hide)


def test_a_sample_that_chooses_has_as_many_dates_as_fit(
    done: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = Region(done)
    first = {one.day for one in choosing(region, (), "sample") if one.hide == 0}
    assert len(first) == SAMPLE_DATES
    # As if these left longer gaps, which many do under clouds.
    monkeypatch.setattr(Target, "gap_days", property(lambda one: 99 if one.day in first else 4))
    others = {one.day for one in choosing(region, (), "sample") if one.hide == 0}
    assert len(others) == SAMPLE_DATES
    assert not others & first


def choice_of(job: Job) -> dict[str, Any]:
    """Made from nothing."""
    chosen_path(job).unlink(missing_ok=True)
    (job.inputs / "validation.jsonl").unlink(missing_ok=True)
    with executor(scheduler="synchronous") as ex:
        validate(job, ex, extent="all")
    return picked(job).to_dict()


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "a leak planted"])
def test_no_reported_image_reaches_the_choice(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: bool
) -> None:
    job = copied(done, tmp_path / "spoilt")
    if planted:
        every = choice.targets

        def leaky(*known: Any, besides: Any = (), **asked_for: Any) -> Any:
            return every(*known, **asked_for)

        monkeypatch.setattr(choice, "targets", leaky)
    before = choice_of(job)
    spoil(job, within(Region(job).survey.fine_days, report_periods(job)))
    assert (choice_of(job) != before) == planted


def sums(left: float, right: float, seed: int) -> Sums:
    """Of a method that is off by about so much in each half of the image."""
    rng = np.random.default_rng(seed)
    truth = rng.random((2, 16, 16), np.float32)
    noise = rng.normal(0, 1, truth.shape).astype(np.float32)
    size = np.where(np.arange(16) < 8, left, right).astype(np.float32)
    everywhere = np.ones(truth.shape[1:], bool)
    return Sums.of(truth + size * noise, None, truth, truth, everywhere, pixel_m=30.0)


GOOD, WELL, EVEN_SO, POOR = (0.020, 0.020), (0.01, 0.029), (0.029, 0.011), (0.030, 0.030)
"""Errors; the second and the third are as good, each in another half."""


@pytest.mark.parametrize(
    ("errors", "name", "why"),
    [
        ((GOOD, POOR, POOR), "copy-before", "the best; RMSE on "),
        ((EVEN_SO, WELL, POOR), "copy-before", "named before anomaly and not surely worse"),
        ((POOR, GOOD, POOR), "anomaly", "the best"),
        ((POOR, EVEN_SO, WELL), "anomaly", "named before linear and not surely worse"),
        ((POOR, POOR, GOOD), "linear", "the best"),
    ],
)
def test_the_first_named_that_is_not_surely_worse_than_the_best_is_taken(
    done: Job, errors: Sequence[tuple[float, float]], name: str, why: str
) -> None:
    region, periods = Region(done), report_periods(done)
    choosers = [one for one in choosing(region, periods, "all") if one.hide == 0]
    methods = asked(done, AMONG)
    found: dict[str, Answered] = {
        one.name: [(target, sums(*error, seed)) for seed, target in enumerate(choosers)]
        for one, error in zip(methods, errors, strict=True)
    }
    chosen = choose(region, methods, found, periods)

    assert chosen.picks[0].used.name == name
    assert why in chosen.picks[0].why
    assert chosen.picks[3].used.name == "copy-before"
    assert "0 held-out dates can choose, 3 are needed" in chosen.picks[3].why


def test_weights_that_know_the_dates_do_not_take_part(done: Job) -> None:
    region, periods = Region(done), report_periods(done)
    choosers = [one for one in choosing(region, periods, "all") if one.hide == 0]
    methods = asked(done, AMONG)
    found: dict[str, Answered] = {
        "copy-before": [],
        "anomaly": [(target, sums(*POOR, at)) for at, target in enumerate(choosers)],
        "linear": [(target, sums(*GOOD, at)) for at, target in enumerate(choosers)],
    }
    assert choose(region, methods, found, periods).picks[0].used.name == "linear"


def test_a_short_period_takes_the_first_named_and_says_so(done: Job, tmp_path: Path) -> None:
    job = replace(copied(done, tmp_path / "short"), end=day(FIRST + 14))
    chosen_path(job).unlink()
    assert not report_periods(job)
    with executor(scheduler="synchronous") as ex:
        found = validate(job, ex, extent="sample")
    assert {pick.used.name for pick in picked(job).picks} == {"copy-before"}
    assert all("the first named, for no date is left" in line for line in found.choice)


@pytest.mark.parametrize("days", [23, 45, 90, 182, 365, 3 * 365])
def test_blocks_that_choose_and_are_reported_take_turns(done: Job, days: int) -> None:
    job = replace(done, end=done.start + timedelta(days=days - 1))
    periods = report_periods(job)
    lengths = [(period.last - period.first).days + 1 for period in periods]
    assert bool(periods) == (days > 24)
    assert all(length <= 128 for length in lengths)
    assert all(job.start < period.first <= period.last <= job.end for period in periods)
    if days > 80:
        assert 0.2 < sum(lengths) / days < 0.5


def test_methods_are_listed_once_and_not_alone(tmp_path: Path) -> None:
    for name, among in ((AUTO, ()), (AUTO, ("linear",)), ("linear", ("linear", "mean"))):
        with pytest.raises(JobError, match="picks among"):
            Method(name=name, among=among)
    with pytest.raises(JobError, match="picks among linear, linear"):
        Method(name=AUTO, among=("linear", "linear"))
    with pytest.raises(JobError, match="picks by held-out dates, and validation is none"):
        make_season(tmp_path, days=9).job(method=Method(name=AUTO, among=AMONG))
    card = Method(name=AUTO, among=CANDIDATES).card()
    assert card.sigma
    assert card.weights == Method().card().weights
    assert card.halo == max(Method(name=name).card().halo for name in CANDIDATES)


def test_answers_of_choosers_and_reports_are_kept_apart(done: Job) -> None:
    region, chosen = Region(done), picked(done)
    methods: tuple[Asked, ...] = asked(done, AMONG)
    with executor(scheduler="synchronous") as ex:
        found, _ = answered(region, methods, choosing(region, chosen.report, "sample"), ex)
    reported = set(within(region.survey.fine_days, chosen.report))
    assert {target.day for answers in found.values() for target, _ in answers}.isdisjoint(reported)
