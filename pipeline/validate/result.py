"""What a validation came to: in a file beside the cube, in its attributes, in lines for people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from pipeline.chosen import gap_name
from pipeline.recipe import write_json
from pipeline.validate.hide import ONE_SIDED, ahead_note, class_name
from pipeline.validate.intervals import IntervalRow
from pipeline.validate.table import FLOOR, Row

FILE = "validation.json"
ATTRIBUTE = "daily30_validation"
"""Of the cube."""

HELD = "truth in the 90 % interval, on dates that chose no factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How good the methods are on a region."""

    rows: tuple[Row, ...]

    extent: str
    """How many of its dates and tiles were held out: ``sample`` or ``all``."""

    method: str
    """The region's own."""

    choice: tuple[str, ...] = ()
    """What held-out dates chose and why, ``Chosen.lines``; of ``auto`` the rows are of other
    dates."""

    intervals: tuple[IntervalRow, ...] = ()
    """How much of the truth the uncertainty holds, on dates that chose nothing."""

    until: str
    """Day of the newest fine image that was known."""

    software: str

    days_ahead: int = 0
    """Days after its own that a coarse image is made from."""

    errors: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for the attributes of the cube; what failed is no part of it."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "extent": self.extent,
            "method": self.method,
            "choice": list(self.choice),
            "intervals": [row.to_dict() for row in self.intervals],
            "until": self.until,
            "software": self.software,
            "days_ahead": self.days_ahead,
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """What ``to_dict`` wrote."""
        rows = tuple(Row.from_dict(row) for row in known["rows"])
        texts = {name: tuple(known.get(name, ())) for name in ("choice", "errors")}
        held = tuple(map(IntervalRow.from_dict, known.get("intervals", ())))
        return cls(**{**known, **texts, "rows": rows, "intervals": held})

    def write(self, inputs: Path) -> None:
        """Into the folder of the inputs, in place of the one before."""
        write_json(inputs / FILE, {**self.to_dict(), "errors": list(self.errors)})

    @classmethod
    def read(cls, inputs: Path) -> Self | None:
        """The last one written there; None where there is none."""
        path = inputs / FILE
        return cls.from_dict(json.loads(path.read_text())) if path.exists() else None

    def markdown(self) -> list[str]:
        """The scores as one short table; the report beside the cube has more."""
        if not self.rows:
            return self.lines()
        head = ("hidden", "method", "dates", "RMSE", "changed", "bias", "edge")
        return [
            f"Held-out fine dates ({self.extent}), reflectance:",
            "",
            f"| {' | '.join(head)} | - {FLOOR} |",
            "|---|---|" + "--:|" * (len(head) - 1),
            *(
                f"| {class_name(row.hide_days)} | {row.method} | {row.dates} | {row.rmse:.4f} | "
                f"{row.changed:.4f} | {row.bias:+.4f} | {row.edge:+.3f} | "
                + (f"{row.gain.low:+.4f} to {row.gain.high:+.4f} |" if row.gain else "|")
                for row in self.rows
            ),
            *self._held_markdown(),
            *(f"\n{line}" for line in (*self.notes, *self.choice)),
        ]

    def _held_markdown(self) -> list[str]:
        if not self.intervals:
            return []
        head = ("gap", "method", "dates", "factor", "stated", "written", "score", "written")
        return [
            "",
            f"{HELD}:",
            "",
            f"| {' | '.join(head)} |",
            "|---|---|" + "--:|" * (len(head) - 2),
            *(
                f"| {gap_name(row.gap)} | {row.method} | {row.dates} | {row.factor:.2f} | "
                f"{row.stated:.1%} | {row.written:.1%} | {row.score_stated:.4f} | "
                f"{row.score_written:.4f} |"
                for row in self.intervals
            ),
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the rows."""
        asked = any(row.hide_days == ONE_SIDED for row in self.rows)
        return (ahead_note(self.days_ahead),) if asked and self.days_ahead else ()

    def lines(self) -> list[str]:
        """For people: the methods of each class by their RMSE, the region's own with its gain."""
        if not self.rows:
            none = "held out: no fine date has clear references on both sides of it"
            return [none, *self.choice]
        told = [f"held-out fine dates ({self.extent}), RMSE of reflectance:"]
        for hide, group in groupby(self.rows, key=lambda row: row.hide_days):
            of_class = sorted(group, key=lambda row: row.rmse)
            told.append(
                f"  {class_name(hide)}, {of_class[0].dates} dates: "
                + ", ".join(f"{row.method} {row.rmse:.4f}" for row in of_class)
                + "".join(map(_gain, (row for row in of_class if row.method == self.method)))
            )
        return [*told, *self.held_lines, *self.notes, *self.choice]

    @property
    def held_lines(self) -> list[str]:
        """For people: how much of the truth the intervals hold; none where none is stated."""
        return [f"{HELD}:", *(row.line for row in self.intervals)] if self.intervals else []


def forget(inputs: Path) -> None:
    """No validation any more."""
    (inputs / FILE).unlink(missing_ok=True)


def report_path(cube: Path) -> Path:
    """Where the report of a cube lies."""
    return cube.with_suffix(".validation.html")


def _gain(row: Row) -> str:
    if row.gain is None or row.method == FLOOR:
        return ""
    return f"; {row.method} - {FLOOR} [{row.gain.low:+.4f}, {row.gain.high:+.4f}]"
