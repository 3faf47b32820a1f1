"""Which images there should be, by the orbits seen in those that are there, and which are.

A craft passes a WRS path every 16 days, so one scene of a path tells the days of all others; a
daily product should have each of its tiles every day, a composite every so many.  An image may be
missing for good (not acquired, only Tier 2) or because the catalogue lost or has not got it yet.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from catalogs import granule, nominal_day, product_of
from pipeline.ingest import Collected, Inputs

Series = tuple[str, str, str]
"""Collection, craft or product, and place: a WRS path or a tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The images of a series that should be there between its first and last day and are not."""

    series: Series
    expected: int
    days: tuple[date, ...]


def missing(collected: Collected) -> list[Missing]:
    """What each series lacks; series without a known rhythm (your own data) are left out."""
    seen: dict[Series, set[date]] = {}
    for item in collected.items:
        named = granule(item.id)
        spec = collected.specs[str(item.collection_id)]
        if named is None or product_of(spec) is None:
            continue
        place = named.place[:3] if named.place.isdigit() else named.place
        seen.setdefault((spec.name, named.product, place), set()).add(nominal_day(item))
    rhythm = {
        spec.name: product.every_days
        for spec in collected.specs.values()
        if (product := product_of(spec))
    }
    return [
        Missing(
            series=series,
            expected=len(days := list(_expected(found, rhythm[series[0]]))),
            days=tuple(day for day in days if day not in found),
        )
        for series, found in sorted(seen.items())
    ]


def _expected(found: Iterable[date], every: int) -> Iterator[date]:
    day, last = min(found), max(found)
    while day <= last:
        yield day
        day += timedelta(days=every)


def lines(inputs: Inputs) -> Iterator[str]:
    """For people: a line on each kind of image."""
    for role, collected in (("fine", inputs.fine), ("coarse", inputs.coarse)):
        series = missing(collected)
        expected = sum(one.expected for one in series)
        lost = sum(len(one.days) for one in series)
        newest = collected.days[-1] if collected.days else "none"
        told = f", {lost} of {expected} expected are missing (expected.csv)" if series else ""
        yield f"{role}: newest image {newest}{told}"


def save(folder: Path, inputs: Inputs) -> None:
    """Write ``expected.csv``: a row for each image that should be there and is not."""
    by_role: Mapping[str, Collected] = {"fine": inputs.fine, "coarse": inputs.coarse}
    with (folder / "expected.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("day", "images", "collection", "craft", "place"))
        table.writerows(
            (day.isoformat(), role, *one.series)
            for role, collected in by_role.items()
            for one in missing(collected)
            for day in one.days
        )
