"""Pixels through time, from a cube and its inputs."""

from pathlib import Path

import matplotlib.image
import numpy as np
import zarr

from pipeline.cube import Status
from pipeline.images import array_of, open_input
from pipeline.pixel_series import SHARES, draw, of_cube, some_pixels
from pipeline.store import write_tables
from tests.pipeline.test_fuse import carry_out, make_region, read
from tests.synthetic import day


def test_pixels_are_chosen_by_how_much_they_change() -> None:
    days, y, x = 12, 20, 30
    change = np.linspace(0, 0.3, y * x).reshape(y, x)
    fused = (0.4 + change * np.sin(np.arange(days)).reshape(-1, 1, 1)).astype(np.float32)
    fused[:, 5] = np.nan
    found = dict(some_pixels(fused))
    assert list(found) == list(SHARES)
    spread = fused.std(0)
    assert np.all(np.diff([spread[place] for place in found.values()]) < 0)
    assert all(row != 5 for row, _ in found.values())
    assert not list(some_pixels(np.full_like(fused, np.nan)))


def test_a_picture_of_a_cube_shows_what_cube_and_inputs_hold(tmp_path: Path) -> None:
    region = make_region(tmp_path)
    carry_out(region.plan.tasks)
    write_tables(region.job.cube, {"status": Status.FINAL}, days=region.job.days, tile=0)
    inputs = region.job.inputs
    for role in ("fine", "coarse"):  # what lies under clouds is no number to be shown
        root = zarr.open_group(inputs / f"{role}.zarr", mode="r+")
        clear, band = (array_of(root, name) for name in ("clear", "nir08"))
        band[:] = np.where(np.asarray(clear[:]) == 0, 5000, band[:]).astype(np.int16)
    pixels = list(of_cube(region.job.cube))
    assert len(pixels) == len(SHARES)
    cube = read(region, "nir08")["nir08"]
    fine, coarse = (array_of(open_input(inputs, role), "clear") for role in ("fine", "coarse"))
    for one in pixels:
        y, x = (int(part.split()[1]) for part in one.title.split(": ")[1].split(", "))
        np.testing.assert_allclose(one.fused[1], cube[:, y, x], rtol=1e-6)
        np.testing.assert_array_equal(np.isfinite(one.fine[1]), fine[:, y, x] != 0)
        assert one.fine[0][0] == np.datetime64(day(0))
        row, col = y // region.job.grid.ratio, x // region.job.grid.ratio
        np.testing.assert_array_equal(np.isfinite(one.coarse[1]), coarse[:, row, col] != 0)
    out = draw(pixels, tmp_path / "pictures" / "pixels.png", "anomaly")
    assert out is not None
    assert np.ptp(matplotlib.image.imread(out)[..., :3]) > 0.9
    assert draw([], tmp_path / "none.png", "anomaly") is None
