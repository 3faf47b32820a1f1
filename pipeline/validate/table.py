"""The scores of held-out dates as rows: one a method and class of hidden days."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from statistics import median
from typing import Any, Self

import numpy as np

from pipeline.bootstrap import Interval, rmse_difference
from pipeline.validate.hide import Hide, in_order
from pipeline.validate.moments import Moments
from pipeline.validate.sums import Sums
from pipeline.validate.targets import Target

FLOOR = "anomaly"
"""What every method must beat; the gains are told against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method on the held-out dates of a class; scores are means over bands, NaN undefined."""

    hide_days: Hide
    """The class: what was hidden with the dates."""

    method: str

    weights: str
    """``in-site``, ``adapted`` or ``zero-shot``; "" for a method without weights."""

    dates: int
    tiles: int
    """Tiles of all dates together."""

    gap_days: float
    """Days to the nearer reference that was left, the median over them."""

    pixels: int
    rmse: float
    changed: float
    """RMSE of the pixels that are not what time alone predicts."""

    cc: float
    bias: float
    edge: float
    lbp: float
    """Texture: below 0 smoother than the truth, above sharper."""

    coverage: float
    """Share of the pixels within the 90 % interval that the method states."""

    gain: Interval | None
    """RMSE less that of ``anomaly`` and its 95 % interval; None where too little was seen."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: four digits that count, None for NaN."""
        known = asdict(self) | {"gain": None if self.gain is None else list(self.gain)}
        return {name: _rounded(value) for name, value in known.items()}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """The row that ``to_dict`` wrote, in its digits."""
        nan = {name: float("nan") for name in _SCORES if known[name] is None}
        gain = None if known["gain"] is None else Interval(*known["gain"])
        return cls(**{**known, **nan, "gain": gain})


_SCORES = ("gap_days", "rmse", "changed", "cc", "bias", "edge", "lbp", "coverage")

Answered = Sequence[tuple[Target, Sums]]
"""A method's answers."""


def rows(by_method: Mapping[str, Answered], weights: Mapping[str, str]) -> list[Row]:
    """Every method on the same targets of each class; ``anomaly`` is among them.

    A method that answered none of a class (its weights know the dates) has no row in it.
    """
    made = []
    classes = {target.hide for answered in by_method.values() for target, _ in answered}
    for hide in sorted(classes, key=in_order):
        of_class = {
            name: found
            for name, answered in by_method.items()
            if (found := {t.key: (t, s) for t, s in answered if t.hide == hide})
        }
        common = set.intersection(*(set(found) for found in of_class.values()))
        kept = {
            name: [pair for key, pair in found.items() if key in common]
            for name, found in of_class.items()
        }
        made += [_row(name, kept, weights.get(name, "")) for name in kept if common]
    return made


def shown(row: Row) -> dict[str, object]:
    """A row for people; columns are the same in all rows."""
    gain = row.gain
    return {
        "hidden": row.hide_days,
        "method": row.method,
        "weights": row.weights,
        "dates": row.dates,
        "tiles": row.tiles,
        "gap": f"{row.gap_days:g}",
        "rmse": row.rmse,
        "changed": row.changed,
        "cc": row.cc,
        "bias": f"{row.bias:+.4f}",
        "edge": f"{row.edge:+.2f}",
        "lbp": f"{row.lbp:+.2f}",
        "in 90 %": row.coverage,
        f"- {FLOOR}": f"[{gain.low:+.4f}, {gain.high:+.4f}]" if gain else "",
    }


def difference(ours: Answered, theirs: Answered) -> Interval | None:
    """RMSE of one method less that of another on the same targets; see ``pipeline.bootstrap``."""
    mine, other = ([one.blocks for one in by_date(side)] for side in (ours, theirs))
    return rmse_difference(mine, other)


def by_date(answered: Answered) -> list[Sums]:
    """The tiles of each date together, ascending: a date is resampled as one."""
    dates: dict[Any, list[Sums]] = {}
    for target, sums in sorted(answered, key=lambda pair: (pair[0].day, pair[0].tile)):
        dates.setdefault(target.day, []).append(sums)
    return [reduce(add, tiles) for tiles in dates.values()]


def pooled_rmse(dates: Sequence[Sums]) -> float:
    """RMSE over the pixels of all dates, mean over bands."""
    return mean(reduce(add, dates).moments, "rmse")


def mean(bands: Sequence[Moments], what: str) -> float:
    """Of a score over bands."""
    return float(np.mean([getattr(one, what) for one in bands]))


def _row(name: str, by_method: Mapping[str, Answered], weights: str) -> Row:
    answered = by_method[name]
    total = reduce(add, by_date(answered))
    return Row(
        hide_days=answered[0][0].hide,
        method=name,
        weights=weights,
        dates=len({target.day for target, _ in answered}),
        tiles=len(answered),
        gap_days=float(median(target.gap_days for target, _ in answered)),
        pixels=total.pixels,
        rmse=mean(total.moments, "rmse"),
        changed=mean(total.changed, "rmse"),
        cc=mean(total.moments, "cc"),
        bias=mean(total.moments, "bias"),
        edge=total.edge.mean,
        lbp=total.lbp.mean,
        coverage=mean(total.moments, "coverage"),
        gain=difference(answered, by_method[FLOOR]),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else float(f"{value:.4g}")
