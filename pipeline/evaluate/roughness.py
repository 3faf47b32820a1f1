"""Does a fused season flicker, and does it jump where its images change?  Held against the truth.

All methods stand on the same pixels, as everywhere: those that every method answered, and those
that were seen and kept (``season.Season.kept``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.block import Array
from model.metrics.roughness import jump, roughness
from pipeline.evaluate.answers import AnswerTask
from pipeline.evaluate.code import score_code
from pipeline.evaluate.season import Season, SeasonSource
from pipeline.evaluate.sets import open_source
from pipeline.evaluate.store import fingerprint, read_if, slug, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonTask:
    """The address of the roughness of all methods on a season."""

    answers: tuple[tuple[AnswerTask, ...], ...]
    """Of every method, at least one: its answers to all runs, in the order of time; each has been
    made."""

    def __str__(self) -> str:
        return f"roughness on {self._first.set}"

    @property
    def identity(self) -> str:
        # Of all answers together: a pixel that one of them leaves out is taken from all.
        every = [(one.method.label, one.identity) for each in self.answers for one in each]
        return fingerprint(every, score_code())

    @property
    def season(self) -> Season:
        """What is fused."""
        source = open_source(self._first.choice)
        assert isinstance(source, SeasonSource)
        return source.season

    def known(self, folder: Path) -> dict[str, Any] | None:
        """What ``score_season`` found, if it is there."""
        return read_if(self._path(folder), self.identity)

    def fused(self, folder: Path) -> Iterator[tuple[str, Array]]:
        """Each method's label and answers, (time, band, y, x) day after day."""
        for each in self.answers:
            yield each[0].method.label, np.concatenate([one.answer(folder) for one in each])

    @property
    def _first(self) -> AnswerTask:
        return self.answers[0][0]

    def _path(self, folder: Path) -> Path:
        name = f"season, {self._first.scene} to {self.answers[0][-1].scene}"
        return folder / "scores" / slug(self._first.set) / f"{slug(name)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoughRow:
    """A method on a season; means over bands, NaN where there is nothing to compare."""

    method: str

    bends: float
    """RMS of the second differences in time over that of the truth."""

    steps: float
    """RMSE of the change from one day to the next, reflectance."""

    observed: float
    """How much more a step into or out of a day with an image is wrong than those beside it,"""

    pair: float
    """and one between days of other references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """All methods on a season."""

    days: range
    rows: tuple[RoughRow, ...]
    """In the order of the methods."""


def score_season(task: SeasonTask, *, folder: Path) -> None:
    """Score the answers, one method at a time in memory, and keep the scores."""
    season = task.season
    answered = np.ones(season.clear.shape, np.bool_)
    for _, fused in task.fused(folder):
        answered &= np.isfinite(fused).all(1)
    truth = np.where((answered | season.clear)[:, None], season.truth, np.float32(np.nan))
    scores = {}
    for label, answer in task.fused(folder):
        fused = season.kept(answer)
        rough = roughness(fused, truth)
        scores[label] = {
            "bends": float(np.mean(rough.bends)),
            "steps": float(np.mean(rough.steps)),
            "observed": float(np.mean(jump(fused, truth, season.observed))),
            "pair": float(np.mean(jump(fused, truth, season.pair_changes))),
        }
    known = {"days": [season.days[0], season.days[-1]], "scores": scores}
    write_whole(task._path(folder), {"identity": task.identity, **known})


def read_roughness(known: Mapping[str, Any]) -> Roughness:
    """What ``score_season`` has kept."""
    first, last = known["days"]
    rows = (
        RoughRow(method=label, **{key: _number(one) for key, one in values.items()})
        for label, values in known["scores"].items()
    )
    return Roughness(days=range(first, last + 1), rows=tuple(rows))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
