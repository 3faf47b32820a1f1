"""A plain GeoTIFF as reflectance: which layer is which band, what its numbers mean, where it lies.

Nothing is guessed that would change pixels unnoticed: a scale is the file's own or stated, and
values that are no reflectance are refused with the cure.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from pipeline.cf import SCALE, VALID_MAX, VALID_MIN
from pipeline.geotiffs import BAND_NAMES, LOOK, day_of, largest
from pipeline.grid import degrees_of

Float = NDArray[np.float32]

LEFT_OUT = "-"
"""In place of a band's name: the layer is not used."""

PLAUSIBLE = (1e-3, 2.0)
"""What the 99.5th percentile of an image in reflectance lies between.  Snow and cloud reach 1.5;
water alone stays above a hundredth of a dark field."""

_VALID = (VALID_MIN * SCALE, VALID_MAX * SCALE)
"""Reflectance outside is unknown, as in the cubes: fill values that no tag tells."""


class ImageError(ValueError):
    """A file that cannot be used as an image of reflectance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainImage:
    """An image on disk, ready to be read in parts."""

    path: Path
    box: GeoBox
    """Its grid; without a CRS where the file has none: then pixels are all that is known."""

    bands: tuple[str, ...]
    named: bool
    """Whether the bands have names, told or stated; else they are ``band1``, ``band2`` ..."""

    layers: tuple[int, ...]
    """Of the bands, counted from 1."""

    scales: tuple[tuple[float, float], ...]
    """Scale and offset of each band: reflectance = number x scale + offset."""

    dtype: str
    nodata: float | None
    day: date | None
    """Of its name."""

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.box.shape[0]), int(self.box.shape[1])

    @property
    def georeferenced(self) -> bool:
        return self.box.crs is not None

    def in_bands(self, bands: Sequence[str]) -> "PlainImage":
        """The same image with ``bands`` of it, in that order."""
        at = [self.bands.index(band) for band in bands]
        return replace(
            self,
            bands=tuple(bands),
            layers=tuple(self.layers[i] for i in at),
            scales=tuple(self.scales[i] for i in at),
        )

    def read(self, y: slice, x: slice) -> Float:
        """Reflectance (band, y, x) of a window, NaN where unknown, and beyond the image.

        Unknown is the file's nodata or mask, NaN, and what is no reflectance (-.2 to 1.6).
        """
        values = np.full((len(self.bands), y.stop - y.start, x.stop - x.start), np.nan, np.float32)
        (top, bottom), (left, right) = (
            (max(side.start, 0), min(side.stop, length))
            for side, length in zip((y, x), self.shape, strict=True)
        )
        if top >= bottom or left >= right:
            return values
        with _opened(self.path) as file:
            window = Window(left, top, right - left, bottom - top)
            stored = file.read(self.layers, window=window, masked=True)
        inside = slice(top - y.start, bottom - y.start), slice(left - x.start, right - x.start)
        values[:, *inside] = _reflectance(stored, self.scales)
        return values

    def strips(self, rows: int) -> Iterator[Float]:
        """The image in strips of so many rows, (band, y, x)."""
        height, width = self.shape
        for top in range(0, height, rows):
            yield self.read(slice(top, min(top + rows, height)), slice(0, width))

    def where(self) -> str:
        """The grid in words, for messages."""
        height, width = self.shape
        if not self.georeferenced:
            return f"{height} x {width} pixels without CRS"
        a, crs = self.box.affine, self.box.crs
        code = crs.to_epsg() if crs is not None else None
        name = f"EPSG:{code}" if code else str(crs)[:60]
        return (
            f"{height} x {width} pixels of {a.a:.10g} x {-a.e:.10g} from "
            f"({a.c:.10g}, {a.f:.10g}) in {name}"
        )


def open_image(
    path: Path,
    *,
    bands: Sequence[str] | None = None,
    scale: tuple[float, float] | None = None,
    scale_option: str = "--scale",
) -> PlainImage:
    """Read a file's header and look at its values.

    ``bands`` names its layers in order (``LEFT_OUT`` skips one); else the descriptions of its
    layers do, ``nir`` as ``nir08``; without either they are ``band1``, ``band2`` ...  ``scale``
    and offset are stated or the file's own.  ImageError, with value, file and cure, for a file
    that cannot be read, is rotated, holds no value, or whose values are no reflectance.
    """
    with _opened(path) as file:
        names, named = _names(path, file, bands)
        layers = tuple(n for n, name in enumerate(names, 1) if name != LEFT_OUT)
        own = tuple(zip(file.scales, file.offsets, strict=True))
        told = scale is not None or any(one != (1.0, 0.0) for one in own)
        image = PlainImage(
            path=path,
            box=_box(path, file),
            bands=tuple(name for name in names if name != LEFT_OUT),
            named=named,
            layers=layers,
            scales=tuple(scale or own[layer - 1] for layer in layers),
            dtype=file.dtypes[0],
            nodata=file.nodata,
            day=day_of(path.name),
        )
        size = (min(file.height, LOOK), min(file.width, LOOK))
        stored = file.read(layers, out_shape=(len(layers), *size), masked=True)
    _check_values(image, stored, told, scale_option)
    return image


def degrees(box: GeoBox) -> str:
    """Where a grid lies on Earth, in words."""
    if box.crs is None:
        return "no place known"
    west, south, east, north = degrees_of(box)
    return f"{west:.3f} to {east:.3f} E, {south:.3f} to {north:.3f} N"


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                yield file
    except RasterioError as error:
        raise ImageError(f"{path} cannot be read as an image: {error}") from error


def _names(
    path: Path, file: DatasetReader, bands: Sequence[str] | None
) -> tuple[tuple[str, ...], bool]:
    if bands is not None:
        if len(bands) != file.count:
            raise ImageError(
                f"{path} has {file.count} layers, but {len(bands)} are named "
                f"({','.join(bands)}); name all in their order, and those to leave out "
                f"{LEFT_OUT!r}"
            )
        names = tuple(BAND_NAMES.get(one.lower(), one) for one in bands)
    else:
        names = tuple(BAND_NAMES.get((d or "").lower(), d or "") for d in file.descriptions)
        if not all(names):
            return tuple(f"band{number}" for number in range(1, file.count + 1)), False
    used = [name for name in names if name != LEFT_OUT]
    if not used or len(set(used)) < len(used):
        raise ImageError(
            f"{path}: the layers are named {', '.join(names)}; name each band once, by --bands"
        )
    return names, True


def _box(path: Path, file: DatasetReader) -> GeoBox:
    shape, transform = (file.height, file.width), file.transform
    if file.crs is None or transform.is_identity:
        return GeoBox(shape, Affine(1, 0, 0, 0, -1, 0), None)
    if transform.b or transform.d or transform.e > 0 or transform.a < 0:
        raise ImageError(
            f"{path} is rotated or south-up; lay it on a north-up grid first, e.g. gdalwarp {path} "
            "north-up.tif"
        )
    return GeoBox(shape, transform, CRS(file.crs.to_wkt()))


def _check_values(
    image: PlainImage, stored: NDArray[np.generic], told: bool, scale_option: str
) -> None:
    scaled = _scaled(stored, image.scales)
    top = largest(scaled)
    if not np.isfinite(top):
        raise ImageError(
            f"{image.path} holds no known value; is its nodata ({image.nodata}) right?"
        )
    (scale, offset), (low, high) = image.scales[0], PLAUSIBLE
    if low <= top <= high:
        return
    if told:
        raise ImageError(
            f"{image.path}: with scale {scale:g} and offset {offset:g} its values reach {top:.4g} "
            "(99.5th percentile), which is no reflectance (0 to 1); state the right scale by "
            f"{scale_option}, 1 if the numbers are reflectance as they are"
        )
    guess = "2.75e-5,-0.2 for Landsat Collection 2 as distributed" if top > 20000 else "0.0001"
    raise ImageError(
        f"{image.path}: its values reach {top:.5g} (99.5th percentile), which is no reflectance "
        f"(0 to 1), and the file tells no scale; state it by {scale_option}, e.g. {scale_option} "
        f"{guess}, or set it in the file: gdal_edit.py -scale 0.0001 {image.path}"
    )


def _scaled(
    stored: NDArray[np.generic], scales: Sequence[tuple[float, float]]
) -> NDArray[np.float64]:
    values = np.ma.filled(np.ma.asarray(stored, np.float64), np.nan)
    scale, offset = (np.array(one).reshape(-1, 1, 1) for one in zip(*scales, strict=True))
    return np.asarray(values * scale + offset)


def _reflectance(stored: NDArray[np.generic], scales: Sequence[tuple[float, float]]) -> Float:
    values = _scaled(stored, scales)
    # NaN compares as false.
    valid = (values >= _VALID[0]) & (values <= _VALID[1])
    return np.where(valid, values, np.nan).astype(np.float32)
