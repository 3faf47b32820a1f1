"""The daily truth of the sample, apart from everything the pipeline reads."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from numpy.typing import NDArray

from catalogs import BANDS
from model.worlds.land import Field
from pipeline.cube import pack
from pipeline.grid import Grid

LABELS = ("flooded", "harvested")
HARVESTED_DAYS = 16
"""A pixel is labelled harvested for this many days after the cut."""


def create_truth(path: Path, grid: Grid, days: Sequence[date]) -> None:
    """Make an empty truth on the region's grid: six bands and two labels, one chunk a day."""
    group = zarr.create_group(path, attributes={"title": "simulated truth, for scoring only"})
    shape = (len(days), *grid.shape)
    for name in (*BANDS, *LABELS):
        group.create_array(
            name,
            shape=shape,
            chunks=(1, *grid.shape),
            dtype="int16" if name in BANDS else "uint8",
            dimension_names=("time", "y", "x"),
            attributes={"scale_factor": 1e-4} if name in BANDS else {},
        )
    times = pd.DatetimeIndex(days)
    coordinates = {
        "time": times,
        "y": grid.fine.coords["y"].values,
        "x": grid.fine.coords["x"].values,
    }
    encoding = {"time": {"units": "seconds since 1970-01-01", "dtype": "int64"}}
    xr.Dataset(coords=coordinates).to_zarr(path, mode="a", consolidated=False, encoding=encoding)


def write_truth_day(path: Path, index: int, truth: Field, **labels: NDArray[np.bool_]) -> None:
    """Write one day: ``truth`` (band, y, x) reflectance and the labels (y, x)."""
    group = zarr.open_group(path, mode="r+")
    for band, image in zip(BANDS, pack(truth)[0], strict=True):
        group[band][index] = image  # type: ignore[index]
    for name, label in labels.items():
        group[name][index] = label.astype(np.uint8)  # type: ignore[index]


def open_truth(path: Path) -> xr.Dataset:
    """The truth, reflectance decoded; dims time, y, x."""
    return xr.open_zarr(path, consolidated=False)
