"""The day an item belongs to: the local solar day of its ground.

Satellites of the morning and the early afternoon see a place at one solar time, far from its
midnight, so the local solar day gathers what belongs together: the rows of one Landsat pass, and
Landsat, Terra and Aqua of one daylight.  The UTC day does not: over eastern Australia a pass of
10 o'clock falls at 23:50 or at 00:10 UTC.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pystac

from catalogs.spec import CatalogError

_NAMED_DAY = re.compile(r"\.A(\d{7})\.")
_DAILY = re.compile(r"(MOD|MYD|VNP|VJ1|VJ2)09G[AQ]\.")

CROSSINGS = {
    "MOD": ((date(2020, 3, 1), 10.5), (date(2022, 10, 1), 10.25), (date(2026, 12, 1), 8.5)),
    "MYD": ((date(2021, 8, 1), 13.5), (date(2026, 8, 1), 15.75)),
    "VNP": ((date(2012, 1, 1), 13.5),),
    "VJ1": ((date(2018, 1, 1), 13.5),),
    "VJ2": ((date(2023, 1, 1), 13.5),),
}
"""Mean local solar time, in hours, at which a platform crosses the equator by day.

Constant before the first and after the last date, on a straight line between; Terra and Aqua no
longer hold their orbits.  To a quarter of an hour, from LP DAAC's notices of the drift.
"""


def nominal_day(item: pystac.Item) -> date:
    """The local solar day an item stands for: of its time, at the longitude of its centre.

    - A time of exactly midnight is a date that somebody wrote without a time; it is kept as it
      is.  So is the start of an interval of days.
    - MODIS and VIIRS ids name the day (``A2025061``); their ``datetime`` is null or the middle of
      a range that may be wrong.  The named day of a daily product is the UTC day of its passes
      (the MOD11 guide adds or takes 24 hours where the local time of a pixel leaves it), so where
      the pass falls on another UTC day than its own local one, the item moves by a day: Terra
      east of 157 E (New Zealand), Aqua and VIIRS west of 157 W.  Near these longitudes, which
      drift with the orbit, a daily tile holds passes of two local days and no rule is right for
      all of its pixels.
    - Where an item does not tell its place it is the UTC day.

    CatalogError where there is no time at all.
    """
    if named := _NAMED_DAY.search(item.id):
        day = datetime.strptime(named[1], "%Y%j").date()
        daily = _DAILY.match(item.id)
        return day + _days_from_utc(daily[1], day, _longitude(item)) if daily else day
    when = item.datetime or item.common_metadata.start_datetime
    if when is None:
        raise CatalogError(
            f"item {item.id} has neither datetime nor start_datetime, so its day is unknown"
        )
    when = when.astimezone(UTC)
    if when.time() != time():
        when += timedelta(hours=_longitude(item) / 15)
    return when.date()


def _days_from_utc(platform: str, day: date, longitude: float) -> timedelta:
    """What turns the UTC day of a platform's daylight pass into the local one."""
    hour = _crossing(CROSSINGS[platform], day) - longitude / 15
    return timedelta(days=-math.floor(hour / 24))


def _crossing(known: Sequence[tuple[date, float]], day: date) -> float:
    day = min(max(day, known[0][0]), known[-1][0])
    for (first, a), (last, b) in pairwise(known):
        if day <= last:
            return a + (b - a) * ((day - first) / (last - first))
    return known[-1][1]


def _longitude(item: pystac.Item) -> float:
    """Longitude of an item's centre, -180 to 180; 0 where it is not told, or all around the globe.

    The mean direction of the corners, so that it does not matter whether a scene across the
    antimeridian is split there, runs on beyond 180, or changes sign.
    """
    if item.geometry and item.geometry.get("type") != "GeometryCollection":
        # A ring ends where it began: its first corner must not count twice.
        places = {tuple(place[:2]) for place in _positions(item.geometry.get("coordinates") or ())}
        corners = sorted(place[0] for place in places)
        split = item.geometry["type"].startswith("Multi")
    elif item.bbox:
        corners, split = [item.bbox[0], item.bbox[len(item.bbox) // 2]], False
    else:
        return 0.0
    if not corners or (not split and abs(max(corners) - min(corners)) >= 360):
        return 0.0
    east = sum(math.cos(math.radians(corner)) for corner in corners)
    north = sum(math.sin(math.radians(corner)) for corner in corners)
    return math.degrees(math.atan2(north, east)) if math.hypot(east, north) > 1e-6 else 0.0


def _positions(coordinates: Any) -> Iterator[Sequence[float]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield coordinates
        return
    for part in coordinates:
        yield from _positions(part)
