import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.block import COARSE_PAD
from model.training.example import Example
from model.training.mixed import InSlots, Mixed
from model.training.patches import PatchSource, starts
from model.training.scenes import SceneSetError, mapped, open_set, unpack, written_whole
from model.upsample import bilinear, smooth
from pipeline import cube
from tests.model.scene_sets import make_set

IMAGES = ("fine_before", "coarse_before", "fine_after", "coarse_after", "coarse")


def same(a: Example, b: Example) -> bool:
    names = (*IMAGES, "truth", "filled", "centre", "spread", "present", "days", "ratio")
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "truth")
        for name in names
    )


def stored(folder: Path, role: str, number: int = 0) -> np.ndarray:
    return unpack(np.asarray(mapped(folder, f"{role}-{number}")))


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set")
    assert open_set(tmp_path / "set") == made
    assert not (tmp_path / "set.partial").exists()


def test_images_go_from_a_cube_to_a_set_unchanged() -> None:
    dn = np.array([[-2000, -9999, 0, 1, 16000]], np.int16)
    assert np.array_equal(unpack(dn), cube.unpack(dn), equal_nan=True)


def test_a_set_that_could_not_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set")
    with (
        pytest.raises(SceneSetError, match=r"no set\.json"),
        written_whole(tmp_path / "set") as new,
    ):
        np.save(new / "half", np.zeros(3, np.int16))
    assert open_set(tmp_path / "set") == made
    make_set(tmp_path / "set", y=64)
    assert stored(tmp_path / "set", "truth").shape == (2, 64, 80)


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("")
    with pytest.raises(SceneSetError, match="photos exists and is no scene set"):
        make_set(tmp_path / "photos")


def _changed(folder: Path, **changes: Any) -> None:
    table = folder / "set.json"
    table.write_text(json.dumps(json.loads(table.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 9}, "is of format 9, this code reads 1"),
        ({"bands": ["red", "red"]}, "each is named once"),
        ({"centre": [0.1]}, "1 values of centre and 2 of spread for 2 bands"),
        ({"coarse": "cubes"}, "not cells or pixels"),
        ({"scenes": []}, "holds no scene"),
        ({"coarse": "pixels"}, r"coarse_before of .* int16 \(2, 9, 11\), .* int16 \(2, 48, 80\)"),
        ({"ratio": 20}, "48 x 80 pixels, not whole coarse cells of 20"),
    ],
    ids=["format", "bands", "centre", "coarse", "empty", "shape", "cells"],
)
def test_a_broken_table_is_told_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    make_set(tmp_path / "set")
    _changed(tmp_path / "set", **changes)
    with pytest.raises(SceneSetError, match=message):
        open_set(tmp_path / "set")


