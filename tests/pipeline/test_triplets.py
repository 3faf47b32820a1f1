"""Training triplets of a region: made as fusion makes its inputs, and without a leak."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zarr

from catalogs import by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from model.block import COARSE_PAD
from model.training.patches import PatchSource
from model.training.scenes import FINE, SceneSet, mapped, unpack
from pipeline.cube import day_date, day_number
from pipeline.images import day_axis
from pipeline.ingest import Collected, Inputs, freeze_inputs
from pipeline.job import Job, JobError, PairRules
from pipeline.mask import clearness
from pipeline.pairs import Candidate
from pipeline.survey import NotIngestedError
from pipeline.triplet_dates import DateSplit, split_dates
from pipeline.triplets import TripletRules, cut_triplets, patch_of, windows
from tests.pipeline.test_job import make_job
from tests.synthetic import (
    Float,
    day,
    make_clouds,
    make_coarse,
    make_grid,
    make_inputs,
    make_world,
)

DAYS = 41
BANDS = ("red", "nir08")
RULES = TripletRules(patch_px=16, min_known=0.3)


@dataclass(frozen=True)
class Region:
    """48 x 36 pixels, a cloudy fine image every four days; what is in its cubes."""

    job: Job
    fine: dict[date, Float]
    coarse: dict[date, Float]


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    grid = make_grid(rows=12, cols=9)
    job = make_job(
        grid=grid,
        start=day(0),
        end=day(DAYS - 1),
        rules=PairRules(min_clear=0.5, max_span_days=16),
        coarse_fill_days=2,
        flicker="keep",  # so that what is cut can be found in the cubes
        cube=tmp_path_factory.mktemp("region") / "region.zarr",
    )
    world = make_world(grid=grid, days=DAYS)
    cells = make_coarse(world=world, ratio=grid.ratio)
    sky = make_clouds(shape=(DAYS, *grid.shape), clear=(0.5, 1.0))
    thin = make_clouds(shape=(DAYS, *grid.coarse_shape), clear=(0.8, 1.0), size=2, seed=1)
    fine = {day(n): np.where(sky[n], world[n], np.nan) for n in range(0, DAYS, 4)}
    coarse = {day(n): np.where(thin[n], cells[n], np.nan) for n in range(DAYS)}
    make_inputs(folder=job.inputs, grid=grid, fine=fine, coarse=coarse)
    freeze_inputs(
        job.inputs,
        Inputs(
            grid=grid,
            bands=BANDS,
            drop=(),
            fine=Collected(specs=by_name(LANDSAT_C2_L2), items=()),
            coarse=Collected(specs=by_name(MOD09GA), items=()),
        ),
    )
    return Region(job=job, fine=fine, coarse=coarse)


@pytest.fixture(scope="module")
def cut(region: Region, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SceneSet]:
    out = tmp_path_factory.mktemp("set") / "triplets"
    return out, cut_triplets(region.job, out, rules=RULES)


def held_out(made: SceneSet) -> set[date]:
    return {day_date(scene.days[1]) for scene in made.scenes if scene.split != "train"}


def content(out: Path, made: SceneSet, split: str, roles: Collection[str]) -> list[bytes]:
    return [
        np.asarray(mapped(out, scene.files[role])).tobytes()
        for scene in made.split(split)
        for role in sorted(scene.files)
        if role in roles
    ]


def everything(made: SceneSet) -> set[str]:
    return set().union(*(scene.files for scene in made.scenes))


def poisoned(job: Job, folder: Path, days: Collection[date]) -> Job:
    """The same region, in which every clear pixel of some fine dates is another number."""
    shutil.copytree(job.inputs, folder / job.inputs.name)
    root = zarr.open_group(folder / job.inputs.name / "fine.zarr", mode="r+")
    for place, number in enumerate(day_axis(root)):
        if day_date(number) in days:
            for band in BANDS:
                values = np.asarray(root[band][place])  # type: ignore[index]
                root[band][place] = np.where(values < 0, values, 15_000)  # type: ignore[index]
    return replace(job, cube=folder / job.cube.name)


def test_no_fine_image_of_a_held_out_date_reaches_training(
    region: Region, cut: tuple[Path, SceneSet], tmp_path: Path
) -> None:
    out, made = cut
    away = held_out(made)
    assert len(away) == 2
    again = cut_triplets(poisoned(region.job, tmp_path, away), tmp_path / "set", rules=RULES)
    # Other values on those dates: nothing of training changes, not one bit, nor the statistics,
    assert again == made
    roles = everything(made)
    assert content(out, made, "train", roles) == content(tmp_path / "set", again, "train", roles)
    # nor the references of what is held out; only its truth does.
    for split in ("validation", "test"):
        for role in roles:
            here, there = (
                content(folder, one, split, [role])
                for folder, one in ((out, made), (tmp_path / "set", again))
            )
            assert (here == there) is (role != "truth")


def test_the_same_change_on_a_training_date_would_be_seen(
    region: Region, cut: tuple[Path, SceneSet], tmp_path: Path
) -> None:
    out, made = cut
    usable = sorted(set(region.fine) - held_out(made))
    changed = poisoned(region.job, tmp_path, usable[2:3])
    again = cut_triplets(changed, tmp_path / "set", rules=RULES)
    assert again.centre != made.centre
    assert content(out, made, "train", FINE) != content(tmp_path / "set", again, "train", FINE)


def test_hidden_dates_are_used_for_nothing(region: Region, tmp_path: Path) -> None:
    hidden = frozenset({day(20), day(32)})
    rules = replace(RULES, hidden=hidden)
    job = replace(region.job, rules=PairRules(min_clear=0.5, max_span_days=24))
    made = cut_triplets(job, tmp_path / "one", rules=rules)
    assert not {day_date(number) for scene in made.scenes for number in scene.days} & hidden
    assert "hidden from all 2023-05-21, 2023-06-02" in made.origin
    again = cut_triplets(poisoned(job, tmp_path, hidden), tmp_path / "two", rules=rules)
    assert again == made
    for split in ("train", "validation", "test"):
        here, there = (
            content(tmp_path / name, made, split, everything(made)) for name in ("one", "two")
        )
        assert here == there


def test_references_are_the_pair_of_least_cost_among_the_training_dates(
    region: Region, cut: tuple[Path, SceneSet]
) -> None:
    _, made = cut
    parts = windows(region.job.grid, made.patch_px)
    candidates: dict[int, list[Candidate]] = {part.index: [] for part in parts}
    for when in sorted(set(region.fine) - held_out(made)):
        clear = np.isfinite(region.fine[when][0])
        seen = clearness(clear, [(one.y, one.x) for one in parts], (30.0, 30.0), 1500.0)
        for part, (share, metres) in zip(parts, seen, strict=True):
            one = Candidate(day=when, clear=share, cloud_distance=metres)
            candidates[part.index] += [one] * (share >= 0.5)
    for scene in made.scenes:
        good = candidates[int(scene.name.rpartition("-")[2])]
        before, target, after = map(day_date, scene.days)
        pairs = [
            (one.cost(target) + other.cost(target), one.day, other.day)
            for one in good
            for other in good
            if one.day < target < other.day and (other.day - one.day).days <= 16
        ]
        assert (before, after) in [pair[1:] for pair in pairs if pair[0] == min(pairs)[0]]
        assert (target not in held_out(made)) is (scene.split == "train")


def test_images_are_those_of_the_cubes_and_masks_say_where_they_are_not(
    region: Region, cut: tuple[Path, SceneSet]
) -> None:
    out, made = cut
    grid = region.job.grid
    parts, pad = windows(grid, made.patch_px), COARSE_PAD
    seen_filled, seen_unknown = 0, 0
    for scene in made.scenes:
        window = parts[int(scene.name.rpartition("-")[2])]
        before, target, after = map(day_date, scene.days)
        arrays = {role: np.asarray(mapped(out, file)) for role, file in scene.files.items()}
        known = np.ones(window.shape, np.bool_)
        for role, when in (("fine_before", before), ("fine_after", after), ("truth", target)):
            image, real = unpack(arrays[role]), region.fine[when][:, window.y, window.x]
            clear, has = np.isfinite(real[0]), np.isfinite(image[0])
            np.testing.assert_allclose(image[:, clear], real[:, clear], atol=1e-6)
            filled = arrays.get(f"filled_{role[5:]}", np.zeros(window.shape)) != 0
            assert np.array_equal(filled, has & ~clear)
            known &= has
            seen_filled += int(filled.sum())
        assert np.array_equal(arrays.get("known", np.ones(window.shape)) != 0, known)
        seen_unknown += int((~known).sum())
        cells = grid.coarse_window(window.y, window.x)
        none = np.zeros((3, *arrays["coarse"].shape[1:]), np.uint8)
        filled_cells = arrays.get("coarse_filled", none)[:, pad:-pad, pad:-pad] != 0
        for at, (role, when) in enumerate(
            (("coarse_before", before), ("coarse_after", after), ("coarse", target))
        ):
            inner = unpack(arrays[role])[:, pad:-pad, pad:-pad]
            real = region.coarse[when][:, *cells]
            clear = np.isfinite(real[0])
            assert np.array_equal(filled_cells[at], np.isfinite(inner[0]) & ~clear)
            np.testing.assert_allclose(inner[:, clear], real[:, clear], atol=0.51e-4)
    assert seen_filled
    assert seen_unknown
    source = PatchSource(out, split="train")
    assert source.example(0, 0).truth.shape == (2, 16, 16)
    assert day_number(day(0)) <= min(scene.days[0] for scene in made.scenes)


@pytest.mark.parametrize("count", [2, 3, 4, 10, 40])
@pytest.mark.parametrize("guard", [0, 2, 5])
def test_dates_are_held_out_evenly_and_their_neighbours_go_unused(count: int, guard: int) -> None:
    days = [day(3 * n) for n in range(count + 2)]
    hidden = {days[0]} if count == 40 else set()
    split = split_dates(days[1:-1], days, hidden, guard)
    held = (*split.validation, *split.test)
    assert len(set(held)) == len(held)
    assert set(held) <= set(days[1:-1])
    assert len(split.validation) == max(1, round(count / 10))
    assert len(split.test) == (0 if count < 4 else len(split.validation))
    for when in days:
        near = min(abs((when - far).days) for far in {*held, *hidden})
        assert (when in split.usable) is (near > guard)
    assert all(split.targets(name) is not None for name in ("train", "validation", "test"))
    assert isinstance(split, DateSplit)


def test_one_date_cannot_be_split() -> None:
    with pytest.raises(JobError, match=r"1 of 3 fine dates .* training needs one and validation"):
        split_dates([day(4)], [day(0), day(4), day(8)], (), 0)


@pytest.mark.parametrize(
    ("rows", "cols", "ratio", "patch"),
    [(40, 33, 16, 256), (20, 20, 7, 128), (5, 4, 16, 64), (9, 40, 20, 176)],
)
def test_windows_cover_the_region_and_hold_the_patches(
    rows: int, cols: int, ratio: int, patch: int
) -> None:
    grid = make_grid(rows=rows, cols=cols, ratio=ratio, tile_cells=4)
    assert patch_of(grid, 256) == patch
    covered = np.zeros(grid.shape, np.bool_)
    for number, window in enumerate(windows(grid, patch)):
        assert window.index == number
        assert grid.coarse_window(window.y, window.x)
        assert patch <= min(window.shape) <= max(window.shape) < 2 * patch + ratio
        covered[window.y, window.x] = True
    assert covered.all()


def test_a_region_smaller_than_the_network_is_refused() -> None:
    with pytest.raises(JobError, match="12 x 28 pixels holds no patch of 16"):
        patch_of(make_grid(rows=3, cols=7), 256)


def test_a_region_that_was_not_read_is_told_so(region: Region, tmp_path: Path) -> None:
    with pytest.raises(NotIngestedError):
        cut_triplets(replace(region.job, cube=tmp_path / "other.zarr"), tmp_path / "set")


def test_too_few_dates_are_told_with_what_would_help(region: Region, tmp_path: Path) -> None:
    # All but the first three dates hidden: one target at most, and nothing to choose on.
    hidden = frozenset(sorted(region.fine)[3:])
    with pytest.raises(JobError, match=r"[01] of 11 fine dates .* Use a longer period"):
        cut_triplets(region.job, tmp_path / "set", rules=TripletRules(hidden=hidden))
    # Dates enough, but once some are held out the others are too far apart.
    job = replace(region.job, rules=PairRules(min_clear=0.5, max_span_days=8))
    hidden = frozenset(sorted(region.fine)[5:])
    with pytest.raises(JobError, match=r"leaves \d+ training triplets"):
        cut_triplets(job, tmp_path / "set", rules=TripletRules(hidden=hidden))
    assert not (tmp_path / "set").exists()
