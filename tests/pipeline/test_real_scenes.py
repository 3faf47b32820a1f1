from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from model.block import COARSE_PAD
from model.coarse_calm import calm_coarse
from pipeline import real_sets
from pipeline.geotiffs import dated_paths
from pipeline.real_sets import CLOUD, READERS, Scene, named_in, read_set

EPOCH = date(1970, 1, 1).toordinal()
CLOUD_NUMBER = CLOUD.toordinal() - EPOCH


@pytest.fixture(scope="module")
def sets(shared_data: Path) -> dict[str, list[Scene]]:
    return {name: read_set(name, shared_data) for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_every_image_of_a_set_is_reflectance_on_its_grid(
    name: str, sets: dict[str, list[Scene]]
) -> None:
    for scene in sets[name]:
        block = scene.block
        assert scene.bands == block.bands
        assert scene.truth.shape == block.shape
        images = (block.fine_before, block.fine_after, scene.truth[0])
        for image in (*images, block.coarse_before, block.coarse_after, block.coarse[0]):
            middle = np.nanmedian(image, axis=(1, 2))
            assert (middle > 0.01).all(), scene.name
            assert (middle < 0.6).all(), scene.name


@pytest.mark.parametrize(
    ("name", "least"),
    [("salton-sea", 0.75), ("shenzhen", 0.85), ("tsstf", 0.99), ("imagefusion-real-set1", 0.25)],
)
def test_coarse_cells_lie_where_the_fine_pixels_do(
    name: str, least: float, sets: dict[str, list[Scene]]
) -> None:
    # Kranj has nine cells, too few to tell.
    for scene in sets[name]:
        ratio, inner = scene.block.ratio, slice(COARSE_PAD, -COARSE_PAD)
        bands, y, x = scene.truth[0].shape
        means = scene.truth[0].reshape(bands, y // ratio, ratio, x // ratio, ratio).mean((2, 4))
        for fine, coarse in zip(means, scene.block.coarse[0][:, inner, inner], strict=True):
            known = np.isfinite(fine) & np.isfinite(coarse)
            if CLOUD_NUMBER not in scene.block.days:
                assert np.corrcoef(fine[known], coarse[known])[0, 1] > least, scene.name


def test_salton_sea_hides_what_lies_near_the_target(sets: dict[str, list[Scene]]) -> None:
    counts: dict[str, int] = {}
    for scene in sets["salton-sea"]:
        (target,) = scene.block.days
        hidden = int(scene.group.split()[1])
        assert scene.block.day_before + hidden < target < scene.block.day_after - hidden
        counts[scene.group] = counts.get(scene.group, 0) + 1
    assert {group: n for group, n in counts.items() if "cloud" not in group} == {
        "hide 0 days": 16,
        "hide 8 days": 13,
        "hide 16 days": 9,
        "hide 32 days": 3,
    }


def test_salton_sea_is_seen_as_a_region_with_a_daily_record_is(
    sets: dict[str, list[Scene]], shared_data: Path
) -> None:
    files = dated_paths(shared_data / "stars-salton-sea-nir" / "coarse")
    record = {day: path for path, day in files}
    inner, marked = slice(COARSE_PAD, -COARSE_PAD), 0
    for scene in sets["salton-sea"]:
        block = scene.block
        (target,) = block.days
        around = range(target - 8, target + 9)
        seen = []
        for number in around:
            path = record.get(date.fromordinal(number + EPOCH))
            if path is None:
                seen.append(np.full((1, 20, 20), np.nan, np.float32))
                continue
            with rasterio.open(path) as file:
                seen.append(file.read(masked=True).astype(np.float32).filled(np.nan))
        calmed = calm_coarse(np.stack(seen), around, at=[target], window=8)[0]
        np.testing.assert_array_equal(block.coarse[0][:, inner, inner], calmed)
        assert block.coarse_filled is not None
        marks = block.coarse_filled[0][inner, inner]
        np.testing.assert_array_equal(marks, np.isnan(seen[8][0]) & np.isfinite(calmed[0]))
        marked += int(marks.sum())
    assert marked > 0


def test_the_undetected_cloud_is_no_silent_reference(sets: dict[str, list[Scene]]) -> None:
    for scene in sets["salton-sea"]:
        block = scene.block
        truth, reference = (
            CLOUD_NUMBER in block.days,
            CLOUD_NUMBER in (block.day_before, block.day_after),
        )
        assert truth == scene.group.endswith("as truth")
        assert reference == scene.group.endswith("as reference")
    groups = {scene.group for scene in sets["salton-sea"]}
    assert {"hide 0 days, cloud let in as truth", "hide 0 days, cloud let in as reference"} < groups


def test_two_dates_are_scored_from_either_side(sets: dict[str, list[Scene]]) -> None:
    for name, scenes in (("tsstf", 2), ("shenzhen", 4)):
        assert len(sets[name]) == scenes
        for scene in sets[name]:
            block = scene.block
            assert block.day_before == block.day_after != block.days[0]
            assert block.fine_before is block.fine_after
            np.testing.assert_array_equal(block.coarse_before, block.coarse_after)
    forth, back = sets["tsstf"]
    np.testing.assert_array_equal(forth.truth[0], back.block.fine_before)


def test_tsstf_cells_are_the_means_of_their_pixels(sets: dict[str, list[Scene]]) -> None:
    scene = sets["tsstf"][0]
    means = scene.truth[0].reshape(6, 20, 20, 20, 20).mean((2, 4))
    inner = slice(COARSE_PAD, -COARSE_PAD)
    assert np.abs(means - scene.block.coarse[0][:, inner, inner]).max() < 0.006


def test_kranj_is_scored_on_what_landsat_saw(sets: dict[str, list[Scene]]) -> None:
    two_sided = next(scene for scene in sets["kranj"] if scene.group == "two-sided")
    assert two_sided.block.shape == (1, 6, 48, 48)
    known = np.isfinite(two_sided.truth[0]).all(0)
    assert not known[44:].any()
    assert not known[:, 45:].any()
    assert known[:44, :45].mean() == pytest.approx(0.947, abs=1e-3)


def test_a_folder_without_the_sets_is_told(tmp_path: Path) -> None:
    for name in READERS:
        with pytest.raises(FileNotFoundError, match=r"not part of the project.*--data"):
            read_set(name, tmp_path)


@pytest.mark.parametrize(
    ("training", "name"),
    [
        ([{"options": {"data": [{"scenes": "salton_sea_nir"}]}}], "salton-sea"),
        ([{"data": "500 worlds"}, {"command": "daily30 train Kranj.yaml"}], "kranj"),
        ([{"options": {"validation": {"data": [{"scenes": "sets/cia"}]}}}], "tsstf"),
        ([{"options": {"data": [{"scenes": "imagefusion-real-set1"}]}}], "imagefusion-real-set1"),
    ],
)
def test_a_set_that_the_card_names_is_found(training: list[object], name: str) -> None:
    assert named_in({"training": training}, name)
    others = set(READERS) - {name}
    assert not any(named_in({"training": training}, other) for other in others)


def test_a_score_in_the_card_is_no_training() -> None:
    card = {"training": [{"data": "special worlds"}], "scores": {"zero-shot, Kranj": 0.01}}
    assert not any(named_in(card, name) for name in READERS)


def test_a_cell_is_known_where_half_of_its_pixels_are() -> None:
    image = np.full((1, 2, 4), np.nan, np.float32)
    image[0, 0, :2] = 0.1, 0.3
    image[0, 0, 2] = 0.5
    np.testing.assert_allclose(real_sets.cell_means(image, 2), [[[0.2, np.nan]]])
