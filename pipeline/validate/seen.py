"""Which fine dates the weights of a method know already: they are not scored on those.

``daily30 train-region`` writes into the card where and on which dates it trained or chose
(``training[].region``).  A stage that trained on other real images says so by its data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from catalogs import BBox
from model.card import locate, read_card
from pipeline.job import Job, Method

IN_SITE, ADAPTED, ZERO_SHOT = "in-site", "adapted", "zero-shot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What weights know of a region."""

    weights: str
    """One of the three words, "" for a method without weights."""

    dates: frozenset[date] = frozenset()


def seen_by(job: Job, method: Method) -> Seen:
    """What the weights of a method know of the job's region.  Raises CheckpointError."""
    if method.card().weights is None:
        return Seen(weights="")
    stages = read_card(locate(method.checkpoint)).get("training", [])
    regions = [stage["region"] for stage in stages if "region" in stage]
    here = [one for one in regions if _touch(job.bbox, one["bbox"])]
    if here:
        dates = frozenset(date.fromisoformat(day) for one in here for day in one["dates"])
        return Seen(weights=IN_SITE, dates=dates)
    real = regions or any(_names_scenes(stage.get("data")) for stage in stages)
    return Seen(weights=ADAPTED if real else ZERO_SHOT)


def _names_scenes(data: Any) -> bool:
    """Whether any source of a stage is a set of real scenes."""
    if isinstance(data, str):  # a region's, of before ``region`` was written
        return True
    return any("scenes" in one for one in data or () if isinstance(one, Mapping))


def _touch(a: BBox, b: BBox) -> bool:
    """Whether two boxes in degrees share ground; either may cross the antimeridian."""
    if a[3] < b[1] or b[3] < a[1]:
        return False
    return any(
        left < far_right and far_left < right
        for left, right in _spans(a)
        for far_left, far_right in _spans(b)
    )


def _spans(box: BBox) -> list[tuple[float, float]]:
    west, _, east, _ = box
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