def test_a_missing_or_cut_file_is_named(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    path = tmp_path / "set" / "truth-1.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SceneSetError, match=r"truth of scene scene-1 .*truth-1\.npy"):
        open_set(tmp_path / "set")
    path.unlink()
    with pytest.raises(SceneSetError, match=r"truth of scene scene-1 .*truth-1\.npy"):
        open_set(tmp_path / "set")
    with pytest.raises(SceneSetError, match="`daily30 sets import`"):
        open_set(tmp_path)


@given(st.integers(1, 60), st.integers(0, 200), st.integers(1, 60))
def test_patches_cover_every_pixel_and_stay_inside(patch: int, more: int, stride: int) -> None:
    length, stride = patch + more, min(stride, patch)
    first = starts(length, patch, stride)
    covered = {pixel for start in first for pixel in range(start, start + patch)}
    assert covered == set(range(length))
    assert first == sorted(set(first))


@pytest.mark.parametrize("upsample", ["smooth", "bilinear"])
@pytest.mark.parametrize("ratio", [16, 7])
def test_a_patch_is_the_same_pixels_as_the_whole_scene(
    tmp_path: Path, ratio: int, upsample: str
) -> None:
    folder, whole = tmp_path / "set", {"smooth": smooth, "bilinear": bilinear}[upsample]
    make_set(folder, y=7 * ratio, x=9 * ratio, ratio=ratio, stride=13)
    source = PatchSource(folder, split="train", upsample=upsample)  # type: ignore[arg-type]
    fine = {role: stored(folder, role) for role in ("fine_before", "fine_after", "truth")}
    coarse = {role: whole(stored(folder, role), ratio) for role in IMAGES[1::2]}
    coarse["coarse"] = whole(stored(folder, "coarse"), ratio)
    number = len(starts(7 * ratio, 32, 13)) * len(starts(9 * ratio, 32, 13))
    assert len(source) == 2 * number
    for index in (0, 1, number // 2, number - 1):
        _, y, x = source.places[index]
        example = source.example(0, index)
        for role, image in (fine | coarse).items():
            cut = image[:, y : y + 32, x : x + 32]
            np.testing.assert_allclose(getattr(example, role), cut, atol=1e-6)
        assert not example.filled.any()
        assert example.present.all()
        assert (example.days, example.ratio) == ((0, 4, 8), ratio)


def test_coarse_images_on_pixels_are_taken_as_they_are(tmp_path: Path) -> None:
    make_set(tmp_path / "set", coarse="pixels", y=50, x=70, ratio=20)
    source = PatchSource(tmp_path / "set", split="validation")
    _, y, x = source.places[-1]
    assert (y, x) == (50 - 32, 70 - 32)
    example = source.example(3, len(source) - 1)
    for role in ("coarse_before", "coarse_after", "coarse"):
        whole = stored(tmp_path / "set", role, 2)
        assert np.array_equal(getattr(example, role), whole[:, y : y + 32, x : x + 32])


def test_holes_take_the_nearest_pixel_and_are_marked(tmp_path: Path) -> None:
    hole = np.zeros((48, 80), np.bool_)
    hole[5:9, 3:30] = True
    cloud = np.zeros((48 // 16 + 2 * COARSE_PAD, 80 // 16 + 2 * COARSE_PAD), np.bool_)
    cloud[COARSE_PAD, COARSE_PAD + 1] = True
    seen = np.ones((48, 80))
    seen[:, :10] = 0
    masks = {"filled_after": 1 - seen, "known": seen}
    make_set(
        tmp_path / "set",
        holes={"fine_before": hole, "coarse": cloud, "truth": hole},
        masks=masks,
    )
    example = PatchSource(tmp_path / "set", split="train", stride=48).example(0, 0)
    before, cut = stored(tmp_path / "set", "fine_before"), (slice(0, 32), slice(0, 32))
    assert np.array_equal(example.filled[0], hole[cut])
    assert np.array_equal(example.fine_before[:, 5, 10], before[:, 4, 10])
    assert np.array_equal(example.fine_before[:, 8, 10], before[:, 9, 10])
    assert np.array_equal(example.filled[2], seen[cut] == 0)
    assert np.array_equal(example.fine_after, stored(tmp_path / "set", "fine_after")[:, :32, :32])
    assert not example.filled[[1, 3]].any()
    assert np.array_equal(example.filled[4], np.pad(np.ones((16, 16), bool), ((0, 16), (16, 0))))
    assert all(np.isfinite(getattr(example, name)).all() for name in IMAGES)
    unknown = hole | (seen == 0)
    assert np.array_equal(np.isnan(example.truth), np.stack([unknown[cut]] * 2))


def test_patches_with_too_few_scored_pixels_are_left_out(tmp_path: Path) -> None:
    known = np.zeros((48, 80))
    known[:, 40:] = 1
    make_set(tmp_path / "set", masks={"known": known}, min_known=0.5)
    places = PatchSource(tmp_path / "set", split="train").places
    assert {x for _, _, x in places} == {32, 48}  # 24 and 32 of 32 columns; at 16 it is 8
    everything = PatchSource(tmp_path / "set", split="train", min_known=0)
    assert {x for _, _, x in everything.places} == {16, 32, 48}  # at 0 nothing at all is known
    make_set(tmp_path / "none", masks={"known": 0 * known})
    with pytest.raises(SceneSetError, match="no patch of 32 pixels of split 'train'"):
        PatchSource(tmp_path / "none", split="train")


def test_what_cannot_be_cut_is_refused_with_a_size_that_can(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    with pytest.raises(SceneSetError, match=r"48 x 80 pixels.*use 48 or less"):
        PatchSource(tmp_path / "set", split="train", patch=64)
    with pytest.raises(ValueError, match=r"patch=40 is not a multiple of 16.*use 32"):
        PatchSource(tmp_path / "set", split="train", patch=40)
    with pytest.raises(SceneSetError, match="no split 'tset'; there are train, validation"):
        PatchSource(tmp_path / "set", split="tset")


def _layings(image: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, turns, (-2, -1)) for turns in range(4)]
    return [*turned, *(one[..., ::-1] for one in turned)]


@pytest.mark.parametrize(("augment", "ways"), [("flip", 2), ("eight", 8)])
def test_turning_moves_all_images_alike_and_follows_from_seed_epoch_and_index(
    tmp_path: Path, augment: str, ways: int
) -> None:
    filled = np.random.default_rng(3).random((48, 80)) < 0.3
    make_set(tmp_path / "set", masks={"filled_before": filled})
    plain = PatchSource(tmp_path / "set", split="train").example(0, 5)

    def turned(seed: int = 1) -> PatchSource:
        return PatchSource(tmp_path / "set", split="train", augment=augment, seed=seed)  # type: ignore[arg-type]

    source, seen = turned(), Counter[int]()
    for epoch in range(80):
        example = source.example(epoch, 5)
        (way,) = (
            n for n, a in enumerate(_layings(plain.truth)) if np.array_equal(a, example.truth)
        )
        seen[way] += 1
        for name in (*IMAGES, "filled"):
            assert np.array_equal(_layings(getattr(plain, name))[way], getattr(example, name))
        assert same(example, turned().example(epoch, 5))
    assert sorted(seen) == ([0, 4] if ways == 2 else list(range(8)))
    assert max(seen.values()) < 80 * 2 / ways
    assert any(not same(source.example(e, 5), turned(2).example(e, 5)) for e in range(8))


def test_a_source_goes_to_another_process_without_its_images(tmp_path: Path) -> None:
    make_set(tmp_path / "set", y=256, x=256)
    source = PatchSource(tmp_path / "set", split="train", augment="eight")
    mixed = Mixed([source], [1.0], seed=0, examples=7)
    sent = pickle.dumps(mixed)
    assert len(sent) < 100_000
    assert same(pickle.loads(sent).example(2, 3), mixed.example(2, 3))


class Numbers:
    """A source whose examples tell where they are from."""

    def __init__(self, length: int, name: int, bands: tuple[str, ...]) -> None:
        self.length, self.name, self.bands = length, name, bands

    def __len__(self) -> int:
        return self.length

    def example(self, epoch: int, index: int) -> Example:
        assert 0 <= index < self.length
        image = np.full((len(self.bands), 16, 16), self.name, np.float32)
        image += np.arange(len(self.bands), dtype=np.float32)[:, None, None]
        return Example(
            **dict.fromkeys((*IMAGES, "truth"), image),
            filled=np.zeros((5, 16, 16), np.bool_),
            centre=image[:, 0, 0],
            spread=np.full(len(self.bands), 0.1, np.float32),
            present=np.ones(len(self.bands), np.bool_),
            days=(self.name, epoch, index),
            ratio=16,
        )


def test_every_source_has_its_share_and_shows_all_before_it_repeats() -> None:
    sources = [Numbers(5, 1, ("red",)), Numbers(12, 2, ("red",)), Numbers(400, 3, ("red",))]
    mixed = Mixed(sources, [1, 2, 1], seed=4, examples=21)
    seen: dict[int, list[tuple[int, int]]] = {1: [], 2: [], 3: []}
    for epoch in range(6):
        drawn = [mixed.example(epoch, index).days for index in range(len(mixed))]
        count = Counter(name for name, _, _ in drawn)
        assert count[2] in (10, 11)
        assert {count[1], count[3]} <= {5, 6}
        assert drawn != sorted(drawn)
        for name, own_epoch, index in drawn:
            seen[name].append((own_epoch, index))
    for name, source in zip(seen, sources, strict=True):
        # Each of its epochs is complete before the next begins; only the last is cut short.
        assert len(set(seen[name])) == len(seen[name])
        own = [own_epoch for own_epoch, _ in seen[name]]
        assert own == sorted(own)
        full = Counter(own)
        assert all(full[epoch] == len(source) for epoch in range(max(own)))


def test_mixing_is_a_pure_function_of_epoch_and_index() -> None:
    def made(seed: int) -> Mixed:
        return Mixed(
            [Numbers(5, 1, ("red",)), Numbers(7, 2, ("red",))], [1, 1], seed=seed, examples=9
        )

    order = [(epoch, index) for epoch in range(4) for index in range(9)]
    mixed = made(0)
    forward = {at: mixed.example(*at).days for at in order}
    assert {at: mixed.example(*at).days for at in reversed(order)} == forward
    assert forward == {at: made(0).example(*at).days for at in order}
    assert forward != {at: made(1).example(*at).days for at in order}


def test_bands_go_to_their_slots_by_name() -> None:
    red, both = Numbers(3, 1, ("red",)), Numbers(3, 5, ("nir08", "red"))
    mixed = Mixed([red, both], [1, 1], seed=0)
    assert mixed.bands == ("red", "nir08")
    assert len(mixed) == 6
    for index in range(6):
        example = mixed.example(0, index)
        if example.days[0] == 1:
            assert example.present.tolist() == [True, False]
            assert np.isnan(example.truth[1]).all()
            assert not any(getattr(example, name)[1].any() for name in IMAGES)
            assert (example.fine_before[0] == 1).all()
            assert (example.centre.tolist(), example.spread[1]) == ([1, 0], 1)
        else:
            assert example.present.all()
            assert (example.fine_before[:, 0, 0].tolist(), example.centre.tolist()) == ([6, 5],) * 2
    with pytest.raises(ValueError, match=r"bands nir08, which are not among red"):
        InSlots(both, ("red",))
    with pytest.raises(ValueError, match="2 sources with shares"):
        Mixed([red, both], [1, 0], seed=0)
