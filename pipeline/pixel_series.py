"""What single pixels went through: fused day by day, beside what either sensor saw.

A map hides what a series shows at once: flicker, a jump where the references change, a cloud that
no mask found.  The pixels are chosen by what they did, not by hand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np
import zarr
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from numpy.typing import NDArray

from catalogs import BANDS
from pipeline.chunk_cache import read_day
from pipeline.cube import unpack
from pipeline.images import array_of, day_axis, open_input, read_array
from pipeline.plan import PRODUCED
from pipeline.store import inputs_folder, open_product, read_tables

Image = NDArray[np.float32]
Dated = tuple[NDArray[np.datetime64], Image]
"""Days and values, NaN unknown."""

SHARES = {"changing most": 0.99, "changing much": 0.9, "middling": 0.5, "stable": 0.05}
"""Share of the pixels that change less, and what that is called."""

PREFERRED = ("nir08", "swir16", "red")
"""The first of these that there is shows crops and water best."""

MARGIN = np.timedelta64(3, "D")
"""Shown before the first and after the last fused day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSeries:
    """One pixel in one band."""

    title: str
    fused: Dated
    fine: Dated
    coarse: Dated


def some_pixels(fused: Image) -> Iterator[tuple[str, tuple[int, int]]]:
    """(y, x) of a pixel for each of ``SHARES`` by the spread of ``fused`` (time, y, x) over time.

    Of pixels known on most of the days that any is.  Nothing where none is known.
    """
    known = np.isfinite(fused).sum(0)
    often = known > 0.8 * known.max()
    if not known.any():
        return
    with np.errstate(invalid="ignore"):
        spread = np.where(often, np.nanstd(np.where(often, fused, 0), axis=0), np.nan)
    for words, share in SHARES.items():
        wanted = np.nanquantile(spread, share)
        place = int(np.nanargmin(np.abs(spread - wanted)))
        y, x = np.unravel_index(place, spread.shape)
        yield words, (int(y), int(x))


def of_cube(cube: Path) -> Iterator[PixelSeries]:
    """Pixels of the tile of a fused cube that has most days, and of the inputs beside it.

    None where nothing was produced.  Of one tile, for a large cube is not read whole for a picture.
    """
    root, inputs = open_product(cube), inputs_folder(cube)
    band = next(one for one in (*PREFERRED, *BANDS) if one in root)
    whole, days = array_of(root, band), day_axis(root)
    status = read_tables(cube).arrays["status"]
    tile = int(np.isin(status, PRODUCED).sum(0).argmax())
    _, height, width = whole.chunks
    row, col = divmod(tile, -(-whole.shape[2] // width))
    y0, x0 = row * height, col * width
    window = (slice(y0, y0 + height), slice(x0, x0 + width))
    fused = np.stack([unpack(read_day(whole, at, window)) for at in range(len(days))])
    fine, coarse = (open_input(inputs, role) for role in ("fine", "coarse"))
    ratio = -(-whole.shape[1] // array_of(coarse, band).shape[1])
    for words, place in some_pixels(fused):
        y, x = y0 + place[0], x0 + place[1]
        yield PixelSeries(
            title=f"{band}, {words}: row {y}, column {x}",
            fused=(_dated(days), fused[:, *place]),
            fine=_seen(fine, band, y, x),
            coarse=_seen(coarse, band, y // ratio, x // ratio),
        )


def draw(pixels: Iterable[PixelSeries], out: Path, fused: str) -> Path | None:
    """Draw pixels below each other into ``out`` (PNG), ``fused`` the name of their line.

    None where there is none.
    """
    listed = list(pixels)
    if not listed:
        return None
    figure = plt.figure(figsize=(10, 2.2 * len(listed) + 0.5), layout="constrained")
    grid = np.ravel(np.asarray(figure.subplots(len(listed), 1, sharex=True)))
    for axes, one in zip(grid, listed, strict=True):
        axes.plot(*one.coarse, "x", color="0.55", ms=4, label="coarse cell, clear")
        axes.plot(*one.fused, ".-", color="tab:blue", lw=1.3, ms=3, label=fused)
        axes.plot(*one.fine, "o", color="k", mfc="white", ms=6, label="fine image, clear")
        axes.set_title(one.title, loc="left", fontsize=10)
        axes.set_ylabel("reflectance", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        first, last = one.fused[0][[0, -1]]
        axes.set_xlim(first - MARGIN, last + MARGIN)
    locator = AutoDateLocator()
    grid[-1].xaxis.set_major_locator(locator)
    grid[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    plt.close(figure)
    return out


def _seen(root: zarr.Group, band: str, y: int, x: int) -> Dated:
    """What an input cube holds of a pixel or cell that was clear."""
    days = day_axis(root)
    values = unpack(read_array(root, band, (slice(None), y, x)))
    clear = read_array(root, "clear", (slice(None), y, x)) != 0
    return _dated(days), np.where(clear, values, np.float32(np.nan))


def _dated(days: Sequence[int]) -> NDArray[np.datetime64]:
    return np.array(days, "datetime64[D]")
