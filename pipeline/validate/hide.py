"""What is hidden with a held-out date, and what a region looks like without it."""

# A hidden date may be used nowhere: not as a reference, not where a hole is filled, not in the
# region's statistics, not where the coarse images are compared with the fine ones.  There is one
# door to all of that, ``Region.without``; tests/pipeline/test_leaks.py opens each other
# way and sees it caught.

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.corrections import Corrections
from pipeline.ingest import open_inputs
from pipeline.job import Job
from pipeline.statistics import Counts, DayCounts, statistics_of
from pipeline.survey import Survey

HIDE_DAYS = (0, 8, 16, 32)
"""Fine images up to so many days from a held-out date are hidden with it; one class each."""


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
        self.bands = open_inputs(job.inputs).bands
        self.counts = DayCounts(job.inputs, self.bands)

    def near(self, day: date, days: int) -> frozenset[date]:
        """The fine dates, of all paths and rows, up to ``days`` from ``day``; itself too."""
        return frozenset(one for one in self.survey.fine_days if abs((one - day).days) <= days)

    def without(self, hidden: Collection[date]) -> Blind:
        """What is known of it when the fine images of these dates are not."""
        seen = self._every - sum(self.counts.of(day) for day in hidden)
        centre, spread = statistics_of(seen)
        corrections = Corrections.blind(self.job, self.bands, without=hidden)
        return Blind(centre=centre, spread=spread, corrections=corrections)

    @cached_property
    def _every(self) -> Counts:
        return self.counts.total()
