"""What the input cubes hold, day by day and tile by tile: all that planning needs of them.

Only the small tables and the coarse masks are read, never a fine pixel.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.coarse_share import CoarseShare, coarse_share
from pipeline.corrections import Corrections
from pipeline.cube import WHOLLY
from pipeline.grid import Grid
from pipeline.recipe import digest
from pipeline.store import CubeError, read_tables


class NotIngestedError(ValueError):
    """The scenes of a region have not been read yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Clear shares and identities of the images there are."""

    fine_days: tuple[date, ...]
    """Days of the fine cube; some may hold no image any more."""

    fine_clear: NDArray[np.float32]
    """(time, tile) share of the tile's pixels seen clear; 0 where the image was not read."""

    cloud_distance: NDArray[np.float32]
    """(time, tile) metres from the clear pixels to the others, see ``mask.clearness``."""

    fine_done: NDArray[np.uint8]
    """(time, tile) whether the images were read: 0 no, ``cube.WHOLLY`` or ``cube.PARTLY``."""

    fine_prints: Mapping[date, int]
    """Fingerprint of each fine day that has images."""

    coarse_days: tuple[date, ...]
    """Every day of the widened period."""

    coarse_known: NDArray[np.float32]
    """(time, tile) share of the tile's cells with a value once clouds are filled in time."""

    coarse_clear: NDArray[np.float32]
    """(time, tile) the same before filling."""

    coarse_done: NDArray[np.uint8]
    """(time,) the same of the coarse days that have images."""

    coarse_prints: Mapping[date, int]
    """Fingerprint of each coarse day that has images."""

    @classmethod
    def of(cls, inputs: Path, grid: Grid, *, coarse_fill_days: int) -> Self:
        """Read the input cubes in the folder ``inputs``.

        Raises NotIngestedError where there are none, or nothing was read into them.
        """
        try:
            fine, coarse = (read_tables(inputs / f"{role}.zarr") for role in ("fine", "coarse"))
        except CubeError as error:
            raise NotIngestedError(_not_ingested(inputs)) from error
        if not (fine.arrays["done"].any() and coarse.arrays["done"].any()):
            raise NotIngestedError(_not_ingested(inputs))
        if "clear_share" not in fine.arrays:  # made by an earlier version; a run reads it again
            raise NotIngestedError(_not_ingested(inputs))
        fine_done = fine.arrays["done"]
        cells = [grid.coarse_window(tile.y, tile.x) for tile in grid.tiles]
        share = coarse_share(inputs, cells, coarse_fill_days=coarse_fill_days)
        return cls(
            fine_days=fine.days,
            fine_clear=np.where(fine_done != 0, fine.arrays["clear_share"], np.float32(0)),
            cloud_distance=fine.arrays["cloud_distance"],
            fine_done=fine_done,
            fine_prints=_prints(fine.days, fine.arrays["fingerprint"]),
            coarse_days=share.days,
            coarse_known=share.known,
            coarse_clear=share.clear,
            coarse_done=coarse.arrays["done"][:, 0],
            coarse_prints=_prints(coarse.days, coarse.arrays["fingerprint"]),
        )

    @property
    def horizon(self) -> date:
        """The last day about which everything is known.

        Both kinds of images reach beyond it.  The newest day itself may be half there: Terra's
        image comes hours before Aqua's, and the scenes along a pass one by one.
        """
        return min(max(self.fine_prints), max(self.coarse_prints)) - timedelta(days=1)

    @property
    def unmeasured(self) -> frozenset[date]:
        """Days with both images, not wholly read: how they lie on each other is yet to be found."""
        read = dict(zip(self.fine_days, (self.fine_done == WHOLLY).all(1), strict=True))
        both = zip(self.coarse_days, self.coarse_done == WHOLLY, strict=True)
        return frozenset(
            day
            for day, whole in both
            if day in self.fine_prints and day in self.coarse_prints and not (whole and read[day])
        )

    def unread(self, near: Sequence[int]) -> frozenset[date]:
        """Days with an image of any of the tiles ``near`` that was not read, or not wholly."""
        return self._imaged((self.fine_done[:, near] != WHOLLY).any(1), self.coarse_done != WHOLLY)

    def unseen(self, tile: int) -> frozenset[date]:
        """Days with an image of a tile of which nothing was read."""
        return self._imaged(self.fine_done[:, tile] == 0, self.coarse_done == 0)

    def _imaged(self, fine: NDArray[np.bool_], coarse: NDArray[np.bool_]) -> frozenset[date]:
        """Days of those marked, on either axis, that have an image."""
        fine_days = zip(self.fine_days, fine, strict=True)
        coarse_days = zip(self.coarse_days, coarse, strict=True)
        return frozenset(
            {day for day, marked in fine_days if marked and day in self.fine_prints}
            | {day for day, marked in coarse_days if marked and day in self.coarse_prints}
        )

    def whole(self, near: Sequence[int]) -> frozenset[date]:
        """Fine days without a hole in any of the tiles ``near``."""
        clear = (self.fine_clear[:, near] == 1).all(1)
        return frozenset(
            day for day, all_clear in zip(self.fine_days, clear, strict=True) if all_clear
        )

    def fine_states(self, near: Sequence[int]) -> dict[date, str]:
        """What identifies the fine images of a day: their fingerprint, and what was read of it."""
        read = dict(zip(self.fine_days, self.fine_done[:, near].tolist(), strict=True))
        return {day: f"{print_:x} {read.get(day)}" for day, print_ in self.fine_prints.items()}

    def coarse_states(self, window: int, corrections: Corrections) -> dict[date, str]:
        """What identifies the coarse image of a day, clouds filled from ``window`` days around."""
        read = dict(zip(self.coarse_days, self.coarse_done.tolist(), strict=True))
        own = {
            day: f"{print_:x} {read.get(day)} {corrections.state(day)}"
            for day, print_ in self.coarse_prints.items()
        }
        around = [timedelta(days=offset) for offset in range(-window, window + 1)]
        return {
            day: digest([own.get(day + offset) for offset in around], 8).hex()
            for day in self.coarse_days
        }

    def without(self, days: Collection[date]) -> Self:
        """As if nothing had been seen clear on these fine days."""
        clear = self.fine_clear.copy()
        clear[[day in days for day in self.fine_days]] = 0
        return replace(self, fine_clear=clear)

    def until(self, day: date, end: CoarseShare) -> Self:
        """As on the morning of ``day``: no image of a later day, of neither sensor.

        ``end``: the coarse days up to it that are filled otherwise where later ones cannot fill
        them (``coarse_share`` with ``until``).
        """
        coarse, fine = (bisect_right(days, day) for days in (self.coarse_days, self.fine_days))
        known = self.coarse_known[:coarse].copy()
        known[coarse - len(end.days) :] = end.known
        return replace(
            self,
            fine_days=self.fine_days[:fine],
            fine_clear=self.fine_clear[:fine],
            cloud_distance=self.cloud_distance[:fine],
            fine_done=self.fine_done[:fine],
            fine_prints=_up_to(day, self.fine_prints),
            coarse_days=self.coarse_days[:coarse],
            coarse_known=known,
            coarse_clear=self.coarse_clear[:coarse],
            coarse_done=self.coarse_done[:coarse],
            coarse_prints=_up_to(day, self.coarse_prints),
        )

    def fine_shares(self, tile: int) -> dict[date, float]:
        """Clear share of a tile on each fine day."""
        return dict(zip(self.fine_days, self.fine_clear[:, tile].tolist(), strict=True))

    def cloud_distances(self, tile: int) -> dict[date, float]:
        """Metres from a tile's clear pixels to the others on each fine day."""
        return dict(zip(self.fine_days, self.cloud_distance[:, tile].tolist(), strict=True))

    def coarse_shares(self, tile: int) -> dict[date, float]:
        """Known share of a tile's cells, after filling, on each coarse day."""
        return dict(zip(self.coarse_days, self.coarse_known[:, tile].tolist(), strict=True))


def _up_to(day: date, prints: Mapping[date, int]) -> dict[date, int]:
    return {one: print_ for one, print_ in prints.items() if one <= day}


def _prints(days: tuple[date, ...], prints: NDArray[np.uint64]) -> dict[date, int]:
    return {day: int(value) for day, value in zip(days, prints, strict=True) if value}


def _not_ingested(inputs: Path) -> str:
    return (
        f"no scenes have been read into {inputs} yet; run `daily30 plan REGION.yaml` first, "
        "it reads the scenes"
    )
