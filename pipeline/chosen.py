"""What held-out dates chose for each class of gaps: the method, of those ``auto`` picks among, and
the factor by which the uncertainty it states is multiplied here.

It is kept beside the cube, and stays until a run is told to ``--refresh``: were it to follow each
night's scores, every night might make days stale.  Other methods, or other weights of them, have a
file of their own: who validates these for once leaves what the cube was made by as it is.
"""

import json
from bisect import bisect_left
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

from pipeline.job import AUTO, Job

GAPS = (8, 16, 32)
"""Days to the nearer reference up to which a gap is of the first, second and third class; the
classes of what is hidden from a held-out date (``validate.hide``) end there."""

ONE_SIDED = len(GAPS) + 1
"""The class of days with references on one side alone, as the newest; how far they are away is no
class of its own, for held-out dates of this kind are few."""

CLASSES = ONE_SIDED + 1
"""How many there are."""


class NotChosenError(ValueError):
    """``auto`` has not picked yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A method at work."""

    name: str
    sha: str
    """Its identity, ``model.card.MethodCard.sha``."""

    halo: int

    series: bool
    """Whether it is given the fine series around each day."""

    sigma_factor: float = 1.0
    """What the uncertainty that it states is multiplied by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The method of a class of gaps, and why it is that."""

    used: Used

    why: str = ""
    """"" where there is one method only."""

    factor_why: str = ""
    """By which dates the factor was measured; "" where no uncertainty is stated."""

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """What ``asdict`` wrote."""
        return cls(**{**known, "used": Used(**known["used"])})


class Period(NamedTuple):
    """Days, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was chosen."""

    among: str
    """Identity of the method, or of all that ``auto`` picked among."""

    picks: tuple[Pick, ...]
    """One a class of gaps (``gap_class``)."""

    report: tuple[Period, ...]
    """Whose fine images were used in no way to choose: there its scores are told."""

    until: date
    """Day of the newest fine image that was known."""

    software: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` gives an equal one."""
        known = asdict(self)
        known["report"] = [[day.isoformat() for day in period] for period in self.report]
        return known | {"until": self.until.isoformat(), "picks": list(known["picks"])}

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """What ``to_dict`` wrote."""
        return cls(
            among=known["among"],
            picks=tuple(map(Pick.from_dict, known["picks"])),
            report=tuple(Period(*map(date.fromisoformat, one)) for one in known["report"]),
            until=date.fromisoformat(known["until"]),
            software=known["software"],
        )

    @property
    def lines(self) -> list[str]:
        """For people."""
        named = [(gap_name(place), pick) for place, pick in enumerate(self.picks)]
        picked = [f"{AUTO}, {gap}: {pick.used.name}, {pick.why}" for gap, pick in named if pick.why]
        factors = [
            f"uncertainty x {pick.used.sigma_factor:.2f}, {gap}: {pick.factor_why}"
            for gap, pick in named
            if pick.factor_why
        ]
        return [*picked, *factors]


def gap_class(days: int, *, one_sided: bool) -> int:
    """Which class a day is of, so many days from its nearer reference: the shortest gaps first,
    ``ONE_SIDED`` last."""
    return ONE_SIDED if one_sided else bisect_left(GAPS, days)


def gap_name(place: int) -> str:
    """A class of gaps in words."""
    if place == ONE_SIDED:
        return "references on one side only"
    if not place:
        return f"reference up to {GAPS[0]} days away"
    if place == len(GAPS):
        return f"reference more than {GAPS[-1]} days away"
    return f"reference {GAPS[place - 1] + 1} to {GAPS[place]} days away"


def chosen_path(job: Job) -> Path:
    """Where it is kept for the job's methods."""
    name = sha256(job.method.card().sha.encode()).hexdigest()[:16]
    return job.inputs / f"chosen-{name}.json"


def chosen_paths(inputs: Path) -> list[Path]:
    """All that are kept, whichever methods they are of."""
    return sorted(inputs.glob("chosen-*.json"))


def read_chosen(job: Job) -> Chosen | None:
    """What was chosen for a job; None where nothing was yet, or among other methods."""
    path = chosen_path(job)
    if not path.exists():
        return None
    found = Chosen.from_dict(json.loads(path.read_text()))
    known = found.among == job.method.card().sha and len(found.picks) == CLASSES
    return found if known else None


def picks_of(job: Job) -> tuple[Pick, ...]:
    """What makes the tile-days of each class; () where the job's own method makes all of them,
    and its uncertainty is taken as it states it.

    Raises NotChosenError where ``auto`` has not picked yet.
    """
    if (found := read_chosen(job)) is not None:
        return found.picks
    if job.method.name != AUTO:
        return ()
    raise NotChosenError(
        f"method: {AUTO} of {job.name} has not picked yet; run `daily30 fuse` or `daily30 "
        "plan`, which hold fine dates out and pick by their scores"
    )
