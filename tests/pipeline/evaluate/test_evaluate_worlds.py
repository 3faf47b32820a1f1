"""A simulated world as scenes: hidden by classes, and answered by the methods on the series."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from model.fuser import load_fuser
from pipeline.evaluate.choices import MethodChoice, WorldChoice, with_naive
from pipeline.evaluate.worlds import WorldSource
from pipeline.real_sets import HIDE_DAYS


def test_scenes_hide_dates_by_class_and_every_method_answers_them() -> None:
    source = WorldSource(WorldChoice(generator="other", seed=103))
    scenes = {key: source.read(key) for key in source.keys}
    groups = Counter(scene.group for scene in scenes.values())
    assert list(groups) == [f"hide {hide} days" for hide in HIDE_DAYS]
    assert [groups[f"hide {hide} days"] for hide in HIDE_DAYS] == sorted(
        groups.values(), reverse=True
    )
    assert {scenes[key].group for key in source.timeline} == {"hide 0 days"}
    some = WorldSource(WorldChoice(generator="other", seed=103, hide_days=(16,)))
    assert some.keys == tuple(key for key in source.keys if key.endswith("hide 16 days"))
    for scene in list(scenes.values())[:: len(scenes) // 3]:
        block, hide = scene.block, int(scene.group.split()[1])
        assert block.series is not None
        assert min(abs(day - block.days[0]) for day in block.series.days) > hide
        for method in ("linear-series", "whittaker", "anomaly"):
            fused = load_fuser(method).fuse(block).reflectance
            assert np.sqrt(np.nanmean((fused - scene.truth) ** 2)) < 0.15
            np.testing.assert_array_equal(np.isfinite(fused).all(1), block.known())


def test_a_one_sided_scene_is_made_from_what_its_morning_knew() -> None:
    source = WorldSource(WorldChoice(generator="other", seed=103, hide_days=("one-sided",)))
    scenes = [source.read(key) for key in source.keys]
    assert {scene.group for scene in scenes} == {"one-sided"}
    assert len({scene.block.days for scene in scenes}) == len(scenes) > 10
    for scene in scenes[:: len(scenes) // 3]:
        block = scene.block
        assert block.one_sided
        assert scene.name == f"day {block.days[0]} from {block.day_before}"
        assert block.series is not None
        assert max(block.series.days) < block.days[0]


POOL = "python -m model.training.pool"


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ({"data": [{"worlds": {"train, seed 101": 300}}]}, True),
        ({"validation": [{"worlds": {"other, seed 2": 40, "train, seed 101": 1}}]}, True),
        ({"data": "500 of train-101 (generator-seed)"}, True),
        ({"pools": [f"{POOL} train --worlds 500 --seed 101", f"{POOL} other --seed 2"]}, True),
        ({"data": [{"worlds": {"train, seed 1": 300, "train, seed 1010": 1}}]}, False),
        ({"data": [{"worlds": {"other, seed 101": 300}}]}, False),
        ({"data": "500 of other-101 and strain-101"}, False),
        ({"pools": [f"{POOL} train --worlds 500 --seed 1", f"{POOL} other --seed 101"]}, False),
        ({}, False),
    ],
)
def test_weights_that_saw_worlds_of_the_same_generator_and_seed_are_refused(
    stage: dict[str, Any], named: bool
) -> None:
    source = WorldSource(WorldChoice(generator="train", seed=101))
    assert source.named_in(stage) == named
    assert source.seen_in(stage) == "it was trained or chosen on world-train-101"


def test_the_methods_on_the_series_are_in_every_table() -> None:
    asked = (MethodChoice(method="whittaker", label="ours"),)
    names = [one.method for one in with_naive(asked)]
    assert names.count("whittaker") == 1
    assert {"linear-series", "linear", "anomaly"} < set(names)
