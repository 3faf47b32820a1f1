"""Fuse one task: read its block, let the method answer, write the whole chunks it owns."""

# Strategy.  A task is an address: a tile, a run of days, the dates they are made from.  Nothing
# large crosses the scheduler, a dead worker costs one task, and running a task again writes the
# same bytes.  Every day of a tile is a chunk of its own, so no two tasks meet in a chunk and
# writers need no lock.  The alternative, one lazy array for the whole cube, gives the scheduler
# chunks x layers nodes at once and starts over when one fails.

import time
import traceback
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.fuser import Fuser, load_fuser
from pipeline import sigma as sigmas
from pipeline.cf import FILL
from pipeline.cube import Status
from pipeline.job import Method
from pipeline.plan import PRODUCED, FuseTask
from pipeline.quality import Quality, finish
from pipeline.recipe import Recipe, load_recipe
from pipeline.references import BlockAddress, read_block
from pipeline.store import holds_sigma, write_block


class WeightsChangedError(ValueError):
    """The weights on disk are not those the plan was made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseReport:
    """What became of a task; small enough to send back and to log."""

    task: FuseTask

    fused_pixels: int = 0
    observed_pixels: int = 0
    gap_pixels: int = 0
    """Pixels of all its days that were not produced; each has its reason in ``quality``."""

    seconds_read: float = 0.0
    seconds_fuse: float = 0.0
    seconds_write: float = 0.0

    error: str | None = None
    """One line that names tile, days and what was wrong; None if all went well."""


def fuse_tile(task: FuseTask, device: str = "auto") -> FuseReport:
    """Carry out a task and report; an error is reported, never raised.

    The fuser is loaded at the first task of a process and kept.
    """
    try:
        return _fuse_tile(task, device)
    except Exception as error:
        return FuseReport(task=task, error=error_text(task, error))


def _fuse_tile(task: FuseTask, device: str) -> FuseReport:
    recipe = load_recipe(task.plan)
    job = recipe.job
    if task.status not in PRODUCED:
        return _empty(task, recipe)
    address = block_address(recipe, task)
    started = time.perf_counter()
    centre, spread = recipe.statistics
    inputs = read_block(
        job.inputs, job.grid, address, centre=centre, spread=spread, corrections=recipe.corrections
    )
    read = time.perf_counter()
    fused = None
    if inputs.block is not None:
        used = recipe.used(task.gap_class)
        fused = fuser_for(job.method.by_name(used.name), used.sha, device).fuse(inputs.block)
        fused = fused.widened(used.sigma_factor)
    answered = time.perf_counter()
    late = np.full(len(task.days), task.status is Status.PROVISIONAL)
    # Arrays of a method before are written too: what it said is not true of this one.
    sigma = holds_sigma(job.cube, recipe.bands)
    layers = finish(inputs, fused, bands=recipe.bands, provisional=late, sigma=sigma)
    tile = address.tile
    write_block(job.cube, layers, days=task.days, y=tile.y, x=tile.x)
    written = time.perf_counter()
    word = np.asarray(layers["quality"])
    return FuseReport(
        task=task,
        fused_pixels=_count(word, Quality.FUSED),
        observed_pixels=_count(word, Quality.OBSERVED),
        gap_pixels=word.size - _count(word, Quality.PRODUCED),
        seconds_read=read - started,
        seconds_fuse=answered - read,
        seconds_write=written - answered,
    )


def _empty(task: FuseTask, recipe: Recipe) -> FuseReport:
    """Make the tile-days as if nothing had ever been written: what they held is a gap now."""
    tile = recipe.job.grid.tiles[task.tile]
    shape = (len(task.days), *tile.shape)
    layers: dict[str, NDArray[Any]] = {
        band: np.full(shape, FILL, np.int16) for band in recipe.bands
    }
    layers |= {"quality": np.zeros(shape, np.uint16), "ref_age": np.full(shape, 255, np.uint8)}
    if holds_sigma(recipe.job.cube, recipe.bands):
        layers |= {sigmas.name_of(band): np.zeros(shape, np.uint16) for band in recipe.bands}
    write_block(recipe.job.cube, layers, days=task.days, y=tile.y, x=tile.x)
    return FuseReport(task=task, gap_pixels=layers["quality"].size)


def block_address(recipe: Recipe, task: FuseTask) -> BlockAddress:
    """Where and when a task reads."""
    return BlockAddress(
        tile=recipe.job.grid.tiles[task.tile],
        halo=recipe.used(task.gap_class).halo,
        days=task.days,
        bands=recipe.bands,
        before=task.before,
        after=task.after,
        series=task.series,
        gap=task.gap,
        coarse_fill_days=recipe.job.coarse_fill_days,
        own_images=recipe.job.rules.observed != "fuse",
    )


@cache
def fuser_for(method: Method, sha: str, device: str) -> Fuser:
    """The fuser of a method, loaded once per process.

    Raises WeightsChangedError if it is not the one with the identity ``sha``.
    """
    fuser = load_fuser(
        method.name,
        method.checkpoint,
        device=device,
        steps=method.steps,
        seed=method.seed,
        samples=method.samples,
    )
    if fuser.sha != sha:
        raise WeightsChangedError(
            f"the weights of {method.name} ({method.checkpoint}) are not those of the plan: "
            "they changed since it was made; run again"
        )
    return fuser


def error_text(place: object, error: BaseException) -> str:
    """An error in one line that says where: the task, and the line of ours it came from."""
    frames = list(traceback.extract_tb(error.__traceback__))
    where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{place}: {type(error).__name__}: {error}{where}"


def _count(word: NDArray[Any], bit: Quality) -> int:
    return int(np.count_nonzero(word & np.uint16(bit.value)))
