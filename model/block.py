"""What a method is given: the known images of one tile with its halo."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

COARSE_PAD = 3
"""Coarse cells around the block in every coarse array.

Three cells are 1.4 km: enough for the smoothest upsampling here (a Gaussian of half a
cell, cut at four sigma) to give the same pixel whatever block it is asked for in.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The references and the coarse days of one block, surface reflectance, NaN unknown.

    ``y`` and ``x`` are fine pixels, whole coarse cells; ``row`` and ``col`` are coarse
    cells with ``COARSE_PAD`` more on each side, repeated from the edge where the region
    ends.
    """

    fine_before: Array
    """(band, y, x) at ``day_before``."""

    fine_after: Array
    """(band, y, x) at ``day_after``."""

    coarse_before: Array
    """(band, row, col) at ``day_before``."""

    coarse_after: Array
    """(band, row, col) at ``day_after``."""

    coarse: Array
    """(time, band, row, col) at the target ``days``."""

    day_before: int
    """Days since 1970-01-01."""

    day_after: int
    days: tuple[int, ...]

    ratio: int
    """Fine pixels along one side of a coarse cell."""

    origin: tuple[int, int]
    """(row, col) of the first fine pixel on the absolute lattice; keys the noise."""

    centre: Array
    """(band,) median of the region's fine reflectance, fixed over tiles and days."""

    spread: Array
    """(band,) its interquartile range, 0.01 or more."""

    def __post_init__(self) -> None:
        bands, y, x = self.fine_before.shape
        if y % self.ratio or x % self.ratio:
            raise ValueError(
                f"a block of {y} x {x} fine pixels is not made of whole coarse cells of "
                f"{self.ratio}; cut it with Grid.block()"
            )
        coarse = (bands, y // self.ratio + 2 * COARSE_PAD, x // self.ratio + 2 * COARSE_PAD)
        wanted = {
            "fine_after": (bands, y, x),
            "coarse_before": coarse,
            "coarse_after": coarse,
            "coarse": (len(self.days), *coarse),
            "centre": (bands,),
            "spread": (bands,),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}, but fine_before of "
                    f"{self.fine_before.shape} and {len(self.days)} days at ratio "
                    f"{self.ratio} ask for {shape}"
                )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time, band, y, x) of the answer."""
        return (len(self.days), *self.fine_before.shape)

    def weight(self, day: int) -> float:
        """Share of the later reference in a linear interpolation at ``day``."""
        span = self.day_after - self.day_before
        return (day - self.day_before) / span if span else 0.0

    def known(self) -> NDArray[np.bool_]:
        """(time, y, x): every band of both references and of the three coarse images is known.

        One rule for all methods, so that their scores stand on the same pixels.
        """
        fine = np.isfinite(self.fine_before).all(0) & np.isfinite(self.fine_after).all(0)
        references = np.isfinite(self.coarse_before).all(0) & np.isfinite(self.coarse_after).all(0)
        cells = np.asarray(np.isfinite(self.coarse).all(1) & references)
        inner = cells[:, COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        return fine & inner.repeat(self.ratio, 1).repeat(self.ratio, 2)
