"""Several sensors of one day: the combination against brute force, and from real files."""

from dataclasses import replace
from datetime import UTC, datetime
from math import cos, isfinite, radians

import numpy as np
import pystac
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from catalogs import BANDS, Band, CollectionSpec, Flag
from catalogs.modis import MOD09GA, MYD09GA, SINUSOIDAL
from pipeline.coarse_day import Look, combine, weight
from pipeline.load import load_coarse
from pipeline.read import ReadError
from tests.pipeline.scenes import PIXEL, box, make_item, modis_box, modis_item

DAY = datetime(2023, 5, 1, tzinfo=UTC)
SPECS = {spec.name: spec for spec in (MOD09GA, MYD09GA)}


def make_look(rng: np.random.Generator, bands: int, cells: int) -> Look:
    values = rng.random((bands, cells))
    values[rng.random((bands, cells)) < 0.3] = np.nan
    zenith = rng.uniform(0, 70, cells)
    zenith[rng.random(cells) < 0.3] = np.nan
    return Look(
        reflectance=values,
        share=rng.choice([0.5, 0.75, 1.0], cells),
        poor=rng.random(cells) < 0.3,
        view_zenith=zenith,
    )


def by_hand(looks: list[Look], cell: int) -> tuple[list[float], int, bool]:
    """One cell, in plain Python: its bands, the leading look, whether bands are mixed."""
    spectra = [look.reflectance[:, cell].tolist() for look in looks]
    weights = []
    for look in looks:
        zenith = float(look.view_zenith[cell])
        aside = cos(radians(zenith)) ** 3 if isfinite(zenith) else 0.5
        weights.append(float(look.share[cell]) * (0.25 if look.poor[cell] else 1) * aside)
    counts = [sum(map(isfinite, spectrum)) for spectrum in spectra]
    order = sorted(range(len(looks)), key=lambda k: (-counts[k], -weights[k], k))
    lead = order[0] if counts[order[0]] else -1
    whole = [k for k in range(len(looks)) if counts[k] == len(spectra[0])]
    if whole:
        total = sum(weights[k] for k in whole)
        bands = range(len(spectra[0]))
        mean = [sum(spectra[k][b] * weights[k] for k in whole) / total for b in bands]
        return mean, lead, False
    values, givers = [], set()
    for band in range(len(spectra[0])):
        giver = next((k for k in order if isfinite(spectra[k][band])), None)
        values.append(float("nan") if giver is None else spectra[giver][band])
        givers |= set() if giver is None else {giver}
    return values, lead, len(givers) > 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_a_combined_day_is_what_plain_python_says(seed: int, sensors: int, bands: int) -> None:
    rng = np.random.default_rng(seed)
    looks = [make_look(rng, bands, 20) for _ in range(sensors)]
    day = combine(looks)
    for cell in range(20):
        values, lead, mixed = by_hand(looks, cell)
        np.testing.assert_allclose(day.reflectance[:, cell], values, rtol=1e-12)
        assert day.lead[cell] == lead
        assert day.mixed[cell] == mixed


def test_a_sensor_alone_keeps_its_values_to_the_last_bit() -> None:
    look = make_look(np.random.default_rng(1), 3, 200)
    np.testing.assert_array_equal(combine([look]).reflectance, look.reflectance)


def test_looks_aside_and_poor_ones_count_less() -> None:
    look = make_look(np.random.default_rng(1), 1, 3)
    look = replace(look, share=np.ones(3), poor=np.zeros(3, bool))
    nadir, aside, untold = (
        weight(replace(look, view_zenith=np.full(3, zenith))) for zenith in (0.0, 60.0, np.nan)
    )
    np.testing.assert_allclose(nadir, 1)
    np.testing.assert_allclose(aside, 0.125)
    assert (aside < untold).all()
    assert (untold < nadir).all()
    poor = weight(replace(look, poor=np.ones(3, bool), view_zenith=np.zeros(3)))
    assert (poor < nadir).all()


def aqua_item(folder, reflectance, geobox: GeoBox, **known) -> pystac.Item:
    """A MYD09GA item: as Terra's, without band 6."""
    item = modis_item(folder, reflectance, geobox, day=DAY, **known)
    item.id = item.id.replace("MOD", "MYD")
    item.collection_id = MYD09GA.name
    del item.assets["sur_refl_b06"]
    return item


def grid_on(native: GeoBox, rows: int, cols: int) -> GeoBox:
    """Cells of 2 x 2 pixels that nest in a MODIS grid."""
    a = native.affine
    return box((rows, cols), a.c, a.f, pixel=2 * PIXEL, crs=SINUSOIDAL)


