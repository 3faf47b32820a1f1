"""Whether a disk has room for a job's cubes, asked before anything is laid out."""

import math
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from pipeline.cf import Role
from pipeline.cube import arrays
from pipeline.grid import Grid
from pipeline.job import Job, JobError
from pipeline.store import read_days

USUAL, MOST = 5, 20
"""How many times smaller cubes become on disk.  The sample's are five to six times smaller; what
is cloud or fill takes no room, so a region with few clear images may come near the other."""


def check_room(
    job: Job,
    bands: Sequence[str],
    *,
    fine: Sequence[date],
    coarse: Sequence[date],
    sigma: bool,
) -> None:
    """Raise JobError where not even cubes that become ``MOST`` times smaller would fit.

    ``fine`` and ``coarse`` are the days of the input cubes; days that are in a cube already
    count for nothing.
    """
    wanted: tuple[tuple[Path, Role, Sequence[date]], ...] = (
        (job.cube, "fused", job.days),
        (job.inputs / "fine.zarr", "fine", fine),
        (job.inputs / "coarse.zarr", "coarse", coarse),
    )
    raw = sum(
        raw_bytes(role, job.grid, len(set(days) - _present(path)), bands, sigma=sigma)
        for path, role, days in wanted
    )
    here = next(path for path in (job.cube, *job.cube.parents) if path.exists())
    free = shutil.disk_usage(here).free
    if raw / MOST > free:
        height, width = job.grid.shape
        raise JobError(
            f"{here} has {_gb(free)} free, but {len(job.days)} days of {height} x {width} pixels "
            f"with {len(bands)} bands, and the images behind them, are {_gb(raw)}: about "
            f"{_gb(raw / USUAL)} on disk, {_gb(raw / MOST)} at the very least. Free some room, "
            f"give `cube` a place on a larger disk, or ask for a smaller bbox or period"
        )


def raw_bytes(role: Role, grid: Grid, days: int, bands: Sequence[str], *, sigma: bool) -> int:
    """Bytes of the arrays of ``days`` days before compression."""
    specs = arrays(role, grid, days, bands, sigma=sigma and role == "fused").values()
    return sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs)


def _present(path: Path) -> set[date]:
    return set(read_days(path)) if (path / "zarr.json").exists() else set()


def _gb(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
