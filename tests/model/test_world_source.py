from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from model.coarse_calm import calm_coarse
from model.hole_fill import fill_holes
from model.training import pool, world_reading, world_source
from model.training.augment import Layout, draw_sky
from model.training.example import Example
from model.training.pool import SCALE, WorldCard
from model.training.world_source import WorldSource
from model.worlds import draw
from model.worlds.recipe import FineSensor
from model.worlds.sensor import see_coarse
from model.worlds.spectra import BANDS
from model.worlds.timeline import FILL_DAYS

IMAGES = ("fine_before", "coarse_before", "fine_after", "coarse_after", "coarse")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SIZE_PX", 96)
        for index in range(3):
            pool.make(index, out=folder, seed=1, generator="train")
    return folder


class Plain:
    """Ground whose value says where and when: bands, rows, columns and days count up."""

    def __init__(self, size: int, bands: int) -> None:
        y, x = np.mgrid[:size, :size] / size
        self.image = np.stack([0.1 + 0.1 * y + 0.05 * x + 0.01 * b for b in range(bands)])

    def reflectance(self, day: float) -> np.ndarray:
        return np.asarray(self.image + 0.001 * day, np.float32)


def write_plain(folder: Path, *, ratio: int, bands: tuple[str, ...] = BANDS) -> Path:
    """A pool of one world seen by sensors without any fault."""
    rng = np.random.default_rng(0)
    zeros = (0.0,) * len(bands)
    coarse = replace(
        draw.recipe(rng).coarse,
        fwhm_across_m=0.0,
        fwhm_along_m=0.0,
        registration_m=0.0,
        offset_m=(0.0, 0.0),
        gain=(1.0,) * len(bands),
        bias=zeros,
        angle=zeros,
        aerosol=zeros,
        noise=0.0,
        gridding=0.0,
        class_angle=0.0,
        bandpass=(),
    )
    pool.write(
        folder / "plain",
        Plain(120, len(bands)),
        coarse,
        rng,
        generator="train",
        seed=0,
        index=0,
        bands=bands,
        ratio=ratio,
        fine=FineSensor(path_gain=0.0, aerosol=zeros, noise=0.0),
        texture="plain",
    )
    return folder


def same(one: Example, two: Example) -> bool:
    return all(
        np.array_equal(getattr(one, f.name), getattr(two, f.name), equal_nan=f.name == "truth")
        for f in fields(one)
    )


def test_a_pool_is_filled_once_and_is_the_same_every_time(worlds: Path, tmp_path: Path) -> None:
    first = sorted(worlds.iterdir())[0]
    before = first.stat().st_mtime_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "SIZE_PX", 96)
        for out in (worlds, tmp_path):
            pool.make(0, out=out, seed=1, generator="train")
    assert first.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    for path in first.iterdir():
        assert path.read_bytes() == (tmp_path / first.name / path.name).read_bytes()


