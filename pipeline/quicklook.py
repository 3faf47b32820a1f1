"""A small picture of a cube: its newest whole day, for catalogues and for people in a hurry."""

import warnings
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
import zarr
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from pipeline.cube import day_date, unpack
from pipeline.images import array_of, day_axis
from pipeline.plan import PRODUCED
from pipeline.quality import Quality

LONGEST = 512
"""Pixels of the picture's longer side."""

_COLOURS = (("red", "green", "blue"), ("swir16", "nir08", "red"), ("nir08", "red", "green"))
_GAMMA = 0.8


def picture_day(root: zarr.Group) -> date | None:
    """The last of the days on which most tiles were produced; None where there is none."""
    produced = np.isin(np.asarray(array_of(root, "status")[...]), PRODUCED).sum(1)
    if not produced.any():
        return None
    last = int(np.flatnonzero(produced == produced.max())[-1])
    return day_date(day_axis(root)[last])


def picture_bands(bands: tuple[str, ...]) -> tuple[str, str, str]:
    """What is shown as red, green and blue: natural colour, false colour, or grey."""
    for three in _COLOURS:
        if set(three) <= set(bands):
            return three
    return bands[-1], bands[-1], bands[-1]


def draw(root: zarr.Group, day: date, bands: tuple[str, str, str], out: Path) -> None:
    """Write a PNG of a day, every so many-th pixel, clear where nothing was produced.

    One stretch for all three colours, from 2 to 98 % of their values, so that hues stay.
    """
    at = [day_date(number) for number in day_axis(root)].index(day)
    quality = array_of(root, "quality")
    step = -(-max(quality.shape[1:]) // LONGEST)
    made = (np.asarray(quality[at, ::step, ::step]) & np.uint16(Quality.PRODUCED)) != 0
    layers = {name: unpack(np.asarray(array_of(root, name)[at, ::step, ::step])) for name in bands}
    image = np.stack([layers[name] for name in bands])
    made &= np.isfinite(image).all(0)
    pixels = np.zeros((4, *made.shape), np.uint8)
    if made.any():
        low, high = np.percentile(image[:, made], (2, 98))
        shown = np.clip((image - low) / max(high - low, 1e-4), 0, 1) ** _GAMMA
        pixels[:3] = np.rint(np.where(made, shown, 0) * 255)
    pixels[3] = made * np.uint8(255)
    _write_png(pixels, out)


def _write_png(pixels: NDArray[np.uint8], out: Path) -> None:
    beside = out.with_name(f"{out.name}.partial")
    _, height, width = pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place
        with rasterio.open(
            beside, "w", driver="PNG", width=width, height=height, count=4, dtype="uint8"
        ) as file:
            file.write(pixels)
    beside.replace(out)
