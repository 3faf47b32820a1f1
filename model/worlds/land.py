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
    labels = (_voronoi if division == "voronoi" else _split)(rng, shape, pixels)
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


def relief(rng: np.random.Generator, shape: tuple[int, int], metres_per_km: float) -> Field:
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
