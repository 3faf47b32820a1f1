"""Holes of a reference: the line in time between what the dates on both sides tell."""

from collections.abc import Collection, Mapping
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.block import COARSE_PAD, Array, Block, Bool
from model.classical.naive import predict_naively
from model.hole_fill import NEVER, Filled, fill_holes
from model.metrics.roughness import jump
from model.worlds import timeline
from model.worlds.timeline import Timeline

DAY = 10
SHAPE = 3, 5, 7


def told(
    *, days: Collection[int], clear: float, seed: int, lost: float = 0.2
) -> tuple[dict[int, Bool], dict[int, Array]]:
    """Masks of other dates and what each tells of ``DAY``; some of what is clear is lost."""
    rng = np.random.default_rng(seed)
    masks = {day: rng.random(SHAPE[1:]) < clear for day in days}
    images = {}
    for day, mask in masks.items():
        known = mask & (rng.random(SHAPE[1:]) >= lost)
        images[day] = np.where(known, rng.random(SHAPE), np.nan).astype(np.float32)
    return masks, images


def image_with_holes(share: float = 0.5, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    seen = rng.random(SHAPE[1:]) >= share
    return np.where(seen, rng.random(SHAPE), np.nan).astype(np.float32)


def filled(image: Array, masks: Mapping[int, Bool], images: Mapping[int, Array]) -> Filled:
    return fill_holes(image, DAY, list(masks), clear=masks.__getitem__, moved=images.__getitem__)


@given(
    st.sets(st.integers(0, 20), max_size=6), st.sampled_from([0.2, 0.6, 1.0]), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_each_pixel_is_what_the_rule_gives(days: set[int], clear: float, seed: int) -> None:
    image = image_with_holes(seed=seed)
    masks, images = told(days=days, clear=clear, seed=seed)
    found = filled(image, masks, images)
    for y, x in np.ndindex(SHAPE[1:]):
        at = slice(None), y, x
        if np.isfinite(image[at]).all():
            np.testing.assert_array_equal(found.image[at], image[at])
            assert (found.filled[y, x], found.earlier[y, x], found.later[y, x]) == (False, DAY, DAY)
            continue
        known = [day for day in sorted(days - {DAY}) if np.isfinite(images[day][at]).all()]
        ends = [day for day in known if day < DAY][-1:] + [day for day in known if day > DAY][:1]
        assert found.filled[y, x] == bool(ends)
        first, last = (ends[0], ends[-1]) if ends else (NEVER, NEVER)
        assert (found.earlier[y, x], found.later[y, x]) == (first, last)
        wanted = [
            np.interp(DAY, ends, [images[day][band, y, x] for day in ends]) if ends else np.nan
            for band in range(SHAPE[0])
        ]
        np.testing.assert_allclose(found.image[at], wanted, atol=1e-6)


def test_an_image_without_holes_stays_as_it_is_and_asks_for_nothing() -> None:
    def never(day: int) -> Array:
        raise AssertionError(f"{day} is read")

    image = image_with_holes(share=0)
    found = fill_holes(image, DAY, [3, 7, 15], clear=never, moved=never)
    np.testing.assert_array_equal(found.image, image)
    assert not found.filled.any()


def test_only_images_that_can_fill_something_are_read_the_nearest_first() -> None:
    image = image_with_holes(share=0.5)
    hole = ~np.isfinite(image).all(0)
    masks, images = told(days=[1, 4, 7, 9, 12, 14, 20], clear=1, seed=1, lost=0)
    masks[9] = ~hole  # clear, but where nothing is missing
    images[12] = np.where(np.arange(7) < 3, images[12], np.float32(np.nan))
    read: list[int] = []

    def moved(day: int) -> Array:
        read.append(day)
        return images[day]

    fill_holes(image, DAY, list(masks), clear=masks.__getitem__, moved=moved)
    assert read == [7, 12, 14]


def test_where_both_sides_tell_the_same_it_is_that_bit_by_bit() -> None:
    masks, images = told(days=[7, 16], clear=1, seed=2, lost=0)
    found = filled(image_with_holes(), masks, {7: images[7], 16: images[7]})
    np.testing.assert_array_equal(found.image[:, found.filled], images[7][:, found.filled])


@pytest.mark.parametrize("days", [(9, 11), (3, 11), (0, 90)])
def test_what_changes_evenly_is_recovered_from_both_sides_whatever_the_coarse_image_says(
    days: tuple[int, int],
) -> None:
    rng = np.random.default_rng(3)
    level, rate = rng.random(SHAPE), rng.normal(0, 0.01, SHAPE)
    coarse_rate = rng.normal(0, 0.01, (SHAPE[0], 1, 1))  # the coarse sensor's own, also wrong

    def moved(day: int) -> Array:
        return np.asarray(level + rate * day + coarse_rate * (DAY - day), np.float32)

    holes = np.full(SHAPE, np.nan, np.float32)
    found = fill_holes(holes, DAY, days, clear=lambda _: np.ones(SHAPE[1:], np.bool_), moved=moved)
    np.testing.assert_allclose(found.image, level + rate * DAY, atol=1e-6)


def test_a_hole_is_what_anomaly_makes_of_its_day() -> None:
    """Where the coarse image has no features, which the two upsample differently."""
    rng = np.random.default_rng(4)
    before, after = rng.random((2, 3, 8, 8)).astype(np.float32)
    flat = rng.random((3, 3, 1, 1)).astype(np.float32)  # at 4, 10 and 15
    c0, c1, c2 = np.broadcast_to(flat, (3, 3, 2 + 2 * COARSE_PAD, 2 + 2 * COARSE_PAD))
    block = Block(
        bands=("green", "red", "nir08"),
        fine_before=before,
        fine_after=after,
        coarse_before=c0,
        coarse_after=c2,
        coarse=c1[None],
        day_before=4,
        day_after=15,
        days=(DAY,),
        ratio=4,
        origin=(0, 0),
        centre=np.zeros(3, np.float32),
        spread=np.ones(3, np.float32),
    )
    moved = {4: before + flat[1] - flat[0], 15: after + flat[1] - flat[2]}
    found = fill_holes(
        np.full_like(before, np.nan),
        DAY,
        (4, 15),
        clear=lambda _: np.ones((8, 8), np.bool_),
        moved=moved.__getitem__,
    )
    np.testing.assert_allclose(found.image, predict_naively("anomaly", block)[0], atol=1e-6)


def of_one_date(image: Array, day: int, dates: Collection[int], **ask) -> Filled:
    """Planted: the nearest date alone, as if there were none on the other side of the day."""
    nearest = sorted(set(dates) - {day}, key=lambda one: abs(one - day))
    made = Filled(image, np.zeros(image.shape[1:], np.bool_), *np.zeros((2, *image.shape[1:]), int))
    for one in nearest:
        more = fill_holes(made.image, day, [one], **ask)
        made = Filled(more.image, made.filled | more.filled, more.earlier, more.later)
    return made


@cache
def a_world() -> Timeline:
    return Timeline.make("train", 103, size=64, days=89)


def fills_and_jump(world: Timeline) -> tuple[float, float]:
    """RMSE of what was filled, and how a season fused by ``anomaly`` jumps at observed days."""
    wrong, fused, days = [], [], []
    for block in world.runs():
        assert block.filled_before is not None
        error = block.fine_before - world.truth[block.day_before]
        wrong.append(error[:, block.filled_before].ravel())
        answer = predict_naively("anomaly", block)
        for day, image in zip(block.days, answer, strict=True):
            if day in world.fine.days:
                seen = world.fine.images[world.fine.days.index(day)]
                image = np.where(np.isfinite(seen), seen, image)
            fused.append(image)
            days.append(day)
    assert days == list(range(days[0], days[-1] + 1))
    steps = [at for at, day in enumerate(days[:-1]) if {day, day + 1} & set(world.fine.days)]
    truth = world.truth[days]
    rmse = float(np.sqrt(np.mean(np.square(np.concatenate(wrong), dtype=np.float64))))
    return rmse, float(np.mean(jump(np.stack(fused), truth, steps)))


def test_both_sides_tell_more_than_the_nearest_date_and_a_season_no_longer_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rmse, jumps = fills_and_jump(a_world())
    monkeypatch.setattr(timeline, "fill_holes", of_one_date)
    rmse_of_one, jumps_of_one = fills_and_jump(a_world())
    assert rmse < 0.95 * rmse_of_one
    assert jumps < 0.8 * jumps_of_one
    assert jumps < 1.5 < jumps_of_one
