"""Training triplets cut from a region's own masked cubes.

A target is a fine date, its references are those that fusion would take were the date not there
(``pipeline.choose``), holes filled and coarse cells filled as for fusion.  So a network trained on
them sees what it will be given later.

Dates are split, not places: what is asked of the network is the same place on another date.  No
fine image of a held-out date, nor of one within ``guard_days`` of it (two paths that overlap see
a place a day apart), is a reference, fills a hole, is a target or enters the statistics of a
training triplet.  The references of a held-out target are training dates too.  Coarse images are
inputs on every day and not split.
"""

# Strategy.  The unit of work is a window on a target date, some megabytes.  A worker reads it as
# fusion reads a block and writes the files of one scene; the driver gathers their table.  Windows
# are larger than a patch, so that patches overlap without their pixels being written twice.

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.block import Block
from model.training.patches import SHRINKING, scored_places, starts
from model.training.scenes import Scene, SceneSet, open_set, written_whole
from pipeline.corrections import Corrections
from pipeline.cube import day_number, pack
from pipeline.executor import Executor, executor
from pipeline.grid import Grid, Tile
from pipeline.job import Job, JobError
from pipeline.progress import OnProgress, Progress
from pipeline.recipe import write_json
from pipeline.references import BlockAddress, read_block
from pipeline.statistics import region_statistics
from pipeline.triplet_dates import DateSplit, WindowDates, split_dates

SPLITS = ("train", "validation", "test")

SEEN = "seen.json"
"""File in a region's scene set: what weights trained on it know of the region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletRules:
    """What is cut."""

    patch_px: int = 256
    """Side of a patch; in a smaller region the largest multiple of 16 that fits."""

    min_known: float = 0.5
    """Least share of a patch on which truth and inputs are known."""

    guard_days: int = 2
    """Fine images this near to a held-out date are not used for training either."""

    hidden: frozenset[date] = field(default_factory=frozenset)
    """Dates that are used for nothing at all, with those ``guard_days`` around them: to be
    scored later by something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """The address of a scene."""

    name: str
    split: str
    address: BlockAddress

    def __str__(self) -> str:
        return f"{self.split} triplet of {self.address.days[0]}, window {self.address.tile.index}"


