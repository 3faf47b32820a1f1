from dataclasses import replace

import numpy as np
import pytest

from model.worlds import draw, held_out
from model.worlds.canopy import flood_level
from model.worlds.recipe import Crop
from model.worlds.sensor import cloud_mask, footprint, see_coarse, see_fine
from model.worlds.spectra import distance
from model.worlds.world import World


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(5)
    recipe = draw.recipe(rng)
    while recipe.flood is None:
        recipe = draw.recipe(rng)
    return World.make(recipe, (96, 128), seed=3)


@pytest.mark.parametrize("generator", ["train", "other"])
def test_no_training_world_has_anything_of_the_demo(generator: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        recipe = draw.recipe(rng, generator)
        assert abs(recipe.coarse.fwhm_across_m - held_out.FWHM_ACROSS_M) >= 45
        assert abs(recipe.coarse.fwhm_along_m - held_out.FWHM_ALONG_M) >= 45
        for crop in recipe.land.crops:
            for own in held_out.CROPS:
                shift = (
                    abs(crop.greenup_day - own.greenup_day),
                    abs(crop.harvest_day - own.harvest_day),
                )
                assert max(shift) >= 6
        for kind, spectrum in recipe.spectra.items():
            assert distance(spectrum, held_out.SPECTRA[kind]) >= 0.06
        assert recipe.flood is None or recipe.flood.shape != held_out.FLOOD.shape


def test_the_demo_itself_is_recognised_as_the_demo() -> None:
    assert all(held_out.too_near_crop(crop) for crop in held_out.CROPS)
    assert all(held_out.too_near_spectrum(kind, s) for kind, s in held_out.SPECTRA.items())


def test_the_same_seed_gives_the_same_world(world: World) -> None:
    again = World.make(world.recipe, (96, 128), seed=3)
    other = World.make(world.recipe, (96, 128), seed=4)
    np.testing.assert_array_equal(again.reflectance(20), world.reflectance(20))
    assert not np.array_equal(other.reflectance(20), world.reflectance(20))


def test_reflectance_is_plausible_on_every_day(world: World) -> None:
    for day in (0, 30, 60, 120):
        image = world.reflectance(day)
        assert image.shape == (6, 96, 128)
        assert np.isfinite(image).all()
        assert image.min() > -0.05
        assert image.max() < 0.95


def test_the_flood_rises_over_dry_ground_and_goes(world: World) -> None:
    flood = world.recipe.flood
    assert flood is not None
    crest = flood.start_day + flood.rise_days
    assert not world.flooded(flood.start_day - 1).any()
    assert world.flooded(crest).mean() > world.flooded(crest + 200).mean()
    assert not (world.flooded(crest) & (world.height_m <= 0)).any()
    levels = [flood_level(flood, day) for day in np.linspace(0, 200, 400)]
    assert max(levels) <= flood.crest_m + 1e-6


def test_a_flooded_pixel_is_dark_in_the_near_infrared(world: World) -> None:
    flood = world.recipe.flood
    assert flood is not None
    crest = flood.start_day + flood.rise_days
    wet = world.flooded(crest) & (world.water(crest) == 1)
    assert wet.sum() > 20
    assert np.median(world.reflectance(crest)[3][wet]) < 0.15


def test_harvested_pixels_lose_their_green_between_the_days() -> None:
    recipe = draw.recipe(np.random.default_rng(8))
    crop = Crop(greenup_day=-40, senescence_day=200, harvest_day=50, canopy=0.9, spread_days=2)
    land = replace(recipe.land, crops=(crop,), events=0.0)
    world = World.make(replace(recipe, land=land, flood=None), (64, 64), seed=1)
    cut = world.harvested(40, 60) & (world.water(45) == 0)
    assert cut.any()
    assert not world.harvested(0, 30).any()
    before, after = (world.reflectance(day) for day in (40, 60))
    contrast = (before[3] - before[2]) - (after[3] - after[2])
    assert np.median(contrast[cut]) > 0.1
    assert abs(np.median(contrast[~cut])) < 0.05


def test_a_single_flood_recedes_at_once_and_a_plateau_stays() -> None:
    rng = np.random.default_rng(0)
    floods = [recipe.flood for recipe in (draw.recipe(rng) for _ in range(80)) if recipe.flood]
    assert {flood.shape for flood in floods} == {"single", "plateau"}
    for flood in floods:
        later = flood_level(flood, flood.start_day + flood.rise_days + 0.9 * flood.stay_days + 0.1)
        assert (later < flood.crest_m) == (flood.shape == "single" or flood.stay_days < 1)


def test_the_coarse_sensor_sees_the_mean_of_a_flat_world() -> None:
    rng = np.random.default_rng(1)
    sensor = replace(draw.recipe(rng).coarse, bandpass=())
    flat = np.full((6, 96, 96), 0.3, np.float32)
    seen = np.stack([see_coarse(flat, sensor, 16, rng) for _ in range(200)])
    assert seen.shape == (200, 6, 6, 6)
    expected = 0.3 * np.array(sensor.gain) + np.array(sensor.bias)
    np.testing.assert_allclose(seen.mean((0, 2, 3)), expected, atol=0.01)


def test_the_fine_sensor_adds_its_noise_and_no_more() -> None:
    rng = np.random.default_rng(2)
    sensor = draw.recipe(rng).fine
    flat = np.full((6, 64, 64), 0.2, np.float32)
    seen = see_fine(flat, sensor, rng)
    np.testing.assert_allclose(seen.std((1, 2)), sensor.noise, rtol=0.15)


@pytest.mark.parametrize("clear", [0.0, 0.3, 0.8, 1.0])
def test_clouds_leave_the_asked_share_clear(clear: float) -> None:
    mask = cloud_mask(np.random.default_rng(3), (100, 120), clear, 20)
    assert 1 - mask.mean() == pytest.approx(clear, abs=0.01)


def inside_cells(image: np.ndarray, side: int = 16) -> float:
    """Share of the variance of (band, y, x) that lies inside square cells, mean of the bands."""
    bands, y, x = image.shape
    cells = image.reshape(bands, y // side, side, x // side, side).mean((2, 4))
    return float(np.mean(1 - cells.var((1, 2)) / image.var((1, 2))))


@pytest.mark.parametrize("generator", ["train", "other"])
def test_cells_hide_as_much_as_those_of_real_regions(generator: str) -> None:
    level, change = [], []
    for index in range(16):
        recipe = draw.recipe(np.random.default_rng([9, index]), generator)
        world = World.make(recipe, (128, 128), index)
        before, after = world.reflectance(30), world.reflectance(60)
        level.append(inside_cells(before))
        change.append(inside_cells(after - before))
    # 480 m cells of the real sets: level .3 to .6, change .35 to .78.
    assert 0.3 < np.median(level) < 0.6
    assert 0.35 < np.median(change) < 0.78
    assert np.mean([0.25 < share < 0.7 for share in level]) > 0.7


def test_the_two_generators_follow_other_laws() -> None:
    train, other = (
        [draw.recipe(np.random.default_rng(seed), kind) for seed in range(40)]
        for kind in draw.GENERATORS
    )

    def kinds(recipes: list) -> list[set[str]]:
        return [
            {recipe.land.division for recipe in recipes},
            {recipe.land.relief for recipe in recipes},
            {crop.curve for recipe in recipes for crop in recipe.land.crops},
            {recipe.flood.shape for recipe in recipes if recipe.flood},
            {str(recipe.coarse.haze_slope > 0) for recipe in recipes},
        ]

    for ours, theirs in zip(kinds(train), kinds(other), strict=True):
        assert ours
        assert theirs
        assert not ours & theirs
    assert {recipe.ratio for recipe in train + other} >= {6, 9, 16, 19}
    assert kinds(other)[0] == {"split", "strips", "pivots"}
    # A composite is a Gaussian in both; a single look is not.
    single = [recipe.coarse.response for recipe in other if recipe.coarse.swath == 1]
    assert set(single) == {"scan"}
    assert {recipe.coarse.response for recipe in train} == {"gaussian"}


def test_a_scanned_cell_is_one_observation_and_a_gaussian_one_a_mean() -> None:
    spot = np.zeros((1, 96, 96), np.float32)
    spot[:, 40, 40] = 1
    rng = np.random.default_rng(0)
    plain = replace(
        draw.recipe(rng).coarse,
        fwhm_across_m=480.0,
        fwhm_along_m=480.0,
        registration_m=0.0,
        offset_m=(0.0, 0.0),
        gridding=0.0,
    )
    scan = replace(plain, response="scan")
    seen = [footprint(spot, scan, 16, np.random.default_rng(seed))[0] for seed in range(60)]
    # How much of a spot is seen in all depends on whether observations are given to one cell or to
    # two; a mean over cells side by side sees each spot once.
    weight = np.array([image.sum() for image in seen])
    assert weight.std() > 0.1 * weight.mean()
    gaussian = [footprint(spot, plain, 16, np.random.default_rng(seed))[0] for seed in range(60)]
    np.testing.assert_allclose([image.sum() for image in gaussian], 1 / 256, rtol=0.15)


def test_an_episode_comes_and_goes() -> None:
    recipe = draw.recipe(np.random.default_rng(8))
    fields = replace(recipe.land, parcel_ha=2.0, forest=0.0, town=0.0, bare=0.0)
    with_some, without = (
        World.make(
            replace(recipe, land=replace(fields, episodes=share), flood=None), (64, 64), seed=1
        )
        for share in (1.0, 0.0)
    )
    for day in (-20, 180):
        np.testing.assert_array_equal(with_some.reflectance(day), without.reflectance(day))
    for day in (30, 80):
        assert np.abs(with_some.reflectance(day) - without.reflectance(day)).mean() > 0.001
