"""Small blocks of fields that change together, and what a coarse sensor sees of them."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from model.block import COARSE_PAD, Block
from tests.model.makers import BANDS, make_block

HOLES = (slice(20, 26), slice(30, 41))
"""Fine pixels (y, x) that nobody saw."""


def make_landscape(
    *,
    bands: int = 3,
    y: int = 48,
    x: int = 64,
    ratio: int = 8,
    days: tuple[int, ...] = (3,),
    change: float = 0.06,
    holes: bool = False,
    seed: int = 0,
) -> Block:
    """Four kinds of fields of their own spectra and growth, with noise; some fields turn bare.

    ``holes``: ``HOLES`` and two coarse cells are unknown on one of the dates.
    """
    rng = np.random.default_rng(seed)
    kind = np.kron(rng.integers(0, 4, (y // 6 + 1, x // 7 + 1)), np.ones((6, 7), int))[:y, :x]
    spectra = rng.uniform(0.05, 0.4, (4, bands))
    growth = rng.uniform(-1, 1.5, (4, bands)) * change

    def fine(when: float) -> np.ndarray:
        grown = (spectra + when * growth)[kind].transpose(2, 0, 1)
        slow = gaussian_filter(rng.normal(0, 1, (bands, y, x)), (0, 5, 5))
        noise = rng.normal(0, 0.006, (bands, y, x)) + 0.05 * slow
        return np.clip(grown + noise, 0.005, 0.9).astype(np.float32)

    def cells(image: np.ndarray) -> np.ndarray:
        means = image.reshape(bands, y // ratio, ratio, x // ratio, ratio).mean((2, 4))
        seen = 0.9 * means + 0.01 + rng.normal(0, 0.003, means.shape)
        pad = (COARSE_PAD, COARSE_PAD)
        return np.pad(seen, ((0, 0), pad, pad), mode="edge").astype(np.float32)

    before, after = fine(0), fine(1)
    middle = []
    for number, _ in enumerate(days):
        image = fine(0.4 + 0.2 * number)
        image[:, 28:40, 8:22] = 0.25
        middle.append(cells(image))
    low, high = np.percentile(before.reshape(bands, -1), (25, 75), axis=1)
    block = make_block(y=y, x=x, ratio=ratio, days=days, bands=BANDS[:bands], seed=seed)
    block = replace(
        block,
        fine_before=before,
        fine_after=after,
        coarse_before=cells(before),
        coarse_after=cells(after),
        coarse=np.stack(middle),
        spread=np.maximum(high - low, 0.01).astype(np.float32),
    )
    if holes:
        block.fine_before[:, *HOLES] = np.nan
        block.fine_after[0, 5, 5] = np.nan
        block.coarse[0, :, COARSE_PAD + 1, COARSE_PAD + 1] = np.nan
        block.coarse_before[0, COARSE_PAD + 4, COARSE_PAD + 6] = np.nan
    return block


def some_pixels(block: Block, count: int = 30, seed: int = 1) -> list[tuple[int, int]]:
    """Known pixels of day 0, the corners first if they are, then some at random."""
    known = block.known()[0]
    y, x = known.shape
    rng = np.random.default_rng(seed)
    drawn = zip(rng.integers(0, y, count), rng.integers(0, x, count), strict=True)
    wanted = [(0, 0), (0, x - 1), (y - 1, 0), (y - 1, x - 1), (19, 35), *drawn]
    return [(int(row), int(col)) for row, col in wanted if known[row, col]]


def cut(block: Block, y: slice, x: slice, *, halo: int) -> Block:
    """The block of a tile and its halo in whole cells, as ``Grid.block`` cuts it from a region."""
    margin = -(-halo // block.ratio) * block.ratio
    _, _, rows, cols = block.shape
    v, u = (
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, length in ((y, rows), (x, cols))
    )
    i, j = (
        slice(side.start // block.ratio, side.stop // block.ratio + 2 * COARSE_PAD)
        for side in (v, u)
    )
    return replace(
        block,
        fine_before=block.fine_before[:, v, u],
        fine_after=block.fine_after[:, v, u],
        coarse_before=block.coarse_before[:, i, j],
        coarse_after=block.coarse_after[:, i, j],
        coarse=block.coarse[:, :, i, j],
        origin=(v.start, u.start),
        core=(
            slice(y.start - v.start, y.stop - v.start),
            slice(x.start - u.start, x.stop - u.start),
        ),
    )
