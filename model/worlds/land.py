"""The still parts of a world: parcels, river, heights, texture."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from scipy.spatial import cKDTree

PIXEL_M = 30.0
Field = NDArray[np.float32]


def rough_field(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> Field:
    """A smooth random field, mean 0, standard deviation 1, bumps of about ``scale_px``."""
    step = max(1.0, scale_px / 3)
    small = [int(np.ceil(n / step)) + 8 for n in shape]
    field = gaussian_filter(rng.standard_normal(small), scale_px / step)
    field = zoom(field, step, order=1)[: shape[0], : shape[1]]
    return ((field - field.mean()) / (field.std() + 1e-9)).astype(np.float32)


def parcels(
    rng: np.random.Generator, shape: tuple[int, int], median_ha: float, division: str
) -> NDArray[np.int32]:
    """Number each pixel's parcel from 0; areas are about lognormal around ``median_ha``."""
    pixels = median_ha * 1e4 / PIXEL_M**2
    labels = _DIVISIONS[division](rng, shape, pixels)
    return np.unique(labels, return_inverse=True)[1].reshape(shape).astype(np.int32)


def _voronoi(rng: np.random.Generator, shape: tuple[int, int], pixels: float) -> NDArray[np.int64]:
    # Seeds thinned by a rough field give small and large parcels side by side; the stretched,
    # turned metric gives strips, as fields are.
    count = max(6, int(1.6 * shape[0] * shape[1] / pixels))
    seeds = rng.uniform((-8, -8), (shape[0] + 8, shape[1] + 8), (count, 2))
    density = rough_field(rng, shape, 40)
    at = np.clip(seeds.astype(int), 0, np.array(shape) - 1)
    seeds = seeds[rng.random(count) < 1 / (1 + np.exp(-1.2 * density[at[:, 0], at[:, 1]]))]
    if len(seeds) < 4:
        seeds = rng.uniform((0, 0), shape, (4, 2))
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1, 3)
    metric = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    metric[1] *= stretch
    yx = np.mgrid[: shape[0], : shape[1]].reshape(2, -1).T
    return cKDTree(seeds @ metric.T).query(yx @ metric.T)[1].reshape(shape)


def _split(rng: np.random.Generator, shape: tuple[int, int], pixels: float) -> NDArray[np.int64]:
    labels = np.zeros(shape, np.int64)
    boxes = [(0, shape[0], 0, shape[1])]
    count = 0
    while boxes:
        y0, y1, x0, x1 = boxes.pop()
        tall = y1 - y0 > x1 - x0
        length = y1 - y0 if tall else x1 - x0
        if (y1 - y0) * (x1 - x0) < 1.4 * pixels * rng.lognormal(0, 0.6) or length < 4:
            labels[y0:y1, x0:x1] = count
            count += 1
            continue
        cut = round(length * rng.uniform(0.3, 0.7))
        boxes += (
            [(y0, y0 + cut, x0, x1), (y0 + cut, y1, x0, x1)]
            if tall
            else [(y0, y1, x0, x0 + cut), (y0, y1, x0 + cut, x1)]
        )
    return labels


def _strips(rng: np.random.Generator, shape: tuple[int, int], pixels: float) -> NDArray[np.int64]:
    """Long fields side by side that bend with the terrain, each cut across at its own places."""
    turn, slender = rng.uniform(0, np.pi), rng.uniform(2.5, 6)
    wide = max(np.sqrt(pixels / slender), 1.5)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.0
    bend = 0.15 * max(shape)
    u = y * np.cos(turn) - x * np.sin(turn) + bend * rough_field(rng, shape, bend * 3)
    v = y * np.sin(turn) + x * np.cos(turn) + bend * rough_field(rng, shape, bend * 3)
    strip = np.floor((u - u.min()) / wide).astype(np.int64)
    count = int(strip.max()) + 1
    length = wide * slender * rng.lognormal(0, 0.5, count)
    along = (v - v.min()) / length[strip] + rng.random(count)[strip]
    return strip * (int(along.max()) + 1) + np.floor(along).astype(np.int64)


