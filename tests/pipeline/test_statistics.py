"""Centre and spread of a region, with days and without."""

import numpy as np
import pytest

from pipeline.statistics import count, region_statistics, statistics_of
from tests.pipeline.test_references import BANDS, World
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
    everything = count(world.folder, BANDS, [day(n) for n in world.fine])
    hidden = count(world.folder, BANDS, [day(n) for n in without])
    for one, two in zip(statistics_of(everything - hidden), (centre, spread), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_region_of_one_colour_has_a_spread_of_a_hundredth(tmp_path) -> None:
    grid = make_grid()
    image = np.full((2, *grid.shape), 0.3, np.float32)
    coarse = {day(0): make_coarse(world=image, ratio=grid.ratio)}
    folder = make_inputs(folder=tmp_path, grid=grid, fine={day(0): image}, coarse=coarse)
    centre, spread = region_statistics(folder, BANDS)
    np.testing.assert_allclose(centre, 0.3, atol=1e-6)
    np.testing.assert_allclose(spread, 0.01, atol=1e-9)
