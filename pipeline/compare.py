"""Measure what fine and coarse images of the same day tell of each other: a task a day."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.calibration import Line, fit
from pipeline.coincidence import Coincidence, read_coincident, write_coincident
from pipeline.cube import unpack
from pipeline.grid import Grid
from pipeline.images import array_of, open_input
from pipeline.registration import as_coarse, measure
from pipeline.store import read_tables

Float = NDArray[np.float32]

SIDE = 1024
"""Fine pixels a side of the windows that are looked at."""

WINDOWS = 4
"""Windows of a day, the clearest first: 16,000 cells are enough for a fiftieth of a cell, and a
large region costs no more than a small one."""

LEVEL = 5
"""Cells a side whose means the sensors are compared by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTask:
    """The address of a day to be measured."""

    inputs: str
    grid: dict[str, Any]
    bands: tuple[str, ...]
    day: date
    images: str


def compare_tasks(inputs: Path, grid: Grid, bands: Sequence[str]) -> list[CompareTask]:
    """The days with both images that were not measured yet, or were read anew since."""
    known = {one.day: one.images for one in read_coincident(inputs)}
    return [
        CompareTask(
            inputs=str(inputs), grid=grid.to_dict(), bands=tuple(bands), day=day, images=images
        )
        for day, images in _coincident_days(inputs).items()
        if known.get(day) != images
    ]


def compare_day(task: CompareTask) -> Coincidence:
    """Read a day's images and measure."""
    pieces = _pieces(Path(task.inputs), Grid.from_dict(task.grid), task.bands, task.day)
    ratio = int(task.grid["ratio"])
    return Coincidence(
        day=task.day,
        images=task.images,
        shift=measure(pieces, ratio),
        lines=_lines(pieces, ratio, len(task.bands)),
    )


def keep(inputs: Path, measured: Collection[Coincidence]) -> None:
    """Write down what was measured, and forget days that are no more."""
    days = _coincident_days(inputs)
    known = {one.day: one for one in (*read_coincident(inputs), *measured) if one.day in days}
    write_coincident(inputs, known.values())


def _coincident_days(inputs: Path) -> dict[date, str]:
    fine, coarse = (read_tables(inputs / f"{role}.zarr") for role in ("fine", "coarse"))
    states = [
        {
            day: f"{print_:x} {done.astype(int).sum()}"
            for day, print_, done in zip(
                tables.days, tables.arrays["fingerprint"], tables.arrays["done"], strict=True
            )
            if print_ and done.any()
        }
        for tables in (fine, coarse)
    ]
    return {day: f"{states[0][day]} {states[1][day]}" for day in states[0] if day in states[1]}


def _pieces(inputs: Path, grid: Grid, bands: Sequence[str], day: date) -> list[tuple[Float, Float]]:
    """Windows of both images, fine (band, y, x) and coarse (band, row, col), the clearest ones."""
    fine, coarse = open_input(inputs, "fine"), open_input(inputs, "coarse")
    at, at_coarse = (
        read_tables(inputs / f"{role}.zarr").days.index(day) for role in ("fine", "coarse")
    )
    clear = np.asarray(array_of(coarse, "clear")[at_coarse]) != 0
    side = SIDE // grid.ratio * grid.ratio
    height, width = grid.shape
    windows = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            y, x = slice(top, min(top + side, height)), slice(left, min(left + side, width))
            seen = np.asarray(array_of(fine, "clear")[at, y, x]) != 0
            rows, cols = seen.shape[0] // grid.ratio, seen.shape[1] // grid.ratio
            share = seen.reshape(rows, grid.ratio, cols, grid.ratio).mean((1, 3))
            both = float((share * clear[grid.coarse_window(y, x)]).sum())
            windows.append((-both, top, left, y, x))
    pieces = []
    for both, _, _, y, x in sorted(windows, key=lambda window: window[:3])[:WINDOWS]:
        if both < 0:
            cells = grid.coarse_window(y, x)
            pieces.append(
                (
                    np.stack([unpack(np.asarray(array_of(fine, b)[at, y, x])) for b in bands]),
                    np.stack(
                        [unpack(np.asarray(array_of(coarse, b)[at_coarse, *cells])) for b in bands]
                    ),
                )
            )
    return pieces


def _lines(
    pieces: Sequence[tuple[Float, Float]], ratio: int, bands: int
) -> tuple[Line | None, ...]:
    pairs = [_levels(np.stack([as_coarse(fine, ratio), coarse])) for fine, coarse in pieces]
    together = np.concatenate(pairs, axis=2) if pairs else np.zeros((2, bands, 0))
    lines = []
    for fine, coarse in together.swapaxes(0, 1):
        known = np.isfinite(fine + coarse)
        lines.append(fit(fine[known], coarse[known]))
    return tuple(lines)


def _levels(images: Float) -> NDArray[np.float64]:
    """Means over ``LEVEL`` x ``LEVEL`` cells of both images, (2, band, cell); NaN where half lack.

    Single cells would compare how sharply the sensors see as well as how bright: a wider
    footprint looks like a smaller gain.
    """
    known = np.isfinite(images).all(axis=0).astype(np.float64)
    size = (0, LEVEL, LEVEL)
    share = uniform_filter(known, size, mode="constant")
    total = uniform_filter(
        np.where(known, images, 0).astype(np.float64), (0, *size), mode="constant"
    )
    means = np.where(share > 0.5, total / np.maximum(share, 1e-9), np.nan)
    return means.reshape(2, images.shape[1], -1)