def _pivots(rng: np.random.Generator, shape: tuple[int, int], pixels: float) -> NDArray[np.int64]:
    """Circles on a square grid, some of two crops, some squares without; corners lie between."""
    side = max(np.sqrt(pixels * 4 / np.pi), 5.0)
    start = rng.uniform(0, side, 2)
    y, x = (np.arange(n) + offset for n, offset in zip(shape, start, strict=True))
    row, col = (np.floor(at / side).astype(np.int64) for at in (y, x))
    across = int(col.max()) + 2
    cell = row[:, None] * across + col
    from_middle = np.stack(np.broadcast_arrays((y % side)[:, None], x % side)) - side / 2
    cells = int(cell.max()) + 1
    square, turn = rng.random(cells) < 0.3, rng.uniform(0, np.pi, cells)
    two = (rng.random(cells) < 0.3)[cell]
    half = np.cos(turn)[cell] * from_middle[0] + np.sin(turn)[cell] * from_middle[1] > 0
    inside = (np.hypot(*from_middle) < 0.48 * side) | square[cell]
    middle_row, middle_col = (np.floor(at / side + 0.5).astype(np.int64) for at in (y, x))
    corner = middle_row[:, None] * across + middle_col
    return np.where(inside, 2 * cell + (two & half), 2 * cells + corner)


_DIVISIONS = {"voronoi": _voronoi, "split": _split, "strips": _strips, "pivots": _pivots}


def relief(
    rng: np.random.Generator, shape: tuple[int, int], metres_per_km: float, kind: str = "river"
) -> Field:
    """Heights above the banks of standing or running water, in metres; below 0 in the water."""
    return (_river if kind == "river" else _basins)(rng, shape, metres_per_km)


def _basins(rng: np.random.Generator, shape: tuple[int, int], metres_per_km: float) -> Field:
    """Rolling ground whose lowest places are ponds."""
    ground = rough_field(rng, shape, rng.uniform(12, 40)) + 0.3 * rough_field(rng, shape, 5)
    above = ground - np.quantile(ground, rng.uniform(0.01, 0.08))
    height = np.maximum(0.4 * metres_per_km * above, 0.02)
    return np.where(above <= 0, -1.0, height).astype(np.float32)


def _river(rng: np.random.Generator, shape: tuple[int, int], metres_per_km: float) -> Field:
    """Heights above the river's banks in metres: a winding river and a lake, below 0, and ground
    that rises away from both."""
    y, x = shape
    along = np.arange(-50, max(shape) + 50)
    wind = sum(
        rng.uniform(2, 14) * np.sin(2 * np.pi * along / rng.uniform(60, 220) + rng.uniform(0, 6.3))
        for _ in range(3)
    )
    slope = rng.uniform(-0.5, 0.5)
    across = rng.uniform(0.25, 0.75) * min(shape) + slope * (along - max(shape) / 2) + wind
    river = np.zeros(shape, bool)
    yx = np.stack([along, np.round(across)], 1).astype(int)
    if rng.random() < 0.5:
        yx = yx[:, ::-1]
    inside = (yx >= 0).all(1) & (yx < shape).all(1)
    river[tuple(yx[inside].T)] = True
    if not river.any():
        river[y // 2, :] = True
    away = distance_transform_edt(~river) - rng.uniform(0.8, 3.5)
    lake_at = rng.uniform(0.1, 0.9, 2) * shape
    grid = np.mgrid[:y, :x]
    lake = np.hypot(grid[0] - lake_at[0], 0.7 * (grid[1] - lake_at[1])) - rng.uniform(3, 14)
    away = np.minimum(away, lake + 4 * rough_field(rng, shape, 9))
    bumps = 0.25 * metres_per_km * rough_field(rng, shape, rng.uniform(8, 30))
    height = metres_per_km * np.maximum(away, 0) * PIXEL_M / 1000
    height += bumps * np.clip(away / 10, 0, 1)
    height = np.where(away <= 0, -1.0, np.maximum(height, 0.02))
    return height.astype(np.float32)
