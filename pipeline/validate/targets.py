"""Which dates are held out on which tiles, and from what each is fused while it is hidden.

A date is held out on every tile that saw it clear enough for a reference and that keeps
references on both sides of it (or, where the region file says ``pairs.single_pair: all``, on
one).  With the fine images of N days around it hidden, the two references may lie 2 N days
farther apart than the region's own rule allows.  One-sided, it is made as a run would have made
it that morning, by the region's own rules, if these fuse such days at all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Literal

from pipeline.choose import Choice, TileView, views
from pipeline.chosen import gap_class
from pipeline.grid import Tile
from pipeline.job import Method
from pipeline.recipe import Recipe, digest
from pipeline.references import BlockAddress
from pipeline.validate.hide import ONE_SIDED, Hide, LeakError, Region, in_order

Extent = Literal["none", "sample", "all"]
"""How much is held out."""

SAMPLE_DATES = 4
SAMPLE_TILES = 2
"""Of a sample: dates of each class of hidden days, and tiles of each date."""

_FORMAT = 2
"""Raised when the same target is fused or scored in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A held-out date on one tile, and what it is fused from."""

    address: BlockAddress
    """With no halo, and with the series that some methods are given."""

    hide: Hide
    """What is hidden with it."""

    hidden: frozenset[date]
    """All fine dates that it may not know."""

    key: str
    """Stands for all that determines the answer of a method: images, dates, settings.

    Not the region's statistics, which every night's scenes move by a little: an answer is kept
    as it was first given, as a cube keeps the statistics of its first plan.
    """

    series_key: str
    """The same for a method that is given the series, which every new image changes."""

    def __post_init__(self) -> None:
        used = {*self.address.before, *self.address.after, *self.address.series}
        if leaked := used & self.hidden or {self.day} - self.hidden:
            raise LeakError(f"{self}: {', '.join(map(str, sorted(leaked)))} is hidden, not used")
        if self.hide == ONE_SIDED and (self.address.until != self.day or max(used) > self.day):
            raise LeakError(f"{self}: on its morning no later day is known, of neither sensor")

    def __str__(self) -> str:
        return f"held-out {self.day} on tile {self.tile}"

    @property
    def day(self) -> date:
        return self.address.days[0]

    @property
    def tile(self) -> int:
        return self.address.tile.index

    @property
    def gap_days(self) -> int:
        """Days to the nearer reference."""
        return min(abs((self.day - side[0]).days) for side in self._sides)

    @property
    def gap_class(self) -> int:
        """``chosen.gap_class``."""
        return gap_class(self.gap_days, one_sided=len(self._sides) == 1)

    @property
    def _sides(self) -> list[tuple[date, ...]]:
        return [side for side in (self.address.before, self.address.after) if side]


def targets(
    region: Region,
    *,
    hide: Sequence[Hide],
    extent: Extent,
    dates: Collection[date] | None = None,
    besides: Iterable[date] = (),
    fits: Callable[[Target], bool] = lambda target: True,
) -> list[Target]:
    """All targets of a region, or a sample of them.

    ``dates``: only these.  ``besides``: the images around these dates are hidden from every
    target too, those a target of the same class would hide.  ``fits``: only targets of which it is
    true.  A sample is drawn by the dates' and tiles' own names, so an image that comes later moves
    one date of it at most.
    """
    job, others = region.job, tuple(besides)
    inside = [day for day in region.survey.fine_days if job.start <= day <= job.end]
    wanted = [day for day in inside if dates is None or day in dates]
    if extent == "sample":
        wanted.sort(key=_lot)
    tiles = SAMPLE_TILES if extent == "sample" else None
    found = []
    for one in hide:
        beside = frozenset[date]().union(*(region.hidden(day, one) for day in others))
        taken = 0
        for day in wanted:
            of_day = list(filter(fits, islice(_of_day(region, day, one, beside, extent), tiles)))
            found += of_day
            taken += bool(of_day)
            if extent == "sample" and taken == SAMPLE_DATES:
                break
    return sorted(found, key=lambda one: (in_order(one.hide), one.day, one.tile))


def _of_day(
    region: Region, day: date, hide: Hide, beside: frozenset[date], extent: Extent
) -> Iterator[Target]:
    job, survey = region.job, region.survey
    seen = survey.fine_clear[survey.fine_days.index(day)] >= job.rules.min_clear
    tiles = [tile for tile in job.grid.tiles if seen[tile.index]]
    if not tiles:
        return
    if extent == "sample":
        tiles.sort(key=lambda tile: _lot(day, tile.index))
    hidden = region.hidden(day, hide) | beside
    # Of what is yet to come on a morning it does not matter which it will be.
    listed = {one for one in hidden if one <= day} if hide == ONE_SIDED else hidden
    marks = [ONE_SIDED] if hide == ONE_SIDED else []
    for view, choice in _choices(region, day, tiles, hidden, hide):
        alone = replace(choice, made_from=replace(choice.made_from, series=()))
        parts = [_FORMAT, view.tile.index, sorted(map(str, listed)), *marks]
        key, series_key = (
            digest([*parts, view.identity(one, day, provisional=False)], 12).hex()
            for one in (alone, choice)
        )
        until = day if hide == ONE_SIDED else None
        yield Target(
            address=replace(view.address(choice, halo=0), until=until),
            hide=hide,
            hidden=hidden,
            key=key,
            series_key=series_key,
        )


def _choices(
    region: Region, day: date, tiles: Sequence[Tile], hidden: frozenset[date], hide: Hide
) -> Iterator[tuple[TileView, Choice]]:
    """What each tile that has a bracket that day is made from."""
    # Only the choice of dates is asked of this recipe, which no statistics enter.  Days fused from
    # one side are harder, and would blur what the others are worth: they are a class of their own.
    job, rules = region.job, region.job.rules
    if hide != ONE_SIDED:
        rules = replace(rules, max_span_days=rules.max_span_days + 2 * hide)
        if rules.single_pair == "mixed":
            rules = replace(rules, single_pair="ignore")
    method = Method(name="linear", checkpoint=None)
    alone = replace(job, start=day, end=day, rules=rules, method=method)
    recipe = Recipe(
        job=alone, bands=region.bands, halo=region.halo, sha="", series=True, centre=(), spread=()
    )
    survey = region.survey_of(day, hide, hidden)
    if not survey.coarse_prints:
        return  # a morning before the first coarse image
    for view in views(recipe, survey, tiles):
        for choice in view.choices():
            if choice.gap is None:
                yield view, choice


def _lot(day: date, tile: int = 0) -> str:
    """A number drawn by name: the same in every run, and no two dates in the order of time."""
    return digest([day.isoformat(), tile], 8).hex()
