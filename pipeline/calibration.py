"""How the coarse sensor's reflectance relates to the fine one's, band by band.

    fine = gain * coarse + bias

Measured on the cells that both saw clear on the same day: a robust line a day, and from the days
the weighted median, so that neither an unseen cloud in a day nor a day of haze decides.
"""

# Strategy.  The coarse value is regressed on the fine image blurred to cells, and the line turned
# round: the blurred fine image is an average of hundreds of pixels and nearly free of noise, while
# noise in the explaining variable would bend the line (the coarse residuals are .005 to .035 of
# reflectance, as wide as a band's own spread).

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

HUBER = 1.345
"""Residuals, in standard deviations, from which a cell counts less: 95 % efficient for normal ones
(Huber 1964)."""

LEAST_CELLS = 30
FEW = 500
"""Cells by which a line is drawn towards none at all: gain 1, bias 0."""

GAINS = (0.5, 2.0)
"""A day outside did not see the same thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """fine = gain * coarse + bias."""

    gain: float
    bias: float
    """Reflectance."""

    scatter: float
    """Standard deviation of the coarse values around the line, robust."""

    cells: int
    at: float = 0.0
    """Coarse reflectance where the line is known best."""

    weight: float = 0.0
    """Inverse variance of 1 / gain, the slope that was fitted: that of the gain itself grows with
    the slope, and the steepest day would decide."""


SAME = Line(gain=1.0, bias=0.0, scatter=0.0, cells=0)


def fit(fine: Float, coarse: Float) -> Line | None:
    """The line of a day and band from cells (cell,) known in both; None where they tell none."""
    if len(fine) < LEAST_CELLS:
        return None
    centre = float(np.median(fine))
    x = np.stack([np.ones_like(fine), fine - centre], 1)
    counts = np.ones_like(fine)
    scatter = 0.0
    for _ in range(30):
        scaled = x * counts[:, None]
        level, slope = np.linalg.solve(scaled.T @ x + 1e-12 * np.eye(2), scaled.T @ coarse)
        residual = np.abs(coarse - x @ (level, slope))
        scatter = float(np.median(residual)) / 0.6745 + 1e-6
        counts = np.minimum(1, HUBER * scatter / np.maximum(residual, 1e-12))
    if slope <= 0 or not GAINS[0] <= 1 / slope <= GAINS[1]:
        return None
    spread = float((counts * (fine - centre) ** 2).sum())
    return Line(
        gain=float(1 / slope),
        bias=float(centre - level / slope),
        scatter=scatter,
        cells=len(fine),
        at=float(level),
        weight=float(spread / scatter**2),
    )


def pool(days: Sequence[Line | None]) -> Line:
    """One line for a band from those of its days, drawn towards ``SAME`` where there are few cells.

    The weighted median of the gains; then of the biases, each day's taken with that gain.
    """
    lines = [line for line in days if line is not None]
    if not lines:
        return SAME
    weights = np.array([line.weight for line in lines])
    gain = _median(np.array([line.gain for line in lines]), weights)
    turned = [line.bias + (line.gain - gain) * line.at for line in lines]
    bias = _median(np.array(turned), weights)
    cells = sum(line.cells for line in lines)
    trust = cells / (cells + FEW)
    return Line(
        gain=1 + (gain - 1) * trust,
        bias=bias * trust,
        scatter=_median(np.array([line.scatter for line in lines]), weights),
        cells=cells,
        at=_median(np.array([line.at for line in lines]), weights),
        weight=float(weights.sum()),
    )


def _median(values: Float, weights: Float) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
