"""What fine and coarse images of the same day tell of each other, as it is kept.

For each such day, the place of the coarse image (``pipeline.registration``) and the line between
the two sensors (``pipeline.calibration``), in ``coincident.json`` beside the input cubes.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pipeline.calibration import Line
from pipeline.registration import Shift

MISPLACED_CELLS = 0.75
"""Distance from which a coarse image is misplaced.  Gridding alone puts an observation up to half
a cell beside its own; the geolocation of MODIS adds a tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coincidence:
    """What the images of one day tell of each other."""

    day: date
    images: str
    """Identity of both images, and how far they were read."""

    shift: Shift | None
    """None where it could not be told."""

    lines: tuple[Line | None, ...]
    """By band."""

    @property
    def misplaced(self) -> bool:
        """Whether the coarse image certainly lies beside the fine one."""
        return self.shift is not None and self.shift.beyond(MISPLACED_CELLS)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"day": self.day.isoformat()}

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """What ``to_dict`` wrote."""
        shift, lines = known["shift"], known["lines"]
        return cls(
            day=date.fromisoformat(known["day"]),
            images=known["images"],
            shift=shift and Shift(**shift),
            lines=tuple(line and Line(**line) for line in lines),
        )


def write_coincident(inputs: Path, known: Iterable[Coincidence]) -> None:
    """Replace the file as a whole."""
    content = [one.to_dict() for one in sorted(known, key=lambda one: one.day)]
    beside = inputs / "coincident.json.partial"
    beside.write_text(json.dumps(content, indent=1))
    beside.replace(inputs / "coincident.json")


def read_coincident(inputs: Path) -> tuple[Coincidence, ...]:
    """What is known of the days with both images, ascending."""
    path = inputs / "coincident.json"
    return _read_coincident(path, path.stat().st_mtime_ns) if path.exists() else ()


@lru_cache(maxsize=4)
def _read_coincident(path: Path, changed: int) -> tuple[Coincidence, ...]:
    return tuple(map(Coincidence.from_dict, json.loads(path.read_text())))
