"""Consecutive days of a simulated world as scenes: what shows only from one day to the next.

They are fused as a region is: from the nearest references, in runs of days that share them, and a
pixel that was seen clear on the day itself is kept as it was seen.  A day with an image of its own
is fused without it, so that all pixels of it that a cloud hid are answered as on any other day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.block import Array, Bool
from pipeline.evaluate.choices import SeasonChoice, WorldChoice
from pipeline.evaluate.worlds import PIXEL_M, WorldSource
from pipeline.real_sets import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """A stretch of days, and what both sensors saw of it."""

    days: range

    truth: Array
    """(time, band, y, x) reflectance, as ``seen`` and ``coarse``."""

    seen: Array
    """What the fine sensor saw of each day, NaN under cloud and on days without an image."""

    coarse: Array
    """(time, band, row, col), ``COARSE_PAD`` cells more on each side."""

    ratio: int

    observed: frozenset[int]
    """Steps into or out of a day with an image; step n goes from day n of ``days`` to the next."""

    pair_changes: frozenset[int]
    """Steps between days whose references differ; mostly observed ones too."""

    def kept(self, fused: Array) -> Array:
        """(time, band, y, x) an answer with the pixels that were seen as they were seen."""
        return np.where(self.clear[:, None], self.seen, fused)

    @property
    def clear(self) -> Bool:
        """(time, y, x): seen in all bands."""
        return np.asarray(np.isfinite(self.seen).all(1))


class SeasonSource(WorldSource):
    """The runs of a stretch in the middle of a world's season."""

    def __init__(self, choice: SeasonChoice) -> None:
        super().__init__(WorldChoice(generator=choice.generator, seed=choice.seed))
        self.length = choice.days

    @property
    def keys(self) -> tuple[str, ...]:
        """In the order of time."""
        return tuple(self._runs)

    def read(self, key: str) -> Scene:
        days = self._runs[key]
        return Scene(
            set=self.name,
            group="consecutive days",
            name=key,
            block=self._world.block(days),
            truth=self._world.truth[list(days)],
            bands=self.bands,
            pixel_m=PIXEL_M,
        )

    @property
    def season(self) -> Season:
        """All runs together."""
        world = self._world
        every = [day for run in self._runs.values() for day in run]
        days = range(every[0], every[-1] + 1)
        truth = world.truth[days.start : days.stop]
        seen = np.full_like(truth, np.nan)
        for day, image in zip(world.fine.days, world.fine.images, strict=True):
            if day in days:
                seen[day - days.start] = image
        steps = [(day, day + 1) for day in days[:-1]]
        return Season(
            days=days,
            truth=truth,
            seen=seen,
            coarse=world.coarse[days.start : days.stop],
            ratio=world.ratio,
            observed=frozenset(
                at for at, step in enumerate(steps) if set(step) & set(world.fine.days)
            ),
            pair_changes=frozenset(
                at for at, (a, b) in enumerate(steps) if world.bracket(a) != world.bracket(b)
            ),
        )

    @cached_property
    def _runs(self) -> dict[str, tuple[int, ...]]:
        """Days that have references on both sides, which are all between the first and the last
        reference; from their middle ``length``, or all where there are fewer."""
        runs = [block.days for block in self._world.runs()]
        every = [day for run in runs for day in run]
        skipped = max(len(every) - self.length, 0) // 2
        inside = every[skipped : skipped + self.length]

        def cut() -> Iterator[tuple[int, ...]]:
            for run in runs:
                if part := tuple(day for day in run if day in inside):
                    yield part

        return {f"days {run[0]} to {run[-1]}": run for run in cut()}
