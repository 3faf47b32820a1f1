"""Blocks of random reflectance for tests of methods."""

import numpy as np

from model.block import COARSE_PAD, Block


def make_block(
    *,
    y: int = 64,
    x: int = 96,
    ratio: int = 16,
    days: tuple[int, ...] = (2, 5),
    bands: int = 6,
    span: tuple[int, int] = (0, 8),
    origin: tuple[int, int] = (0, 0),
    seed: int = 0,
) -> Block:
    """Random images; the coarse ones have nothing to do with the fine ones."""
    rng = np.random.default_rng(seed)

    def image(*shape: int) -> np.ndarray:
        return rng.uniform(0.02, 0.5, shape).astype(np.float32)

    cells = (bands, y // ratio + 2 * COARSE_PAD, x // ratio + 2 * COARSE_PAD)
    return Block(
        fine_before=image(bands, y, x),
        fine_after=image(bands, y, x),
        coarse_before=image(*cells),
        coarse_after=image(*cells),
        coarse=image(len(days), *cells),
        day_before=span[0],
        day_after=span[1],
        days=days,
        ratio=ratio,
        origin=origin,
        centre=np.full(bands, 0.2, np.float32),
        spread=np.full(bands, 0.1, np.float32),
    )
