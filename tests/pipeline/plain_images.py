"""A small simulated place as plain GeoTIFFs: two fine images and the coarse ones of three days."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from model.block import COARSE_PAD, Block
from pipeline.cube import day_number
from pipeline.predict.inputs import Asked
from tests.pipeline.scenes import box

Float = NDArray[np.float32]

DAYS = (date(2023, 5, 1), date(2023, 5, 13), date(2023, 5, 25))
"""Before, target, after."""

BANDS = ("red", "nir08")
RATIO = 8
LEFT, TOP = 15 + 2000 * 240.0, 15 + 21_000 * 240.0
"""On Landsat's lattice, and on the edges of cells of 240 m."""


def write(
    path: Path,
    values: NDArray[Any],
    where: GeoBox,
    *,
    bands: Sequence[str] = (),
    nodata: float | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
) -> Path:
    """A GeoTIFF whose layers are described by ``bands``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        _write(path, values, where, bands, nodata, (scale, offset))
    return path


def _write(path, values, where, bands, nodata, numbers) -> None:
    placed = {} if where.crs is None else {"crs": where.crs.to_wkt(), "transform": where.affine}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(values),
        height=values.shape[1],
        width=values.shape[2],
        dtype=values.dtype,
        nodata=nodata,
        **placed,
    ) as file:
        file.write(values)
        for number, band in enumerate(bands, 1):
            file.set_band_description(number, band)
        if numbers != (1.0, 0.0):
            file.scales, file.offsets = ([one] * len(values) for one in numbers)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Images of the three days, float32, whole cells."""

    fine: Float
    """(time, band, y, x)"""

    coarse: Float
    """(time, band, row, col): the mean of each cell, and what a sensor adds."""

    bands: tuple[str, ...] = BANDS
    ratio: int = RATIO

    @property
    def fine_box(self) -> GeoBox:
        return box(self.fine.shape[2:], LEFT, TOP)

    @property
    def coarse_box(self) -> GeoBox:
        return box(self.coarse.shape[2:], LEFT, TOP, pixel=30.0 * self.ratio)

    def block(self, *, sides: str = "both", **changes: Any) -> Block:
        """What a method is to be given of the whole place."""
        first, last = {"both": (0, 2), "before": (0, 0), "after": (2, 2)}[sides]
        known = np.concatenate(
            [self.fine[i].reshape(len(self.bands), -1) for i in dict.fromkeys((first, last))], 1
        )
        number = np.rint(known[:, np.isfinite(known).all(0)].astype(float) * 1e4)
        low, centre, high = np.percentile(number, (25, 50, 75), 1) * 1e-4
        pad = ((0, 0), (COARSE_PAD, COARSE_PAD), (COARSE_PAD, COARSE_PAD))
        before, target, after = (np.pad(one, pad, mode="edge") for one in self.coarse)
        values = {
            "bands": self.bands,
            "fine_before": self.fine[first],
            "fine_after": self.fine[last],
            "coarse_before": after if first else before,
            "coarse_after": after if last else before,
            "coarse": target[None],
            "day_before": day_number(DAYS[first]),
            "day_after": day_number(DAYS[last]),
            "days": (day_number(DAYS[1]),),
            "ratio": self.ratio,
            "origin": (-round((TOP - 15) / 30), round((LEFT - 15) / 30)),
            "centre": centre.astype(np.float32),
            "spread": (high - low).astype(np.float32),
        }
        return Block(**(values | changes))

    def write(
        self,
        folder: Path,
        *,
        scale: float = 1.0,
        dtype: str = "float32",
        nodata: float | None = None,
    ) -> Asked:
        """All images but the target's fine one, as files; ``scale`` is told in them."""

        def stored(values: Float) -> NDArray[Any]:
            number = np.rint(values / scale) if scale != 1 else values
            filled = number if nodata is None else np.where(np.isfinite(values), number, nodata)
            return filled.astype(dtype)

        def put(name: str, values: Float, where: GeoBox) -> Path:
            told = {"bands": self.bands, "scale": scale, "nodata": nodata}
            return write(folder / name, stored(values), where, **told)

        fine = {i: put(f"fine/{DAYS[i]}.tif", self.fine[i], self.fine_box) for i in (0, 2)}
        coarse = [
            put(f"coarse/{day}.tif", values, self.coarse_box)
            for day, values in zip(DAYS, self.coarse, strict=True)
        ]
        return Asked(before=(fine[0], coarse[0]), after=(fine[2], coarse[2]), target=coarse[1])


def make_place(
    *,
    rows: int = 9,
    cols: int = 11,
    bands: tuple[str, ...] = BANDS,
    ratio: int = RATIO,
    seed: int = 0,
) -> Place:
    """Fields of four pixels that change by their own amounts; reflectance on whole 1e-4."""
    rng = np.random.default_rng(seed)
    y, x = rows * ratio, cols * ratio
    level = rng.uniform(0.05, 0.4, (len(bands), -(-y // 4), -(-x // 4)))
    change = rng.normal(0, 0.06, level.shape)
    time = np.array([0.0, 0.7, 1.0]).reshape(-1, 1, 1, 1)
    fields = (level + time * change).clip(0.01, 0.7).repeat(4, 2).repeat(4, 3)[..., :y, :x]
    fine = np.rint((fields + rng.normal(0, 0.003, fields.shape)).clip(0.005, 0.8) * 1e4)
    cells = fine.reshape(3, len(bands), rows, ratio, cols, ratio).mean((3, 5))
    coarse = np.rint(cells + rng.normal(0, 20, cells.shape))
    return Place(
        fine=(fine * 1e-4).astype(np.float32),
        coarse=(coarse.clip(1) * 1e-4).astype(np.float32),
        bands=bands,
        ratio=ratio,
    )


def read(path: Path) -> NDArray[np.float64]:
    """(band, y, x) reflectance as the file tells it, NaN for its nodata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        file = rasterio.open(path)
    with file:
        stored = file.read(masked=True).astype(np.float64).filled(np.nan)
        scale, offset = (np.array(v).reshape(-1, 1, 1) for v in (file.scales, file.offsets))
        return np.asarray(stored * scale + offset)
