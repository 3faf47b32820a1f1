"""Coarse images of every kind come to the same cells."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio import Affine

from model.block import COARSE_PAD
from model.upsample import bilinear, cubic, nearest
from pipeline.predict.cells import cells_of
from pipeline.predict.copies import recognise
from pipeline.predict.image import Float, ImageError, open_image
from pipeline.predict.lattice import make_lattice
from tests.pipeline.plain_images import LEFT, TOP, Place, make_place, write
from tests.pipeline.scenes import box

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
MODIS_PIXEL = 463.3127165


def padded(cells: Float) -> Float:
    pad = (COARSE_PAD, COARSE_PAD)
    return np.pad(cells, ((0, 0), pad, pad), mode="edge")


def brought(folder: Path, place: Place, values: Float, where: GeoBox, ratio: int | None = None):
    """The cells of a coarse image, and how they were found."""
    bands = place.bands
    fine = open_image(write(folder / "fine.tif", place.fine[0], place.fine_box, bands=bands))
    coarse = open_image(write(folder / "coarse.tif", values, where, bands=bands))
    lattice = make_lattice(fine, [coarse], ratio)
    return cells_of(coarse, lattice), lattice


@pytest.mark.parametrize("ratio", [7, 8, 16])
def test_copies_on_the_fine_grid_are_their_cells_again(tmp_path: Path, ratio: int) -> None:
    place = make_place(ratio=ratio)
    cells = place.coarse[1]
    own, lattice = brought(tmp_path, place, cells, place.coarse_box)
    assert (own == cells).all()
    assert (lattice.grid.ratio, lattice.top, lattice.left) == (ratio, 0, 0)
    for up, way in ((nearest, "nearest"), (bilinear, "bilinear")):
        copy = up(padded(cells), ratio)
        back, lattice = brought(tmp_path, place, copy, place.fine_box)
        assert (lattice.grid.ratio, lattice.top, lattice.left) == (ratio, 0, 0)
        assert f"a {way} copy" in lattice.found
        assert back == pytest.approx(cells, abs=1e-6)


def test_a_cubic_copy_shows_its_cells_and_is_averaged(tmp_path: Path) -> None:
    place = make_place(rows=12, cols=12, ratio=8)
    cells = place.coarse[1]
    back, lattice = brought(tmp_path, place, cubic(padded(cells), 8), place.fine_box)
    assert lattice.grid.ratio == 8
    assert "smooth copy" in lattice.found
    away = np.abs(back - cells).mean() / np.abs(cells - cells.mean((1, 2), keepdims=True)).mean()
    assert away < 0.4  # an average of a smooth copy is smoother than what it was made from


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([nearest, bilinear]),
    st.integers(3, 20),
    st.integers(0, 19),
    st.integers(0, 19),
    st.booleans(),
)
def test_ratio_and_phase_of_a_copy_are_found(up, ratio, top, left, whole_numbers) -> None:
    cells = np.random.default_rng(0).uniform(0.05, 0.4, (2, 14, 15)).astype(np.float32)
    image = up(cells, ratio)[:, top % ratio :, left % ratio :]
    if whole_numbers:
        image = np.rint(image * 1e4)
    found = recognise(image)
    assert found is not None
    assert found.way == up.__name__
    assert found.pitch == (ratio, ratio)
    assert found.phase == (-top % ratio, -left % ratio)


def test_fields_flat_images_and_holes_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    fields = rng.uniform(0, 1, (2, 40, 40)).repeat(4, 1).repeat(5, 2)
    assert recognise(fields + rng.normal(0, 0.01, fields.shape)) is None
    assert recognise(np.zeros((2, 50, 50))) is None
    assert recognise(np.full((2, 50, 50), np.nan)) is None
    assert recognise(np.zeros((2, 2, 2))) is None
    cells = rng.uniform(0, 1, (2, 12, 12)).astype(np.float32)
    for up in (nearest, bilinear):
        holed = up(cells, 8)
        holed[:, 3:20, 5:9] = np.nan
        found = recognise(holed)
        assert found is not None
        assert found.pitch == (8, 8)


def test_copies_with_turned_edges_tell_their_size() -> None:
    cells = np.random.default_rng(0).uniform(0, 1, (2, 60, 60))
    y, x = np.mgrid[:200, :200]
    turned = cells[:, ((y + 0.2 * x) / 15.4).astype(int), ((x + 0.1 * y) / 15.4).astype(int)]
    found = recognise(turned)
    assert found is not None
    assert found.phase is None
    assert found.way == "nearest"
    assert np.sqrt(np.prod(found.pitch)) == pytest.approx(15.4, rel=0.3)


def test_a_sinusoidal_image_is_averaged_by_area(tmp_path: Path) -> None:
    place = make_place(rows=8, cols=8, ratio=16)
    to_sinusoidal = Transformer.from_crs("EPSG:32633", SINUSOIDAL, always_xy=True)
    back = Transformer.from_crs(SINUSOIDAL, "EPSG:32633", always_xy=True)
    left, bottom, right, top = to_sinusoidal.transform_bounds(
        LEFT, TOP - 128 * 30, LEFT + 128 * 30, TOP
    )

    def plane(x, y):
        """Reflectance that rises evenly over the ground: a cell's mean is its centre's value."""
        return 0.2 + (x - LEFT) * 2e-5 + (TOP - y) * 1e-5

    column, row = (int(v // MODIS_PIXEL) for v in (left, top))
    shape = (int((top - bottom) // MODIS_PIXEL) + 5, int((right - left) // MODIS_PIXEL) + 5)
    affine = Affine(MODIS_PIXEL, 0, (column - 2) * MODIS_PIXEL, 0, -MODIS_PIXEL,
                    (row + 3) * MODIS_PIXEL)  # fmt: skip
    j, i = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    values = np.stack([plane(*back.transform(*(affine @ (j, i))))] * 2).astype(np.float32)
    cells, lattice = brought(tmp_path, place, values, GeoBox(shape, affine, SINUSOIDAL))
    # Its pixels are 463 m by the sphere of MODIS, 464 m by the ellipsoid of UTM here.
    assert lattice.grid.ratio == 16
    assert "are 15.5 fine pixels" in lattice.found
    asked, lattice = brought(tmp_path, place, values, GeoBox(shape, affine, SINUSOIDAL), ratio=16)
    y, x = np.mgrid[:8, :8]
    wanted = plane(LEFT + (x + 0.5) * 480, TOP - (y + 0.5) * 480)
    assert lattice.top == lattice.left == 0
    assert asked == pytest.approx(np.stack([wanted] * 2), abs=1.5e-3)
    assert np.isfinite(cells).all()


def test_cells_lie_on_the_lattice_of_the_cubes_whatever_the_cut(tmp_path: Path) -> None:
    place = make_place(rows=8, cols=8, ratio=16)
    part = replace(place, fine=place.fine[:, :, 5:100, 3:90])
    where = place.fine_box[5:100, 3:90]
    fine = open_image(write(tmp_path / "f.tif", part.fine[0], where, bands=place.bands))
    other = box((20, 20), LEFT - 1000.0, TOP + 700.0, pixel=500.0)
    values = np.full((2, 20, 20), 0.2, np.float32)
    coarse = open_image(write(tmp_path / "c.tif", values, other, bands=place.bands))
    lattice = make_lattice(fine, [coarse], 16)
    assert (lattice.top, lattice.left) == (5, 3)
    assert lattice.grid.origin(0, 0) == (-round((TOP - 15) / 30), round((LEFT - 15) / 30))
    assert (lattice.grid.fine.affine.c - 15) % 480 == 0


def test_a_copy_that_reaches_beyond_the_fine_image_keeps_its_cells(tmp_path: Path) -> None:
    place = make_place(rows=8, cols=9)
    whole = box((64, 72), LEFT + 90.0, TOP - 60.0)  # off the lattice that would be taken else
    part = whole[13:50, 10:60]
    fine = write(tmp_path / "f.tif", place.fine[0][:, 13:50, 10:60], part, bands=place.bands)
    copy = nearest(padded(place.coarse[1]), 8)
    coarse = open_image(write(tmp_path / "c.tif", copy, whole, bands=place.bands))
    lattice = make_lattice(open_image(fine), [coarse], None)
    assert (lattice.top, lattice.left) == (13 % 8, 10 % 8)
    assert cells_of(coarse, lattice) == pytest.approx(place.coarse[1][:, 1:7, 1:8])


def test_a_hole_of_half_a_cell_is_a_hole_but_the_edge_of_the_image_is_none(tmp_path: Path) -> None:
    place = make_place(rows=4, cols=4)
    copy = nearest(padded(place.coarse[1]), 8)
    copy[0, 8:16, 8:13] = np.nan  # five eighths of a cell
    copy[0, 16:24, 8:12] = np.nan  # half of one
    back, _ = brought(tmp_path, place, copy, place.fine_box)
    unknown = np.isnan(back)
    assert unknown[0, 1, 1]
    assert unknown.sum() == 1

    cut = place.fine_box[6:, 6:]
    fine = open_image(write(tmp_path / "f.tif", place.fine[0][:, 6:, 6:], cut, bands=place.bands))
    ends = nearest(padded(place.coarse[1]), 8)[:, 6:, 6:]
    coarse = open_image(write(tmp_path / "c.tif", ends, cut, bands=place.bands))
    lattice = make_lattice(fine, [coarse], None)
    assert (lattice.top, lattice.left) == (6, 6)
    assert cells_of(coarse, lattice) == pytest.approx(place.coarse[1])


def test_what_shows_no_ratio_or_another_place_is_refused(tmp_path: Path) -> None:
    place = make_place(rows=4, cols=4)
    with pytest.raises(ImageError, match=r"coarse\.tif lies on pixels as small .* --ratio 16"):
        brought(tmp_path, place, place.fine[1], place.fine_box)
    cells, lattice = brought(tmp_path, place, place.fine[1], place.fine_box, ratio=8)
    means = place.fine[1].astype(float).reshape(2, 4, 8, 4, 8).mean((2, 4))
    assert cells == pytest.approx(means)
    assert "as asked" in lattice.found
    with pytest.raises(ImageError, match="shows nothing of where the fine images are: it lies at"):
        brought(tmp_path, place, place.coarse[1], box((4, 4), LEFT + 1e5, TOP, pixel=240.0))
    with pytest.raises(ImageError, match="were fine and coarse exchanged"):
        brought(tmp_path, place, place.coarse[1], box((4, 4), LEFT, TOP, pixel=10.0))


def test_cells_are_as_large_as_the_pixels_of_the_coarsest_image(tmp_path: Path) -> None:
    place = make_place(ratio=8)
    fine = open_image(write(tmp_path / "f.tif", place.fine[0], place.fine_box, bands=place.bands))
    images = []
    for pixel in (240.0, 480.0):
        where = box((12, 12), LEFT, TOP, pixel=pixel)
        values = np.full((2, 12, 12), 0.2, np.float32)
        path = write(tmp_path / f"{pixel:g}.tif", values, where, bands=place.bands)
        images.append(open_image(path))
    for order in (images, images[::-1]):
        assert make_lattice(fine, order, None).grid.ratio == 16
