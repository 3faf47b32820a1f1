"""Loading: exact copies, area averages, masks before mosaics, errors that name the file."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio import Affine

from catalogs import BANDS, Band, by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline.grid import Grid
from pipeline.load import load_coarse, load_fine
from pipeline.native import to_reflectance
from pipeline.read import ReadError
from pipeline.resample import area_weights, to_lattice
from tests.pipeline.scenes import (
    CLEAR_LAND,
    PIXEL,
    box,
    landsat_item,
    modis_box,
    modis_item,
    write_tif,
)

LANDSAT, MODIS = by_name(LANDSAT_C2_L2), by_name(MOD09GA)
SCENE = box((80, 96), 400005.0, 5100015.0)
TARGET = box((32, 48), 400005.0 + 30 * 20, 5100015.0 - 30 * 16)
DN = 2.75e-5


def _reflectance(shape=(80, 96), seed: int = 0) -> np.ndarray:
    """Reflectance that DN hold exactly (to float32)."""
    dn = np.random.default_rng(seed).integers(8000, 30000, (6, *shape))
    return dn * DN - 0.2


def _qa(shape, **bits) -> np.ndarray:
    words = np.full(shape, CLEAR_LAND, np.uint16)
    for at, bit in bits.values():
        words[at] |= np.uint16(1 << bit)
    return words


def test_a_scene_on_the_lattice_is_copied_exactly(tmp_path) -> None:
    truth = _reflectance()
    scene = load_fine([landsat_item(tmp_path, truth, SCENE)], LANDSAT, BANDS, TARGET)
    np.testing.assert_array_equal(scene.reflectance, truth[:, 16:48, 20:68].astype(np.float32))
    assert scene.clear.all()
    assert (scene.source == 1).all()
    assert not (scene.water | scene.snow | scene.high_aerosol).any()


def test_bands_come_in_the_order_asked_for(tmp_path) -> None:
    truth = _reflectance()
    item = landsat_item(tmp_path, truth, SCENE)
    scene = load_fine([item], LANDSAT, ("swir22", "red"), TARGET)
    np.testing.assert_array_equal(scene.reflectance, truth[[5, 2], 16:48, 20:68].astype(np.float32))


def test_what_qa_rejects_is_nan_in_every_band_and_marks_are_kept(tmp_path) -> None:
    qa = _qa(
        (80, 96),
        cloud=((slice(20, 24), slice(30, 40)), 3),
        snow=((40, 50), 5),
        water=((41, 51), 7),
    )
    truth = _reflectance()
    truth[3, 45, 60] = np.nan  # DN 0 in one band alone
    item = landsat_item(tmp_path, truth, SCENE, qa=qa)
    scene = load_fine([item], LANDSAT, BANDS, TARGET)
    assert np.isnan(scene.reflectance[:, 4:8, 10:20]).all()
    assert np.isnan(scene.reflectance[:, 2, 15]).all()  # grown by two pixels
    assert scene.clear[1, 15]
    assert not scene.clear[29, 40]
    assert scene.snow[24, 30]
    assert scene.clear[24, 30]
    assert scene.water[25, 31]
    assert scene.snow.sum() == scene.water.sum() == 1
    np.testing.assert_array_equal(scene.clear, scene.source == 1)
    dropped = load_fine([item], LANDSAT, BANDS, TARGET, drop=("snow",))
    assert not dropped.clear[24, 30]


def test_clear_is_where_every_band_is_known(tmp_path) -> None:
    truth = _reflectance()
    truth[2, 30, 40] = np.nan
    scene = load_fine([landsat_item(tmp_path, truth, SCENE)], LANDSAT, BANDS, TARGET)
    np.testing.assert_array_equal(scene.clear, np.isfinite(scene.reflectance).all(axis=0))
    assert not scene.clear[14, 20]
    assert scene.clear.sum() == scene.clear.size - 1
    assert np.isnan(scene.reflectance[:, 14, 20]).all()


def test_each_scene_is_masked_by_its_own_qa_before_they_meet(tmp_path) -> None:
    one, two = _reflectance(seed=1), _reflectance(seed=2)
    cloud = (slice(0, 80), slice(0, 40))
    first = landsat_item(tmp_path, one, SCENE, qa=_qa((80, 96), cloud=(cloud, 3)))
    second = landsat_item(tmp_path, two, SCENE, name="LC08_L2SP_190029_20230501_02_T1")
    scene = load_fine([first, second], LANDSAT, BANDS, TARGET)
    assert scene.clear.all()
    edge = 42 - 20  # the cloud ends at column 40 and has grown by two
    np.testing.assert_array_equal(scene.source[:, :edge], 2)
    np.testing.assert_array_equal(scene.source[:, edge:], 1)
    expected = np.where(np.arange(48) < edge, two[:, 16:48, 20:68], one[:, 16:48, 20:68])
    np.testing.assert_array_equal(scene.reflectance, expected.astype(np.float32))


def test_a_scene_that_covers_part_leaves_the_rest_unknown(tmp_path) -> None:
    truth = _reflectance()
    beyond = box((32, 48), SCENE.affine.c + 30 * 80, SCENE.affine.f - 30 * 60)
    scene = load_fine([landsat_item(tmp_path, truth, SCENE)], LANDSAT, BANDS, beyond)
    np.testing.assert_array_equal(scene.clear[:20, :16], True)
    assert scene.clear.sum() == 20 * 16
    np.testing.assert_array_equal(
        scene.reflectance[:, :20, :16], truth[:, 60:, 80:].astype(np.float32)
    )


def test_a_scene_elsewhere_gives_nothing(tmp_path) -> None:
    far = box((32, 48), 700005.0, 5100015.0)
    scene = load_fine([landsat_item(tmp_path, _reflectance(), SCENE)], LANDSAT, BANDS, far)
    assert not scene.clear.any()
    assert np.isnan(scene.reflectance).all()


def test_a_scene_of_the_next_zone_is_resampled_to_the_right_place(tmp_path) -> None:
    """A plane in target coordinates survives reprojection; NaN holes do not bleed."""
    to_33 = Transformer.from_crs("EPSG:32632", "EPSG:32633", always_xy=True)
    shape = (260, 260)
    target = box((64, 64), 300015.0, 5099985.0)
    left, top = Transformer.from_crs("EPSG:32633", "EPSG:32632", always_xy=True).transform(
        300000.0, 5100000.0
    )
    scene_box = box(
        shape,
        15 + 30 * (round(left) // 30 - 90),
        15 + 30 * (round(top) // 30 + 90),
        crs="EPSG:32632",
    )
    cols, rows = np.meshgrid(np.arange(260) + 0.5, np.arange(260) + 0.5)
    x, y = to_33.transform(scene_box.affine.c + 30 * cols, scene_box.affine.f - 30 * rows)
    plane = 0.3 + (x - 301000) * 2e-5 + (y - 5099000) * 1e-5
    truth = np.repeat(plane[None], 6, axis=0)
    qa = np.full(shape, CLEAR_LAND, np.uint16)
    truth[:, 100:140, 100:140] = 0.9  # a bright cloud
    qa[100:140, 100:140] |= 1 << 3
    item = landsat_item(tmp_path, truth, scene_box, qa=qa)
    scene = load_fine([item], LANDSAT, BANDS, target)
    cols, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    expected = (
        0.3
        + (target.affine.c + 30 * cols - 301000) * 2e-5
        + (target.affine.f - 30 * rows - 5099000) * 1e-5
    )
    assert 0.1 < scene.clear.mean() < 0.95
    error = np.abs(scene.reflectance - expected)[:, scene.clear]
    # Half a pixel of misplacement would be 4.5e-4; beside holes the bilinear part is one-sided.
    assert np.quantile(error, 0.9) < 5e-5
    assert error.max() < 1e-3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 0.6), st.sampled_from([0.5, 7.0, 14.0, 16.0, 29.0]))
def test_a_constant_with_holes_stays_that_constant_and_keeps_its_holes(
    seed: int, share: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    source = box((40, 40), 400005.0, 5100015.0)
    target = box((20, 20), 400005.0 + 300 + shift, 5100015.0 - 300 - shift)
    values = np.full((2, 40, 40), 0.37, np.float32)
    values[rng.random((2, 40, 40)) < share] = np.nan
    result, marks = to_lattice(values, np.zeros((1, 40, 40), bool), source, target)
    known = np.isfinite(result)
    rows = np.floor((300 + shift + 15 + 30 * np.arange(20)) / 30).astype(int)
    nearest = np.isfinite(values[np.ix_([0, 1], rows, rows)])
    np.testing.assert_array_equal(known, nearest)
    np.testing.assert_allclose(result[known], 0.37, atol=1e-6)
    assert not marks.any()


def test_dn_are_scaled_once_and_fill_and_invalid_are_nan() -> None:
    band = Band(asset="a", scale=1e-4, offset=0.1, nodata=-28672, valid=(-100, 16000))
    dn = np.array([[-28672, -101, -100, 0, 16000, 16001, 5000]], np.int16)
    rejected = np.array([[False] * 6 + [True]])
    np.testing.assert_allclose(
        to_reflectance(dn, band, rejected),
        np.array([[np.nan, np.nan, 0.09, 0.1, 1.7, np.nan, np.nan]], np.float32),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nodata_of_floats_is_compared_in_their_own_type(dtype: str) -> None:
    band = Band(asset="a", dtype=dtype, nodata=-3.3999999521443642e38)
    dn = np.array([[-3.3999999521443642e38, np.nan, np.inf, 0.25]], dtype)
    result = to_reflectance(dn, band, np.zeros((1, 4), bool))
    np.testing.assert_array_equal(np.isnan(result), [[True, True, True, False]])


def _coarse_grid() -> Grid:
    return Grid.from_bbox((14.3, 46.2, 14.36, 46.25))


def _modis_window(grid: Grid) -> GeoBox:
    """Even rows and columns of h18v04 around a region."""
    to_sinu = Transformer.from_crs(grid.crs.proj, modis_box((2, 2), 0, 0).crs.proj, always_xy=True)
    b = grid.coarse.boundingbox
    left, _, _, top = to_sinu.transform_bounds(b.left, b.bottom, b.right, b.top, densify_pts=32)
    whole = modis_box((2, 2), 0, 0)
    col = int((left - whole.affine.c) / PIXEL) // 2 * 2 - 6
    row = int((whole.affine.f - top) / PIXEL) // 2 * 2 - 6
    return modis_box((48, 48), row, col)


def test_coarse_cells_are_the_area_average_of_their_pixels(tmp_path) -> None:
    grid = _coarse_grid()
    window = _modis_window(grid)
    rng = np.random.default_rng(3)
    truth = rng.integers(100, 6000, (6, 48, 48)) / 1e4
    scene = load_coarse([modis_item(tmp_path, truth, window)], MODIS, BANDS, grid.coarse)
    assert scene.clear.all()
    # By brute force: 48 x 48 points a cell, each the pixel it falls in.
    n = 48
    affine = grid.coarse.affine
    to_sinu = Transformer.from_crs(grid.crs.proj, window.crs.proj, always_xy=True)
    at = (np.arange(n) + 0.5) / n
    for row, col in [(0, 0), (2, 5), (grid.coarse_shape[0] - 1, grid.coarse_shape[1] - 1)]:
        x, y = np.meshgrid(affine.c + affine.a * (col + at), affine.f + affine.e * (row + at))
        x, y = to_sinu.transform(x, y)
        j = np.floor((x - window.affine.c) / PIXEL).astype(int)
        i = np.floor((window.affine.f - y) / PIXEL).astype(int)
        np.testing.assert_allclose(
            scene.reflectance[:, row, col], truth[:, i, j].mean(axis=(1, 2)), atol=6e-3
        )


def test_a_plane_keeps_its_place_in_the_coarse_cells(tmp_path) -> None:
    """Mean over a cell of a plane is its value at the centre: a shift of 10 m would show."""
    grid = _coarse_grid()
    window = _modis_window(grid)
    to_utm = Transformer.from_crs(window.crs.proj, grid.crs.proj, always_xy=True)
    cols, rows = np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5)
    x, y = to_utm.transform(window.affine.c + PIXEL * cols, window.affine.f - PIXEL * rows)
    x0, y0 = grid.coarse.affine.c, grid.coarse.affine.f
    truth = np.repeat((0.5 + (x - x0) * 2e-5 + (y - y0) * 3e-5)[None], 6, axis=0)
    scene = load_coarse([modis_item(tmp_path, truth, window)], MODIS, BANDS, grid.coarse)
    height, width = grid.coarse_shape
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    expected = 0.5 + cols * 480 * 2e-5 - rows * 480 * 3e-5
    error = scene.reflectance - expected
    assert abs(error.mean()) < 10 * 2e-5
    assert np.abs(error).max() < 250 * 5e-5  # pixels are steps of the plane


def test_weights_of_a_nested_grid_are_exact() -> None:
    fine = box((48, 64), 400005.0, 5100015.0)
    cells = box((3, 4), 400005.0, 5100015.0, pixel=480.0)
    values = np.random.default_rng(0).random((48, 64))
    mean = (area_weights(fine, cells) @ values.ravel()).reshape(3, 4)
    np.testing.assert_allclose(mean, values.reshape(3, 16, 4, 16).mean(axis=(1, 3)), rtol=1e-12)
    seven = box((21, 28), 400005.0, 5100015.0, pixel=70.0)
    cells = box((3, 4), 400005.0, 5100015.0, pixel=490.0)
    values = np.random.default_rng(0).random((21, 28))
    mean = (area_weights(seven, cells) @ values.ravel()).reshape(3, 4)
    np.testing.assert_allclose(mean, values.reshape(3, 7, 4, 7).mean(axis=(1, 3)), rtol=1e-12)
    same = area_weights(cells, cells).toarray()
    np.testing.assert_allclose(same, np.eye(12), atol=1e-12)


def test_weights_sum_to_the_share_of_the_cell_inside_the_source() -> None:
    grid = _coarse_grid()
    inside = area_weights(_modis_window(grid), grid.coarse).sum(axis=1)
    np.testing.assert_allclose(inside, 1, rtol=1e-12)
    cut = area_weights(
        box((8, 8), 400005.0, 5100015.0), box((1, 1), 400005.0, 5100015.0, pixel=480.0)
    )
    assert cut.sum() == pytest.approx(0.25)


@pytest.mark.parametrize(("cloudy", "clear"), [(127, True), (128, True), (129, False)])
def test_a_cell_counts_where_half_of_it_is_clear(tmp_path, cloudy: int, clear: bool) -> None:
    fine = box((16, 16), 400005.0, 5100015.0)
    cell = box((1, 1), 400005.0, 5100015.0, pixel=480.0)
    truth = np.full((6, 256), 0.25)
    truth[:, :cloudy] = np.nan
    item = landsat_item(tmp_path, truth.reshape(6, 16, 16), fine)
    scene = load_coarse([item], LANDSAT, BANDS, cell)
    assert scene.clear[0, 0] == clear
    assert np.isfinite(scene.reflectance).all() == clear
    if clear:
        np.testing.assert_allclose(scene.reflectance, 0.25, atol=DN)


def test_a_cell_across_two_modis_tiles_is_whole(tmp_path) -> None:
    grid = _coarse_grid()
    window = _modis_window(grid)
    truth = np.random.default_rng(3).integers(100, 6000, (6, 48, 48)) / 1e4
    whole = load_coarse([modis_item(tmp_path / "a", truth, window)], MODIS, BANDS, grid.coarse)
    a = window.affine
    right = GeoBox((48, 36), Affine(a.a, 0, a.c + 12 * a.a, 0, a.e, a.f), window.crs)
    halves = [
        modis_item(tmp_path / "b", truth[:, :, :12], window[:, :12]),
        modis_item(tmp_path / "b", truth[:, :, 12:], right, tile="h19v04"),
    ]
    scene = load_coarse(halves, MODIS, BANDS, grid.coarse)
    np.testing.assert_allclose(scene.reflectance, whole.reflectance, atol=1e-6)
    assert set(np.unique(scene.source)) == {1, 2}


def test_the_1_km_state_covers_exactly_two_by_two_pixels(tmp_path) -> None:
    window = modis_box((48, 48), 1000, 1000)
    state = np.full((24, 24), 8, np.uint16)
    cloudy = np.random.default_rng(0).random((24, 24)) < 0.3
    state[cloudy] |= 1
    truth = np.full((6, 48, 48), 0.3)
    item = modis_item(tmp_path, truth, window, state=state)
    scene = load_coarse([item], MODIS, BANDS, window)
    np.testing.assert_array_equal(scene.clear, ~np.kron(cloudy, np.ones((2, 2), bool)))


def test_all_32_bits_of_the_qc_word_arrive(tmp_path) -> None:
    window = modis_box((48, 48), 1000, 1000)
    qc = np.full((48, 48), 1 << 30, np.uint32)
    qc[5, 6] |= np.uint32(11 << 26)  # swir22 (band 7) missing its input
    qc[7, 8] |= np.uint32(1)  # less than ideal: kept
    qc[9, 9] |= np.uint32(2)  # not produced
    item = modis_item(tmp_path, np.full((6, 48, 48), 0.3), window, qc=qc)
    scene = load_coarse([item], MODIS, BANDS, window)
    assert sorted(map(tuple, np.argwhere(~scene.clear))) == [(5, 6), (9, 9)]
    without = load_coarse([item], MODIS, ("red", "blue"), window)
    assert sorted(map(tuple, np.argwhere(~without.clear))) == [(9, 9)]


def test_a_broken_crs_of_modis_is_repaired(tmp_path) -> None:
    grid = _coarse_grid()
    truth = np.full((6, 48, 48), 0.3)
    window = _modis_window(grid)
    good = modis_item(tmp_path / "a", truth, window)
    truth[:, 14:, :] = 0.1
    bad = modis_item(tmp_path / "b", truth, window, **{"proj:code": "EPSG:None"})
    worse = modis_item(tmp_path / "c", truth, window, **{"proj:code": None, "proj:epsg": None})
    del worse.properties["proj:wkt2"]
    first, second, third = (
        load_coarse([item], MODIS, BANDS, grid.coarse) for item in (good, bad, worse)
    )
    assert first.clear.all()
    assert second.clear.all()
    assert np.ptp(second.reflectance) > 0.1
    np.testing.assert_array_equal(second.reflectance, third.reflectance)


def test_an_item_without_grid_fields_is_located_by_its_file(tmp_path) -> None:
    truth = _reflectance()
    item = landsat_item(tmp_path, truth, SCENE)
    for key in ("proj:wkt2", "proj:shape", "proj:transform"):
        del item.properties[key]
    scene = load_fine([item], LANDSAT, BANDS, TARGET)
    np.testing.assert_array_equal(scene.reflectance, truth[:, 16:48, 20:68].astype(np.float32))


def test_a_missing_asset_names_item_and_asset(tmp_path) -> None:
    item = landsat_item(tmp_path, _reflectance(), SCENE)
    del item.assets["swir16"]
    with pytest.raises(ReadError, match=r"LC08_L2SP_190028.* no asset 'swir16' \(has: blue"):
        load_fine([item], LANDSAT, BANDS, TARGET)


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_an_unreadable_file_is_named_with_its_item_and_asset(tmp_path, harm: str) -> None:
    item = landsat_item(tmp_path, _reflectance(), SCENE)
    path = tmp_path / item.id / "nir08.tif"
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ReadError, match=r"asset 'nir08' of item LC08_L2SP_190028.*nir08\.tif"):
        load_fine([item], LANDSAT, BANDS, TARGET)


def test_numbers_that_are_no_reflectance_are_refused(tmp_path) -> None:
    item = landsat_item(tmp_path, _reflectance(), SCENE)
    twice = np.full((80, 96), 100, np.uint16)
    write_tif(tmp_path / item.id / "red.tif", twice, SCENE, 0)
    with pytest.raises(ReadError, match=r"band red of item .* median reflectance of -0\.197"):
        load_fine([item], LANDSAT, BANDS, TARGET)


def test_layers_of_one_file_are_told_apart(tmp_path) -> None:
    from catalogs import CollectionSpec

    spec = CollectionSpec(
        name="mine",
        resolution_m=30.0,
        bands={
            name: Band(asset="image", index=k, dtype="float32", nodata=float("nan"))
            for k, name in enumerate(("red", "nir08"), start=1)
        },
    )
    from tests.pipeline.scenes import make_item

    values = np.random.default_rng(0).random((2, 80, 96)).astype(np.float32)
    values[0, 20, 25] = np.nan
    when = datetime(2023, 5, 1, tzinfo=UTC)
    item = make_item(tmp_path, spec, {"image": values}, SCENE, name="one", when=when)
    scene = load_fine([item], by_name(spec), ("nir08", "red"), TARGET)
    expected = values[::-1, 16:48, 20:68].copy()
    expected[:, 4, 5] = np.nan
    np.testing.assert_array_equal(scene.reflectance, expected)
