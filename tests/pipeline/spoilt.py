"""A cube of one's own, and other pixels on days that nothing may depend on."""

import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import zarr

from pipeline.cube import day_number
from pipeline.images import array_of, day_axis
from pipeline.job import Job

BANDS = ("red", "nir08")
"""Of a season, ``tests.season``."""


def copied(job: Job, folder: Path) -> Job:
    shutil.copytree(job.cube.parent, folder, dirs_exist_ok=True)
    return replace(job, cube=folder / job.cube.name)


def spoil(job: Job, days: Collection[date]) -> None:
    """Other pixels on these days, as if they had been read so."""
    root = zarr.open_group(job.inputs / "fine.zarr", mode="r+")
    rng, axis = np.random.default_rng(0), day_axis(root)
    for when in days:
        for band in BANDS:
            image = array_of(root, band)
            image[axis.index(day_number(when))] = rng.integers(0, 9000, image.shape[1:])
    shutil.rmtree(job.inputs / "counts")
