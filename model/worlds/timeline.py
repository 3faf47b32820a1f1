"""A simulated world through a season, for evaluation: what two sensors saw, and every day's truth.

The fine sensor looks every ``EVERY`` days, through clouds; the coarse one daily, its clouds filled
in time and its flicker calmed as the product does (``model.coarse_fill``, ``model.coarse_calm``).
As there, an image of which enough was seen is a reference, and its holes are filled from the clear
dates before and after it (``model.hole_fill``).  The truth of each day is what a perfect fine
sensor would have seen everywhere.

Worlds with a seed of ``EVALUATION_SEEDS`` are for evaluation alone: a pool for training refuses
these seeds (``model.training.pool``), and this module all others.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

import numpy as np

from model.block import COARSE_PAD, Array, Block, Bool, Series
from model.coarse_calm import calm_coarse
from model.coarse_fill import fill_coarse
from model.hole_fill import Filled, fill_holes
from model.upsample import bilinear
from model.worlds import draw
from model.worlds.sensor import cloud_mask, see_coarse, see_fine
from model.worlds.spectra import BANDS
from model.worlds.world import World

Cells = Callable[[Sequence[int]], tuple[Array, Bool]]
"""The coarse images of some days, as ``Timeline.coarse``, and where they were filled."""

EVALUATION_SEEDS = range(100, 200)
"""Seeds that no training may use, of either generator."""

SIZE_PX = 192
DAYS = 129
EVERY = 8
FILL_DAYS = 8
"""How far a clouded coarse cell looks for a clear day, as by default in a region."""

FIT = 0.3
"""Least clear share of a fine image that is a reference, as by default in a region; of the others
holes and series take what is clear."""

CLOUDLESS = 0.6
CLEAR_SHARES = 0.2, 0.95
"""Share of the images of either sensor without a cloud, and the clear shares of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Days are counted from the first of the season."""

    generator: str
    seed: int
    ratio: int
    """Fine pixels along one side of a coarse cell."""

    truth: Array
    """(time, band, y, x) reflectance of every day."""

    coarse_seen: Array
    """(time, band, row, col) what the coarse sensor saw of the region's cells, NaN under cloud."""

    coarse: Array
    """(time, band, row, col) the same, calmed, clouds filled where they could be, with
    ``COARSE_PAD`` cells more on each side, repeated from the edge."""

    coarse_filled: Bool
    """(time, row, col) where they were."""

    fine: Series
    """What the fine sensor saw, NaN under cloud."""

    @classmethod
    def make(cls, generator: str, seed: int, *, size: int = SIZE_PX, days: int = DAYS) -> Self:
        """Simulate it: a function of all its arguments.

        ``size`` is cut to whole coarse cells.  Raises ValueError for a seed that training may use.
        """
        if seed not in EVALUATION_SEEDS:
            raise ValueError(
                f"seed {seed} may be that of a world for training; those of evaluation are "
                f"{EVALUATION_SEEDS.start} to {EVALUATION_SEEDS.stop - 1}"
            )
        rng = np.random.default_rng([seed, draw.GENERATORS.index(generator)])
        recipe = draw.recipe(rng, generator)
        ratio = recipe.ratio
        side = size // ratio * ratio
        world = World.make(recipe, (side, side), int(rng.integers(2**31)))
        truth = np.stack([world.reflectance(day) for day in range(days)])
        cells = np.stack([see_coarse(image, recipe.coarse, ratio, rng) for image in truth])
        cells = np.where(_clouds(rng, cells, 12)[:, None], np.float32(np.nan), cells)
        coarse, filled = _product(cells, range(days))
        seen = range(0, days, EVERY)
        images = np.stack([see_fine(truth[day], recipe.fine, rng) for day in seen])
        images = np.where(_clouds(rng, images, 90)[:, None], np.float32(np.nan), images)
        return cls(
            generator=generator,
            seed=seed,
            ratio=ratio,
            truth=truth,
            coarse_seen=cells,
            coarse=coarse,
            coarse_filled=filled,
            fine=Series(days=tuple(seen), images=images),
        )

    @property
    def bands(self) -> tuple[str, ...]:
        """In the order of every array's band axis."""
        return BANDS

    @property
    def references(self) -> tuple[int, ...]:
        """Days whose fine image is clear enough."""
        share = self.fine.clear.mean((1, 2))
        return tuple(day for day, one in zip(self.fine.days, share, strict=True) if one >= FIT)

    def bracket(self, day: int, hidden: Collection[int] = ()) -> tuple[int, int] | None:
        """The nearest references on both sides of a day that are not hidden; None if one lacks."""
        left = [one for one in self.references if one not in hidden and one != day]
        before, after = (
            [one for one in left if one < day][-1:],
            [one for one in left if one > day][:1],
        )
        return (before[0], after[0]) if before and after else None

    def near(self, day: int, days: int) -> frozenset[int]:
        """Days of the fine images up to ``days`` from a day."""
        return frozenset(one for one in self.fine.days if abs(one - day) <= days)

    def block(self, days: Sequence[int], hidden: Collection[int] = ()) -> Block:
        """What a method is given for days that share a bracket, the ``hidden`` images nowhere.

        Centre and spread are those of the images that are left.  Raises ValueError where the days
        have no bracket in common.
        """
        pairs = {self.bracket(day, hidden) for day in days}
        if len(pairs) != 1 or (pair := pairs.pop()) is None:
            raise ValueError(f"the days {list(days)} share no bracket of references")
        known = [day for day in self.fine.days if day not in hidden and day not in days]
        return self._block(
            days, pair, known, lambda at: (self.coarse[list(at)], self.coarse_filled[list(at)])
        )

    def earlier(self, day: int) -> int | None:
        """The last reference before a day."""
        return max((one for one in self.references if one < day), default=None)

    def morning(self, day: int) -> Block:
        """What was known on the morning of a day: earlier fine images, and coarse ones up to its
        own, their clouds filled and their flicker calmed by these alone.

        Raises ValueError where there is no earlier reference.
        """
        if (reference := self.earlier(day)) is None:
            raise ValueError(f"there is no reference before day {day}")
        known = [one for one in self.fine.days if one < day]
        seen = self.coarse_seen[: day + 1]
        return self._block([day], (reference, reference), known, lambda at: _product(seen, at))

    def _block(
        self,
        days: Sequence[int],
        pair: tuple[int, int],
        known: Sequence[int],
        cells: Cells,
    ) -> Block:
        """Of the fine images on the days ``known``, and what ``cells`` tells of some days."""
        images = {day: self.fine.images[self.fine.days.index(day)] for day in known}
        pixels = np.concatenate([one.reshape(len(one), -1)[:, ::7] for one in images.values()], 1)
        low, middle, high = np.nanpercentile(pixels, (25, 50, 75), 1)
        before, after = pair
        coarse, coarse_filled = cells(days)
        cells_of_pair, cells_filled = cells(pair)
        filled_before, filled_after = (self._reference(day, images, cells) for day in pair)
        return Block(
            bands=self.bands,
            fine_before=filled_before.image,
            fine_after=filled_after.image,
            coarse_before=cells_of_pair[0],
            coarse_after=cells_of_pair[1],
            coarse=coarse,
            day_before=before,
            day_after=after,
            days=tuple(days),
            ratio=self.ratio,
            origin=(0, 0),
            centre=middle.astype(np.float32),
            spread=np.maximum(high - low, 0.01).astype(np.float32),
            filled_before=filled_before.filled,
            filled_after=filled_after.filled,
            coarse_filled_before=cells_filled[0],
            coarse_filled_after=cells_filled[1],
            coarse_filled=coarse_filled,
            series=Series.of(images.items()),
        )

    def _reference(self, own: int, images: Mapping[int, Array], cells: Cells) -> Filled:
        """The image of a reference, its holes filled from the other ``images`` by day."""

        def clear(day: int) -> Bool:
            return np.asarray(np.isfinite(images[day]).all(0))

        def moved(day: int) -> Array:
            (here, there), _ = cells((own, day))
            return images[day] + bilinear(here - there, self.ratio)

        return fill_holes(images[own], own, images, clear=clear, moved=moved)

    def runs(self) -> Iterator[Block]:
        """Every day that has a bracket, in runs of consecutive days that share it.

        A day with a fine image of its own is a run by itself, for it is fused without it.
        """
        days = range(len(self.truth))

        def alike(day: int) -> tuple[tuple[int, int] | None, int | None]:
            return self.bracket(day), day if day in self.fine.days else None

        for (pair, _), run in groupby(days, key=alike):
            if pair is not None:
                yield self.block(list(run))


def _product(cells: Array, at: Sequence[int]) -> tuple[Array, Bool]:
    """What becomes of the days ``at`` of a record ``cells`` (time, band, row, col) from day 0 on,
    NaN under cloud; and where it was filled.  With ``COARSE_PAD`` cells more on each side."""
    days, around = range(len(cells)), ((0, 0), *[(COARSE_PAD, COARSE_PAD)] * 2)
    _, filled = fill_coarse(cells, days, window=FILL_DAYS)
    calmed = calm_coarse(cells, days, at=at, window=FILL_DAYS)
    return (
        np.pad(calmed, ((0, 0), *around), mode="edge"),
        np.pad(filled[list(at)], around, mode="edge"),
    )


def _clouds(rng: np.random.Generator, images: Array, size_px: float) -> Bool:
    """(time, y, x) under cloud, for ``images`` (time, band, y, x)."""
    time, _, y, x = images.shape
    clear = np.where(rng.random(time) < CLOUDLESS, 1.0, rng.uniform(*CLEAR_SHARES, time))
    return np.stack([cloud_mask(rng, (y, x), share, size_px) for share in clear])
