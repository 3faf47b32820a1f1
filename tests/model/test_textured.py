import json
from pathlib import Path

import numpy as np
import pytest

from model.training import pool
from model.training.pool import WorldCard
from model.training.textures import read_textures
from model.training.world_source import WorldSource
from model.worlds import draw
from model.worlds.recipe import Flood
from model.worlds.textured import Texture, TexturedGround, of_bands, segments
from tests.model.scene_sets import make_set

BANDS = ("nir08", "red", "green")
QUIET_DAY = -500.0
"""Before any season begins."""


def fields(size: int = 80, *, side: int = 10, seed: int = 0) -> Texture:
    """Square fields, each of its own spectrum, with a fine grain."""
    rng = np.random.default_rng(seed)
    count = size // side
    spectra = rng.uniform(0.05, 0.4, (3, count, count))
    image = spectra.repeat(side, 1).repeat(side, 2) * rng.normal(1, 0.02, (size, size))
    return Texture(name="fields", bands=BANDS, image=image.astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image = fields().image
    packed = np.round(image * 1e4).astype(np.int16)
    packed[:, :3, :3] = -9999
    np.save(tmp_path / "one.npy", packed)
    np.save(tmp_path / "two.npy", np.stack([image, image[::-1]]))
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"bands": BANDS}))
    return tmp_path


def ground(flood: Flood | None = None, seed: int = 1) -> TexturedGround:
    return TexturedGround.make(fields(), 64, flood, 3.0, np.random.default_rng(seed))


def test_before_its_season_the_ground_is_the_real_image() -> None:
    texture = fields()
    made = TexturedGround.make(texture, 80, None, 3.0, np.random.default_rng(4))
    start = made.reflectance(QUIET_DAY)
    turns = [np.rot90(texture.image, turn, (1, 2)) for turn in range(4)]
    # Where a parcel is of one field; elsewhere the contrast is cut.
    assert min(np.median(np.abs(start - turn)) for turn in turns) < 1e-6


def test_parcels_follow_the_edges_of_the_image() -> None:
    image = fields(side=16).image
    parcel = segments(image, np.random.default_rng(0))
    field = np.arange(80) // 16
    field = field[:, None] * 5 + field
    pure = [np.bincount(field[parcel == p]).max() / (parcel == p).sum() for p in np.unique(parcel)]
    assert np.mean(pure) > 0.9
    assert parcel.min() == 0
    assert len(np.unique(parcel)) == parcel.max() + 1


def test_change_goes_parcel_by_parcel_and_keeps_the_texture() -> None:
    made = ground()
    before, after = (made.reflectance(day) / made.texture for day in (20, 60))
    assert np.abs(after - before).max() > 0.02
    for number in range(0, int(made.parcel.max()) + 1, 7):
        inside = made.parcel == number
        assert np.ptp(after[:, inside], 1).max() < 1e-5
    # Parcels move towards spectra that the image has.
    assert made.goal.min() >= made.own.min() - 1e-6
    assert made.goal.max() <= made.own.max() + 1e-6


def test_a_flood_comes_and_goes() -> None:
    flood = Flood(shape="linear", start_day=40, rise_days=5, stay_days=10, fall_days=5, crest_m=2.0)
    dry, wet = ground(), ground(flood)
    for day in (30.0, 70.0):
        np.testing.assert_allclose(wet.reflectance(day), dry.reflectance(day), atol=1e-6)
    assert np.abs(wet.reflectance(50) - dry.reflectance(50)).mean() > 0.005


def test_a_folder_gives_every_image_and_a_wrong_one_says_what_is_wrong(folder: Path) -> None:
    found = read_textures(folder)
    assert [texture.name for texture in found] == ["one", "two", "two"]
    assert np.isnan(found[0].image[:, :3, :3]).all()
    np.testing.assert_allclose(found[0].image[:, 3:], found[1].image[:, 3:], atol=1e-4)
    (folder / "one.json").write_text(json.dumps({"bands": ["nir08", "thermal", "green"]}))
    with pytest.raises(ValueError, match="thermal"):
        read_textures(folder)
    (folder / "one.json").write_text(json.dumps({"bands": ["nir08"]}))
    with pytest.raises(ValueError, match="has 3 bands"):
        read_textures(folder)
    with pytest.raises(FileNotFoundError, match=r"NAME\.json"):
        read_textures(folder / "nowhere")


def test_a_scene_set_gives_the_fine_images_of_its_training_dates(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set", splits=("train", "test"))
    found = read_textures(tmp_path / "set")
    roles = ("fine_before", "fine_after", "truth")
    assert [texture.name for texture in found] == [f"{made.name}/{role}-0" for role in roles]
    assert {texture.bands for texture in found} == {made.bands}


def test_sensors_keep_the_bands_of_a_texture_in_its_order() -> None:
    recipe = draw.recipe(np.random.default_rng(0))
    coarse, fine = of_bands(recipe.coarse, recipe.fine, BANDS)
    at = [3, 2, 1]
    assert coarse.gain == tuple(recipe.coarse.gain[band] for band in at)
    assert fine.aerosol == tuple(recipe.fine.aerosol[band] for band in at)
    assert [len(effects) for effects in coarse.bandpass] == [3, 3, 3]


def test_a_textured_world_names_its_texture_and_gives_examples(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = (tmp_path_factory.mktemp("pool") for _ in range(2))
    for out in (first, second):
        pool.make_textured(2, out=out, seed=1, textures=folder)
    (world,) = first.iterdir()
    assert WorldCard.read(world).texture in ("one", "two")
    for path in world.iterdir():
        assert path.read_bytes() == (second / world.name / path.name).read_bytes()
    source = WorldSource(first, seed=0, examples=4, patch=48, augment="eight")
    for index in range(4):
        example = source.example(0, index)
        assert np.isfinite(example.coarse).all()
        assert not example.present[[0, 4, 5]].any()
        assert example.present.any()
