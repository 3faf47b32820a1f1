"""Cloud-optimised GeoTIFFs, written whole or not at all."""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter

BLOCK = 512
"""Side in pixels of what is compressed together."""

_CACHE_MIB = 256
"""What GDAL may hold of a file while it is written; what the caller holds comes on top."""

_COLOURS = {
    "blue": ColorInterp.blue,
    "green": ColorInterp.green,
    "red": ColorInterp.red,
    "nir08": ColorInterp.nir,
    "swir16": ColorInterp.swir,
    "swir22": ColorInterp.swir,
}


class OutputError(ValueError):
    """A file that cannot be written where it was asked for."""


def check_free(file: Path, *, overwrite: bool) -> None:
    """Refuse, with the cure, a name that is no GeoTIFF's, is taken, or has no folder."""
    if file.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"{file} is no .tif; it will be a GeoTIFF, call it {file}.tif")
    if file.is_dir() or (file.exists() and not overwrite):
        raise OutputError(f"{file} exists; choose another name, or say --overwrite")
    if not file.parent.is_dir():
        raise OutputError(f"there is no folder {file.parent}; make it first")


def colours(bands: Sequence[str]) -> tuple[ColorInterp, ...]:
    """By band, for ``DatasetWriter.colorinterp``; () unless red, green and blue are all there:
    a reader that finds red alone has nothing to mix."""
    if not {"red", "green", "blue"} <= set(bands):
        return ()
    return tuple(_COLOURS.get(band, ColorInterp.undefined) for band in bands)


@contextmanager
def writing(out: Path, *, overviews: str, **profile: Any) -> Iterator[DatasetWriter]:
    """A file to fill, of a rasterio ``profile`` (height, width, count, dtype, crs ...).

    It takes the place of ``out`` as a COG when the block ends, and never when it ends in an
    error or an interrupt.  ``overviews``: how they are resampled.
    """
    # GDAL writes a COG as a copy of a whole file, since overviews come first in it.
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB), _replacing(out) as folder, _anywhere():
        tiled = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer"}
        with rasterio.open(folder / "plain.tif", "w", driver="GTiff", **tiled, **profile) as file:
            yield file
        rasterio.shutil.copy(
            folder / "plain.tif",
            folder / out.name,
            driver="COG",
            compress="deflate",
            predictor="yes",
            blocksize=BLOCK,
            overview_resampling=overviews,
            bigtiff="if_safer",
            num_threads="all_cpus",
        )


@contextmanager
def _anywhere() -> Iterator[None]:
    """Let an image without a place on Earth be written: whoever gave such images knows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A folder beside ``out``; the file of its name in it takes the place of ``out`` at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        yield Path(folder)
        (Path(folder) / out.name).replace(out)