def spectrum(offset: float, shape: tuple[int, int]) -> np.ndarray:
    levels = np.arange(len(BANDS)) * 0.05 + 0.1 + offset
    return np.broadcast_to(levels[:, None, None], (len(BANDS), *shape)).copy()


CLOUDY = np.full((2, 2), 1 << 3 | 1, np.uint16)


@pytest.fixture
def terra_and_aqua(tmp_path):
    """Terra clear in the left half, Aqua in the upper half; 2 x 2 cells."""
    native = modis_box((4, 4), 400, 400)
    left, upper = np.full((2, 2), 8, np.uint16), np.full((2, 2), 8, np.uint16)
    left[:, 1] |= 1
    upper[1] |= 1
    terra = modis_item(tmp_path / "t", spectrum(0.0, (4, 4)), native, day=DAY, state=left)
    aqua = aqua_item(tmp_path / "a", spectrum(0.04, (4, 4)), native, state=upper)
    return terra, aqua, grid_on(native, 2, 2)


def test_terra_gives_swir16_and_aqua_what_terra_could_not_see(terra_and_aqua) -> None:
    terra, aqua, cells = terra_and_aqua
    scene = load_coarse([terra, aqua], SPECS, BANDS, cells)
    assert scene.clear.tolist() == [[True, False], [True, False]]
    own = spectrum(0.0, (1, 1))[:, 0, 0]
    for row in (0, 1):  # whole spectra of Terra alone, though Aqua saw the upper cell too
        np.testing.assert_allclose(scene.reflectance[:, row, 0], own, atol=1e-6)
    swir16 = BANDS.index("swir16")
    seen_by_aqua = np.delete(scene.reflectance[:, 0, 1], swir16)
    np.testing.assert_allclose(seen_by_aqua, np.delete(own + 0.04, swir16), atol=1e-6)
    assert np.isnan(scene.reflectance[swir16, 0, 1])
    assert np.isnan(scene.reflectance[:, 1, 1]).all()
    assert scene.source.tolist() == [[1, 2], [1, 0]]
    assert not scene.high_aerosol.any()


def test_without_swir16_both_are_averaged_where_both_are_clear(terra_and_aqua) -> None:
    terra, aqua, cells = terra_and_aqua
    bands = tuple(band for band in BANDS if band != "swir16")
    scene = load_coarse([terra, aqua], SPECS, bands, cells)
    offset = scene.reflectance[0] - np.float32(0.1)
    np.testing.assert_allclose(offset, [[0.02, 0.04], [0.0, np.nan]], atol=1e-6)
    assert scene.clear.tolist() == [[True, True], [True, False]]


def test_the_order_of_the_items_changes_nothing_but_their_numbers(terra_and_aqua) -> None:
    terra, aqua, cells = terra_and_aqua
    for bands in (BANDS, BANDS[:3]):
        one, other = (
            load_coarse(items, SPECS, bands, cells) for items in ([terra, aqua], [aqua, terra])
        )
        np.testing.assert_array_equal(one.reflectance, other.reflectance)
        known = np.isfinite(one.reflectance).any(axis=0)
        assert (one.source[known] + other.source[known] == 3).all()


def test_a_cell_put_together_from_two_sensors_is_of_low_quality(tmp_path) -> None:
    native = modis_box((2, 2), 400, 400)
    no_red = spectrum(0.0, (2, 2))
    no_red[BANDS.index("red")] = np.nan
    terra = modis_item(tmp_path / "t", no_red, native, day=DAY)
    aqua = aqua_item(tmp_path / "a", spectrum(0.04, (2, 2)), native)
    scene = load_coarse([terra, aqua], SPECS, BANDS, grid_on(native, 1, 1))
    assert scene.clear.all()
    assert scene.high_aerosol.all()
    expected = spectrum(0.0, (1, 1))[:, 0, 0]
    # Terra and Aqua know five bands each; equal weights leave the lead to the first collection.
    expected[BANDS.index("red")] += 0.04
    np.testing.assert_allclose(scene.reflectance[:, 0, 0], expected, atol=1e-6)


def test_the_sensor_that_looks_down_weighs_more(tmp_path) -> None:
    bands = ("red", "nir08")
    angles = {"view_zenith": Band(asset="sensor_zenith", scale=0.01, nodata=-32767)}
    specs = {name: replace(spec, angles=angles) for name, spec in SPECS.items()}
    native = modis_box((4, 4), 400, 400)
    terra = modis_item(tmp_path / "t", spectrum(0.0, (4, 4)), native, day=DAY)
    aqua = aqua_item(tmp_path / "a", spectrum(0.04, (4, 4)), native)
    for item, zenith in ((terra, 6000), (aqua, 0)):
        layers = {"sensor_zenith": np.full((2, 2), zenith, np.int16)}
        angled = make_item(tmp_path / f"{zenith}", MOD09GA, layers, native, name="it", when=DAY)
        item.assets |= angled.assets
    scene = load_coarse([terra, aqua], specs, bands, grid_on(native, 2, 2))
    offset = scene.reflectance[0] - np.float32(spectrum(0.0, (1, 1))[BANDS.index("red"), 0, 0])
    np.testing.assert_allclose(offset, 0.04 / 1.125, atol=1e-6)
    assert (scene.source == 2).all()


