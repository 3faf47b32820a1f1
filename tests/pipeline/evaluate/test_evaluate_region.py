"""A region's own dates, held out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluate.choices import Evaluation, MethodChoice, RegionChoice, with_naive
from pipeline.evaluate.region import RegionSource
from pipeline.evaluate.run import evaluate
from pipeline.executor import executor
from pipeline.job import Job, PairRules
from pipeline.run import ingest, locked, prepare
from tests.season import make_season
from tests.synthetic import day


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("season") / "files"
    season = make_season(folder, days=17, every=4, clear=(1, 1), cols=4)
    rules = PairRules(min_clear=0.4, max_span_days=16)
    job = season.job(start=day(0), end=day(16), rules=rules)
    with locked(job), executor(scheduler="synchronous") as ex:
        prepare(job)
        assert not ingest(job, ex).errors
    return job


def test_the_truth_is_a_hidden_image_and_no_reference(job: Job) -> None:
    source = RegionSource(RegionChoice(job=job, hide_days=(0, 4), extent="all"))
    assert {key.split(",")[0] for key in source.keys} == {"hide 0 days", "hide 4 days"}
    for key in source.keys:
        scene = source.read(key)
        block = scene.block
        hidden = int(scene.group.split()[1])
        (target,) = block.days
        assert block.day_before + hidden < target < block.day_after - hidden
        assert block.series is not None
        assert all(abs(one - target) > hidden for one in block.series.days)
        inside = scene.truth[0][:, *block.core] if block.core else scene.truth[0]
        assert np.isfinite(inside).any()


def test_one_sided_scenes_of_a_region_have_the_reference_before_alone(job: Job) -> None:
    rules = replace(job.rules, single_pair="mixed")
    choice = RegionChoice(job=replace(job, rules=rules), hide_days=("one-sided",), extent="all")
    source = RegionSource(choice)
    scenes = [source.read(key) for key in source.keys]
    assert {scene.group for scene in scenes} == {"one-sided"}
    assert len(scenes) == 4
    for scene in scenes:
        assert scene.block.one_sided
        assert scene.block.day_before < scene.block.days[0]
        assert scene.block.series is not None
        assert max(scene.block.series.days) < scene.block.days[0]


def test_a_region_is_evaluated_like_any_set(job: Job, tmp_path: Path) -> None:
    choice = RegionChoice(job=job, hide_days=(0,), extent="all")
    methods = with_naive((MethodChoice(method="guided", label="guided"),))
    asked = Evaluation(name="x", sets=(choice,), methods=methods, pictures="none")
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(asked, tmp_path, here)
    (group,) = result.sets[0].groups
    assert not result.errors
    assert [row.method for row in group.rows] == [one.label for one in methods]
    assert group.rows[0].scenes == len(RegionSource(choice).keys)


@pytest.mark.parametrize(
    ("dates", "refused"), [([str(day(8))], True), (["2001-01-01"], False)], ids=["seen", "other"]
)
def test_weights_trained_on_a_hidden_date_are_refused(
    dates: list[str], refused: bool, job: Job
) -> None:
    source = RegionSource(RegionChoice(job=job, hide_days=(0,), extent="all"))
    stage: dict[str, Any] = {"region": {"bbox": list(job.bbox), "dates": dates}}
    assert source.named_in(stage)
    assert (source.seen_in(stage) is not None) == refused
    elsewhere = {"region": {"bbox": [0, 0, 1, 1], "dates": dates}}
    assert not source.named_in(elsewhere)
