"""Which dates of a region may train, choose and test a network, and what windows see of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.choose import TileView
from pipeline.coarse_share import coarse_share
from pipeline.cube import day_date
from pipeline.grid import Tile
from pipeline.images import day_axis, open_input, read_array
from pipeline.ingest import open_inputs
from pipeline.job import Job, JobError
from pipeline.mask import clearness
from pipeline.pairs import SCORE
from pipeline.recipe import Recipe
from pipeline.references import BlockAddress
from pipeline.survey import Survey

_HELD_OUT = 0.1
"""Share of the possible target dates that each of validation and test takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DateSplit:
    """Which fine dates may be used for what."""

    usable: tuple[date, ...]
    """Dates that training may see in any part: as target, reference, filling or in statistics."""

    validation: tuple[date, ...]
    test: tuple[date, ...]

    def targets(self, split: str) -> tuple[date, ...]:
        """Target dates of a split."""
        return {"train": self.usable, "validation": self.validation, "test": self.test}[split]


def split_dates(
    candidates: Sequence[date],
    fine_days: Sequence[date],
    hidden: Collection[date],
    guard_days: int,
) -> DateSplit:
    """Hold out a tenth of the ``candidates`` for validation and a tenth for a test, at least one
    each, evenly over time; of fewer than four there is no test.  Raises JobError for one alone."""
    if len(candidates) < 2:
        raise JobError(
            f"{len(candidates)} of {len(fine_days)} fine dates have clear references on both "
            "sides; training needs one and validation another. Use a longer period, a larger "
            "pairs.max_span_days or a smaller pairs.min_clear"
        )
    each = max(1, round(_HELD_OUT * len(candidates)))
    count = each if len(candidates) < 4 else 2 * each
    held = [candidates[(2 * n + 1) * len(candidates) // (2 * count)] for n in range(count)]
    validation = tuple(held if len(candidates) < 4 else held[::2])
    test = tuple(day for day in held if day not in validation)
    away = {*held, *hidden}
    usable = tuple(
        day for day in fine_days if all(abs((day - far).days) > guard_days for far in away)
    )
    return DateSplit(usable=usable, validation=validation, test=test)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDates:
    """What each window sees clear on each date."""

    job: Job
    bands: tuple[str, ...]
    windows: tuple[Tile, ...]
    fine_days: tuple[date, ...]
    fine_clear: NDArray[np.float32]
    """(time, window) share of the pixels."""

    cloud_distance: NDArray[np.float32]
    """(time, window) metres from the clear pixels to the others, see ``mask.clearness``."""

    coarse: tuple[Mapping[date, float], ...]
    """Of each window the share of its coarse cells that are known on each day."""

    @classmethod
    def of(cls, job: Job, parts: tuple[Tile, ...]) -> Self:
        """From the masks of the input cubes.  Raises NotIngestedError."""
        survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
        root = open_input(job.inputs, "fine")
        seen = np.zeros((len(survey.fine_days), len(parts), 2), np.float32)
        step = job.grid.fine.resolution
        windows, pixel_m = [(part.y, part.x) for part in parts], (abs(step.y), abs(step.x))
        for place, done in enumerate(survey.fine_done):
            clear = read_array(root, "clear", place) != 0
            for tile in job.grid.tiles:
                if not done[tile.index]:  # an image that could not be read, or not yet
                    clear[tile.y, tile.x] = False
            if clear.any():
                seen[place] = clearness(clear, windows, pixel_m, SCORE.cloud_reach_m)
        cells = [job.grid.coarse_window(part.y, part.x) for part in parts]
        share = coarse_share(job.inputs, cells, coarse_fill_days=job.coarse_fill_days)
        return cls(
            job=job,
            bands=open_inputs(job.inputs).bands,
            windows=parts,
            fine_days=tuple(map(day_date, day_axis(root))),
            fine_clear=seen[..., 0],
            cloud_distance=seen[..., 1],
            coarse=tuple(
                dict(zip(share.days, of_window, strict=True))
                for of_window in share.known.T.tolist()
            ),
        )

    def candidates(self, hidden: Collection[date]) -> list[date]:
        """Dates that can be a target of some window, with all dates but the hidden to help."""
        known = [day for day in self.fine_days if day not in hidden]
        return [day for day in known if any(True for _ in self.addresses(day, known))]

    def addresses(self, target: date, helpers: Collection[date]) -> Iterator[BlockAddress]:
        """The blocks of a target, made from ``helpers`` other than itself."""
        # Only the choice of dates is asked of this recipe, which no statistics enter.  Training
        # wants both sides, whatever days the region fuses.
        rules = replace(self.job.rules, single_pair="ignore", observed="keep")
        recipe = Recipe(
            job=replace(self.job, start=target, end=target, rules=rules),
            bands=self.bands,
            halo=0,
            sha="",
            centre=(),
            spread=(),
        )
        at = self.fine_days.index(target)
        for window, coarse in zip(self.windows, self.coarse, strict=True):
            if not self.fine_clear[at, window.index]:
                continue
            away = self.cloud_distance[:, window.index]
            clear = {
                day: float(share)
                for day, share in zip(self.fine_days, self.fine_clear[:, window.index], strict=True)
                if day in helpers and day != target
            }
            view = TileView(
                recipe=recipe,
                tile=window,
                fine_clear=clear,
                cloud_distance=dict(zip(self.fine_days, away.tolist(), strict=True)),
                coarse_known=coarse,
                whole=frozenset(day for day, share in clear.items() if share == 1),
                unread=frozenset(),
                unmeasured=frozenset(),
                failed=frozenset(),
                horizon=target,
                fine_states={},
                coarse_states={},
            )
            for choice in view.choices():
                if choice.gap is None:
                    yield view.address(choice, halo=0)
