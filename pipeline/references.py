"""The images a run of days is fused from, read from the input cubes.

A reference image has holes: clouds, scene edges.  A hole is filled pixel by pixel from the
dates of the task's lists, of either side of the days: from the nearest that is clear there
before the reference and the nearest after it, each moved by the change of the coarse images, or
from the one that there is (``model.hole_fill``).  So the whole image stands for the reference's
date, and both references of a day know the same dates.  Where no date is known, the pixel is NaN
and gets its reason in the quality word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Block, Series
from model.hole_fill import NEVER, Filled, fill_holes
from model.upsample import bilinear
from pipeline.corrections import AS_SEEN, Corrections
from pipeline.cube import HIGH_AEROSOL, SNOW, WATER, day_date, day_number
from pipeline.grid import Grid, Tile
from pipeline.images import (
    Bool,
    CoarseImages,
    FineImages,
    Float,
    Window,
    open_input,
)
from pipeline.pairs import Gap
from pipeline.quality import Quality, flag

_REASONS = {Gap.NO_COARSE: Quality.NO_COARSE, Gap.OBSERVED: Quality.SKIPPED}
"""Why a pixel is missing where there is no reference; of the other gaps the quality word says only
that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockAddress:
    """Which block to read, for which days, from which dates."""

    tile: Tile
    halo: int
    """Fine pixels around the tile; rounded up to whole coarse cells and clipped to the region."""
    days: tuple[date, ...]
    """Target days, ascending."""
    bands: tuple[str, ...]
    before: tuple[date, ...]
    """The reference before the days, then dates before them that may fill holes of either."""
    after: tuple[date, ...]
    """The same after the days.  One side alone: the days are fused from a single reference."""
    series: tuple[date, ...] = ()
    """The fine images around the days, for a method that is given them (``Block.series``)."""
    gap: Gap | None = None
    """Why there is no bracket; it names the pixels that are not observed."""
    coarse_fill_days: int
    """Days within which a cloudy coarse cell is filled."""
    until: date | None = None
    """The last day whose coarse image is known, as on its own morning; None: all are."""
    own_images: bool = True
    """Whether the clear pixels of the days' own images are read, to be kept."""

    def __post_init__(self) -> None:
        if bool(self.before or self.after) == (self.gap is not None):
            raise ValueError(
                f"tile {self.tile.index}, {self.days[0]}: references before {self.before} and "
                f"after {self.after} with gap {self.gap}; give one or both sides, or a gap and "
                "neither"
            )
        if wrong := [day for day in self.before if day >= self.days[0]] + [
            day for day in self.after if day <= self.days[-1]
        ]:
            raise ValueError(
                f"tile {self.tile.index}: {', '.join(map(str, wrong))} cannot serve the days "
                f"{self.days[0]} to {self.days[-1]}; a reference lies before all of them or "
                f"after all of them, so cut the run there (pairs.runs)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInputs:
    """What a task has read.  All but ``block`` is cut to the tile, without its halo."""

    days: tuple[date, ...]
    core: Window
    """(y, x) of the tile inside the block."""
    block: Block | None
    """What a method is given; None where there is no reference."""
    observed: Float
    """(time, band, y, x) fine reflectance of the day itself, NaN where not clear."""
    clear: Bool
    """(time, y, x) where ``observed`` is known; kept as it is."""
    if_observed: NDArray[np.uint16]
    """(time, y, x) quality word of a pixel, should it be observed,"""
    if_fused: NDArray[np.uint16]
    """should it be fused,"""
    if_missing: NDArray[np.uint16]
    """should it be neither: the reason."""
    ref_age: NDArray[np.uint8]
    """(time, y, x) days to the nearer date used, at most 254; 0 observed, 255 none."""
    coarse_valid: Float
    """(time,) share of the tile's coarse cells seen clear that day."""

    @property
    def no_reference(self) -> Bool:
        """(time, y, x) where a reference stayed unknown."""
        return (self.if_missing & Quality.NO_REFERENCE) != 0

    @property
    def no_coarse(self) -> Bool:
        """(time, y, x) where the coarse cell stayed unknown."""
        return (self.if_missing & Quality.NO_COARSE) != 0


def read_block(
    inputs: Path,
    grid: Grid,
    where: BlockAddress,
    *,
    centre: Float,
    spread: Float,
    corrections: Corrections = AS_SEEN,
) -> BlockInputs:
    """Read and fill all that the days of ``where`` are made from.

    ``centre`` and ``spread`` (band,) are the region's, see ``pipeline.statistics``.  A day's
    answer does not depend on which other days are asked for with it.
    """
    tile = where.tile
    y, x = grid.block(tile, where.halo)
    root = open_input(inputs, "fine")
    fine = FineImages(root, where.bands, (y, x))
    own = FineImages(root, where.bands, (tile.y, tile.x))
    coarse = CoarseImages(
        open_input(inputs, "coarse"),
        where.bands,
        grid.coarse_window(y, x),
        fill_days=where.coarse_fill_days,
        until=where.until,
        corrections=corrections,
    )
    core = (
        slice(tile.y.start - y.start, tile.y.stop - y.start),
        slice(tile.x.start - x.start, tile.x.stop - x.start),
    )
    images = map(own.read if where.own_images else own.nothing, where.days)
    observed, clear, surface = map(np.stack, zip(*images, strict=True))
    block = None
    if_observed = _surface_bits(surface) | flag(clear, Quality.PRODUCED | Quality.OBSERVED)
    if_fused = np.zeros_like(if_observed)
    if where.gap is not None:
        reason = _REASONS.get(where.gap, Quality.NO_REFERENCE)
        if_missing = np.full_like(if_observed, reason.value)
        age = np.full(clear.shape, 255, np.uint8)
    else:
        # A single reference stands on both sides (``model.Block``).
        first, last = (where.before or where.after)[0], (where.after or where.before)[0]
        known = (*where.before, *where.after)
        coarse.fill((*where.days, first, last))
        before = after = _reference(fine, coarse, first, known, grid.ratio)
        if first != last:
            after = _reference(fine, coarse, last, known, grid.ratio)
        cells, clouds = zip(*(coarse.image(day) for day in where.days), strict=True)
        (coarse_before, cloud_before), (coarse_after, cloud_after) = (
            coarse.image(one) for one in (first, last)
        )
        block = Block(
            bands=where.bands,
            fine_before=before.image,
            fine_after=after.image,
            coarse_before=coarse_before,
            coarse_after=coarse_after,
            coarse=np.stack(cells),
            day_before=day_number(first),
            day_after=day_number(last),
            days=tuple(map(day_number, where.days)),
            ratio=grid.ratio,
            origin=grid.origin(y.start, x.start),
            centre=np.asarray(centre, np.float32),
            spread=np.asarray(spread, np.float32),
            filled_before=before.filled,
            filled_after=after.filled,
            coarse_filled_before=cloud_before,
            coarse_filled_after=cloud_after,
            coarse_filled=np.stack(clouds),
            core=core,
            series=_series(fine, where.series),
        )
        cloudy = np.stack(clouds) | cloud_before | cloud_after
        misplaced = [day_number(day) for day in corrections.misplaced]
        surfaces = {day_number(day): fine.read(day)[2] for day in _used((before, after), known)}
        if_fused, if_missing, age = _words(
            block, (before, after), surfaces, cloudy, misplaced, core
        )
        at = grid.coarse_window(tile.y, tile.x)
        poor = np.stack([coarse.poor(day, at) for day in where.days])
        poor |= coarse.poor(first, at) | coarse.poor(last, at)
        if_fused |= flag(poor.repeat(grid.ratio, 1).repeat(grid.ratio, 2), Quality.LOW_QUALITY)
    return BlockInputs(
        days=where.days,
        core=core,
        block=block,
        observed=observed,
        clear=clear,
        if_observed=if_observed,
        if_fused=if_fused,
        if_missing=if_missing,
        ref_age=np.where(clear, np.uint8(0), age),
        coarse_valid=coarse.clear_share(where.days, grid.coarse_window(tile.y, tile.x)),
    )


def _reference(
    fine: FineImages, coarse: CoarseImages, own: date, known: Sequence[date], ratio: int
) -> Filled:
    """The image of the date ``own``, its holes filled from the other ``known`` ones."""

    def clear(number: int) -> Bool:
        return fine.clear(day_date(number))

    def moved(number: int) -> Float:
        used = day_date(number)
        coarse.fill((own, used))
        change = coarse.image(own)[0] - coarse.image(used)[0]
        both = _on_pixels(np.all(np.isfinite(change), axis=0), ratio)
        return np.where(both, fine.read(used)[0] + bilinear(change, ratio), np.float32(np.nan))

    image, *_ = fine.read(own)
    dates = [day_number(day) for day in known]
    return fill_holes(image, day_number(own), dates, clear=clear, moved=moved)


def _used(references: Sequence[Filled], known: Sequence[date]) -> Iterator[date]:
    """Which of the dates made any pixel."""
    days = [days for one in references for days in (one.earlier, one.later)]
    return (one for one in known if any((used == day_number(one)).any() for used in days))


def _series(fine: FineImages, days: Sequence[date]) -> Series | None:
    if not days:
        return None
    images = np.empty((len(days), *fine.shape), np.float32)
    for target, day in zip(images, days, strict=True):
        target[...] = fine.read_once(day)
    return Series(days=tuple(map(day_number, days)), images=images)


def _words(
    block: Block,
    references: Sequence[Filled],
    surfaces: Mapping[int, NDArray[np.uint8]],
    cloudy: Bool,
    misplaced: Sequence[int],
    core: Window,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]:
    """The tile's quality words if fused and if missing, and its ``ref_age``; (time, y, x).

    ``surfaces``: the surface bits (y, x) of each date that was used.
    """
    y, x = core
    used = np.stack([days[y, x] for one in references for days in (one.earlier, one.later)])
    filled: Bool = np.any([one.filled[y, x] for one in references], axis=0)
    is_misplaced: Bool = np.any(np.isin(used, misplaced), axis=0)
    has_references: Bool = np.all(used != NEVER, axis=0)
    # The nearest dates used on both sides of the days; out of reach where there is none.
    last = np.where(used < block.days[0], used, NEVER).max(0)
    following = np.where(used > block.days[-1], used, -NEVER).min(0)
    day = np.array(block.days).reshape(-1, 1, 1)
    to_last, to_following = day - last, following - day
    one_sided: Bool = (last == NEVER) | (following == -NEVER)
    age = np.where(has_references, np.minimum(np.minimum(to_last, to_following), 254), 255)
    # Water and snow are those of the nearest date; one poor input is enough for low quality.
    near = np.where(to_last <= to_following, last, following)
    seen = np.zeros(near.shape, np.uint8)
    for number, surface in surfaces.items():
        poor = (used == number).any(0) & (surface[y, x] & HIGH_AEROSOL != 0)
        seen |= np.where(near == number, surface[y, x], np.uint8(0))
        seen |= np.where(poor, np.uint8(HIGH_AEROSOL), np.uint8(0))
    fused = (
        np.uint16(Quality.PRODUCED | Quality.FUSED)
        | _surface_bits(seen)
        | flag(one_sided, Quality.ONE_SIDED)
        | flag(filled, Quality.REFERENCE_FILLED)
        | flag(_on_pixels(cloudy, block.ratio)[:, y, x], Quality.COARSE_FILLED)
        | flag(is_misplaced, Quality.MISREGISTRATION)
    )
    cells = np.all(np.isfinite(block.coarse), axis=1)
    cells &= np.all(np.isfinite(block.coarse_before) & np.isfinite(block.coarse_after), axis=0)
    unknown = ~_on_pixels(cells, block.ratio)[:, y, x]
    missing = flag(~has_references, Quality.NO_REFERENCE) | flag(unknown, Quality.NO_COARSE)
    return fused, missing, age.astype(np.uint8)


def _on_pixels(cells: Bool, ratio: int) -> Bool:
    """(..., row, col) with ``COARSE_PAD`` cells around -> (..., y, x) of the block."""
    inner = cells[..., COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
    return inner.repeat(ratio, -2).repeat(ratio, -1)


def _surface_bits(surface: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return (
        flag((surface & WATER) != 0, Quality.WATER)
        | flag((surface & SNOW) != 0, Quality.SNOW)
        | flag((surface & HIGH_AEROSOL) != 0, Quality.LOW_QUALITY)
    )
