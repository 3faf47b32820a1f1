"""What is asked of an evaluation, as plain values that go to workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.card import SERIES_HALO
from model.classical.naive import NAIVE
from pipeline.job import Job
from pipeline.validate.hide import HIDE_DAYS, ONE_SIDED, Hide
from pipeline.validate.targets import Extent

ROUGHNESS_DAYS = 24
"""Three images of a fine sensor that looks every 8 days, and the days around them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealSet:
    """One of the small real sets (``pipeline.real_sets``)."""

    name: str
    folder: Path
    """Holds the folders of all of them."""

    groups: tuple[str, ...] = ()
    """Which of its groups; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFolder:
    """A scene set on disk: CIA, LGC, AHB by ``daily30 sets import``, or a region's triplets."""

    folder: Path
    split: str = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldChoice:
    """A simulated world (``model.worlds``), made when it is asked for."""

    generator: str
    seed: int
    hide_days: tuple[Hide, ...] = HIDE_DAYS

    roughness_days: int = ROUGHNESS_DAYS
    """So many days in the middle of its season are fused one after another, to see whether they
    flicker; 0: none."""

    @property
    def season(self) -> "SeasonChoice | None":
        """Those days."""
        if not self.roughness_days:
            return None
        return SeasonChoice(generator=self.generator, seed=self.seed, days=self.roughness_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonChoice:
    """Consecutive days of a simulated world."""

    generator: str
    seed: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionChoice:
    """A region whose scenes have been read; its clear dates are hidden in turn."""

    job: Job
    hide_days: tuple[Hide, ...] = HIDE_DAYS
    extent: Extent = "sample"


def group_of(hide: Hide) -> str:
    """The name of the group of scenes that hide so much."""
    return hide if hide == ONE_SIDED else f"hide {hide} days"


SetChoice = RealSet | SceneFolder | WorldChoice | SeasonChoice | RegionChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    """A row of every table."""

    method: str
    label: str
    """Unique; how the row is called."""

    checkpoint: str | None = None
    steps: int | None = None


Pictures = Literal["all", "few", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Sets, methods, and how much is drawn."""

    name: str
    sets: tuple[SetChoice, ...]
    methods: tuple[MethodChoice, ...]
    pictures: Pictures = "all"
    """``few``: one picture of each set, small enough to be kept in a repository."""


BASELINES = (*NAIVE, *SERIES_HALO)
"""What takes part in any case: formulas, and what time alone tells of the fine series."""


def with_naive(methods: tuple[MethodChoice, ...]) -> tuple[MethodChoice, ...]:
    """The methods asked for, then the baselines that were not: no table is without them."""
    asked = {one.method for one in methods}
    rest = tuple(MethodChoice(method=name, label=name) for name in BASELINES if name not in asked)
    return methods + rest