VIIRS_LIKE = CollectionSpec(
    name="viirs-like",
    role="coarse",
    resolution_m=2 * PIXEL,
    bands={
        # The coarser band comes first, as blue does before red.
        "blue": Band(asset="m3", scale=1e-4, nodata=-28672),
        "red": Band(asset="i1", scale=1e-4, nodata=-28672, resolution_m=PIXEL),
    },
    qa={"qf1": Band(asset="qf1", dtype="uint8")},
    flags={"cloud": (Flag(asset="qf1", shift=2, width=2, values=(2, 3)),)},
    reject=("cloud",),
    crs=SINUSOIDAL,
)


def viirs_item(folder, blue, red, qf1, corner: GeoBox) -> pystac.Item:
    layers = {"m3": blue, "i1": red, "qf1": qf1}
    return make_item(folder, VIIRS_LIKE, layers, corner, name="viirs", when=DAY)


def test_bands_of_500_m_and_of_1_km_each_give_the_mean_of_their_own_pixels(tmp_path) -> None:
    rng = np.random.default_rng(3)
    blue = rng.integers(100, 3000, (8, 8)).astype(np.int16)
    red = rng.integers(100, 3000, (16, 16)).astype(np.int16)
    qf1 = np.where(rng.random((8, 8)) < 0.2, 3 << 2, 0).astype(np.uint8)
    corner = modis_box((16, 16), 400, 400)
    item = viirs_item(tmp_path, blue, red, qf1, corner)
    # Cells of 2 x 2 of the coarser pixels, and 4 x 4 of the finer.
    cells = box((4, 4), corner.affine.c, corner.affine.f, pixel=4 * PIXEL, crs=SINUSOIDAL)
    scene = load_coarse([item], {VIIRS_LIKE.name: VIIRS_LIKE}, ("blue", "red"), cells)
    for row in range(4):
        for col in range(4):
            clear = qf1[2 * row : 2 * row + 2, 2 * col : 2 * col + 2] == 0
            assert scene.clear[row, col] == (clear.mean() >= 0.5)
            if not scene.clear[row, col]:
                continue
            of_blue = blue[2 * row : 2 * row + 2, 2 * col : 2 * col + 2][clear]
            twice = clear.repeat(2, 0).repeat(2, 1)
            of_red = red[4 * row : 4 * row + 4, 4 * col : 4 * col + 4][twice]
            expected = [of_blue.mean() * 1e-4, of_red.mean() * 1e-4]
            np.testing.assert_allclose(scene.reflectance[:, row, col], expected, rtol=1e-6)


def test_the_average_of_a_1_km_band_over_cells_that_do_not_nest_is_that_of_its_own_grid(
    tmp_path,
) -> None:
    rng = np.random.default_rng(4)
    blue = rng.integers(100, 3000, (8, 8)).astype(np.int16)
    corner = modis_box((16, 16), 400, 400)
    item = viirs_item(
        tmp_path, blue, np.ones((16, 16), np.int16), np.zeros((8, 8), np.uint8), corner
    )
    cells = box(
        (8, 8), corner.affine.c + 100.0, corner.affine.f - 37.0, pixel=480.0, crs=SINUSOIDAL
    )
    specs = {VIIRS_LIKE.name: VIIRS_LIKE}
    together = load_coarse([item], specs, ("blue", "red"), cells)
    alone = load_coarse([item], specs, ("blue",), cells)
    np.testing.assert_allclose(together.reflectance[0], alone.reflectance[0], atol=1e-6)


def test_grids_that_do_not_nest_are_refused_by_name(tmp_path) -> None:
    corner = modis_box((16, 16), 400, 400)
    dn = np.ones((16, 16), np.int16)
    item = viirs_item(tmp_path, dn[:8, :8], dn, np.zeros((8, 8), np.uint8), corner)
    item.assets["m3"].extra_fields["proj:transform"][2] += 0.3 * PIXEL
    with pytest.raises(ReadError, match=r"'m3' of item viirs .* do not nest"):
        load_coarse([item], {VIIRS_LIKE.name: VIIRS_LIKE}, ("blue", "red"), corner)
