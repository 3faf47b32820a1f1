"""Views of Landsat from its orbit, and images brought to nadir by layers or by the orbit."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
from odc.geo.geobox import GeoBox

from catalogs import BANDS
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, SINUSOIDAL
from pipeline.brdf import GLOBAL, c_factor, kernels
from pipeline.geometry import heading, scene_angles, view_from_orbit
from pipeline.ingest import Collected, Inputs
from pipeline.load import load_coarse, load_fine
from pipeline.prepare import fingerprints
from pipeline.read import ReadError
from tests.pipeline.scenes import PIXEL, box, landsat_item, make_item, modis_box, modis_item
from tests.synthetic import make_grid

COURSES = {
    # Latitude of real scenes and the mean course of their long edges, from their items' outlines.
    -44.6: 194.20,  # LC09_L2SP_090091_20250310
    -38.9: 193.46,  # LC09_L2SP_089087_20240417
    40.3: 193.63,  # LC08_L2SP_033032_20231008
}


@pytest.mark.parametrize("latitude", COURSES)
def test_the_course_is_that_of_the_edges_of_real_scenes(latitude: float) -> None:
    assert heading(latitude) == pytest.approx(COURSES[latitude], abs=0.2)


def test_under_the_track_the_craft_stands_above_and_at_the_edge_eight_degrees_aside() -> None:
    course = math.radians(heading(-35.0))
    along = np.array([-90.0, 0.0, 90.0])
    zenith, _ = view_from_orbit(along * math.sin(course), along * math.cos(course), -35.0)
    np.testing.assert_allclose(zenith, 0, atol=1e-6)
    # Right of a southward course is west; from there the craft stands in the east.
    west = np.array([-92.5 * abs(math.cos(course))]), np.array([-92.5 * math.sin(course)])
    zenith, azimuth = view_from_orbit(*west, -35.0)
    assert zenith[0] == pytest.approx(8.3, abs=0.2)
    assert 90 < azimuth[0] < 120
    zenith, azimuth = view_from_orbit(-west[0], -west[1], -35.0)
    assert zenith[0] == pytest.approx(8.3, abs=0.2)
    assert 270 < azimuth[0] < 300


def scene(**properties) -> pystac.Item:
    ring = [[144, -34], [146, -34.2], [145.6, -36], [143.5, -35.8], [144, -34]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    known = {"platform": "landsat-8", "view:sun_elevation": 50.0, "view:sun_azimuth": 60.0}
    when = datetime(2023, 5, 1, tzinfo=UTC)
    return pystac.Item("x", geometry, None, when, known | properties)


def test_a_scene_tells_its_sun_and_its_outline_the_view() -> None:
    window = box((40, 260), 230_000, -3_870_000 + 600, pixel=900.0, crs="EPSG:32655")
    angles = scene_angles(scene(), window)
    np.testing.assert_array_equal(angles["sun_zenith"], 40)
    zenith = angles["view_zenith"]
    assert zenith.shape == (40, 260)
    assert zenith.min() < 0.2
    assert zenith.max() > 5
    # It falls to the track and rises beyond.
    lowest = zenith[20].argmin()
    assert (np.diff(zenith[20, : lowest - 1]) < 0).all()
    assert (np.diff(zenith[20, lowest + 1 :]) > 0).all()
    left, right = angles["relative_azimuth"][20, [0, -1]]
    assert abs(right - left) == pytest.approx(180)


def test_an_outline_split_at_the_antimeridian_is_one_scene() -> None:
    whole, split = scene(), scene()
    ring = [[179, -17], [181, -17.2], [180.6, -19], [178.5, -18.8], [179, -17]]
    assert whole.geometry is not None
    assert split.geometry is not None
    whole.geometry["coordinates"] = [ring]
    split.geometry = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[179, -17], [180, -17.1], [180, -18.94], [178.5, -18.8], [179, -17]]],
            [[[-180, -17.1], [-179, -17.2], [-179.4, -19], [-180, -18.94], [-180, -17.1]]],
        ],
    }
    window = box((9, 9), 700_000, 8_000_000, pixel=3000.0, crs="EPSG:32760")
    here, there = scene_angles(whole, window), scene_angles(split, window)
    for name, angle in here.items():
        np.testing.assert_allclose(there[name], angle, atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"platform": "sentinel-2a"}, {"view:sun_elevation": None}], ids=["craft", "sun"]
)
def test_an_item_that_does_not_tell_its_angles_is_named_with_the_cure(change: dict) -> None:
    window = box((4, 4), 230_000, -3_870_000, crs="EPSG:32655")
    with pytest.raises(ReadError, match=r"item x has no angle layers.* take the line out"):
        scene_angles(scene(**change), window)


def seen_under(sun: float, view: float, azimuth: float) -> np.ndarray:
    """What the model's own surface looks like, (band,)."""
    vol, geo = kernels(sun, view, azimuth)
    return np.array([w.iso + w.vol * vol + w.geo * geo for w in map(GLOBAL.__getitem__, BANDS)])


