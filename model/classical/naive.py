"""The floor every method must beat: seven plain predictions and ``anomaly``.

    F0, F2      fine image before and after      C0, C1, C2   coarse: before, target, after
    w           (t1 - t0) / (t2 - t0)            G            low-pass of the coarse sensor

Each takes the images of one target day, (band, y, x), and gives (band, y, x).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from model.block import Array, Block
from model.upsample import bilinear, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The images of one target day, fine ones on the fine grid, coarse ones on cells."""

    fine_before: Array
    fine_after: Array
    coarse_before: Array
    coarse: Array
    coarse_after: Array
    w: float
    ratio: int

    @property
    def linear(self) -> Array:
        """L = (1 - w) F0 + w F2: what time alone predicts."""
        return (1 - self.w) * self.fine_before + self.w * self.fine_after

    @property
    def anomaly(self) -> Array:
        """C1 - (1 - w) C0 - w C2 on cells: what the coarse sensor saw beyond that."""
        return self.coarse - (1 - self.w) * self.coarse_before - self.w * self.coarse_after

    @property
    def delta_before(self) -> Array:
        """F0 + (C1 - C0), the change interpolated between cell centres."""
        return self.fine_before + bilinear(self.coarse - self.coarse_before, self.ratio)

    @property
    def delta_after(self) -> Array:
        """F2 + (C1 - C2), likewise."""
        return self.fine_after + bilinear(self.coarse - self.coarse_after, self.ratio)


NAIVE: Mapping[str, Callable[[Day], Array]] = {
    "copy-before": lambda day: day.fine_before,
    "copy-after": lambda day: day.fine_after,
    "mean": lambda day: np.float32(0.5) * (day.fine_before + day.fine_after),
    "linear": lambda day: day.linear,
    "delta-before": lambda day: day.delta_before,
    "delta-after": lambda day: day.delta_after,
    "delta": lambda day: (1 - day.w) * day.delta_before + day.w * day.delta_after,
    "anomaly": lambda day: day.linear + smooth(day.anomaly, day.ratio),
}


def day_of(block: Block, index: int) -> Day:
    """The images of target day ``index`` of ``block``."""
    return Day(
        fine_before=block.fine_before,
        fine_after=block.fine_after,
        coarse_before=block.coarse_before,
        coarse=block.coarse[index],
        coarse_after=block.coarse_after,
        w=block.weight(block.days[index]),
        ratio=block.ratio,
    )


def predict_naively(name: str, block: Block) -> Array:
    """(time, band, y, x) by a formula of ``NAIVE``."""
    return np.stack([NAIVE[name](day_of(block, i)) for i in range(len(block.days))])
