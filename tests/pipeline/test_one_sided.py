"""Days with a reference on one side alone: what their own class of held-out dates says of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from catalogs.modis import MCD43A4, MOD09GA
from catalogs.modis_8day import MOD09A1
from catalogs.viirs import VNP09GA, VNP43IA4
from pipeline.chosen import ONE_SIDED as ONE_SIDED_CLASS
from pipeline.chosen import chosen_path, read_chosen
from pipeline.cube import METHOD_CODES
from pipeline.executor import executor
from pipeline.explain import explain_day
from pipeline.images import array_of
from pipeline.job import AUTO, Job, Method, PairRules
from pipeline.plan import make_plan
from pipeline.run import cube_status, run_job
from pipeline.store import read_attrs, read_tables
from pipeline.validate.asked import asked
from pipeline.validate.hide import ONE_SIDED, Region, read_hide
from pipeline.validate.result import ATTRIBUTE, Validation
from pipeline.validate.stage import validate
from pipeline.validate.targets import targets
from tests.season import make_season
from tests.synthetic import day

AMONG = ("anomaly", "linear")
LAST = 62
"""Two days after the last fine image."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A cube whose last days have no later image; who changes it takes a copy."""
    season = make_season(
        tmp_path_factory.mktemp("one-sided") / "files", days=LAST + 1, every=4, cols=4
    )
    job = season.job(
        start=day(0),
        end=day(LAST),
        rules=PairRules(min_clear=0.4, max_span_days=32),
        method=Method(name=AUTO, among=AMONG),
        validation="all",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)
        summary = run_job(job, scheduler="synchronous")
    assert summary.ok, summary.errors
    return job


def copied(job: Job, folder: Path) -> Job:
    shutil.copytree(job.cube.parent, folder)
    return replace(job, cube=folder / job.cube.name)


def test_a_day_of_one_side_takes_what_one_sided_dates_chose_and_no_other_does(
    done: Job, tmp_path: Path
) -> None:
    job = copied(done, tmp_path / "other")
    chosen = read_chosen(job)
    assert chosen is not None
    used = chosen.picks[ONE_SIDED_CLASS].used
    tables = read_tables(job.cube)
    newest = tables.days.index(day(LAST))
    assert tables.arrays["ref_next"][newest] == 0
    assert tables.arrays["method"][newest] == METHOD_CODES[used.name]
    (told,) = [line for line in explain_day(job, day(LAST), tile=0) if line.startswith("tile 0")]
    assert f"fused by {used.name} from {day(LAST - 2)} alone" in told

    known = json.loads(chosen_path(job).read_text())
    (other,) = asked(job, ["mean"])
    known["picks"][ONE_SIDED_CLASS]["used"] = {
        "name": other.name, "sha": other.sha, "halo": other.halo, "series": other.series
    }  # fmt: skip
    chosen_path(job).write_text(json.dumps(known))
    planned = make_plan(job)
    one_sided = {
        (tile, tables.days[at])
        for at, tile in np.argwhere(tables.arrays["method"] > 0)
        if 0 in (tables.arrays["ref_prev"][at, tile], tables.arrays["ref_next"][at, tile])
    }
    assert day(LAST) in {when for _, when in one_sided}
    assert {(task.tile, when) for task in planned.tasks for when in task.days} == one_sided
    assert {task.method for task in planned.tasks} == {"mean"}


def test_the_class_is_told_wherever_the_others_are(done: Job) -> None:
    known = read_attrs(done.cube)[ATTRIBUTE]
    classes = {row["hide_days"] for row in known["rows"]}
    assert {0, 8, ONE_SIDED} <= classes
    again = Validation.from_dict(json.loads(json.dumps(known)))
    assert again.to_dict() == known
    rows = [row for row in again.rows if row.hide_days == ONE_SIDED]
    assert {AUTO, *AMONG} <= {row.method for row in rows}
    assert list(again.rows[-len(rows) :]) == rows, "the last of all classes"
    lines = cube_status(done.cube).lines()
    assert any(line.startswith("  one-sided, as on the morning of the day, ") for line in lines)
    assert any("auto, references on one side only: " in line for line in lines)
    assert any("| one-sided, as on the morning" in line for line in again.markdown())
    report = done.cube.with_suffix(".validation.html").read_text()
    assert "one-sided, as on the morning of the day: " in report


def test_a_one_sided_target_is_made_from_earlier_images_alone(done: Job) -> None:
    region = Region(done)
    found = targets(region, hide=[ONE_SIDED], extent="all")
    for target in found:
        assert not target.address.after
        assert target.address.before[0] < target.day == target.address.until
        assert target.gap_days <= done.rules.max_span_days // 2
        assert all(used < target.day for used in target.address.series)
    first = min(one.day for one in found)
    assert len({one.day for one in found}) > 8
    assert first > day(0)


def test_a_one_sided_answer_stays_as_it_is_when_images_come(done: Job, tmp_path: Path) -> None:
    before = {
        (one.day, one.tile): (one.key, one.series_key)
        for one in targets(Region(done), hide=[ONE_SIDED], extent="all")
    }
    job = copied(done, tmp_path / "less")
    fine = zarr.open_group(job.inputs / "fine.zarr", mode="r+")
    for name in ("fingerprint", "done", "clear_share"):
        array_of(fine, name)[-2:] = 0  # as before the last two images came
    less = targets(Region(job), hide=[ONE_SIDED], extent="all")
    assert less
    assert len(less) < len(before)
    for one in less:
        assert before[one.day, one.tile] == (one.key, one.series_key)


def test_a_region_that_leaves_such_days_out_is_not_asked_about_them(done: Job) -> None:
    rules = replace(done.rules, single_pair="ignore")
    region = Region(replace(done, rules=rules))
    assert not targets(region, hide=[ONE_SIDED], extent="all")


def test_a_product_that_looks_ahead_is_told_with_the_scores(
    done: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)
    known = Validation.read(done.inputs)
    assert known is not None
    assert not known.notes
    job = copied(done, tmp_path / "ahead")
    path = job.inputs / "items.json"
    items = json.loads(path.read_text())
    for spec in items["coarse"]["specs"]:
        spec["days_ahead"] = 8
    path.write_text(json.dumps(items))
    with executor(scheduler="synchronous") as ex:
        found = validate(job, ex, methods=["linear"], hide=[ONE_SIDED], extent="sample")
        plain = validate(job, ex, methods=["linear"], hide=[0], extent="sample")
    assert found.days_ahead == 8
    (note,) = found.notes
    assert "as they were known 8 days after their morning" in note
    assert note in found.lines()
    assert any(note in line for line in found.markdown())
    assert not plain.notes
    assert Validation.from_dict(json.loads(json.dumps(found.to_dict()))).notes == found.notes


def test_products_that_are_made_of_several_days_say_how_far_they_look_ahead() -> None:
    ahead = {spec.name: spec.days_ahead for spec in (MCD43A4, VNP43IA4, MOD09A1, MOD09GA, VNP09GA)}
    assert list(ahead.values()) == [8, 8, 7, 0, 0]


def test_a_class_that_is_none_is_refused_with_the_cure() -> None:
    assert [read_hide(text) for text in ("0", "16", "one-sided")] == [0, 16, ONE_SIDED]
    for text in ("-1", "two-sided", "1.5", ""):
        with pytest.raises(ValueError, match="is no number of days to hide such as 8, nor one-sid"):
            read_hide(text)
