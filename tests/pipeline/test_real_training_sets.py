"""Real sets made into training sets: nothing that is tested on is trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.block import COARSE_PAD, Block
from model.training.patches import PatchSource
from pipeline.real_sets import Scene
from pipeline.real_training_sets import (
    RULES,
    patch_of,
    read_splits,
    split_by_date,
    split_by_place,
    write_training_set,
)

BANDS = ("red", "nir08")
INNER = slice(COARSE_PAD, -COARSE_PAD)


def make_scene(
    days: tuple[int, int, int],
    *,
    cells: tuple[int, int] = (10, 5),
    ratio: int = 8,
    bands: tuple[str, ...] = BANDS,
) -> Scene:
    """Every value tells its row of cells and its day: fine ``day + row / 100``."""

    def cell_rows(day: int) -> np.ndarray:
        row = day + np.arange(cells[0], dtype=np.float32)[:, None] / 100
        return np.broadcast_to(row * 0.01, (len(bands), *cells)).astype(np.float32)

    def fine(day: int) -> np.ndarray:
        return cell_rows(day).repeat(ratio, 1).repeat(ratio, 2)

    def coarse(day: int) -> np.ndarray:
        pad = (COARSE_PAD, COARSE_PAD)
        return np.pad(cell_rows(day), ((0, 0), pad, pad), mode="edge")

    before, target, after = days
    block = Block(
        bands=bands,
        fine_before=fine(before),
        fine_after=fine(after),
        coarse_before=coarse(before),
        coarse_after=coarse(after),
        coarse=coarse(target)[None],
        day_before=before,
        day_after=after,
        days=(target,),
        ratio=ratio,
        origin=(0, 0),
        centre=np.full(len(bands), 0.2, np.float32),
        spread=np.full(len(bands), 0.1, np.float32),
    )
    return Scene(
        set="made",
        group="group",
        name=f"{days}",
        block=block,
        truth=fine(target)[None],
        bands=bands,
        pixel_m=30.0,
    )


def days_of(scene: Scene) -> set[int]:
    block = scene.block
    return {block.day_before, *block.days, block.day_after}


@given(
    dates=st.lists(st.integers(0, 60), min_size=10, max_size=20, unique=True).map(sorted),
    reach=st.integers(1, 3),
)
def test_no_date_that_is_tested_on_is_seen_before(dates: list[int], reach: int) -> None:
    near = [
        (dates[i - step], dates[i], dates[i + step])
        for step in range(1, reach + 1)
        for i in range(step, len(dates) - step)
    ]
    splits = split_by_date([make_scene(days, cells=(1, 1), ratio=1) for days in near])
    targets = {name: {s.block.days[0] for s in scenes} for name, scenes in splits.items()}
    seen = {name: set().union(*map(days_of, scenes)) for name, scenes in splits.items()}
    assert targets["train"]
    assert len(targets["test"]) == max(1, (len(dates) - 2) // 4)
    assert not seen["train"] & (targets["validation"] | targets["test"])
    assert not seen["validation"] & targets["test"]
    assert max(seen["train"]) < min(targets["validation"]) <= max(seen["validation"])


@given(cells=st.integers(4, 40), ratio=st.sampled_from([2, 7, 8]))
def test_parts_of_a_place_share_no_ground_and_leave_a_cell_between(cells: int, ratio: int) -> None:
    splits = split_by_place([make_scene((3, 7, 3), cells=(cells, 1), ratio=ratio)])
    (upper,), (lower,) = splits["train"], splits["test"]

    def rows(scene: Scene) -> list[set[int]]:
        """Rows of cells that each image shows, the padding of coarse ones included."""
        block = scene.block
        images = [(block.fine_before, 3), (block.fine_after, 3), (scene.truth[0], 7)]
        images += [(block.coarse_before, 3), (block.coarse_after, 3), (block.coarse[0], 7)]
        found = (np.unique(np.rint((image / 0.01 - day) * 100)) for image, day in images)
        return [set(one.astype(int).tolist()) for one in found]

    cut = round(0.6 * cells)
    assert all(one == set(range(cut)) for one in rows(upper))
    assert all(one == set(range(cut + 1, cells)) for one in rows(lower))
    assert lower.block.origin == ((cut + 1) * ratio, 0)


def test_a_set_gives_its_scenes_back_and_scores_only_what_is_known(tmp_path: Path) -> None:
    scene = make_scene((3, 7, 9))
    truth = scene.truth.copy()
    truth[0, 0, :20, 5] = np.nan
    splits = split_by_place([replace(scene, truth=truth), make_scene((9, 7, 9))])
    made = write_training_set("tsstf", splits, tmp_path / "set")
    assert [one.split for one in made.scenes] == ["train", "train", "test", "test"]
    images = [
        one
        for part in splits["train"]
        for one in (part.block.fine_before, part.block.fine_after, part.truth[0])
    ]
    assert made.centre == pytest.approx(np.nanmedian(images, axis=(0, 2, 3)))

    source = PatchSource(tmp_path / "set", split="train")
    first = source.example(0, 0)
    assert first.days == (3, 7, 9)
    block, size = splits["train"][0].block, source.patch
    np.testing.assert_allclose(first.fine_before, block.fine_before[:, :size, :size], atol=5e-5)
    assert np.isnan(first.truth[:, :20, 5]).all()
    assert np.isfinite(np.delete(first.truth, 5, axis=2)).all()
    starts = {(y, x) for _, y, x in source.places}
    assert all(y % made.ratio == x % made.ratio == 0 for y, x in starts)
    lowest = max(y for _, y, _ in source.places)
    assert lowest + size == block.shape[2]


@pytest.mark.parametrize(("ratio", "patch"), [(16, 64), (8, 64), (20, 80), (7, 112)])
def test_a_patch_is_whole_cells_and_what_the_network_takes(ratio: int, patch: int) -> None:
    assert patch_of(ratio, 500) == patch
    with pytest.raises(ValueError, match=f"holds no patch of {min(patch, 16 * ratio)}|larger part"):
        patch_of(ratio, 15)


@pytest.mark.parametrize("name", RULES)
def test_the_real_sets_give_sets_of_patches(name: str, shared_data: Path, tmp_path: Path) -> None:
    splits = read_splits(name, shared_data)
    made = write_training_set(name, splits, tmp_path / name)
    for split in splits:
        example = PatchSource(tmp_path / name, split=split).example(0, 0)
        assert np.isfinite(example.truth).mean() > 0.5
        assert example.present.shape == (len(made.bands),)
    assert not any("cloud" in scene.group for scenes in splits.values() for scene in scenes)
