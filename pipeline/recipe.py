"""What all tasks of a plan share: the job, the method's card and the region's statistics."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catalogs import redact
from model.card import MethodCard
from pipeline.calibration import Line
from pipeline.chosen import Pick, Used, picks_of
from pipeline.coincidence import read_coincident
from pipeline.corrections import Corrections, Measured
from pipeline.ingest import open_inputs
from pipeline.job import AUTO, Job, JobError
from pipeline.statistics import region_statistics

_FORMAT = 4
"""Raised when the code's own answer for the same inputs changes, so that cubes become stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All but the address: with a ``FuseTask`` it determines every byte."""

    job: Job
    bands: tuple[str, ...]

    halo: int
    """Fine pixels around a tile that the method wants to see."""

    sha: str
    """Identity of the method, ``model.card.MethodCard.sha``."""

    series: bool = False
    """Whether the method, or any that ``auto`` picks among, is given the fine series around each
    day."""

    centre: tuple[float, ...]
    """(band,) median reflectance of the fine cube when the cube was first planned.

    Frozen then for the life of the cube: were they to follow each night's new scenes, every
    night would make the whole cube stale.
    """

    spread: tuple[float, ...]
    """(band,) interquartile range, at least 0.01; frozen likewise."""

    measured: Measured = field(default_factory=Measured)
    """How the coarse images relate to the fine ones; frozen likewise."""

    picks: tuple[Pick, ...] = ()
    """What held-out dates chose for each class of gaps; () where they chose nothing."""

    @property
    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Centre and spread as (band,) arrays."""
        return np.asarray(self.centre, np.float32), np.asarray(self.spread, np.float32)

    @property
    def corrections(self) -> Corrections:
        """How the coarse images are read."""
        return Corrections.of(self.job, self.measured)

    def used(self, gap: int | None) -> Used:
        """What makes a day of a class of gaps (``chosen.gap_class``); None: nothing is fused."""
        if self.picks and gap is not None:
            return self.picks[gap].used
        name = self.job.method.name
        if name == AUTO:
            return Used(name=AUTO, sha=AUTO, halo=self.halo, series=False)
        return Used(name=name, sha=self.sha, halo=self.halo, series=self.series)

    @property
    def code(self) -> int:
        """``code_of`` the methods together."""
        codes = sorted(self.codes)
        return codes[0] if len(codes) == 1 else int.from_bytes(digest(codes, 4), "big")

    @property
    def codes(self) -> frozenset[int]:
        """``code_of`` each method that may be at work."""
        own = self.code_of(self.used(None))
        return frozenset({own, *(self.code_of(pick.used) for pick in self.picks)})

    def code_of(self, used: Used) -> int:
        """32 bits of everything a user may change that reaches every pixel a method makes.

        Pair rules are not in it: they act through the references they choose, so a change that
        chooses the same ones leaves the tile-day as it is.
        """
        parts = [
            _FORMAT,
            used.sha,
            used.halo,
            self.bands,
            self.centre,
            self.spread,
            self.job.coarse_fill_days,
            [asdict(line) for line in self.measured.lines]
            if self.job.calibrate != "none"
            else None,
            self.job.coregister,
            self.measured.shift if self.job.coregister == "shift" else None,
            # Appended: others stay as they are.
            *(["calm"] if self.job.flicker == "calm" else []),
            *(["sigma", used.sigma_factor] if used.sigma_factor != 1 else []),
        ]
        return int.from_bytes(digest(parts, 4), "big")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` gives an equal recipe.

        But for what a catalogue's address may hold of user, password or key: no task searches,
        and a plan is a file that people pass on.
        """
        job = self.job.to_dict()
        for role in ("fine", "coarse"):
            job[role]["catalogs"] = list(dict.fromkeys(map(redact, job[role]["catalogs"])))
        return {
            "job": job,
            "bands": list(self.bands),
            "halo": self.halo,
            "sha": self.sha,
            "series": self.series,
            "centre": list(self.centre),
            "spread": list(self.spread),
            "measured": asdict(self.measured),
            "picks": [asdict(pick) for pick in self.picks],
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """The recipe that ``to_dict`` wrote."""
        return cls(
            job=Job.from_dict(known["job"]),
            bands=tuple(known["bands"]),
            halo=known["halo"],
            sha=known["sha"],
            series=known.get("series", False),  # a plan of before there was any
            centre=tuple(known["centre"]),
            spread=tuple(known["spread"]),
            measured=Measured(
                lines=tuple(Line(**line) for line in known["measured"]["lines"]),
                shift=(known["measured"]["shift"][0], known["measured"]["shift"][1]),
            ),
            picks=tuple(map(Pick.from_dict, known.get("picks", ()))),
        )


def plan_path(job: Job) -> Path:
    """Where the plan of a cube lies; its recipe holds the cube's frozen statistics."""
    return job.inputs / "plan.json"


def make_recipe(job: Job) -> Recipe:
    """The recipe of a job: statistics from the cube's first plan, else from the fine cube now.

    Raises NotChosenError where ``auto`` has not picked yet.
    """
    bands = open_inputs(job.inputs).bands
    card = job.method.card()
    check_method(job, bands)
    path = plan_path(job)
    if path.exists():
        frozen = load_recipe(path)
        centre, spread, measured = frozen.centre, frozen.spread, frozen.measured
    else:
        statistics = region_statistics(job.inputs, bands)
        centre, spread = (tuple(float(v) for v in values) for values in statistics)
        measured = Measured.of(read_coincident(job.inputs), bands)
    return Recipe(
        job=job,
        bands=bands,
        halo=card.halo,
        sha=card.sha,
        series=card.series,
        centre=centre,
        spread=spread,
        measured=measured,
        picks=picks_of(job),
    )


def check_method(job: Job, bands: Sequence[str]) -> None:
    """``check_bands`` of every method that may be at work."""
    for one in job.method.each:
        check_bands(job, one.card(), bands)


def check_bands(job: Job, card: MethodCard, bands: Sequence[str]) -> None:
    """Refuse a checkpoint that was made for other bands than the two collections share."""
    if card.bands is None or tuple(card.bands) == tuple(bands):
        return
    if not (card.slots and bands and set(bands) <= set(card.bands)):
        raise JobError(
            f"checkpoint {job.method.checkpoint} of {card.name} is made for "
            f"{'some of ' if card.slots else ''}the bands {', '.join(card.bands)}, but "
            f"{job.fine} and {job.coarse} share "
            f"{', '.join(bands) or 'none'}; name a checkpoint made for these, or a method that "
            "takes any bands, e.g. method: anomaly"
        )


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a ``plan.json``, read once per process as long as the file is the same."""
    return _load_recipe(str(path), Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load_recipe(path: str, _changed: int) -> Recipe:
    return Recipe.from_dict(json.loads(Path(path).read_text())["recipe"])


def write_json(path: Path, content: Any) -> None:
    """Replace ``path`` as a whole: a kill leaves the old file or the new one."""
    beside = path.with_name(path.name + ".partial")
    with beside.open("w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def model_sha(sha: str) -> int:
    """64 bits of a method's identity for the cube: of a sha256 its own first 16 digits."""
    if re.fullmatch("[0-9a-f]{64}", sha):
        return int(sha[:16], 16)
    return int.from_bytes(digest(sha, 8), "big")


def digest(parts: Any, size: int) -> bytes:
    """``size`` bytes that stand for JSON-able ``parts``."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=size).digest()