def test_a_card_says_what_the_arrays_are(worlds: Path) -> None:
    for folder in worlds.iterdir():
        card = WorldCard.read(folder)
        truth, coarse = (np.load(folder / f"{name}.npy") for name in ("truth", "coarse"))
        assert truth.shape == (len(card.days), len(card.bands), 96, 96)
        assert coarse.shape == (*truth.shape[:2], 96 // card.ratio, 96 // card.ratio)
        assert 6 <= card.ratio <= 20
        assert np.all(np.diff(card.days) > 0)
        assert card.texture is None


def test_a_folder_that_is_no_world_says_so(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text('{"days": [1]}')
    with pytest.raises(ValueError, match=r"make the pool again"):
        WorldCard.read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"python -m model\.training\.pool"):
        WorldSource(tmp_path, seed=0, examples=1, patch=32)


def test_an_example_is_a_pure_function_of_its_arguments(worlds: Path) -> None:
    one, two = (
        WorldSource(worlds, seed=7, examples=9, patch=48, augment="eight") for _ in range(2)
    )
    at = [(0, 3), (1, 3), (0, 4)]
    ahead = [one.example(*place) for place in at]
    backwards = [two.example(*place) for place in reversed(at)][::-1]
    assert all(same(a, b) for a, b in zip(ahead, backwards, strict=True))
    assert not any(same(ahead[0], other) for other in ahead[1:])


def test_examples_in_a_row_can_be_of_one_ratio(tmp_path: Path) -> None:
    for ratio, copy in product((8, 16), range(2)):
        made = write_plain(tmp_path / "made", ratio=ratio) / "plain"
        made.rename(tmp_path / f"{ratio}-{copy}")
    source = WorldSource(tmp_path, seed=1, examples=400, patch=32, alike=4)
    ratios = np.array([source.example(0, at).ratio for at in range(400)]).reshape(-1, 4)
    assert (ratios == ratios[:, :1]).all()
    assert 0.3 < (ratios[:, 0] == 16).mean() < 0.7  # as often as worlds have it


def test_examples_are_finite_whole_and_within_range(worlds: Path) -> None:
    source = WorldSource(worlds, seed=5, examples=60, patch=48, augment="eight")
    examples = [source.example(0, index) for index in range(len(source))]
    for example in examples:
        t0, t1, t2 = example.days
        assert t0 < t1 < t2 or t0 == t2 != t1
        for name in IMAGES:
            image = getattr(example, name)
            assert image.shape == (6, 48, 48)
            assert image.dtype == np.float32
            assert np.isfinite(image).all()
            assert not image[~example.present].any()
            assert -0.2 < image.min() <= image.max() < 1.6
        assert example.truth.dtype == np.float32
        assert not example.truth[~example.present].any()
        assert example.filled.shape == (5, 48, 48)
        assert example.spread.min() >= np.float32(0.01)
    assert {e.present.sum() for e in examples} == {1, 3, 6}
    assert any(e.days[0] == e.days[2] for e in examples)
    assert any(e.filled[0].any() and not e.filled[0].all() for e in examples)
    assert 0 < np.mean([np.isnan(e.truth).any(0).mean() for e in examples]) < 0.25
    spans = [e.days[2] - e.days[0] for e in examples if e.days[0] < e.days[2]]
    assert min(spans) <= 5
    assert max(spans) >= 60


def test_a_one_sided_example_has_one_reference(worlds: Path) -> None:
    source = WorldSource(worlds, seed=2, examples=40, patch=32, augment="eight")
    found = [e for e in (source.example(0, i) for i in range(40)) if e.days[0] == e.days[2]]
    assert found
    for example in found:
        assert example.days[1] != example.days[0]
        np.testing.assert_array_equal(example.fine_before, example.fine_after)
        np.testing.assert_array_equal(example.coarse_before, example.coarse_after)


@pytest.fixture
def cloudless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse images without clouds, in a pool and out of it."""
    for room in (pool, world_reading):
        monkeypatch.setattr(room, "CLEAR_COARSE", 1.0)
    monkeypatch.setattr("model.training.augment.MISSED", (0.0, 0.0))


@pytest.mark.usefixtures("cloudless")
@pytest.mark.parametrize("ratio", [6, 11, 16, 20])
@pytest.mark.parametrize(("augment", "calmed"), [("none", 1.0), ("eight", 0.0), ("eight", 1.0)])
def test_without_faults_and_clouds_everything_lies_on_the_truth(
    tmp_path: Path, ratio: int, augment: str, calmed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_reading, "HOLED", 0.0)
    monkeypatch.setattr(world_source, "CALMED", calmed)
    source = WorldSource(
        write_plain(tmp_path, ratio=ratio), seed=1, examples=20, patch=48, augment=augment
    )
    for index in range(20):
        example = source.example(0, index)
        if not example.present.all() or example.days[0] == example.days[2]:
            continue
        t0, t1, t2 = example.days
        w = (t1 - t0) / (t2 - t0)
        between = (1 - w) * example.fine_before + w * example.fine_after
        np.testing.assert_allclose(between, example.truth, atol=3e-4)
        # The ground is a plane that gains 0.15 over 120 pixels along both sides together: a cell
        # differs from its farthest pixel by half of what a cell gains, more at the world's edge,
        # from where cells are repeated.
        assert np.abs(example.coarse - example.truth).max() < 0.15 * ratio / 120


@pytest.mark.usefixtures("cloudless")
def test_cells_start_with_the_patch_however_it_is_laid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_reading, "OTHER_UPSAMPLING", 0.0)
    folder = write_plain(tmp_path, ratio=20)
    source = WorldSource(folder, seed=1, examples=9, patch=48, augment="eight", upsample="nearest")
    for index in range(9):
        image = source.example(0, index).coarse
        image = image[:, :40, :40].reshape(6, 2, 20, 2, 20)
        assert not np.ptp(image, (2, 4)).any()


def test_bands_that_a_world_lacks_are_absent(tmp_path: Path) -> None:
    bands = ("nir08", "red", "green")
    folder = write_plain(tmp_path, ratio=8, bands=bands)
    example = WorldSource(folder, seed=0, examples=1, patch=32).example(0, 0)
    assert example.present.tolist() == [False, True, True, True, False, False]
    assert not example.truth[[0, 4, 5]].any()
    # Plain ground is brighter by .01 from one band of the world to the next.
    step = np.nanmean(example.truth[1:3] - example.truth[2:4], (1, 2))
    np.testing.assert_allclose(step, 0.01, atol=2e-4)


def test_reading_by_memory_map_is_reading_all_of_it(worlds: Path) -> None:
    source = WorldSource(worlds, seed=3, examples=6, patch=48)
    for index in range(6):
        example = source.example(0, index)
        candidates = []
        for folder in source.folders:
            truth, card = np.load(folder / "truth.npy"), WorldCard.read(folder)
            if card.ratio != example.ratio or example.days[1] not in card.days:
                continue
            image = truth[card.days.index(example.days[1])].astype(np.float32) * np.float32(SCALE)
            windows = np.lib.stride_tricks.sliding_window_view(image, (48, 48), (1, 2))
            windows = windows[:, :: card.ratio, :: card.ratio]
            scored = np.isfinite(example.truth)
            candidates.append(
                np.abs(np.where(scored, windows.transpose(1, 2, 0, 3, 4) - example.truth, 0))
                .max((2, 3, 4))
                .min()
            )
        assert min(candidates) == 0


@pytest.mark.parametrize("layout", [Layout(), Layout(True), Layout(False, True, True)])
def test_a_layout_turns_a_square(layout: Layout) -> None:
    square = np.arange(18).reshape(2, 3, 3)
    laid = layout.lay(square)
    assert sorted(laid.ravel()) == sorted(square.ravel())
    corner = square[:, 2 if layout.flip_y else 0, 2 if layout.flip_x else 0]
    np.testing.assert_array_equal(laid[:, 0, 0], corner)


def test_skies_cover_the_share_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    skies = [draw_sky(rng, (64, 64), 1) for _ in range(150)]
    for share in (0.2, 0.6):
        assert np.mean([sky.cloud(share).mean() for sky in skies]) == pytest.approx(share, abs=0.1)
    assert not skies[0].cloud(0.0).any()


@pytest.mark.parametrize("ratio", [6, 7, 16, 20])
def test_a_sensor_without_faults_sees_the_mean_of_each_cell(tmp_path: Path, ratio: int) -> None:
    folder = write_plain(tmp_path, ratio=ratio) / "plain"
    truth, coarse = (np.load(folder / f"{name}.npy") for name in ("truth", "coarse"))
    n = 120 // ratio
    cut = truth[:, :, : n * ratio, : n * ratio].reshape(*truth.shape[:2], n, ratio, n, ratio)
    # The last cell of a world is not whole: the rest of the ground counts to its edge.
    difference = np.abs(cut.mean((3, 5)) - coarse)[..., :-1, :-1]
    assert difference.max() <= 1


@pytest.mark.parametrize("generator", ["train", "other"])
@pytest.mark.parametrize("ratio", [6, 13, 20])
def test_a_coarse_cell_of_flat_ground_is_flat(generator: str, ratio: int) -> None:
    rng = np.random.default_rng(1)
    sensor = replace(draw.recipe(rng, generator).coarse, aerosol=(0.0,) * 6, noise=0.0)
    seen = see_coarse(np.full((6, 60, 80), 0.3, np.float32), sensor, ratio, rng)
    assert seen.shape == (6, 60 // ratio, 80 // ratio)
    assert np.ptp(seen, (1, 2)).max() < 1e-6


def test_a_calmed_day_is_that_of_the_product_on_the_daily_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[np.ndarray] = []

    def kept(*args: Any) -> np.ndarray:
        looks.append(clouded(*args))
        return looks[-1]

    clouded = pool._clouded
    monkeypatch.setattr(pool, "_clouded", kept)
    folder = write_plain(tmp_path, ratio=16) / "plain"
    card = WorldCard.read(folder)
    first = card.days[0] - FILL_DAYS
    assert len(looks) == card.days[-1] + FILL_DAYS + 1 - first
    assert any(np.isnan(look).any() for look in looks)
    calmed, filled = np.load(folder / "calmed.npy"), np.load(folder / "filled.npy")
    for place, day in enumerate(card.days):
        around = range(day - FILL_DAYS, day + FILL_DAYS + 1)
        seen = np.stack([looks[one - first] for one in around])
        expected = calm_coarse(seen, around, at=[day], window=FILL_DAYS)[0]
        np.testing.assert_allclose(calmed[place] * SCALE, expected, atol=SCALE / 2 * 1.01)
        np.testing.assert_array_equal(filled[place], np.isnan(looks[day - first]).any(0))


def test_holes_are_filled_from_both_sides_and_from_one_where_there_is_one_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain ground gains as much each day everywhere, so a hole shows its own day, however far the
    dates are, as long as they are moved by the coarse change."""
    for room in (pool, world_reading):
        monkeypatch.setattr(room, "CLEAR_COARSE", 1.0)
    monkeypatch.setattr("model.training.augment.MISSED", (0.0, 0.0))
    # Shadows beside clouds are part of what the sensor sees: without them here.
    monkeypatch.setattr("model.training.augment.Sky.seen_through", lambda sky, image, *_: image)
    monkeypatch.setattr(world_reading, "HOLED", 1.0)
    used: list[tuple[int, set[int]]] = []

    def watched(image: Any, day: int, dates: Any, **how: Any) -> Any:
        found = fill_holes(image, day, dates, **how)
        used.append((day, set(found.earlier[found.filled]) | set(found.later[found.filled])))
        return found

    monkeypatch.setattr(world_reading, "fill_holes", watched)
    source = WorldSource(write_plain(tmp_path, ratio=16), seed=1, examples=30, patch=48)
    both = 0
    for index in range(30):
        used.clear()
        example = source.example(0, index)
        t0, t1, t2 = example.days
        shown = np.where(np.isnan(example.truth), np.nan, example.fine_before)
        np.testing.assert_allclose(shown - example.truth, 0.001 * (t0 - t1), atol=1.5e-3)
        for day, dates in used:
            assert t1 not in dates
            if t0 == t2:  # a morning: nothing from the target on is known
                assert all((date - t1) * (day - t1) > 0 for date in dates)
            both += min(dates) < day < max(dates)
    assert both > 10


def test_a_pool_of_an_older_version_says_what_to_do(worlds: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    copytree(sorted(worlds.iterdir())[0], old / "train-1-00000")
    (old / "train-1-00000" / "calmed.npy").unlink()
    with pytest.raises(ValueError, match=r"calmed\.npy is not there.* make the pool again"):
        WorldSource(old, seed=0, examples=1, patch=32).example(0, 0)
