"""Consecutive days of a simulated world, fused and held against the truth."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from model.fuser import load_fuser
from model.metrics.roughness import jump, roughness
from model.worlds.timeline import Timeline
from pipeline.evaluate.choices import Evaluation, MethodChoice, SeasonChoice, WorldChoice
from pipeline.evaluate.report import write_report
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.season import SeasonSource
from pipeline.executor import executor

METHODS = ("anomaly", "copy-before")
WORLD = WorldChoice(generator="other", seed=103, hide_days=(48,), roughness_days=10)
ASKED = Evaluation(
    name="season",
    sets=(WORLD,),
    methods=tuple(MethodChoice(method=name, label=name) for name in METHODS),
    pictures="few",
)


@cache
def the_world() -> Timeline:
    return Timeline.make("other", 103)


def brute_force(name: str, days: range) -> tuple[float, float, float, float]:
    """Day by day, each from the nearest references that are not of the day itself."""
    world = the_world()
    fused, pairs = [], []
    for day in days:
        block = world.block([day])
        pairs.append((block.day_before, block.day_after))
        image = load_fuser(name).fuse(block).reflectance[0]
        if day in world.fine.days:
            seen = world.fine.images[world.fine.days.index(day)]
            image = np.where(np.isfinite(seen).all(0), seen, image)
        fused.append(image)
    series, truth = np.stack(fused), world.truth[days.start : days.stop]
    steps = range(len(days) - 1)
    observed = [at for at in steps if {days[at], days[at + 1]} & set(world.fine.days)]
    changes = [at for at in steps if pairs[at] != pairs[at + 1]]
    assert observed
    assert changes
    rough = roughness(series, truth)
    jumps = (jump(series, truth, one) for one in (observed, changes))
    return tuple(float(np.mean(one)) for one in (rough.bends, rough.steps, *jumps))  # type: ignore[return-value]


def test_roughness_is_that_of_days_fused_one_by_one_and_is_kept(tmp_path: Path) -> None:
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(ASKED, tmp_path, here)
        written = write_report(result, tmp_path, here)
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("answers/**/*.json")}
        again = evaluate(ASKED, tmp_path, here)
    found = result.sets[0].roughness
    assert found is not None
    assert len(found.days) == WORLD.roughness_days
    assert [row.method for row in found.rows] == list(METHODS)
    for row in found.rows:
        # Both methods answer the same pixels here, so that none is taken from either.
        expected = brute_force(row.method, found.days)
        assert (row.bends, row.steps, row.observed, row.pair) == pytest.approx(expected, rel=1e-4)

    with (tmp_path / "roughness.csv").open() as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, found.rows, strict=True):
        about = line["set"], line["method"], int(line["first"]), int(line["last"])
        assert about == (result.sets[0].name, row.method, found.days[0], found.days[-1])
        for name in ("bends", "steps", "observed", "pair"):
            assert float(line[name]) == getattr(row, name)

    assert again.sets[0].roughness == found
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    text = written[0].read_text()
    first, last = found.days[0], found.days[-1]
    assert f"10 days, {first} to {last} of the season" in text
    assert "| jump at observed days |" in text
    assert (tmp_path / "pictures" / "world-other-103-series.webp").exists()


def test_a_stretch_is_the_middle_of_the_season_cut_into_its_runs() -> None:
    source = SeasonSource(SeasonChoice(generator="other", seed=103, days=24))
    runs = [block.days for block in the_world().runs()]
    every = [day for run in runs for day in run]
    days = source.season.days
    assert len(days) == 24
    assert abs((days[0] - every[0]) - (every[-1] - days[-1])) <= 1
    cut = [tuple(day for day in run if day in days) for run in runs]
    assert [source.read(key).block.days for key in source.keys] == [run for run in cut if run]


def test_without_such_days_nothing_is_asked_about_them() -> None:
    assert replace(WORLD, roughness_days=0).season is None
