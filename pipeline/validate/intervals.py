"""How much of the truth the 90 % interval holds, as stated and as written: on dates that chose
nothing, for each class of gaps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Any, Self

from pipeline.chosen import Pick, gap_name
from pipeline.validate.ratios import AS_STATED, place_of
from pipeline.validate.table import Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """A class of gaps: means over its pixels and bands."""

    gap: int
    """``chosen.gap_class``."""

    method: str
    dates: int
    tiles: int
    """Tiles of all dates together."""

    factor: float
    """What the stated uncertainty is multiplied by in the cube."""

    stated: float
    """Share held by the 90 % interval as stated,"""
    written: float
    """and multiplied by the factor."""

    score_stated: float
    score_written: float
    """Interval score, reflectance, smaller is better: the width, and 20 times what lies beyond."""

    @classmethod
    def of(cls, gap: int, pick: Pick, answers: Answered) -> Self:
        """Of the answers, one or more, of the method that is picked for the class."""
        total = reduce(add, (sums.ratios for _, sums in answers))
        place = place_of(pick.used.sigma_factor)
        return cls(
            gap=gap,
            method=pick.used.name,
            dates=len({target.day for target, _ in answers}),
            tiles=len(answers),
            factor=_rounded(pick.used.sigma_factor),
            stated=_rounded(total.covered(AS_STATED) / total.stated),
            written=_rounded(total.covered(place) / total.stated),
            score_stated=_rounded(total.score(AS_STATED) / total.stated),
            score_written=_rounded(total.score(place) / total.stated),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` gives an equal row."""
        return asdict(self)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """The row that ``to_dict`` wrote."""
        return cls(**known)

    @property
    def line(self) -> str:
        """For people."""
        dates = "date" if self.dates == 1 else "dates"
        return (
            f"  {gap_name(self.gap)}, {self.dates} {dates}: holds {self.stated:.1%} as stated, "
            f"{self.written:.1%} x {self.factor:.2f}"
        )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
