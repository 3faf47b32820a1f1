"""Centre and spread of a region, with days and without."""

import numpy as np
import pytest
import zarr

from pipeline.cf import VALID_MIN
from pipeline.images import array_of
from pipeline.statistics import DayCounts, count_day, count_tasks, region_statistics, statistics_of
from tests.pipeline.clouded import BANDS, World
from tests.synthetic import day, make_coarse, make_grid, make_inputs


@pytest.mark.parametrize("without", [(), (3, 16)])
def test_region_statistics_are_the_median_and_the_quartiles_of_clear_pixels(
    tmp_path, without
) -> None:
    world = World(tmp_path, seed=6)
    centre, spread = region_statistics(world.folder, BANDS, without=[day(n) for n in without])
    kept = [image for n, image in world.fine.items() if n not in without]
    for place in range(2):
        values = np.concatenate([image[place].ravel() for image in kept])
        low, middle, high = np.nanpercentile(values, (25, 50, 75))
        assert centre[place] == pytest.approx(middle, abs=1e-6)
        assert spread[place] == pytest.approx(high - low, abs=1e-6)
    counts = DayCounts(world.folder, BANDS)
    seen = counts.total() - sum(counts.of(day(n)) for n in without)
    for one, two in zip(statistics_of(seen), (centre, spread), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_day_is_counted_once_and_again_when_its_images_are_read_anew(tmp_path) -> None:
    world = World(tmp_path, seed=6)
    before = DayCounts(world.folder, BANDS).total()
    tasks = count_tasks(world.folder, BANDS)
    assert [task.day for task in tasks] == sorted(day(n) for n in world.fine)
    for task in tasks:
        count_day(task)
    assert count_tasks(world.folder, BANDS) == []
    root = zarr.open_group(world.folder / "fine.zarr", mode="r+")
    for band in BANDS:
        array_of(root, band)[0] = 1234
    np.testing.assert_array_equal(DayCounts(world.folder, BANDS).total(), before)

    array_of(root, "fingerprint")[0] = 77
    now = DayCounts(world.folder, BANDS)
    clear = int((np.asarray(array_of(root, "clear")[0]) != 0).sum())
    assert [now.of(min(tasks, key=lambda one: one.day).day)[0, 1234 - VALID_MIN]] == [clear]
    (task,) = count_tasks(world.folder, BANDS)
    count_day(task)
    np.testing.assert_array_equal(DayCounts(world.folder, BANDS).total(), now.total())
    assert [task.day for task in count_tasks(world.folder, BANDS[:1])] == sorted(
        day(n) for n in world.fine
    )


def test_a_region_of_one_colour_has_a_spread_of_a_hundredth(tmp_path) -> None:
    grid = make_grid()
    image = np.full((2, *grid.shape), 0.3, np.float32)
    coarse = {day(0): make_coarse(world=image, ratio=grid.ratio)}
    folder = make_inputs(folder=tmp_path, grid=grid, fine={day(0): image}, coarse=coarse)
    centre, spread = region_statistics(folder, BANDS)
    np.testing.assert_allclose(centre, 0.3, atol=1e-6)
    np.testing.assert_allclose(spread, 0.01, atol=1e-9)