def angled_item(folder, angles: tuple[int, int, int, int], reflectance) -> pystac.Item:
    native = modis_box((4, 4), 400, 400)
    image = np.broadcast_to(reflectance[:, None, None], (6, 4, 4))
    item = modis_item(folder, image, native)
    names = ("sensor_zenith", "solar_zenith", "sensor_azimuth", "solar_azimuth")
    layers = {
        name: np.full((2, 2), 100 * angle, np.int16)
        for name, angle in zip(names, angles, strict=True)
    }
    when = datetime(2023, 5, 1, tzinfo=UTC)
    item.assets |= make_item(folder, MOD09GA, layers, native, name="angles", when=when).assets
    return item


def cells() -> GeoBox:
    """The grid of 2 x 2 cells over ``angled_item``."""
    corner = modis_box((4, 4), 400, 400).affine
    return box((2, 2), corner.c, corner.f, pixel=2 * PIXEL, crs=SINUSOIDAL)


def test_one_surface_seen_from_both_sides_is_one_image_again(tmp_path) -> None:
    specs = {MOD09GA.name: MOD09GA}
    straight = seen_under(45, 0, 0)
    seen = {}
    for sensor in (60, 240):
        surface = seen_under(38, 50, sensor - 60)
        item = angled_item(tmp_path / f"{sensor}", (50, 38, sensor, 60), surface)
        plain = load_coarse([item], specs, BANDS, cells())
        np.testing.assert_allclose(plain.reflectance[:, 0, 0], surface, atol=1e-4)
        adjusted = load_coarse([item], specs, BANDS, cells(), normal_sun=45.0)
        np.testing.assert_allclose(adjusted.reflectance[:, 0, 0], straight, atol=3e-4)
        seen[sensor] = surface
    assert np.abs(seen[60] - seen[240]).max() > 0.05


def test_what_is_adjusted_already_is_left_alone(tmp_path) -> None:
    item = angled_item(tmp_path, (50, 38, 60, 60), seen_under(38, 50, 0))
    specs = {MOD09GA.name: replace(MOD09GA, nbar=True)}
    plain, adjusted = (
        load_coarse([item], specs, BANDS, cells(), normal_sun=sun) for sun in (None, 45.0)
    )
    np.testing.assert_array_equal(plain.reflectance, adjusted.reflectance)


def test_a_pixel_of_unknown_angle_is_unknown(tmp_path) -> None:
    item = angled_item(tmp_path, (50, 38, 60, 60), seen_under(38, 50, 0))
    unknown = modis_box((4, 4), 400, 400)
    layers = {"solar_azimuth": np.array([[-32767, 0], [0, 0]], np.int16)}
    other = make_item(tmp_path / "x", MOD09GA, layers, unknown, name="y", when=item.datetime)
    item.assets |= other.assets
    adjusted = load_coarse([item], {MOD09GA.name: MOD09GA}, BANDS, cells(), normal_sun=45.0)
    assert adjusted.clear.tolist() == [[False, True], [True, True]]


def test_a_landsat_scene_is_adjusted_by_its_sun_and_its_orbit(tmp_path) -> None:
    window = box((6, 6), 500_000, 5_000_000)
    image = np.full((6, 6, 6), 0.3, np.float32)
    sun = {"view:sun_elevation": 55.0, "view:sun_azimuth": 150.0}
    item = landsat_item(tmp_path, image, window, **sun)
    specs = {LANDSAT_C2_L2.name: LANDSAT_C2_L2}
    adjusted = load_fine([item], specs, BANDS, window, normal_sun=45.0)
    angles = scene_angles(item, window)
    for place, band in enumerate(BANDS):
        expected = 0.3 * c_factor(band, angles, 45.0)
        np.testing.assert_allclose(adjusted.reflectance[place], expected, atol=2e-5)


def test_the_setting_is_part_of_the_identity_of_every_day(tmp_path) -> None:
    item = angled_item(tmp_path, (50, 38, 60, 60), seen_under(38, 50, 0))
    images = Collected(specs={MOD09GA.name: MOD09GA}, items=(item,))
    inputs = Inputs(grid=make_grid(), bands=BANDS, drop=(), fine=images, coarse=images)
    other = replace(inputs, normal_sun=45.0)
    for role in ("fine", "coarse"):
        one, two = (fingerprints(known, role) for known in (inputs, other))
        assert one.keys() == two.keys()
        assert all(one[day] != two[day] for day in one)
