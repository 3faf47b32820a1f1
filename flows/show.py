"""What a run looks like on a terminal, in a log file and in Prefect's own pages."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from pipeline.progress import Progress, RunSummary

OnProgress = Callable[["Progress"], None]

UNIT = {
    "search": "months",
    "ingest": "blocks",
    "validate": "tile-dates",
    "fuse": "tile-days",
    "cut": "triplets",
    "answer": "answers",
    "score": "scenes",
    "predict": "tiles",
    "draw": "groups",
}
"""What the stages count."""

QUIET_SECONDS = 10.0
"""Least time between two lines of the same stage where the output is no terminal."""


@contextmanager
def progress(console: Console) -> Iterator[OnProgress]:
    """A function to hand to the pipeline: bars on a terminal, now and then a line elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    bars = Bars(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]:<10} {task.fields[where]:<32}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    stages: dict[str, TaskID] = {}

    def draw(event: "Progress") -> None:
        if event.stage not in stages:
            stages[event.stage] = bars.add_task(
                event.stage, unit=UNIT.get(event.stage, ""), where=""
            )
        bars.update(
            stages[event.stage],
            total=event.total,
            completed=event.done,
            where=_where(event),
        )
        if event.error:
            lines(bars.console, (f"  {event.error}",))

    with bars:
        yield draw


class _Lines:
    """Progress as plain lines: where a stage starts and ends, and every ten seconds between."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started: dict[str, float] = {}
        self.last = 0.0

    def __call__(self, event: "Progress") -> None:
        now = time.monotonic()
        first = event.stage not in self.started
        began = self.started.setdefault(event.stage, now)
        if event.error:
            lines(self.console, (f"  {event.error}",))
        at_end = event.total > 1 and event.done >= event.total
        if not (first or at_end or now - self.last >= QUIET_SECONDS):
            return
        self.last = now
        if event.total <= 1:  # a single step: that it began is all there is to say
            lines(self.console, (event.stage,))
            return
        line = f"{event.stage}: {event.done}/{event.total} {UNIT.get(event.stage, '')}".rstrip()
        if where := _where(event):
            line += f", {where}"
        if began < now and 0 < event.done < event.total:
            left = (now - began) / event.done * (event.total - event.done)
            line += f", about {_duration(left)} left"
        lines(self.console, (line,))


def _where(event: "Progress") -> str:
    parts = []
    if event.days_total:
        parts.append(f"{event.days_done}/{event.days_total} days")
    if event.tile is not None:
        parts.append(f"tile {event.tile}")
    if event.day is not None:
        parts.append(f"{event.day}")
    if event.what:
        parts.append(event.what)
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def lines(console: Console, texts: Iterable[str]) -> None:
    """Print plain text as it is: no markup, no colours guessed, no wrapping."""
    for text in texts:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def table(console: Console, rows: Sequence[Mapping[str, object]], title: str | None = None) -> None:
    """Print rows that share their keys; numbers to the right, floats with four digits.

    As wide as it must be, terminal or not: rich's own tables cut what does not fit, and a date
    cut to "2023-0" helps nobody.
    """
    if title:
        console.print(title, style="bold", markup=False, highlight=False)
    columns = []
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        cells = [str(name), *map(_cell, values)]
        width = max(map(len, cells))
        right = all(isinstance(value, int | float) for value in values)
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    lines(console, ("  ".join(row).rstrip() for row in zip(*columns, strict=True)))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4f}"
    return "" if value is None else str(value)


def markdown(summary: "RunSummary") -> str:
    """The summary of a run, as an artifact of Prefect."""
    tile_days = sorted(summary.status.items())
    rows = [
        ("cube", f"`{summary.cube}`"),
        ("period", f"{summary.first} to {summary.last}"),
        ("days produced", f"{summary.dates_produced} of {summary.days}"),
        *((f"tile-days {name.replace('_', ' ')}", f"{count}") for name, count in tile_days),
        ("tile-days of this run", f"{summary.fused.tile_days}"),
        ("pixels fused a second and worker", f"{summary.pixels_per_second:,.0f}"),
        *((f"share of time, {name}", f"{share:.0%}") for name, share in summary.shares.items()),
    ]
    text = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)]
    if summary.validated is not None:
        text += ["", *summary.validated.markdown()]
    if summary.errors:
        text += ["", f"{len(summary.errors)} errors:", *(f"- {line}" for line in summary.errors)]
    return "\n".join(text)
