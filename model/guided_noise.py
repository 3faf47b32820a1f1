"""How noisy the coarse cells are, found from themselves: the noise of ``model.guided``.

Where ground that is alike changes alike, a cell says what its neighbours say; where each cell says
something else, it is noise.  So the noise is the one under which the anomaly is most likely, as
a share of the variance of what is shown (which is then the likeliest too, band by band).

The likelihood is that of windows of cells, taken as if they did not overlap, so that nothing larger
than a window is decomposed and a flood at one end of a block does not speak for the other end.
Windows lie on the region's lattice of cells, not on the block's, so that a cell far enough from the
edges of two blocks has the same noise in both.
From one cell to the next the windows' likelihoods pass into each other, and in place of the
likeliest noise stands the mean of its logarithm over what is likely: neighbouring cells, days and
blocks then never jump from one answer to another, and few cells give a middling one.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

FirstCell = tuple[int, int]
"""(row, col) of the first cell of a block on the region's lattice."""

SIDE = 8
"""Cells along a window; 64 cells of six bands tell a noise of .2 from one of .8."""
STRIDE = 4
LEVELS = tuple(0.05 * 2.0**k for k in range(11))
"""Variances of the noise, that of what is shown being 1; at the highest nothing is believed."""
USUAL, WITHIN = 0.2, 1.0
"""What is expected before the cells are asked, and how many e-folds off it may well be.  It speaks
where few cells of few bands do not: with one band, the cells alone find too much noise (Salton Sea,
16 days hidden: .0386 in place of .0369; its own date hidden .0184 in place of .0187)."""
LEAST = 1e-6
"""Root mean square of an anomaly below which there is nothing to tell from noise."""


class Windows(NamedTuple):
    """Windows of cells, and the covariance of what is shown within each."""

    at: Tensor
    """(window, n) cells, counted along rows."""
    factors: Tensor
    """(level, batch, window, n, n) Cholesky factors, lower, with the noise of each level.  In place
    of the eigenvectors of all: those are as quick on a CPU, but on a GPU torch finds them matrix by
    matrix."""
    by_row: Tensor
    """(row, windows along rows) share of each, summing to 1."""
    by_col: Tensor


def windows_of(
    shape: tuple[int, int],
    covariance: Callable[[Tensor], Tensor],
    device: torch.device,
    first_cell: FirstCell = (0, 0),
) -> Windows:
    """The windows of (row, col) cells; ``covariance`` gives (batch, window, n, n) of ``at``."""
    (rows, by_row), (cols, by_col) = map(_along, shape, first_cell)
    row = rows[:, None, :, None] * shape[1]
    at = (row + cols[None, :, None, :]).flatten(2).flatten(0, 1).to(device)
    known = covariance(at)
    levels = torch.tensor(LEVELS).to(known)[:, None, None, None, None]
    noise = torch.eye(known.shape[-1]).to(known)
    factors = torch.linalg.cholesky(known + levels * noise)
    return Windows(at, factors, by_row.to(device), by_col.to(device))


def noise_of(anomaly: Tensor, windows: Windows) -> Tensor:
    """(batch, 1, row, col) variance of the noise; ``anomaly`` (batch, band, row, col).

    Bands without any anomaly, such as those that are not there, do not speak.
    """
    y = anomaly.double().flatten(2)[:, :, windows.at].permute(0, 2, 3, 1)  # batch, window, n, band
    n, factors = y.shape[2], windows.factors
    speaks = (y.square().mean(2) > LEAST**2).double()
    white = torch.linalg.solve_triangular(factors, y.expand(len(LEVELS), *y.shape), upper=False)
    scale = white.square().mean(3).clamp_min(LEAST**2)
    volume = 2 * factors.diagonal(dim1=-2, dim2=-1).log().sum(-1, keepdim=True)
    unlikely = (0.5 * (n * scale.log() + volume) * speaks).sum(-1)  # level, batch, window
    by_window = unlikely.swapaxes(0, 1).unflatten(2, (windows.by_row.shape[1], -1))
    by_cell = torch.einsum("rv,blvw,cw->blrc", windows.by_row, by_window, windows.by_col)
    logs = torch.tensor([math.log(level) for level in LEVELS]).to(by_cell)[:, None, None]
    expected = -0.5 * ((logs - math.log(USUAL)) / WITHIN) ** 2
    mean = (torch.softmax(expected - by_cell, 1) * logs).sum(1, keepdim=True)
    return mean.exp().to(anomaly)


def _along(cells: int, first: int) -> tuple[Tensor, Tensor]:
    """Of an axis: (window, SIDE) cells of each window, and (cell, window) share of each.

    A window starts at every ``STRIDE``th cell of the lattice, and one at each end of the block.
    """
    side = min(SIDE, cells)
    starts = sorted({0, *range(-first % STRIDE, cells - side + 1, STRIDE), cells - side})
    centres = torch.tensor(starts, dtype=torch.float64) + side / 2
    at = (torch.arange(cells, dtype=torch.float64) + 0.5).clamp(centres[0], centres[-1])
    after = torch.searchsorted(centres, at).clamp(1, max(len(starts) - 1, 1))
    share = torch.zeros(cells, len(starts), dtype=torch.float64)
    if len(starts) == 1:
        return torch.tensor(starts)[:, None] + torch.arange(side), share + 1
    gap = centres[after] - centres[after - 1]
    later = (at - centres[after - 1]) / gap
    share.scatter_(1, after[:, None], later[:, None])
    share.scatter_add_(1, after[:, None] - 1, 1 - later[:, None])
    return torch.tensor(starts)[:, None] + torch.arange(side), share
