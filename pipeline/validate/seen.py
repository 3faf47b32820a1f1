"""Which fine dates the weights of a method know already: they are not scored on those.

``daily30 train-region`` writes into the card where and on which dates it trained or chose
(``training[].region``).  Weights that saw nothing of a region are zero-shot; that went on with it
after other data, as those of ``train-region`` do, adapted; that saw nothing else, in-site.
"""

from dataclasses import dataclass
from datetime import date

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
    stages = read_card(locate(method.checkpoint, method.name)).get("training", [])
    regions = [stage.get("region") for stage in stages]
    here = [one for one in regions if one is not None and shares_ground(job.bbox, one["bbox"])]
    if not here:
        return Seen(weights=ZERO_SHOT)
    dates = frozenset(date.fromisoformat(day) for one in here for day in one["dates"])
    return Seen(weights=IN_SITE if len(here) == len(stages) else ADAPTED, dates=dates)


def shares_ground(a: BBox, b: BBox) -> bool:
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
