"""The numbers of a report with all their digits, as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

from pipeline.evaluate.result import Result
from pipeline.evaluate.roughness import RoughRow


def scores_csv(result: Result) -> str:
    """A row a group and method."""
    rows = [row for one in result.sets for group in one.groups for row in group.rows]
    marks = {one.name: one.marks for one in result.sets}
    keys = list(rows[0].values) if rows else []
    patches = [f"patch_{key}" for key in (rows[0].patches if rows else ())]
    about = ("set", "group", "method", "training", "scenes", "pixels")
    return _text(
        (*about, *keys, "gain", "gain_low", "gain_high", "better", *patches),
        (
            (
                *(row.set, row.group, row.method, marks[row.set].get(row.method, "")),
                *(row.scenes, row.pixels),
                *(row.values[key] for key in keys),
                *(row.gain or ("", "", "")),
                row.better,
                *row.patches.values(),
            )
            for row in rows
        ),
    )


def roughness_csv(result: Result) -> str:
    """A row a world and method, of the consecutive days from ``first`` to ``last``; the columns
    are those of ``roughness.RoughRow``, empty where undefined."""
    names = [one.name for one in fields(RoughRow) if one.name != "method"]
    return _text(
        ("set", "method", "training", "first", "last", *names),
        (
            (
                *(one.name, row.method, one.marks.get(row.method, "")),
                *(one.roughness.days[0], one.roughness.days[-1]),
                *(_known(asdict(row)[name]) for name in names),
            )
            for one in result.sets
            if one.roughness is not None
            for row in one.roughness.rows
        ),
    )


def _known(value: float) -> float | str:
    return value if value == value else ""


def _text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return lines.getvalue()
