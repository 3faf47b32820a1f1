"""How far a coarse image lies beside the fine image of the same day.

The fine image, averaged over cells and blurred as a coarse sensor blurs, is moved in quarters of
a cell; where it is most like the coarse image, those two lie on each other.  Only likeness
counts, not level: gain and offset between the sensors are free, band by band.
"""

# Strategy.  For each move the coarse image is regressed on the moved fine one; the likelihood of
# a regression with unknown gain, offset and noise is (1 - r^2)^(-n/2).  So -log(1 - r^2)/2 is the
# right score to add up over bands and tiles, and the width of its peak says how well the place is
# known: cross-correlation with a confidence.  Phase correlation was rejected, it has no place for
# clouds.

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

Float = NDArray[np.float32]

FARTHEST = 2
"""Cells that an image is looked for in each direction."""

BLUR = 0.4
"""Standard deviation, in cells, of the coarse sensor's blur beyond the average over a cell."""

AROUND = 9
"""Cells a side of the mean that is taken off: haze and view angles vary slowly, places do not."""

LEAST_LIKE = 0.5
"""Correlation below which the images show different things, and no place is told."""

LEAST_CELLS = 60

TOGETHER = 4
"""Neighbouring cells whose residuals are alike, so that they count as one: a footprint's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Where the ground of a coarse image appears, in cells: positive down (y) and right (x)."""

    y: float
    x: float
    sigma: float
    """Standard deviation of each."""

    likeness: float
    """Mean correlation of the bands at the best place."""

    cells: int
    """Cells it was measured on."""

    def beyond(self, cells: float) -> bool:
        """Whether it lies more than ``cells`` away, by two standard deviations."""
        return float(np.hypot(self.y, self.x)) - 2 * self.sigma > cells


def measure(pieces: Sequence[tuple[Float, Float]], ratio: int) -> Shift | None:
    """The place of a coarse image, from ``pieces`` of it and of the fine image under them.

    Each piece is fine (band, y, x) and coarse (band, row, col), NaN unknown, y = ratio * row.
    None where too little is known, the images are not alike, or the best place is at the rim.
    """
    inside = ratio // _step(ratio)
    reach = FARTHEST * inside
    places = np.arange(-reach, reach + 1)
    if not pieces:
        return None
    bands = len(pieces[0][0])
    sums = np.zeros((6, bands, len(places), len(places)))
    for fine, coarse in pieces:
        sums += _sums(_detail(_blurred(fine, ratio), AROUND * inside), coarse, inside, reach)
    score, likeness, cells = _score(sums)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    row, col = int(best[0]), int(best[1])
    if not (0 < row < len(places) - 1 and 0 < col < len(places) - 1):
        return None
    if cells[row, col] < LEAST_CELLS or likeness[row, col] < LEAST_LIKE:
        return None
    around = score[row - 1 : row + 2, col - 1 : col + 2]
    if (found := _peak(around)) is None:
        return None
    (down, right), spread = found
    count = float(cells[row, col]) / TOGETHER
    return Shift(
        y=float((places[row] + down) / inside),
        x=float((places[col] + right) / inside),
        sigma=float(spread / inside / np.sqrt(count)),
        likeness=float(likeness[row, col]),
        cells=int(cells[row, col]),
    )


def as_coarse(fine: Float, ratio: int) -> Float:
    """(band, row, col) of a fine image (band, y, x), averaged over cells and blurred.

    NaN where less than nine tenths of what a cell shows are known.
    """
    inside = ratio // _step(ratio)
    return _blurred(fine, ratio)[:, inside // 2 :: inside, inside // 2 :: inside]


def _step(ratio: int) -> int:
    """Fine pixels that are averaged before an image is moved: a quarter of a cell, or one."""
    return ratio // 4 if ratio % 4 == 0 else 1


def _blurred(fine: Float, ratio: int) -> Float:
    """(band, y, x) averaged by ``_step``, over a cell around each place, and blurred."""
    step = _step(ratio)
    inside = ratio // step
    bands, height, width = fine.shape
    blocks = fine.reshape(bands, height // step, step, width // step, step)
    known = np.isfinite(blocks)
    total, share = np.where(known, blocks, 0).mean((2, 4)), known.mean((2, 4))
    sigma = (0, BLUR * inside, BLUR * inside)
    total, share = (
        gaussian_filter(uniform_filter(layer, (0, inside, inside), mode="constant"), sigma)
        for layer in (total.astype(np.float32), share.astype(np.float32))
    )
    return np.where(share > 0.9, total / np.maximum(share, 0.9), np.nan).astype(np.float32)


def _detail(image: Float, size: int) -> Float:
    """What an image is above its mean over ``size`` pixels around."""
    known = np.isfinite(image)
    mean = uniform_filter(np.where(known, image, 0), (0, size, size), mode="constant")
    share = uniform_filter(known.astype(np.float32), (0, size, size), mode="constant")
    return np.where(known, image - mean / np.maximum(share, 1e-6), np.nan).astype(np.float32)


def _sums(fine: Float, coarse: Float, inside: int, reach: int) -> NDArray[np.float64]:
    """n, sums of f, c, ff, cc and fc over the cells, (6, band, move down, move right)."""
    coarse = _detail(coarse, AROUND)
    rows, cols = coarse.shape[1:]
    padded = np.pad(fine, ((0, 0), (reach, reach), (reach, reach)), constant_values=np.nan)
    moves = 2 * reach + 1
    sums = np.zeros((6, len(coarse), moves, moves))
    known_coarse = np.isfinite(coarse)
    for down in range(moves):
        for right in range(moves):
            # The ground of cell k appears ``move`` further on in the coarse image, so the cell
            # shows what the fine image has at k - move.
            top, left = (2 * reach - move + inside // 2 for move in (down, right))
            seen = padded[:, top::inside, left::inside][:, :rows, :cols]
            known = known_coarse & np.isfinite(seen)
            f = np.where(known, seen, 0).astype(np.float64)
            c = np.where(known, coarse, 0).astype(np.float64)
            layers = (known, f, c, f * f, c * c, f * c)
            sums[:, :, down, right] = [layer.sum((1, 2)) for layer in layers]
    return sums


def _score(
    sums: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood per cell, mean correlation, and number of cells, each (down, right).

    Bands show the same ground, so their mean is taken: six are no more certain than one.
    """
    n, f, c, ff, cc, fc = sums
    n = np.maximum(n, 1)
    variance = np.maximum(ff - f * f / n, 0) * np.maximum(cc - c * c / n, 0)
    r = np.where(variance > 0, (fc - f * c / n) / np.sqrt(np.maximum(variance, 1e-30)), 0)
    up = np.clip(r, 0, 0.9999)
    return (-0.5 * np.log1p(-(up**2))).mean(0), r.mean(0), sums[0].mean(0)


def _peak(score: NDArray[np.float64]) -> tuple[tuple[float, float], float] | None:
    """Top of the paraboloid through 3 x 3 scores: its place, and its width for one cell."""
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[-1:2, -1:2])
    terms = np.stack([np.ones(9), y, x, y * y, x * x, x * y], 1)
    _, b, c, d, e, f = np.linalg.lstsq(terms, score.ravel(), rcond=None)[0]
    bend = np.array([[2 * d, f], [f, 2 * e]])
    if np.linalg.eigvalsh(bend).max() >= 0:
        return None
    down, right = -np.linalg.solve(bend, np.array([b, c]))
    if max(abs(down), abs(right)) > 1:
        return None
    return (float(down), float(right)), float(np.sqrt(np.linalg.eigvalsh(-np.linalg.inv(bend))[-1]))
