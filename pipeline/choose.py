"""From what each day of one tile is made: references, the dates that fill their holes, identity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

from pipeline.chosen import Used, gap_class
from pipeline.grid import Grid, Tile
from pipeline.job import PairRules
from pipeline.pairs import (
    SCORE,
    Candidate,
    Gap,
    bracket,
    fillers,
    reference_dates,
    runs,
)
from pipeline.recipe import Recipe, digest
from pipeline.references import BlockAddress
from pipeline.survey import Survey

LONGEST = 16
"""Days of a task: its block holds that many answers in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """The images a day of a tile is made from."""

    before: tuple[date, ...] = ()
    """The reference before, then the dates before that may fill holes of either, ascending."""

    after: tuple[date, ...] = ()
    """The same after.  One side alone: the day is fused from a single reference."""

    series: tuple[date, ...] = ()
    """For a method that is given it, every fine image within ``max_span_days``, ascending."""

    gap: Gap | None = None
    """Why there is no reference on either side."""

    def gap_class(self, day: date) -> int | None:
        """``chosen.gap_class`` of ``day``; None without a reference."""
        sides = [side[0] for side in (self.before, self.after) if side]
        if not sides:
            return None
        nearer = min(abs((day - one).days) for one in sides)
        return gap_class(nearer, one_sided=len(sides) == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A run of days of a tile that are made from the same images."""

    days: tuple[date, ...]
    made_from: MadeFrom

    @property
    def before(self) -> tuple[date, ...]:
        """See ``MadeFrom``."""
        return self.made_from.before

    @property
    def after(self) -> tuple[date, ...]:
        """See ``MadeFrom``."""
        return self.made_from.after

    @property
    def series(self) -> tuple[date, ...]:
        """See ``MadeFrom``."""
        return self.made_from.series

    @property
    def gap(self) -> Gap | None:
        """See ``MadeFrom``."""
        return self.made_from.gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of a tile that its days choose from."""

    rules: PairRules

    clear: tuple[Candidate, ...]
    """Those with any clear pixel and any coarse cell, ascending: they may fill holes."""

    references: tuple[Candidate, ...]
    """Those fit to be a reference, ascending."""

    series: tuple[date, ...]
    """Those with any clear pixel, ascending, if the method is given them; else none."""

    coarse_days: frozenset[date]
    """Days on which any coarse cell is known."""

    whole: frozenset[date]
    """Fine dates without a hole in the block."""

    enough: frozenset[date]
    """Days whose own image is all that is asked for."""

    def chosen(self, day: date) -> MadeFrom:
        """What a day is made from; it depends on no other day's."""
        if day in self.enough:
            return MadeFrom(gap=Gap.OBSERVED)
        span = self.rules.max_span_days
        found = bracket(
            day,
            self.references,
            max_span_days=span,
            coarse_days=self.coarse_days,
            single_pair=self.rules.single_pair,
        )
        if isinstance(found, Gap):
            return MadeFrom(gap=found)
        holes = not self.whole.issuperset(found.dates)
        usable = self.clear if holes else ()
        before, after = fillers(found, day, usable, max_span_days=span)
        # By the same reach as the references: an image farther away never matters to a day.  Its
        # own is left out, for its pixels are observed.
        reach = timedelta(days=span)
        series = tuple(one for one in self.series if one != day and abs(one - day) <= reach)
        return MadeFrom(before=before, after=after, series=series)


@dataclass(frozen=True, kw_only=True)
class TileView:
    """A survey as one tile sees it."""

    recipe: Recipe
    tile: Tile

    fine_clear: Mapping[date, float]
    cloud_distance: Mapping[date, float]
    coarse_known: Mapping[date, float]

    whole: frozenset[date]
    """Fine dates without a hole in the block."""

    unread: frozenset[date]
    """Days with an image of the block that could not be read, or not wholly."""

    unmeasured: frozenset[date]
    """Days whose coarse image may yet be found to lie elsewhere than it is taken to lie."""

    failed: frozenset[date]
    """Days with an image of the tile itself of which nothing could be read."""

    horizon: date
    """``Survey.horizon``."""

    fine_states: Mapping[date, str]
    """What identifies the fine image of a day in the block."""

    coarse_states: Mapping[date, str]
    """What identifies the coarse image of a day, filled from the days around it."""

    def choices(self) -> Iterator[Choice]:
        """Every target day, in runs that share their images and their method."""
        found = {day: self.chosen(day) for day in self.recipe.job.days}
        used = {day: self.recipe.used(made.gap_class(day)) for day, made in found.items()}
        for days in runs({day: (found[day], used[day]) for day in found}, longest=LONGEST):
            yield Choice(days=days, made_from=found[days[0]])

    def chosen(self, day: date) -> MadeFrom:
        """What a day is made from, of the images there are; no more than its method is given."""
        made = self.images.chosen(day)
        wants = self.recipe.used(made.gap_class(day)).series
        return made if wants else replace(made, series=())

    def used(self, choice: Choice) -> Used:
        """What makes the days of a run."""
        return self.recipe.used(choice.made_from.gap_class(choice.days[0]))

    @cached_property
    def images(self) -> Images:
        """What there is to choose from."""
        return self._images(self.coarse_known, ())

    @cached_property
    def _images_to_come(self) -> Images:
        # The best that can still happen: the last fine images, which wait for coarse ones around
        # them, get them, and the day after the horizon brings a cloudless image.  One that comes
        # later costs more and reaches less far back, one under cloud costs more: whatever this
        # world does not choose, no world to come will.
        window = timedelta(days=self.recipe.job.coarse_fill_days)
        waiting = {day: 1.0 for day in self.fine_clear if self.horizon - window < day}
        best = Candidate(
            day=self.horizon + timedelta(days=1), clear=1.0, cloud_distance=SCORE.cloud_reach_m
        )
        return self._images({**self.coarse_known, **waiting}, (best,))

    def _images(self, coarse_known: Mapping[date, float], imagined: Sequence[Candidate]) -> Images:
        rules, shares = self.recipe.job.rules, self.fine_clear
        days = reference_dates(shares, coarse_known, min_clear=rules.min_clear)
        taken = {one.day for one in imagined}
        clear = [self.candidate(day) for day, share in shares.items() if share and day not in taken]
        candidates = sorted([*clear, *imagined], key=lambda one: one.day)
        fit = taken.union(days)
        return Images(
            rules=rules,
            clear=tuple(one for one in candidates if one.day in taken or coarse_known.get(one.day)),
            references=tuple(one for one in candidates if one.day in fit),
            series=tuple(one.day for one in candidates) if self.recipe.series else (),
            coarse_days=frozenset(day for day, share in self.coarse_known.items() if share),
            whole=self.whole,
            enough=frozenset(day for day, share in shares.items() if self._is_enough(share)),
        )

    def _is_enough(self, share: float) -> bool:
        rules = self.recipe.job.rules
        return rules.observed == "skip" and share >= rules.min_clear

    def candidate(self, day: date) -> Candidate:
        """A fine day as one to choose."""
        return Candidate(
            day=day, clear=self.fine_clear[day], cloud_distance=self.cloud_distance[day]
        )

    def address(self, choice: Choice, *, halo: int) -> BlockAddress:
        """Where and when to read what a choice with a bracket is made from."""
        return BlockAddress(
            tile=self.tile,
            halo=halo,
            days=choice.days,
            bands=self.recipe.bands,
            before=choice.before,
            after=choice.after,
            series=choice.series,
            gap=choice.gap,
            coarse_fill_days=self.recipe.job.coarse_fill_days,
        )

    def kept(self, day: date) -> bool:
        """Whether pixels of the day's own image are written."""
        return bool(self.fine_clear.get(day)) and self.recipe.job.rules.observed != "fuse"

    def provisional(self, choice: Choice, day: date) -> bool:
        """Whether images that are still to come, or could not be read, may change the day."""
        job = self.recipe.job
        window = timedelta(days=job.coarse_fill_days)
        reach = timedelta(days=job.rules.max_span_days) + window
        if any(abs(day - other) <= reach for other in self.unread):
            return True
        if choice.gap is None and any(
            abs(used - other) <= window
            for other in self.unmeasured
            for used in (day, *choice.before, *choice.after)
        ):
            return True
        if choice.gap is Gap.OBSERVED:
            return day > self.horizon
        if day + reach < self.horizon:
            return False
        if max((day, *choice.after)) + window > self.horizon:
            return True
        if choice.series and day + timedelta(days=job.rules.max_span_days) > self.horizon:
            return True  # any image with a clear pixel would join the series
        to_come = self._images_to_come.chosen(day)
        # Two reasons for a gap are the same bytes (``identity``), but for coarse cells, and those
        # of the day are all there by now.
        return (to_come.before, to_come.after) != (choice.before, choice.after)

    def identity(self, choice: Choice, day: date, *, provisional: bool) -> int:
        """64 bits that stand for everything that determines the bytes of the tile-day.

        The upper half is ``Recipe.code_of`` the method, what the user chose; the lower half is
        the data: the images of the day, its references and fillers, and the coarse days around
        each; and the series of a method that is given it.
        """
        used = (day, *choice.before, *choice.after)
        fine = [self.fine_states.get(other) for other in used]
        parts = [
            self.tile.index,
            [other.toordinal() for other in used],
            len(choice.before),
            # The other gaps are one bit in the cube.
            choice.gap if choice.gap in (Gap.NO_COARSE, Gap.OBSERVED) else None,
            provisional,
            fine if self.kept(day) or not self.fine_clear.get(day) else ["replaced", *fine[1:]],
            [self.coarse_states.get(other) for other in used] if choice.gap is None else None,
        ]
        if choice.series:
            parts.append([[day.toordinal(), self.fine_states.get(day)] for day in choice.series])
        code = self.recipe.code_of(self.used(choice))
        return code << 32 | int.from_bytes(digest(parts, 4), "big")


def views(
    recipe: Recipe, survey: Survey, tiles: Sequence[Tile] | None = None
) -> Iterator[TileView]:
    """The survey as each tile in turn sees it; ``tiles``: only these, in this order."""
    grid, horizon = recipe.job.grid, survey.horizon
    coarse_states = survey.coarse_states(recipe.job.coarse_fill_days, recipe.corrections)
    unmeasured = survey.unmeasured if recipe.job.coregister != "none" else frozenset()
    for tile in grid.tiles if tiles is None else tiles:
        near = _near(grid, tile, recipe.halo)
        yield TileView(
            recipe=recipe,
            tile=tile,
            fine_clear=survey.fine_shares(tile.index),
            cloud_distance=survey.cloud_distances(tile.index),
            coarse_known=survey.coarse_shares(tile.index),
            whole=survey.whole(near),
            unread=survey.unread(near),
            unmeasured=unmeasured,
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
