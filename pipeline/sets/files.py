"""The files of a benchmark set: found by role and date in their names, read by rows."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from pipeline.sets.tables import BenchmarkSet, Interleave

ROLES = ("fine", "coarse")
_TIFF = (".tif", ".tiff")
_RAW = (".bil", ".bsq", ".int", ".img", ".dat", ".raw", ".bin", "")
# Landsat/L71093084_08420011007_HRF.bil, MODIS/MOD09GA_A2001281.sur_refl.int, M20050129_TM.tif
_COARSE = re.compile(r"modis|mod09|myd09|mcd43|coarse|^m[_-]?\d{4}", re.IGNORECASE)
_FINE = re.compile(r"landsat|fine|^lc0|^l[_-]?\d|_tm\b|_oli\b", re.IGNORECASE)
_PREFERRED = "mod09ga"
"""The coarse product of the papers, where a set holds several."""

LINES = 48
"""Lines of a raw file that are looked at to tell its interleave."""


class SetError(ValueError):
    """A folder that does not hold a benchmark set as it is distributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFiles:
    """The file of each role and date."""

    paths: dict[tuple[str, date], Path]

    @classmethod
    def find(cls, spec: BenchmarkSet, folder: Path) -> "SetFiles":
        """Look through ``folder`` and all below.

        A date stands in the name as YYYYMMDD, YYYYDDD or with - or _ between, else in the name of
        the folder around; a file of the day after is taken where the day itself has none, for
        some distributions name files by local time.  Raises SetError that names what is missing.
        """
        files = sorted(_images(folder))
        paths: dict[tuple[str, date], Path] = {}
        missing = []
        for role in ROLES:
            own = [path for path in files if _role(path.relative_to(folder)) == role]
            for day in spec.days:
                if found := _of_day(own, folder, day):
                    paths[role, day] = _one_of(found, f"{role} image of {day}")
                else:
                    missing.append(f"{role} {day}")
        if missing:
            raise SetError(
                f"{folder} lacks {len(missing)} of the {2 * len(spec.days)} images of "
                f"{spec.name.upper()}: {', '.join(missing)}. There are {len(files)} image files; "
                f"a name (or its folder's) holds the date, as 20011007, 2001280 or 2001-10-07, "
                f"and landsat or modis. {spec.name.upper()} is {spec.origin}"
            )
        return cls(paths=paths)


def blocks(
    spec: BenchmarkSet, path: Path, role: str, corner: tuple[int, int], *, rows: int = 256
) -> Iterator[tuple[int, NDArray[Any]]]:
    """The crop of an image as (first row in the crop, numbers (band, y, x)), ``rows`` at a time.

    A GeoTIFF, or whatever a ``.hdr`` beside it explains, is read by GDAL; anything else is raw.
    An image that is as large as the crop is the crop.  Raises SetError.
    """
    if path.suffix.lower() in _TIFF or _has_header(path):
        yield from _by_gdal(spec, path, corner, rows)
        return
    whole = _raw(spec, path, role)
    top, left = _corner(spec, path, whole.shape[1:], corner)
    for first in range(0, spec.crop[0], rows):
        stop = min(first + rows, spec.crop[0])
        yield first, whole[:, top + first : top + stop, left : left + spec.crop[1]]


