"""What is hidden with a held-out date, and what a region looks like without it."""

# A hidden date may be used nowhere: not as a reference, not where a hole is filled, not in the
# region's statistics, not where the coarse images are compared with the fine ones.  There is one
# door to all of that, ``Region.without``; tests/pipeline/test_leaks.py opens each other
# way and sees it caught.

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.coarse_share import coarse_share
from pipeline.corrections import Corrections
from pipeline.ingest import open_inputs
from pipeline.job import Job
from pipeline.statistics import Counts, DayCounts, statistics_of
from pipeline.survey import Survey

Hide = int | Literal["one-sided"]
"""What is hidden with a held-out date.  A number: fine images up to so many days from it.
"one-sided": all later images of both sensors, that is what a run did not know on the morning of
the day: such a day is fused from one side, its coarse clouds are filled from the days before."""

ONE_SIDED: Literal["one-sided"] = "one-sided"

HIDE_DAYS = (0, 8, 16, 32)
HIDE: tuple[Hide, ...] = (*HIDE_DAYS, ONE_SIDED)
"""A class of scores each, in the order of ``chosen.gap_class``: those hidden alone stand for the
shortest gaps, and so on."""


def in_order(hide: Hide) -> float:
    """A key to sort classes by: the days hidden, then those of one side."""
    return math.inf if hide == ONE_SIDED else hide


def read_hide(text: str) -> Hide:
    """Of a number or the word.  Raises ValueError, with the cure."""
    if text == ONE_SIDED:
        return ONE_SIDED
    if text.isdecimal():
        return int(text)
    raise ValueError(f"{text!r} is no number of days to hide such as 8, nor {ONE_SIDED}")


def class_name(hide: Hide) -> str:
    """A class in words."""
    if hide == ONE_SIDED:
        return "one-sided, as on the morning of the day"
    return f"{hide} days around hidden" if hide else "own date hidden"


def ahead_note(days: int) -> str:
    """What is to be said of one-sided dates where coarse images are made from ``days`` after their
    own too; "" where they are not."""
    if not days:
        return ""
    return (
        f"one-sided dates are told as they were known {days} days after their morning: so far "
        "ahead look the coarse images, which nobody has earlier"
    )


class LeakError(RuntimeError):
    """A hidden date was about to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """What pixels of other dates tell of a region, some fine dates never seen."""

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    corrections: Corrections


class Region:
    """The images of a job, with any of its fine dates hidden.

    ``halo``: fine pixels around a tile that the widest of the methods asked wants to see; the
    job's own method alone is asked where none is given.
    """

    def __init__(self, job: Job, halo: int | None = None) -> None:
        self.job = job
        self.halo = job.method.card().halo if halo is None else halo
        self.survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
        inputs = open_inputs(job.inputs)
        self.bands = inputs.bands
        self.days_ahead = max(spec.days_ahead for spec in inputs.coarse.specs.values())
        self.counts = DayCounts(job.inputs, self.bands)

    def hidden(self, day: date, hide: Hide) -> frozenset[date]:
        """The fine dates, of all paths and rows, that are hidden with ``day``; itself too."""
        every = self.survey.fine_days
        if hide == ONE_SIDED:
            return frozenset(one for one in every if one >= day)
        return frozenset(one for one in every if abs((one - day).days) <= hide)

    def survey_of(self, day: date, hide: Hide, hidden: Collection[date]) -> Survey:
        """What there is to make ``day`` from."""
        survey, job = self.survey, self.job
        if hide == ONE_SIDED:
            cells = [job.grid.coarse_window(tile.y, tile.x) for tile in job.grid.tiles]
            end = coarse_share(job.inputs, cells, coarse_fill_days=job.coarse_fill_days, until=day)
            survey = survey.until(day, end)
        return survey.without(hidden)

    def without(self, hidden: Collection[date]) -> Blind:
        """What is known of it when the fine images of these dates are not."""
        seen = self._every - sum(self.counts.of(day) for day in hidden)
        centre, spread = statistics_of(seen)
        corrections = Corrections.blind(self.job, self.bands, without=hidden)
        return Blind(centre=centre, spread=spread, corrections=corrections)

    @cached_property
    def _every(self) -> Counts:
        return self.counts.total()
