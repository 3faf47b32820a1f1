"""The picture of a mask: the reasons are those by which ingest keeps and rejects."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from catalogs import BANDS, by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline import mask_picture
from pipeline.grid import Grid
from pipeline.ingest import Collected, Inputs
from pipeline.load import load_coarse, load_fine
from pipeline.mask_picture import KEPT, NAMES, NoImageError, draw_mask
from tests.pipeline.bad_season import BOUNDS, modis_window, scene_box
from tests.pipeline.scenes import CLEAR_LAND, landsat_item, modis_item

DAY = date(2023, 5, 1)
GRID = Grid.from_bounds(BOUNDS, crs="EPSG:32633", tile=64)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Two overlapping scenes with some of everything, and a coarse image half in cloud."""
    folder = tmp_path_factory.mktemp("mask")
    scene = scene_box(GRID)
    rng = np.random.default_rng(0)
    truth = rng.integers(10000, 20000, (6, *scene.shape)) * 2.75e-5 - 0.2
    qa = np.full(scene.shape, CLEAR_LAND, np.uint16)
    for rows, cols, bit in (
        ((30, 40), (30, 50), 3),
        ((42, 50), (30, 50), 4),
        ((55, 60), (60, 70), 2),
        ((60, 70), (25, 35), 7),
        ((70, 75), (25, 35), 5),
    ):
        qa[slice(*rows), slice(*cols)] |= 1 << bit
    qa[:, :25] = 1
    radsat = np.zeros(scene.shape, np.uint16)
    radsat[50, 60] = 1 << 3  # red
    radsat[51, 60] = 1 << 11  # occluded
    second = np.full(scene.shape, 1, np.uint16)
    second[:45] = CLEAR_LAND
    window = modis_window(GRID)
    state = np.full((window.shape.y // 2, window.shape.x // 2), 8, np.uint16)
    state[:5] |= 1
    fine = (
        landsat_item(folder, truth, scene, qa=qa, radsat=radsat),
        landsat_item(folder, truth, scene, qa=second, name="LC09_L2SP_190029_20230501_02_T1"),
    )
    coarse = modis_item(folder, np.full((6, *window.shape), 0.3), window, state=state)
    return Inputs(
        grid=GRID,
        bands=BANDS,
        drop=(),
        fine=Collected(specs=by_name(LANDSAT_C2_L2), items=fine[:1]),
        coarse=Collected(specs=by_name(MOD09GA), items=(coarse,)),
    ), fine


def with_items(inputs, *places: int, drop: tuple[str, ...] = ()) -> Inputs:
    known, fine = inputs
    items = tuple(fine[place] for place in places)
    return replace(known, drop=drop, fine=replace(known.fine, items=items))


@pytest.mark.parametrize("places", [(0,), (0, 1)])
@pytest.mark.parametrize("drop", [(), ("water",), ("snow", "water")])
def test_what_the_picture_shows_as_kept_is_what_ingest_keeps(
    inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places, drop
) -> None:
    asked = with_items(inputs, *places, drop=drop)
    seen = mask_picture._masked_day(asked, "fine", asked.fine.items, ("red", "green", "blue"))
    clear = load_fine(asked.fine.items, asked.fine.specs, BANDS, GRID.fine, drop=drop).clear
    kept = [NAMES.index(name) for name in KEPT if name not in drop]
    np.testing.assert_array_equal(np.isin(seen.codes, kept), clear)
    assert seen.shares.sum() == pytest.approx(1)
    monkeypatch.setattr(mask_picture, "BLOCK_PX", 20)
    again = mask_picture._masked_day(asked, "fine", asked.fine.items, ("red", "green", "blue"))
    np.testing.assert_array_equal(again.codes, seen.codes)
    np.testing.assert_array_equal(again.image, seen.image)


def test_every_reason_is_named_with_its_share(inputs, tmp_path: Path) -> None:
    shares = draw_mask(with_items(inputs, 0), "fine", DAY, tmp_path / "a" / "mask.png")
    pixels = {name: round(share * 64 * 64) for name, share in shares.items() if share}
    assert pixels["cloud"] == 10 * 20
    assert pixels["shadow"] == 8 * 20
    assert pixels["water"] == 10 * 10
    assert pixels["snow"] == 5 * 10
    assert pixels["cirrus"] == 5 * 10
    assert pixels["saturated"] == pixels["occluded"] == 1
    assert pixels["fill"] == 64 * 5
    assert pixels["margin"] > 100
    assert imread(tmp_path / "a" / "mask.png").shape[1] > 1000


def test_a_large_region_is_thinned_and_its_shares_are_of_all_pixels(
    inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = with_items(inputs, 0, 1)
    whole = mask_picture._masked_day(asked, "fine", asked.fine.items, ("red",))
    monkeypatch.setattr(mask_picture, "SIDE_PX", 22)
    thin = mask_picture._masked_day(asked, "fine", asked.fine.items, ("red",))
    np.testing.assert_array_equal(thin.codes, whole.codes[::3, ::3])
    np.testing.assert_array_equal(thin.shares, whole.shares)


def test_a_coarse_day_is_shown_by_its_own_pixels(inputs, tmp_path: Path) -> None:
    asked, _ = inputs
    shares = draw_mask(asked, "coarse", DAY, tmp_path / "coarse.png")
    scene = load_coarse(asked.coarse.items, asked.coarse.specs, BANDS, GRID.coarse)
    assert 0 < shares["cloud"] < 1
    assert shares["clear"] == pytest.approx(scene.clear.mean(), abs=0.15)


def test_a_day_without_an_image_names_those_nearby(inputs, tmp_path: Path) -> None:
    with pytest.raises(NoImageError, match=r"no fine image of 2023-05-09; .* 2023-05-01"):
        draw_mask(with_items(inputs, 0), "fine", date(2023, 5, 9), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
