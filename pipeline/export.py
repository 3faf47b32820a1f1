"""One day of a cube as a cloud-optimised GeoTIFF, for QGIS and whatever else reads GDAL.

The numbers are the cube's own, int16 at 1e-4, with scale and nodata told in the file, as in the
files of HLS and Landsat: QGIS and rioxarray show reflectance, nothing is rounded, and the file has
half the size of float32.  (A program that ignores the scale sees 10,000 times the reflectance.)
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from pipeline.cf import FILL, SCALE, wavelength_nm
from pipeline.cog import check_free, colours, writing
from pipeline.cube import Status, day_date
from pipeline.grid import Grid, Tile
from pipeline.images import array_of, day_axis
from pipeline.plan import PRODUCED
from pipeline.quality import Quality
from pipeline.store import open_product
from pipeline.version import software


class ExportError(ValueError):
    """A day that cannot be exported as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    day: date
    paths: tuple[Path, ...]

    produced: float
    """Share of the region's pixels that have a value."""

    status: Mapping[str, int]
    """Tiles by status."""


def export_day(
    path: Path,
    day: date,
    out: Path,
    *,
    bands: Sequence[str] = (),
    quality: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a day of the cube at ``path`` to ``out``, tile by tile, whole or not at all.

    ``bands`` in the order asked for, none for all; named in the file, red, green and blue marked
    as such, -9999 where nothing was produced.  ``quality``: ``quality`` and ``ref_age`` as well,
    in ``<out>.quality.tif``, a file of their own since bits must not be averaged in overviews.
    Raises CubeError for a path without a cube of ours, ExportError for a day outside of it or
    with nothing produced and for an unknown band, OutputError for a file that is there unless
    ``overwrite``.
    """
    root = open_product(path)
    view = _DayView.of(path, root, day)
    known = view.bands
    if unknown := [band for band in bands if band not in known]:
        raise ExportError(
            f"{path} has no band {', '.join(unknown)}; it has {', '.join(known)}"
            + ("; give --quality for the quality word" if "quality" in unknown else "")
        )
    if len(set(bands)) < len(bands):
        raise ExportError(f"bands {', '.join(bands)}: name each once")
    files = {out: _reflectance(tuple(bands) or known)}
    if quality:
        files[out.with_name(f"{out.stem}.quality{out.suffix}")] = _QUALITY
    for file in files:
        check_free(file, overwrite=overwrite)
    counts = [_write(view, layers, file) for file, layers in files.items()]
    rows, cols = view.grid.shape
    return Exported(
        day=day,
        paths=tuple(files),
        produced=counts[0] / (rows * cols),
        status=view.status,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _DayView:
    """A day of a cube."""

    root: zarr.Group
    grid: Grid
    bands: tuple[str, ...]
    day: date
    at: int
    """Place of the day on the time axis."""

    status: Mapping[str, int]

    @classmethod
    def of(cls, path: Path, root: zarr.Group, day: date) -> "_DayView":
        known: Any = root.attrs["daily30"]
        axis = [day_date(number) for number in day_axis(root)]
        if day not in axis:
            raise ExportError(f"{day} is not in {path}, which holds {axis[0]} to {axis[-1]}")
        at = axis.index(day)
        table = np.asarray(array_of(root, "status")[...])
        status = Counter(Status(value).name.lower() for value in table[at].tolist())
        if not np.isin(table[at], PRODUCED).any():
            reasons = ", ".join(
                f"{count} {name.replace('_', ' ')}" for name, count in sorted(status.items())
            )
            with_some = np.flatnonzero(np.isin(table, PRODUCED).any(1))
            near = [axis[i] for i in sorted(with_some, key=lambda i: (abs(i - at), i))[:1]]
            cure = f"; the nearest day with values is {near[0]}" if near else ""
            raise ExportError(f"nothing was produced on {day} in {path}: tiles {reasons}{cure}")
        return cls(
            root=root,
            grid=Grid.from_dict(known["grid"]),
            bands=tuple(known["bands"]),
            day=day,
            at=at,
            status=status,
        )

    def read(self, name: str, tile: Tile) -> NDArray[Any]:
        return np.asarray(array_of(self.root, name)[self.at, tile.y, tile.x])

    def tags(self) -> dict[str, str]:
        """What the cube says of the day, as tags of a file."""
        attrs = self.root.attrs
        run = attrs.get("daily30_run")
        told = {
            "TIFFTAG_DATETIME": f"{self.day:%Y:%m:%d} 00:00:00",
            "TIFFTAG_IMAGEDESCRIPTION": f"{attrs.get('title')}, {self.day}",
            "TIFFTAG_SOFTWARE": software(),
            "DATE": self.day.isoformat(),
            "STATUS": ", ".join(f"{name} {count}" for name, count in sorted(self.status.items())),
            "REFERENCES": self._references(),
        }
        for name in ("source", "institution", "license", "product_version"):
            told[name.upper()] = str(attrs.get(name, "not stated"))
        if isinstance(run, Mapping):
            told |= {"METHOD_SHA": str(run["method_sha"]), "ITEMS_SHA256": str(run["items_sha256"])}
        return told

    def _references(self) -> str:
        """Dates the tiles were fused from, the most used first."""
        before, after = (
            np.asarray(array_of(self.root, name)[self.at]).tolist()
            for name in ("ref_prev", "ref_next")
        )
        used = Counter(pair for pair in zip(before, after, strict=True) if any(pair))
        return ", ".join(
            f"{day_date(b)} to {day_date(a)}" if b and a else f"{day_date(b or a)} alone"
            for (b, a), _ in used.most_common()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layers:
    """What a file holds, and how."""

    names: tuple[str, ...]
    dtype: str
    read: Callable[[_DayView, Tile, str], NDArray[Any]]
    scale: float
    nodata: int | None
    tags: Callable[[_DayView, str], Mapping[str, str]]
    colours: tuple[ColorInterp, ...]
    """By layer; () where they are no colours."""

    overviews: str


def _reflectance(bands: tuple[str, ...]) -> _Layers:
    return _Layers(
        names=bands,
        dtype="int16",
        read=_produced,
        scale=SCALE,
        nodata=FILL,
        tags=_wavelength,
        colours=colours(bands),
        overviews="AVERAGE",
    )


def _produced(view: _DayView, tile: Tile, name: str) -> NDArray[Any]:
    made = (view.read("quality", tile) & np.uint16(Quality.PRODUCED)) != 0
    return np.where(made, view.read(name, tile), np.int16(FILL))


def _wavelength(view: _DayView, name: str) -> Mapping[str, str]:
    known = wavelength_nm(name)
    return (
        {} if known is None else {"WAVELENGTH_NM": f"{known[0]:g}", "BANDWIDTH_NM": f"{known[1]}"}
    )


def _flags(view: _DayView, name: str) -> Mapping[str, str]:
    attrs = array_of(view.root, name).attrs
    told = {"LONG_NAME": str(attrs["long_name"])}
    if "flag_meanings" in attrs:
        masks, meanings = attrs["flag_masks"], str(attrs["flag_meanings"]).split()
        assert isinstance(masks, Sequence)
        told["FLAGS"] = ", ".join(f"{m} {word}" for m, word in zip(masks, meanings, strict=True))
    return told


_QUALITY = _Layers(
    names=("quality", "ref_age"),
    dtype="uint16",
    read=lambda view, tile, name: view.read(name, tile).astype(np.uint16),
    scale=1.0,
    nodata=None,
    tags=_flags,
    colours=(),
    overviews="NEAREST",
)


def _write(view: _DayView, layers: _Layers, out: Path) -> int:
    """Write a file; the number of pixels that have a value in the first layer."""
    box, known = view.grid.fine, 0
    with writing(
        out,
        overviews=layers.overviews,
        height=box.shape.y,
        width=box.shape.x,
        count=len(layers.names),
        dtype=layers.dtype,
        nodata=layers.nodata,
        crs=view.grid.crs.to_wkt(),
        transform=box.affine,
    ) as file:
        for number, name in enumerate(layers.names, 1):
            file.set_band_description(number, name)
            file.update_tags(number, **layers.tags(view, name))
        if layers.colours:
            file.colorinterp = layers.colours
        file.scales = [layers.scale] * len(layers.names)
        file.update_tags(**view.tags())
        for tile in view.grid.tiles:
            height, width = tile.shape
            window = Window(tile.x.start, tile.y.start, width, height)
            for number, name in enumerate(layers.names, 1):
                values = layers.read(view, tile, name)
                file.write(values, number, window=window)
                known += int((values != layers.nodata).sum()) if number == 1 else 0
    return known
