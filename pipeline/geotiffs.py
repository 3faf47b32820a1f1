"""GeoTIFFs whose names tell a day: what stands in their headers, and how large their values are."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS

from catalogs import BANDS

_DATES = (
    (re.compile(r"(?<!\d)((?:19|20)\d\d-\d\d-\d\d)(?!\d)"), "%Y-%m-%d"),
    (re.compile(r"(?<!\d)((?:19|20)\d{6})(?!\d)"), "%Y%m%d"),
    (re.compile(r"(?<!\d)((?:19|20)\d{5})(?!\d)"), "%Y%j"),
)

BAND_NAMES = {name: name for name in BANDS} | {
    "nir": "nir08",
    "nir8": "nir08",
    "swir1": "swir16",
    "swir2": "swir22",
}
"""Words of file names, folder names and descriptions of layers that tell a band."""

LOOK = 512
"""Pixels a side at which a file is looked at to judge its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFile:
    path: Path
    day: date
    crs: str
    bounds: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax in CRS units."""

    pixel: tuple[float, float]
    """Size of a pixel, (x, y)."""

    transform: tuple[float, ...]
    shape: tuple[int, int]
    dtype: str
    nodata: float | None
    scales: tuple[tuple[float, float], ...]
    """Scale and offset that the file itself tells, by layer."""

    descriptions: tuple[str | None, ...]
    largest: float
    """99.5th percentile of the known values; NaN where none is known."""


def day_of(name: str) -> date | None:
    """The day a file name tells (YYYY-MM-DD, YYYYMMDD, YYYYDDD), None where it tells none."""
    for pattern, form in _DATES:
        for found in pattern.findall(name):
            try:
                return datetime.strptime(found, form).date()
            except ValueError:
                continue  # digits that are no day, such as a path and row
    return None


def band_word(text: str) -> str | None:
    """The band that a name tells, by one of its words."""
    words = re.split(r"[^a-z0-9]+", text.lower())
    found = {BAND_NAMES[word] for word in words if word in BAND_NAMES}
    return found.pop() if len(found) == 1 else None


def dated_paths(folder: Path) -> list[tuple[Path, date]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".tif", ".tiff"))
    days = ((path, day_of(path.name)) for path in paths)
    return sorted(((path, day) for path, day in days if day), key=lambda pair: (pair[1], pair[0]))


def read_file(path: Path, day: date) -> DatedFile:
    try:
        with rasterio.open(path) as file:
            if file.crs is None or file.transform.is_identity:
                raise ValueError(f"{path} has no CRS or no geotransform; georeference it first")
            if file.transform.b or file.transform.d or file.transform.e > 0:
                raise ValueError(f"{path} is rotated or south-up; warp it to a north-up grid first")
            size = (min(file.height, LOOK), min(file.width, LOOK))
            values = file.read(out_shape=(file.count, *size), masked=True).astype(np.float64)
            return DatedFile(
                path=path,
                day=day,
                crs=_crs(file.crs.to_wkt()),
                bounds=tuple(file.bounds),
                pixel=(file.transform.a, -file.transform.e),
                transform=tuple(file.transform[:6]),
                shape=(file.height, file.width),
                dtype=file.dtypes[0],
                nodata=file.nodata,
                scales=tuple(zip(file.scales, file.offsets, strict=True)),
                descriptions=file.descriptions,
                largest=largest(values.filled(np.nan)),
            )
    except rasterio.errors.RasterioError as error:
        raise ValueError(f"{path} cannot be read: {error}; restore or remove it") from error


def _crs(wkt: str) -> str:
    """The authority's code where there is exactly one, else WKT."""
    crs = CRS.from_wkt(wkt)
    code = crs.to_authority(min_confidence=100)
    return ":".join(code) if code else crs.to_wkt()


def largest(values: NDArray[np.float64]) -> float:
    """99.5th percentile of the known values; NaN where none is known."""
    known = values[np.isfinite(values)]
    return float(np.percentile(known, 99.5)) if known.size else float("nan")
