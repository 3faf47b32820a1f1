"""Keyword-only makers of small grids, images and input cubes."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.cube import day_number, pack
from pipeline.grid import Grid
from pipeline.ingest import clearness_of
from pipeline.store import create_input, write_block, write_tables

Float = NDArray[np.float32]

FIRST = date(2023, 5, 1)


def day(number: int) -> date:
    """Day ``number`` of a made-up season; 0 is the first of May."""
    return FIRST + timedelta(days=number)


def make_grid(*, rows: int = 6, cols: int = 7, ratio: int = 4, tile_cells: int = 4) -> Grid:
    """``rows`` x ``cols`` coarse cells in UTM 33 N; the last tiles are partial by default."""
    side = 30 * ratio
    left, bottom = 15 + 2500 * side, 15 + 33_000 * side
    return Grid.from_bounds(
        (left, bottom, left + cols * side, bottom + rows * side),
        crs="EPSG:32633",
        ratio=ratio,
        tile=tile_cells * ratio,
    )


def make_world(*, grid: Grid, days: int, bands: int = 2, seed: int = 0) -> Float:
    """(time, band, y, x) reflectance between 0.02 and 0.6 that changes smoothly in time."""
    noise = np.random.default_rng(seed)
    level = noise.uniform(0.05, 0.5, (bands, *grid.shape))
    trend = noise.normal(0, 0.1, (bands, *grid.shape))
    time = np.arange(days).reshape(-1, 1, 1, 1) / max(days - 1, 1)
    world = np.clip(level + trend * np.sin(3 * time), 0.02, 0.6)
    return np.rint(world * 1e4).astype(np.float32) * np.float32(1e-4)


def make_coarse(*, world: Float, ratio: int) -> Float:
    """The mean of each cell, (..., row, col)."""
    *front, y, x = world.shape
    cells = world.reshape(*front, y // ratio, ratio, x // ratio, ratio)
    return cells.mean((-3, -1), dtype=np.float32)


def make_clouds(
    *, shape: tuple[int, int, int], clear: tuple[float, float], size: int = 6, seed: int = 0
) -> NDArray[np.bool_]:
    """(time, y, x) clear sky: smooth clouds about ``size`` pixels across.

    The clear share of a day is drawn between the two of ``clear``.
    """
    noise = np.random.default_rng(seed)
    sky = np.empty(shape, np.bool_)
    for image in sky:
        field = uniform_filter(noise.normal(size=shape[1:]), size)
        image[...] = field <= np.quantile(field, noise.uniform(*clear))
    return sky


def make_inputs(
    *,
    folder: Path,
    grid: Grid,
    fine: Mapping[date, Float],
    coarse: Mapping[date, Float],
    bands: Sequence[str] = ("red", "nir08"),
    surface: Mapping[date, NDArray[np.uint8]] | None = None,
    coarse_surface: Mapping[date, NDArray[np.uint8]] | None = None,
) -> Path:
    """Write input cubes of (band, y, x) images, NaN cloudy; returns their folder.

    The coarse axis is made complete; its days without an image have fingerprint 0.
    """
    for role, images, told_of in (
        ("fine", fine, surface),
        ("coarse", coarse, coarse_surface),
    ):
        path, days = folder / f"{role}.zarr", sorted(images)
        create_input(path, role, grid, days, bands)  # type: ignore[arg-type]
        values = np.stack([images[when] for when in days])
        clear = np.isfinite(values).all(1)
        packed, _ = pack(np.where(clear[:, None], values, np.nan))
        flags = np.zeros(clear.shape, np.uint8)
        if told_of:
            flags = np.stack([told_of[when] for when in days])
        layers: dict[str, Any] = {band: packed[:, at] for at, band in enumerate(bands)}
        layers |= {"clear": clear.astype(np.uint8), "surface": flags}
        layers["source"] = clear.astype(np.uint16)
        rows, cols = clear.shape[1:]
        write_block(path, layers, days=days, y=slice(0, rows), x=slice(0, cols))
        prints = [1 + day_number(when) for when in days]
        write_tables(path, {"fingerprint": prints}, days=days)
        everything = [tile.index for tile in grid.tiles]
        seen = [clearness_of(grid, mask, everything if role == "fine" else ()) for mask in clear]
        for tile in range(1 if role == "coarse" else len(grid.tiles)):
            told: dict[str, Any] = {"done": 1}
            if role == "fine":
                told["clear_share"] = [of_day[tile][0] for of_day in seen]
                told["cloud_distance"] = [of_day[tile][1] for of_day in seen]
            write_tables(path, told, days=days, tile=tile)
    return folder