def cut_triplets(
    job: Job,
    out: Path,
    *,
    rules: TripletRules | None = None,
    ex: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> SceneSet:
    """Write the scene set ``out`` from the input cubes of ``job``, which must have been ingested.

    Raises NotIngestedError, and JobError where the region is too small for a patch or its clear
    dates are too few for a split.
    """
    rules, out = rules or TripletRules(), out.absolute()
    patch = patch_of(job.grid, rules.patch_px)
    dates = WindowDates.of(job, windows(job.grid, patch))
    split = split_dates(
        dates.candidates(rules.hidden), dates.fine_days, rules.hidden, rules.guard_days
    )
    cuts = list(_cuts(dates, split))
    training = sum(cut.split == "train" for cut in cuts)
    if not training or training == len(cuts):
        raise JobError(
            f"{job.name} has {len(dates.fine_days)} fine dates, of which {len(split.usable)} stay "
            f"for training beside {', '.join(map(str, split.validation + split.test))}; that "
            f"leaves {training} training triplets with clear references on both sides and "
            f"{len(cuts) - training} held-out ones. Use a longer period, a larger "
            "pairs.max_span_days or a smaller pairs.min_clear"
        )
    without = [day for day in dates.fine_days if day not in split.usable]
    centre, spread = region_statistics(job.inputs, dates.bands, without=without)
    corrections = Corrections.blind(job, dates.bands, without=without)
    with written_whole(out) as new:
        write = partial(
            _write_scene,
            job=job,
            folder=new,
            centre=centre,
            spread=spread,
            corrections=corrections,
            patch=patch,
            rules=rules,
        )
        scenes = _gathered(cuts, write, ex, on_progress)
        if not {"train", "validation"} <= {scene.split for scene in scenes}:
            raise JobError(
                f"no patch of {patch} pixels of {job.name} is known on {rules.min_known:.0%} of "
                "its pixels, for training or for validation; use a longer period or ask for less"
            )
        write_json(new / SEEN, _seen(job, split))
        SceneSet(
            name=job.name,
            bands=dates.bands,
            ratio=job.grid.ratio,
            coarse="cells",
            patch_px=patch,
            stride_px=_stride(patch),
            min_known=rules.min_known,
            centre=tuple(centre.tolist()),
            spread=tuple(spread.tolist()),
            origin=_origin(job, split, rules),
            licence="that of the region's images",
            scenes=scenes,
        ).save(new)
    return open_set(out)


def patch_of(grid: Grid, wished: int) -> int:
    """Side of the patches of a region.  Raises JobError where not even 16 pixels fit."""
    fits = min(wished, *grid.shape) // SHRINKING * SHRINKING
    if not fits:
        raise JobError(
            f"a region of {grid.shape[0]} x {grid.shape[1]} pixels holds no patch of {SHRINKING}; "
            "train on a larger region"
        )
    return fits


def _stride(patch: int) -> int:
    return max(SHRINKING, patch // 2)


def windows(grid: Grid, patch: int) -> tuple[Tile, ...]:
    """Windows of whole cells, about two patches a side, that cover the region; the last ones of a
    row or column are shifted inside."""
    cell = grid.ratio
    rows, cols = (
        (starts(length, side, side), side)
        for length in grid.shape
        for side in [min(length, max(-(-patch // cell), 2 * patch // cell) * cell)]
    )
    return tuple(
        Tile(
            index=row * len(cols[0]) + col,
            row=row,
            col=col,
            y=slice(y, y + rows[1]),
            x=slice(x, x + cols[1]),
        )
        for row, y in enumerate(rows[0])
        for col, x in enumerate(cols[0])
    )


def _cuts(dates: WindowDates, split: DateSplit) -> Iterator[_Cut]:
    for name in SPLITS:
        for target in split.targets(name):
            for address in dates.addresses(target, split.usable):
                window = address.tile.index
                yield _Cut(name=f"{name}-{target}-{window}", split=name, address=address)


def _gathered(
    cuts: Sequence[_Cut],
    write: Callable[[_Cut], Scene | None],
    ex: Executor | None,
    on_progress: OnProgress | None,
) -> tuple[Scene, ...]:
    """The scenes that came out, in the order of the cuts."""
    if ex is None:
        with executor(scheduler="synchronous") as here:
            return _gathered(cuts, write, here, on_progress)
    made: dict[str, Scene | None] = {}
    for outcome in ex.map(partial(_told, write), cuts):
        if outcome.result is None:
            raise RuntimeError(outcome.error)
        made[outcome.task.name] = outcome.result[0]
        if on_progress is not None:
            day = outcome.task.address.days[0]
            on_progress(Progress(stage="cut", done=len(made), total=len(cuts), day=day))
    return tuple(scene for cut in cuts if (scene := made[cut.name]) is not None)


def _told(write: Callable[[_Cut], Scene | None], cut: _Cut) -> tuple[Scene | None]:
    return (write(cut),)  # an outcome without a result is a failure, and a scene may be none


def _write_scene(
    cut: _Cut,
    *,
    job: Job,
    folder: Path,
    centre: NDArray[np.float32],
    spread: NDArray[np.float32],
    corrections: Corrections,
    patch: int,
    rules: TripletRules,
) -> Scene | None:
    """Write the files of a scene; None where no patch of it could be used."""
    inputs = read_block(
        job.inputs, job.grid, cut.address, centre=centre, spread=spread, corrections=corrections
    )
    block = inputs.block
    assert block is not None
    known = block.known()[0] & inputs.clear[0]
    if not scored_places(
        known.shape, known, patch=patch, stride=_stride(patch), min_known=rules.min_known
    ):
        return None
    arrays: dict[str, NDArray[np.int16] | NDArray[np.uint8]] = {
        "fine_before": pack(block.fine_before)[0],
        "fine_after": pack(block.fine_after)[0],
        "coarse_before": pack(block.coarse_before)[0],
        "coarse_after": pack(block.coarse_after)[0],
        "coarse": pack(block.coarse[0])[0],
        "truth": pack(inputs.observed[0])[0],
        **_masks(block, known),
    }
    for role, array in arrays.items():
        np.save(folder / f"{cut.name}-{role}", array)
    return Scene(
        name=cut.name,
        split=cut.split,
        days=(block.day_before, day_number(inputs.days[0]), block.day_after),
        files={role: f"{cut.name}-{role}" for role in arrays},
    )


def _masks(block: Block, known: NDArray[np.bool_]) -> dict[str, NDArray[np.uint8]]:
    """What of a block was filled, and what can be scored; nothing where nothing was filled."""
    assert block.coarse_filled_before is not None
    assert block.coarse_filled_after is not None
    assert block.coarse_filled is not None
    assert block.filled_before is not None
    assert block.filled_after is not None
    masks = {
        "filled_before": block.filled_before,
        "filled_after": block.filled_after,
        "coarse_filled": np.stack(
            [block.coarse_filled_before, block.coarse_filled_after, block.coarse_filled[0]]
        ),
    }
    kept = {role: mask.astype(np.uint8) for role, mask in masks.items() if mask.any()}
    return kept if known.all() else {**kept, "known": known.astype(np.uint8)}


def _seen(job: Job, split: DateSplit) -> dict[str, Any]:
    """Where weights trained on the set know the region, and on which dates: what they train on
    and what they are chosen by.  They are not scored there (``pipeline.validate.seen``)."""
    dates = sorted({*split.usable, *split.validation})
    return {
        "name": job.name,
        "bbox": list(job.bbox),
        "dates": [day.isoformat() for day in dates],
    }


def _origin(job: Job, split: DateSplit, rules: TripletRules) -> str:
    def told(days: Collection[date]) -> str:
        return ", ".join(map(str, sorted(days))) or "none"

    return (
        f"{job.fine} and {job.coarse} of {job.name}, "
        f"{job.grid.shape[0]} x {job.grid.shape[1]} pixels; fine dates of training "
        f"{told(split.usable)}; held out for validation {told(split.validation)}, for a test "
        f"{told(split.test)}; hidden from all {told(rules.hidden)}; nor those up to "
        f"{rules.guard_days} days from one that is held out"
    )
