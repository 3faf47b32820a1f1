"""What a run tells while it goes on, and when it has ended.  Plain values; no terminal here."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pipeline.additive import Additive
from pipeline.fuse import FuseReport
from pipeline.ingest import IngestReport
from pipeline.validate.result import Validation, report_path

Stage = Literal[
    "search",
    "ingest",
    "validate",
    "plan",
    "fuse",
    "publish",
    "cut",
    "answer",
    "score",
    "predict",
    "draw",
]


MOST_NOTES = 20
"""Lines on the search in a summary; all of them are in ``items.json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step forward."""

    stage: Stage

    done: int
    total: int
    """Months of catalogues while searching, scenes' blocks while ingesting, held-out dates of tiles
    while validating, tile-days while fusing, triplets while cutting, methods on scenes while
    evaluating, then scenes, tiles while a single image is predicted."""

    days_done: int = 0
    days_total: int = 0
    """Days of which nothing is left to do in this stage, and all of its days."""

    day: date | None = None
    """The last day of what has just ended."""

    tile: int | None = None

    what: str = ""
    """What has just ended, where it is neither a day nor a tile."""

    error: str | None = None
    """What failed, if it did; the run goes on."""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary(Additive):
    """What the reading of the scenes came to; summaries add up."""

    blocks: int = 0
    seconds: float = 0.0
    """Of all workers together."""
    errors: tuple[str, ...] = ()

    def add(self, report: IngestReport) -> Self:
        """With one more report."""
        seconds = report.seconds_read + report.seconds_write
        errors = () if report.error is None else (report.error,)
        return self + type(self)(blocks=1, seconds=seconds, errors=errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseSummary(Additive):
    """What fusing came to; summaries add up."""

    tile_days: int = 0
    fused_pixels: int = 0
    observed_pixels: int = 0
    gap_pixels: int = 0
    seconds_read: float = 0.0
    seconds_fuse: float = 0.0
    seconds_write: float = 0.0
    """Of all workers together."""
    errors: tuple[str, ...] = ()

    def add(self, report: FuseReport) -> Self:
        """With one more report."""
        return self + type(self)(
            tile_days=len(report.task.days),
            fused_pixels=report.fused_pixels,
            observed_pixels=report.observed_pixels,
            gap_pixels=report.gap_pixels,
            seconds_read=report.seconds_read,
            seconds_fuse=report.seconds_fuse,
            seconds_write=report.seconds_write,
            errors=() if report.error is None else (report.error,),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a cube stands after a run, and what the run did."""

    cube: Path

    first: date
    last: date
    """First and last day of the cube."""

    days: int
    dates_produced: int
    """Days of which any tile was produced."""

    status: Mapping[str, int]
    """Tile-days of the cube by the name of their status, only those there are."""

    sensors: tuple[str, ...] = ()
    """How the coarse images relate to the fine ones, for people."""

    notes: tuple[str, ...] = ()
    """Which catalogues the images are from, which items were left out, and which changed."""

    validated: Validation | None = None
    """How good the methods are on dates that were held out."""

    ingested: IngestSummary = field(default_factory=IngestSummary)
    fused: FuseSummary = field(default_factory=FuseSummary)

    @property
    def gaps(self) -> dict[str, int]:
        """Tile-days that could not be made, by reason."""
        known = ("no_coarse", "none_before", "none_after", "too_far")
        return {name: count for name, count in self.status.items() if name in known}

    @property
    def provisional(self) -> int:
        """Tile-days that images still to come may change."""
        return self.status.get("provisional", 0)

    @property
    def failed(self) -> int:
        """Tile-days that an error kept from being made; run again once it is cured."""
        return self.status.get("failed", 0)

    @property
    def errors(self) -> tuple[str, ...]:
        """Everything that failed in this run, one line each."""
        blind = () if self.validated is None else self.validated.errors
        return self.ingested.errors + blind + self.fused.errors

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.errors and not self.failed

    @property
    def pixels_per_second(self) -> float:
        """Pixels fused per second of work in the method, on one worker."""
        seconds = self.fused.seconds_fuse
        return self.fused.fused_pixels / seconds if seconds else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Share of the workers' time for each kind of work."""
        seconds = {
            "ingest": self.ingested.seconds,
            "read": self.fused.seconds_read,
            "fuse": self.fused.seconds_fuse,
            "write": self.fused.seconds_write,
        }
        total = sum(seconds.values())
        return {name: value / total if total else 0.0 for name, value in seconds.items()}

    def lines(self) -> list[str]:
        """The summary for people."""
        parts = ", ".join(f"{count} {name}" for name, count in sorted(self.status.items()))
        lines = [
            f"{self.cube}: {self.first} to {self.last}, {self.dates_produced} of {self.days} "
            "days produced",
            f"tile-days: {parts}",
            *self.sensors,
            *self.notes[:MOST_NOTES],
        ]
        if len(self.notes) > MOST_NOTES:
            lines.append(f"and {len(self.notes) - MOST_NOTES} more in items.json beside the cube")
        if self.validated is not None:
            lines += [*self.validated.lines(), f"  more in {report_path(self.cube)}"]
        if self.fused.tile_days:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
            lines.append(
                f"this run: {self.fused.tile_days} tile-days, {self.fused.fused_pixels:,} pixels "
                f"fused, {self.fused.observed_pixels:,} observed, {self.fused.gap_pixels:,} not "
                f"produced; {self.pixels_per_second:,.0f} pixels a second; {shares}"
            )
        if self.errors:
            causes = Counter(self.errors)
            lines.append(f"{len(self.errors)} errors:")
            lines += [f"  {error}" for error in list(causes)[:20]]
            if len(causes) > 20:
                lines.append(f"  and {len(causes) - 20} more")
        return lines
