"""Which images there should be, by the orbits seen in those that are there, and which are.

A craft passes a WRS path every 16 days, so one scene of a path tells the days of all others; a
daily product should have each of its tiles every day, a composite every so many.  An image may be
missing for good (not acquired, only Tier 2) or because the catalogue lost or has not got it yet.
Nothing is expected before the first image of a series, nor before the archives usually have it.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from catalogs import ENDED, granule, nominal_day, product_of
from pipeline.ingest import Collected, Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The images of one place by one craft or product."""

    name: str
    """``LC08 190``: craft or product, WRS path or tile."""

    expected: frozenset[date]
    found: frozenset[date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A row of the table."""

    day: date
    expected: int
    found: int
    """Of those expected, and any others."""

    missing: tuple[str, ...]


def series(collected: Collected, end: date, today: date | None = None) -> list[Series]:
    """What should be there up to ``end`` or ``today`` less the product's usual latency.

    ``end`` is a job's last target day: images after it may serve as references, but a catalogue
    that has none of them lacks nothing.  Those that are there are counted all the same.
    Images without a known rhythm (your own data) are left out.
    """
    today = today or datetime.now(UTC).date()
    seen: dict[tuple[str, str], set[date]] = {}
    rhythm: dict[str, tuple[int, date]] = {}
    for item in collected.items:
        named = granule(item.id)
        product = product_of(collected.specs[str(item.collection_id)])
        if named is None or product is None:
            continue
        place = named.place[:3] if named.place.isdigit() else named.place
        seen.setdefault((named.product, place), set()).add(nominal_day(item))
        last = min(end, today - timedelta(days=product.latency_days))
        rhythm[named.product] = product.every_days, min(last, ENDED.get(named.product, last))
    return [
        Series(
            name=f"{craft} {place}",
            expected=frozenset(_rhythm(found, *rhythm[craft])),
            found=frozenset(found),
        )
        for (craft, place), found in sorted(seen.items())
    ]


def _rhythm(found: Iterable[date], every: int, last: date) -> Iterator[date]:
    day, last = min(found), max(last, *found)
    while day <= last:
        yield day
        day += timedelta(days=every)


def days(some: Iterable[Series]) -> list[Day]:
    """The days on which anything is expected or found, one row each."""
    some = list(some)
    return [
        Day(
            day=day,
            expected=sum(day in one.expected for one in some),
            found=sum(day in one.found for one in some),
            missing=tuple(one.name for one in some if day in one.expected - one.found),
        )
        for day in sorted({day for one in some for day in one.expected | one.found})
    ]


def lines(inputs: Inputs, end: date, today: date | None = None) -> Iterator[str]:
    """For people: a line on each kind of image."""
    for role, collected in _roles(inputs).items():
        table = days(series(collected, end, today))
        expected = sum(row.expected for row in table)
        lost = sum(len(row.missing) for row in table)
        newest = collected.days[-1] if collected.days else "none"
        told = f", {lost} of {expected} expected are missing (expected.csv)" if table else ""
        yield f"{role}: newest image {newest}{told}"


def save(folder: Path, inputs: Inputs, end: date, today: date | None = None) -> None:
    """Write ``expected.csv``: for each day and kind, what is expected, found and missing."""
    with (folder / "expected.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("day", "images", "expected", "found", "missing"))
        table.writerows(
            (row.day.isoformat(), role, row.expected, row.found, "; ".join(row.missing))
            for role, collected in _roles(inputs).items()
            for row in days(series(collected, end, today))
        )


def _roles(inputs: Inputs) -> Mapping[str, Collected]:
    return {"fine": inputs.fine, "coarse": inputs.coarse}
