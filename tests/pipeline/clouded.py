"""A small clouded region on disk, and what the rules give of it pixel by pixel."""

import numpy as np

from pipeline.cube import HIGH_AEROSOL, WATER
from pipeline.references import (
    BlockAddress,
    read_block,
)
from tests.synthetic import day, make_clouds, make_coarse, make_grid, make_inputs, make_world

BANDS = ("red", "nir08")
FINE_DAYS = (0, 3, 5, 9, 14, 16, 20)
WINDOW = 4
STATISTICS = {"centre": np.zeros(2, np.float32), "spread": np.ones(2, np.float32)}


class World:
    """A small clouded region on disk, and what is in it."""

    def __init__(self, folder, *, seed, fine_clear=(0.2, 0.7), coarse_clear=(0.6, 0.9)):
        self.grid = make_grid()
        self.truth = make_world(grid=self.grid, days=24, seed=seed)
        self.surface = np.random.default_rng(seed).integers(0, 8, self.truth[:, 0].shape)
        clear = make_clouds(shape=self.truth[:, 0].shape, clear=fine_clear, seed=seed)
        self.fine = {n: np.where(clear[n], self.truth[n], np.nan) for n in FINE_DAYS}
        coarse = make_coarse(world=self.truth, ratio=self.grid.ratio)
        sky = make_clouds(shape=coarse[:, 0].shape, clear=coarse_clear, size=2, seed=seed + 1)
        coarse = np.rint(coarse * 1e4).astype(np.float32) * np.float32(1e-4)
        self.coarse = np.where(sky[:, None], coarse, np.nan)
        self.coarse_surface = np.random.default_rng(seed + 2).choice(
            [0, 0, 0, WATER, HIGH_AEROSOL], self.coarse[:, 0].shape
        )
        self.folder = make_inputs(
            folder=folder,
            grid=self.grid,
            fine={day(n): image for n, image in self.fine.items()},
            coarse={day(n): image for n, image in enumerate(self.coarse)},
            surface={day(n): self.surface[n].astype(np.uint8) for n in FINE_DAYS},
            coarse_surface={
                day(n): flags.astype(np.uint8) for n, flags in enumerate(self.coarse_surface)
            },
        )

    def read(self, *, tile, days, before, after, halo=4, gap=None):
        where = BlockAddress(
            tile=self.grid.tiles[tile],
            halo=halo,
            days=tuple(map(day, days)),
            bands=BANDS,
            before=tuple(map(day, before)),
            after=tuple(map(day, after)),
            gap=gap,
            coarse_fill_days=WINDOW,
        )
        return read_block(self.folder, self.grid, where, **STATISTICS)


def _filled_cell(world, n, band, row, col):
    """A coarse cell of day ``n`` and whether it was filled, one cell at a time."""
    series = world.coarse[:, band, row, col]
    if np.isfinite(series[n]):
        return float(series[n]), False
    left = [k for k in range(max(n - WINDOW, 0), n) if np.isfinite(series[k])]
    right = [k for k in range(n + 1, min(n + WINDOW, 23) + 1) if np.isfinite(series[k])]
    if left and right:
        share = (n - left[-1]) / (right[0] - left[-1])
        return float(series[left[-1]] + share * (series[right[0]] - series[left[-1]])), True
    if left or right:
        return float(series[left[-1] if left else right[0]]), True
    return np.nan, False


def coarse_image(world, n):
    rows, cols = world.grid.coarse_shape
    cells = [
        [[_filled_cell(world, n, b, r, c) for c in range(cols)] for r in range(rows)]
        for b in range(2)
    ]
    values = np.array([[[cell[0] for cell in row] for row in band] for band in cells])
    filled = np.array([[[cell[1] for cell in row] for row in band] for band in cells])
    return values, filled.any(0)


def _between_centres(cells, y, x, ratio):
    """Bilinear at fine pixel (y, x) of the region, the border repeated."""
    rows, cols = cells.shape
    at_y, at_x = (y + 0.5) / ratio - 0.5, (x + 0.5) / ratio - 0.5
    value = 0.0
    for r in (int(np.floor(at_y)), int(np.floor(at_y)) + 1):
        for c in (int(np.floor(at_x)), int(np.floor(at_x)) + 1):
            weight = (1 - abs(at_y - r)) * (1 - abs(at_x - c))
            value += weight * cells[np.clip(r, 0, rows - 1), np.clip(c, 0, cols - 1)]
    return value


def reference_pixel(world, coarse, own, dates, y, x):
    """Value (band,) of the date ``own`` and the set of dates used: the rule of filling for one
    pixel."""
    moved = {}
    for n in {own, *dates}:
        if n not in world.fine or not np.isfinite(world.fine[n][:, y, x]).all():
            continue
        moved[n] = world.fine[n][:, y, x].astype(np.float64)
        if n != own:
            change, ratio = coarse[own][0] - coarse[n][0], world.grid.ratio
            if not np.isfinite(change[:, y // ratio, x // ratio]).all():
                del moved[n]
                continue
            moved[n] += [_between_centres(band, y, x, ratio) for band in change]
    if own in moved:
        return moved[own], {own}
    earlier, later = [n for n in moved if n < own], [n for n in moved if n > own]
    if not moved:
        return np.full(2, np.nan), set()
    if not (earlier and later):
        (n,) = {max(earlier)} if earlier else {min(later)}
        return moved[n], {n}
    left, right = max(earlier), min(later)
    value = ((right - own) * moved[left] + (own - left) * moved[right]) / (right - left)
    return value, {left, right}
