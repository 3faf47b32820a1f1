from dataclasses import replace

import numpy as np
import pytest

from model.worlds import draw, held_out
from model.worlds.canopy import flood_level
from model.worlds.recipe import Crop
from model.worlds.sensor import cloud_mask, see_coarse, see_fine
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
