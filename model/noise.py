"""Noise that depends on the seed and the place alone.

Not on tile, worker, order or date: overlapping blocks share it, and consecutive days do not
flicker.  Counter-based (Philox), one stream a square of the absolute lattice.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from model.block import Array

SQUARE = 64
"""Fine pixels along the side of a square drawn from one stream."""


def noise_field(
    seed: int,
    origin: tuple[int, int],
    bands: int,
    y: int,
    x: int,
    *,
    sample: int = 0,
    step: int = 0,
    threads: int = 1,
) -> Array:
    """Standard normal noise (band, y, x) at fine pixel ``origin`` (row, col) of the lattice.

    ``sample`` counts draws of the same place, ``step`` the fresh noise of the steps of each (0:
    where they start); each a stream of its own.  So many ``threads`` draw rows of
    squares, for numpy lets go of the interpreter meanwhile; the numbers do not depend on it.
    """
    first = [at // SQUARE for at in origin]
    last = [(at + size - 1) // SQUARE for at, size in zip(origin, (y, x), strict=True)]

    def row_of_squares(row: int) -> Array:
        cols = range(first[1], last[1] + 1)
        return np.concatenate([_square(seed, row, col, bands, sample, step) for col in cols], 2)

    every = range(first[0], last[0] + 1)
    if threads == 1:
        rows = [row_of_squares(row) for row in every]
    else:
        with ThreadPoolExecutor(threads) as pool:
            rows = list(pool.map(row_of_squares, every))
    top, left = origin[0] - first[0] * SQUARE, origin[1] - first[1] * SQUARE
    return np.concatenate(rows, 1)[:, top : top + y, left : left + x]


def _square(seed: int, row: int, col: int, bands: int, sample: int, step: int) -> Array:
    place = (row % 2**32) << 32 | (col % 2**32)
    # A square draws far fewer than 2^128 numbers, so steps and samples never meet.
    stream = sample << 192 | step << 128
    philox = np.random.Philox(key=(seed % 2**64) << 64 | place, counter=stream)
    generator = np.random.Generator(philox)
    return generator.standard_normal((bands, SQUARE, SQUARE), dtype=np.float32)
