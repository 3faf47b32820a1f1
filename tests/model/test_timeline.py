"""A simulated season for evaluation: what may be seen of it, and what stays apart."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from model.fuser import load_fuser
from model.training.pool import make
from model.upsample import bilinear
from model.worlds.timeline import EVALUATION_SEEDS, Timeline


@cache
def a_timeline(generator: str = "train", seed: int = 101) -> Timeline:
    return Timeline.make(generator, seed, size=64, days=89)


@pytest.mark.parametrize("generator", ["train", "other"])
def test_the_same_arguments_give_the_same_world_and_others_another(generator: str) -> None:
    one, again = a_timeline(generator), Timeline.make(generator, 101, size=64, days=89)
    np.testing.assert_array_equal(one.truth, again.truth)
    np.testing.assert_array_equal(one.coarse, again.coarse)
    np.testing.assert_array_equal(one.fine.images, again.fine.images)
    other = a_timeline(generator, 102)
    assert other.truth.shape != one.truth.shape or not np.array_equal(other.truth, one.truth)


def test_training_and_evaluation_share_no_seed(tmp_path: Path) -> None:
    for seed in (EVALUATION_SEEDS.start, EVALUATION_SEEDS.stop - 1):
        with pytest.raises(ValueError, match="for evaluation alone"):
            make(0, out=tmp_path, seed=seed, generator="train")
    with pytest.raises(ValueError, match="may be that of a world for training"):
        Timeline.make("train", 1)


@pytest.mark.parametrize("hide", [0, 8, 16])
def test_what_is_hidden_reaches_no_block(hide: int) -> None:
    world = a_timeline()
    found = 0
    for day in world.fine.days:
        hidden = world.near(day, hide)
        pair = world.bracket(day, hidden)
        left = [one for one in world.references if abs(one - day) > hide]
        before, after = [one for one in left if one < day], [one for one in left if one > day]
        assert pair == ((before[-1], after[0]) if before and after else None)
        if pair is None:
            continue
        found += 1
        block = world.block([day], hidden)
        assert block.series is not None
        assert list(block.series.days) == [one for one in world.fine.days if abs(one - day) > hide]
        clear = world.fine.clear[world.fine.days.index(day)]
        wrong = (
            block.series.images[:, :, clear]
            == world.fine.images[world.fine.days.index(day), :, clear].T
        )
        assert wrong.mean() < 0.01
    assert found


def test_what_is_hidden_fills_no_hole() -> None:
    world = a_timeline()
    filled = 0
    for day in world.fine.days:
        hidden = world.near(day, 8)
        if world.bracket(day, hidden) is None:
            continue
        lies = world.fine.images.copy()
        lies[[one in hidden for one in world.fine.days]] = 9.0
        lying = replace(world, fine=replace(world.fine, images=lies))
        honest, blind = world.block([day], hidden), lying.block([day], hidden)
        for side in ("before", "after"):
            one, other = (getattr(block, f"fine_{side}") for block in (honest, blind))
            np.testing.assert_array_equal(one, other)
            filled += int(getattr(honest, f"filled_{side}").sum())
    assert filled


def test_a_hole_lies_between_what_the_nearest_dates_on_both_sides_tell() -> None:
    world = a_timeline()
    image = dict(zip(world.fine.days, world.fine.images, strict=True))
    between = 0
    for block in world.runs():
        own = block.day_before
        for y, x in np.argwhere(block.filled_before)[::97]:
            seen = [day for day in image if np.isfinite(image[day][:, y, x]).all()]
            known = [day for day in seen if day not in block.days]
            ends = [day for day in known if day < own][-1:] + [day for day in known if day > own][
                :1
            ]
            told = [
                image[day][:, y, x]
                + bilinear(world.coarse[own] - world.coarse[day], world.ratio)[:, y, x]
                for day in ends
            ]
            wanted = [np.interp(own, ends, values) for values in np.transpose(told)]
            np.testing.assert_allclose(block.fine_before[:, y, x], wanted, atol=1e-6)
            between += len(ends) == 2
    assert between > 20


def test_the_fine_sensor_sees_the_truth_of_its_day_but_for_its_faults() -> None:
    world = a_timeline()
    for day, image in zip(world.fine.days, world.fine.images, strict=True):
        error = image - world.truth[day]
        assert np.sqrt(np.nanmean(error**2)) < 0.04
        assert np.isfinite(error).any()


def test_runs_cover_each_bracketed_day_once_and_no_run_knows_its_own_image() -> None:
    world = a_timeline()
    blocks = list(world.runs())
    days = [day for block in blocks for day in block.days]
    assert days == [day for day in range(len(world.truth)) if world.bracket(day) is not None]
    assert max(len(block.days) for block in blocks) > 3
    for block in blocks:
        assert block.series is not None
        assert not set(block.days) & set(block.series.days)
    fused = load_fuser("whittaker").fuse(blocks[0]).reflectance
    assert np.isfinite(fused).mean() > 0.8


def test_a_morning_knows_nothing_of_later_days() -> None:
    """Whatever later days hold, what is known on a morning is the same."""
    world = a_timeline()
    rng = np.random.default_rng(0)
    filled_otherwise = False
    for day in range(world.references[0] + 1, len(world.truth), 5):
        coarse, images = world.coarse_seen.copy(), world.fine.images.copy()
        coarse[day + 1 :] = rng.random(coarse[day + 1 :].shape)
        after = np.array(world.fine.days) >= day
        images[after] = rng.random(images[after].shape)
        later = replace(world, coarse_seen=coarse, fine=replace(world.fine, images=images))
        one, other = world.morning(day), later.morning(day)
        assert one.one_sided
        assert one.day_before == world.earlier(day) == later.earlier(day)
        assert one.series is not None
        assert other.series is not None
        assert max(one.series.days) < day
        for name in ("fine_before", "coarse_before", "coarse", "centre", "spread"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.series.images, other.series.images)
        filled_otherwise |= not np.array_equal(one.coarse[0], world.coarse[day], equal_nan=True)
    assert filled_otherwise
    with pytest.raises(ValueError, match="no reference before day 0"):
        world.morning(0)


def test_days_without_a_common_bracket_are_refused() -> None:
    with pytest.raises(ValueError, match="share no bracket"):
        a_timeline().block([0, 40])
