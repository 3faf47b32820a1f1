"""What is done to the coarse images of a region when a block reads them, and what is flagged.

Chosen in the region file, measured by ``pipeline.compare``; the lines and the shift common to
all days are frozen in the cube's first plan, so that new scenes do not make the old days stale.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Line, pool
from pipeline.coincidence import Coincidence, read_coincident
from pipeline.job import Job

Place = tuple[float, float]
"""Cells down and right."""

SURE = 0.25
"""Cells of standard deviation up to which a day's own shift is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What holds for all days of a region."""

    lines: tuple[Line, ...] = ()
    """By band: fine = gain * coarse + bias."""

    shift: Place = (0.0, 0.0)
    """Median place of the coarse images; that of days that were not measured."""

    @classmethod
    def of(
        cls, known: Sequence[Coincidence], bands: Sequence[str], *, without: Collection[date] = ()
    ) -> Self:
        """From all days but those ``without``."""
        used = [one for one in known if one.day not in without]
        places = [
            (one.shift.y, one.shift.x) for one in used if one.shift and one.shift.sigma <= SURE
        ]
        down, right = np.median(places, axis=0).tolist() if places else (0.0, 0.0)
        lines = tuple(pool([one.lines[place] for one in used]) for place in range(len(bands)))
        return cls(lines=lines, shift=(down, right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """How to read the coarse images."""

    lines: tuple[Line, ...] = ()
    """By band; () leaves the reflectance as it is."""

    moves: Mapping[date, Place] | None = None
    """Where the images of these days appear; None leaves all where they are."""

    move: Place = (0.0, 0.0)
    """Where those of all other days appear."""

    misplaced: frozenset[date] = field(default_factory=frozenset)
    """Days whose references are to be flagged."""

    calm: bool = False
    """Whether the noise of single days is averaged out (``model.coarse_calm``)."""

    @classmethod
    def of(cls, job: Job, measured: Measured, *, without: Collection[date] = ()) -> Self:
        """What the job asks for; no day's own is taken from fine images ``without``."""
        known = [one for one in read_coincident(job.inputs) if one.day not in without]
        shifted = job.coregister == "shift"
        return cls(
            lines=measured.lines if job.calibrate == "linear" else (),
            moves={
                one.day: (one.shift.y, one.shift.x)
                for one in known
                if one.shift is not None and one.shift.sigma <= SURE
            }
            if shifted
            else None,
            move=measured.shift if shifted else (0.0, 0.0),
            misplaced=frozenset(one.day for one in known if one.misplaced)
            if job.coregister == "flag"
            else frozenset(),
            calm=job.flicker == "calm",
        )

    @classmethod
    def blind(cls, job: Job, bands: Sequence[str], *, without: Collection[date]) -> Self:
        """The same with everything measured anew, as if the days ``without`` had no fine image."""
        measured = Measured.of(read_coincident(job.inputs), bands, without=without)
        return cls.of(job, measured, without=without)

    def state(self, day: date) -> str:
        """What of it identifies the coarse image of a day, beyond what the plan has frozen."""
        if day in self.misplaced:
            return "misplaced"
        return "" if self.moves is None or day not in self.moves else f"{self.moves[day]}"

    def apply(self, image: NDArray[np.float32], day: date) -> NDArray[np.float32]:
        """An image (band, row, col), NaN unknown, with ``margin`` cells around what is needed."""
        if self.lines:
            gain, bias = (
                np.array([getattr(line, name) for line in self.lines], np.float32)
                for name in ("gain", "bias")
            )
            image = gain[:, None, None] * image + bias[:, None, None]
        return image if self.moves is None else moved(image, self.moves.get(day, self.move))

    @property
    def margin(self) -> int:
        """Cells around a window that its values depend on."""
        return 0 if self.moves is None else 3


AS_SEEN = Corrections()


def moved(image: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    """An image (band, row, col) brought back from ``place``, by bilinear weights.

    NaN where less than half of the weight is known; the edge is repeated.
    """
    for axis, move in zip((-2, -1), place, strict=True):
        whole = int(np.floor(move))
        image = _between(_rolled(image, whole, axis), _rolled(image, whole + 1, axis), move - whole)
    return image


def _rolled(image: NDArray[np.float32], cells: int, axis: int) -> NDArray[np.float32]:
    places = np.arange(image.shape[axis]) + cells
    return image.take(places, axis=axis, mode="clip")


def _between(
    one: NDArray[np.float32], other: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    mean = np.float32(1 - share) * one + np.float32(share) * other
    mean = np.where(np.isnan(one) & (share >= 0.5), other, mean)
    return np.where(np.isnan(other) & (share <= 0.5), one, mean)
