"""When an item says it was seen, against what its name says."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from catalogs.granule import Granule
from catalogs.spec import CatalogError


def times_of(
    properties: Mapping[str, Any], named: Granule | None
) -> tuple[datetime, datetime | None]:
    """When an item was seen, or the first and last time of an interval."""
    told = {
        key: _time(properties.get(key)) for key in ("datetime", "start_datetime", "end_datetime")
    }
    if named and named.corner_m:
        # Of these the day in the name is right, and the times are of a wrong interval.
        return datetime.combine(named.day, time(), UTC), None
    when = told["datetime"] or told["start_datetime"]
    if named:
        if when and when.date() != named.day:
            raise CatalogError(f"its time is {when.isoformat()}, but its name says {named.day}")
        return when or datetime.combine(named.day, time(), UTC), None
    if when is None:
        raise CatalogError("it has neither datetime nor start_datetime, so its day is unknown")
    start, end = told["start_datetime"], told["end_datetime"]
    return (start, end) if told["datetime"] is None and start and end else (when, None)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return when if 1972 <= when.year <= 2100 else None
