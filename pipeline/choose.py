"""From what each day of one tile is made: references, the dates that fill their holes, identity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.grid import Grid, Tile
from pipeline.pairs import Bracket, Gap, bracket, fillers, reference_dates, runs
from pipeline.recipe import Recipe, digest
from pipeline.references import BlockAddress
from pipeline.survey import Survey

FILLERS = 4
"""Dates on each side that may fill the holes of a reference.

Four passes of a satellite leave few holes, and a tile-day waits no longer than for four more
passes before it is final.
"""

LONGEST = 16
"""Days of a task: its block holds that many answers in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A run of days of a tile that are made from the same images."""

    days: tuple[date, ...]

    before: tuple[date, ...]
    """The reference before, then what fills its holes, nearest to the days first."""

    after: tuple[date, ...]
    """The same after; both are empty where there is no bracket."""

    gap: Gap | None
    """Why there is no bracket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileView:
    """A survey as one tile sees it."""

    recipe: Recipe
    tile: Tile

    fine_clear: Mapping[date, float]
    coarse_known: Mapping[date, float]

    whole: frozenset[date]
    """Fine dates without a hole in the block."""

    unread: frozenset[date]
    """Days with an image of the block that could not be read, or not wholly."""

    failed: frozenset[date]
    """Days with an image of the tile itself of which nothing could be read."""

    horizon: date
    """``Survey.horizon``."""

    fine_states: Mapping[date, str]
    """What identifies the fine image of a day in the block."""

    coarse_states: Mapping[date, str]
    """What identifies the coarse image of a day, filled from the days around it."""

    def choices(self) -> Iterator[Choice]:
        """Every target day, in runs that share their images."""
        rules, clear = self.recipe.job.rules, self.clear_dates
        references = reference_dates(self.fine_clear, self.coarse_known, min_clear=rules.min_clear)
        coarse_days = {day for day, share in self.coarse_known.items() if share > 0}
        found = {
            day: bracket(
                day, references, max_span_days=rules.max_span_days, coarse_days=coarse_days
            )
            for day in self.recipe.job.days
        }
        for days in runs(found, breaks=clear, longest=LONGEST):
            pair = found[days[0]]
            if isinstance(pair, Gap):
                yield Choice(days=days, before=(), after=(), gap=pair)
            else:
                before, after = self._sides(pair, days, clear)
                yield Choice(days=days, before=before, after=after, gap=None)

    @property
    def clear_dates(self) -> tuple[date, ...]:
        """Dates on which any pixel of the tile is seen clear."""
        return tuple(day for day, share in self.fine_clear.items() if share > 0)

    def _sides(
        self, pair: Bracket, days: Sequence[date], clear: Sequence[date]
    ) -> tuple[tuple[date, ...], tuple[date, ...]]:
        if {pair.before, pair.after} <= self.whole:
            return (pair.before,), (pair.after,)
        # All dates together stay within the span: so no image outside the searched period,
        # which ends one span after the last target day, can ever matter.
        span = self.recipe.job.rules.max_span_days
        reach = timedelta(days=span)
        usable = [
            day
            for day in clear
            if pair.after - reach <= day <= pair.before + reach
            and self.coarse_known.get(day, 0) > 0
        ]
        return fillers(pair, days, usable, max_span_days=span, most=FILLERS)

    def address(self, choice: Choice, *, halo: int) -> BlockAddress:
        """Where and when to read what a choice with a bracket is made from."""
        return BlockAddress(
            tile=self.tile,
            halo=halo,
            days=choice.days,
            bands=self.recipe.bands,
            before=choice.before,
            after=choice.after,
            gap=choice.gap,
            coarse_fill_days=self.recipe.job.coarse_fill_days,
        )

    def provisional(self, choice: Choice, day: date) -> bool:
        """Whether images that are still to come, or could not be read, may change the day."""
        job, horizon = self.recipe.job, self.horizon
        window = timedelta(days=job.coarse_fill_days)
        span = timedelta(days=job.rules.max_span_days)
        if any(abs(day - other) <= span + window for other in self.unread):
            return True
        if choice.gap is not None:
            # Only the observation is there; a reference to come, or coarse cells, adds the rest.
            lacks_reference = choice.gap in (Gap.NONE_AFTER, Gap.TOO_FAR)
            return day + window + (span if lacks_reference else timedelta()) > horizon
        if max(day, *choice.after) + window > horizon:
            return True
        # Up to the span another date may come, or get its coarse image, and fill a hole.
        has_holes = not {choice.before[0], choice.after[0]} <= self.whole
        wants_more = len(choice.after) <= FILLERS
        return has_holes and wants_more and choice.before[0] + span + window > horizon

    def identity(self, choice: Choice, day: date, *, provisional: bool) -> int:
        """64 bits that stand for everything that determines the bytes of the tile-day.

        The upper half is ``Recipe.code``, what the user chose; the lower half is the data: the
        images of the day, its references and fillers, and the coarse days around each.
        """
        used = (day, *choice.before, *choice.after)
        parts = [
            self.tile.index,
            [other.toordinal() for other in used],
            len(choice.before),
            choice.gap is Gap.NO_COARSE,  # the other gaps are one bit in the cube
            provisional,
            [self.fine_states.get(other) for other in used],
            [self.coarse_states.get(other) for other in used] if choice.gap is None else None,
        ]
        return self.recipe.code << 32 | int.from_bytes(digest(parts, 4), "big")


def views(recipe: Recipe, survey: Survey) -> Iterator[TileView]:
    """The survey as each tile in turn sees it."""
    grid, horizon = recipe.job.grid, survey.horizon
    coarse_states = survey.coarse_states(recipe.job.coarse_fill_days)
    for tile in grid.tiles:
        near = _near(grid, tile, recipe.halo)
        yield TileView(
            recipe=recipe,
            tile=tile,
            fine_clear=survey.fine_shares(tile.index),
            coarse_known=survey.coarse_shares(tile.index),
            whole=survey.whole(near),
            unread=survey.unread(near),
            failed=survey.unseen(tile.index),
            horizon=horizon,
            fine_states=survey.fine_states(near),
            coarse_states=coarse_states,
        )


def _near(grid: Grid, tile: Tile, halo: int) -> list[int]:
    """Indices of the tiles that a tile with its halo touches, itself among them."""
    y, x = grid.block(tile, halo)
    cols = grid.tile_shape[1]
    return [
        row * cols + col
        for row in range(y.start // grid.tile, (y.stop - 1) // grid.tile + 1)
        for col in range(x.start // grid.tile, (x.stop - 1) // grid.tile + 1)
    ]