def _images(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise SetError(f"there is no folder {folder}; give the one you unpacked the set into")
    for path in folder.rglob("*"):
        if path.suffix.lower() in (*_TIFF, *_RAW) and path.is_file():
            yield path


def _role(path: Path) -> str | None:
    """ "fine" or "coarse", from the name first, then from the folders, the nearest first."""
    for part in reversed(path.parts):
        # A name such as M20050129_TM is coarse all the same; "Landsat_and_MODIS" says nothing.
        if _COARSE.search(part) and "landsat" not in part.lower():
            return "coarse"
        if _FINE.search(part) and "modis" not in part.lower():
            return "fine"
    return None


def _of_day(files: Sequence[Path], folder: Path, day: date) -> list[Path]:
    for when in (day, day + timedelta(days=1)):
        # The digits before a day may be a path and row, as in 08420011007.
        eight = "|".join(f"{when:{form}}" for form in ("%Y%m%d", "%Y-%m-%d", "%Y_%m_%d"))
        seven = "|".join(f"{when:{form}}" for form in ("%Y%j", "%Y_%j", "%Y-%j"))
        pattern = re.compile(rf"({eight})(?!\d)|(?<!\d)({seven})(?!\d)")
        if found := [path for path in files if pattern.search(path.name)]:
            return found
        around = [path for path in files if path.parent != folder]
        if found := [path for path in around if pattern.search(path.parent.name)]:
            return found
    return []


def _one_of(found: Sequence[Path], what: str) -> Path:
    preferred = [path for path in found if _PREFERRED in path.name.lower()] or list(found)
    if len(preferred) > 1:
        raise SetError(
            f"{len(preferred)} files may be the {what}: {', '.join(map(str, preferred))}; "
            "move all but one away"
        )
    return preferred[0]


def _has_header(path: Path) -> bool:
    return path.with_suffix(".hdr").exists() or path.with_name(path.name + ".hdr").exists()


def _corner(
    spec: BenchmarkSet, path: Path, shape: tuple[int, ...], corner: tuple[int, int]
) -> tuple[int, int]:
    if tuple(shape) == spec.crop:
        return 0, 0
    if any(at + side > have for at, side, have in zip(corner, spec.crop, shape, strict=True)):
        raise SetError(
            f"{path} is {shape[0]} x {shape[1]} pixels; the crop of {spec.crop[0]} x "
            f"{spec.crop[1]} from row {corner[0]}, column {corner[1]} does not fit. "
            f"{spec.name.upper()} is distributed at {spec.size[0]} x {spec.size[1]}; give "
            "another --corner, or the files as distributed"
        )
    return corner


def _by_gdal(
    spec: BenchmarkSet, path: Path, corner: tuple[int, int], rows: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            file = rasterio.open(path)
        with file:
            if file.count != len(spec.bands):
                raise SetError(
                    f"{path} has {file.count} bands, {spec.name.upper()} has {len(spec.bands)}"
                )
            top, left = _corner(spec, path, file.shape, corner)
            for first in range(0, spec.crop[0], rows):
                height = min(rows, spec.crop[0] - first)
                yield first, file.read(window=Window(left, top + first, spec.crop[1], height))
    except RasterioError as error:
        raise SetError(f"{path} cannot be read: {error}; restore it") from error


def _raw(spec: BenchmarkSet, path: Path, role: str) -> NDArray[np.int16]:
    """A raw file as (band, y, x), memory-mapped.

    As int16: the papers' code reads uint16, which is the same from 0 to 32767, but there a fill
    value, which is negative, becomes the brightest of all.
    """
    bands, (rows, cols) = len(spec.bands), spec.size
    wanted, have = 2 * bands * rows * cols, path.stat().st_size
    if role not in spec.raw or have != wanted:
        raise SetError(
            f"{path} has {have} bytes and no header; a raw image of {spec.name.upper()} of {bands} "
            f"bands, {rows} rows and {cols} columns of 16 bits has {wanted}. Fetch it again, or "
            "give GeoTIFFs"
        )
    lines = np.memmap(path, "<i2", "r", shape=(rows * bands, cols))
    if _interleave(path, lines, bands, spec.raw[role]) == "bil":
        return lines.reshape(rows, bands, cols).transpose(1, 0, 2)
    return lines.reshape(bands, rows, cols)


def _interleave(path: Path, lines: NDArray[np.int16], bands: int, usual: Interleave) -> Interleave:
    """Whether a raw file is band by line or band by band.

    By its ending, else by itself: a row of a scene is like the next row of the same band, which
    is the next line of the file, or ``bands`` lines on.  ``usual`` where neither tells.
    """
    if (ending := path.suffix.lower()[1:]) in ("bil", "bsq"):
        return ending  # type: ignore[return-value]
    middle = len(lines) // (2 * bands)
    some = lines[middle : middle + LINES].astype(np.float32)
    next_line = np.abs(some[1:] - some[:-1]).mean()
    next_row = np.abs(some[bands:] - some[:-bands]).mean()
    if next_line == next_row:
        return usual
    return "bsq" if next_line < next_row else "bil"
