"""What is in a cube: its arrays, chunks, fill values and attributes.

Three cubes share one schema.  *fused* is the product; *fine* and *coarse* are its inputs,
cloud-masked and on the region's grids.  Reflectance is int16 at 1e-4, so 1 DN = 0.0001.

The CRS is written three ways, because three kinds of readers look for it: CF
(``spatial_ref``, a coordinate even in a plain ``xr.open_zarr``), and the zarr conventions
``spatial`` and ``proj`` in the group's attributes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import Transformer
from zarr.codecs import BloscCodec

from pipeline import sigma as sigmas
from pipeline.grid import Grid
from pipeline.quality import MEANINGS, Quality

Role = Literal["fused", "fine", "coarse"]

SCALE = 1e-4
FILL = -9999
VALID_MIN, VALID_MAX = -2000, 16000

WATER, SNOW, HIGH_AEROSOL = 1, 2, 4
"""Bits of ``surface`` in the input cubes."""

EPOCH = date(1970, 1, 1)
_TIME_CHUNK = 3650  # the time coordinate: one small file for ten years
_TABLE_CHUNK = 366  # the (time, tile) arrays: about one file a year

_COMPRESSORS = (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),)

_WAVELENGTH_NM = {
    # Centres of Landsat 8-9 OLI (USGS, Landsat 8 Data Users Handbook, table 2-1).
    "blue": 482.0,
    "green": 561.5,
    "red": 654.5,
    "nir08": 865.0,
    "swir16": 1608.5,
    "swir22": 2200.5,
}

_CONVENTIONS = [
    {
        "name": "spatial",
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/"
        "refs/tags/v0.1/schema.json",
        "description": "Where the pixels lie",
    },
    {
        "name": "proj:",
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/geo-proj/"
        "refs/tags/v1/schema.json",
        "description": "Coordinate reference system",
    },
]


class Status(IntEnum):
    """What became of a tile on a day; from 10 on, why there is nothing (``pairs.Gap``)."""

    EMPTY = 0
    RUNNING = 1
    PROVISIONAL = 2
    FINAL = 3
    FAILED = 4
    NO_COARSE = 10
    NONE_BEFORE = 11
    NONE_AFTER = 12
    TOO_FAR = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """One array of a cube."""

    dtype: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    fill: int | float
    attrs: Mapping[str, Any]


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The day ``number`` days after 1970-01-01."""
    return EPOCH + timedelta(days=int(number))


def daily(start: date, end: date) -> tuple[date, ...]:
    """Every day from ``start`` to ``end``, both included."""
    return tuple(start + timedelta(days=n) for n in range((end - start).days + 1))


def pack(reflectance: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Reflectance to int16 at 1e-4, and where it had to be clipped to -0.2 .. 1.6.

    NaN (and an infinity, which no sensor gives) becomes -9999 and is not clipped.
    ``pack`` undoes ``unpack`` exactly.
    """
    known = np.isfinite(reflectance)
    with np.errstate(over="ignore"):  # beyond float32 is beyond the range, and clipped
        dn = np.rint(np.where(known, reflectance, 0) / SCALE)
    clipped = (dn < VALID_MIN) | (dn > VALID_MAX)
    dn = np.clip(dn, VALID_MIN, VALID_MAX)
    return np.where(known, dn, FILL).astype(np.int16), clipped


def unpack(dn: NDArray[np.int16]) -> NDArray[np.float32]:
    """Stored int16 to float32 reflectance, NaN at -9999."""
    return np.where(dn == FILL, np.float32(np.nan), dn * np.float32(SCALE))


def arrays(
    role: Role, grid: Grid, time: int, bands: Sequence[str], *, sigma: bool = False
) -> dict[str, ArraySpec]:
    """Every data array of a cube of ``time`` days, in the order they are written.

    ``sigma``: of a fused cube, those of ``pipeline.sigma`` too.
    """
    rows, cols = grid.coarse_shape if role == "coarse" else grid.shape
    side = grid.tile * (grid.tiles_together if role == "fine" else 1)
    chunk = (rows, cols) if role == "coarse" else (side, side)
    tiles = 1 if role == "coarse" else len(grid.tiles)

    def pixels(dtype: str, fill: int = 0, **attrs: Any) -> ArraySpec:
        return ArraySpec(
            dtype=dtype,
            dims=("time", "y", "x"),
            shape=(time, rows, cols),
            chunks=(1, min(chunk[0], rows), min(chunk[1], cols)),
            fill=fill,
            attrs={"grid_mapping": "spatial_ref", "coordinates": "spatial_ref", **attrs},
        )

    def table(dtype: str, **attrs: Any) -> ArraySpec:
        return ArraySpec(
            dtype=dtype,
            dims=("time", "tile"),
            shape=(time, tiles),
            chunks=(_TABLE_CHUNK, tiles),
            fill=0,
            attrs=attrs,
        )

    extra = "quality ref_age" if role == "fused" else "clear surface source"
    named = {band: f"{extra} {sigmas.name_of(band)}" if sigma else extra for band in bands}
    made = {band: pixels("int16", FILL, **_band_attrs(band, named[band])) for band in bands}
    if sigma:
        made |= {sigmas.name_of(b): pixels("uint16", **sigmas.attrs_of(b)) for b in bands}
    if role == "fused":
        return made | _fused_arrays(pixels, table)
    return made | _input_arrays(role, pixels, table, time)


def _band_attrs(band: str, ancillary: str) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "standard_name": "surface_bidirectional_reflectance",
        "long_name": f"surface reflectance, {band}",
        "units": "1",
        "scale_factor": SCALE,
        "_FillValue": FILL,
        "valid_min": VALID_MIN,
        "valid_max": VALID_MAX,
        "cell_methods": "time: point",
        "ancillary_variables": ancillary,
    }
    if band in _WAVELENGTH_NM:
        attrs |= {"wavelength": _WAVELENGTH_NM[band], "wavelength_units": "nm"}
    return attrs


# No _FillValue on words, counts and tables: xarray would turn them into floats, and their 0 is
# a value like any other.


def _fused_arrays(
    pixels: Callable[..., ArraySpec], table: Callable[..., ArraySpec]
) -> dict[str, ArraySpec]:
    return {
        "quality": pixels(
            "uint16",
            long_name="how the pixel came about, bit by bit; 0: not produced",
            standard_name="quality_flag",
            flag_masks=[bit.value for bit in Quality],
            flag_meanings=MEANINGS,
        ),
        "ref_age": pixels(
            "uint8",
            255,
            long_name="days to the nearer clear fine image used at the pixel; "
            "254: 254 or more, 255: none",
        ),
        "ref_prev": table("int32", long_name="reference before, days since 1970-01-01; 0: none"),
        "ref_next": table("int32", long_name="reference after, days since 1970-01-01; 0: none"),
        "coarse_valid": table(
            "float32", long_name="share of the tile's coarse cells seen clear that day"
        ),
        "plan_hash": table("uint64", long_name="hash of all that determines the tile-day"),
        "model_sha": table("uint64", long_name="first 64 bits of the method's sha256"),
        "status": table(
            "uint8",
            long_name="what became of the tile on the day",
            flag_values=[status.value for status in Status],
            flag_meanings=" ".join(status.name.lower() for status in Status),
        ),
    }


def _input_arrays(
    role: Role, pixels: Callable[..., ArraySpec], table: Callable[..., ArraySpec], time: int
) -> dict[str, ArraySpec]:
    made = {
        "clear": pixels("uint8", long_name="1: seen clear", flag_values=[0, 1]),
        "surface": pixels(
            "uint8",
            long_name="what the scene's own flags say of the surface",
            flag_masks=[WATER, SNOW, HIGH_AEROSOL],
            flag_meanings="water snow high_aerosol_or_low_quality_input",
        ),
        "source": pixels("uint16", long_name="1-based place in the day's items; 0: none"),
        "fingerprint": ArraySpec(
            dtype="uint64",
            dims=("time",),
            shape=(time,),
            chunks=(_TABLE_CHUNK,),
            fill=0,
            attrs={"long_name": "hash of the day's items; 0: no item"},
        ),
        "done": table("uint8", long_name="1: read and written"),
    }
    if role == "fine":
        made |= {
            "clear_share": table("float32", units="1", long_name="share of the tile seen clear"),
            "cloud_distance": table(
                "float32",
                units="m",
                long_name="mean over the tile's clear pixels of the distance to the nearest pixel "
                "that is not, each at most 1500 m; 0: none is clear",
            ),
        }
    return made


def fill_store(
    root: zarr.Group,
    role: Role,
    grid: Grid,
    days: Sequence[date],
    bands: Sequence[str],
    attrs: Mapping[str, Any],
    *,
    sigma: bool = False,
) -> None:
    """Write the coordinates, the empty arrays and the attributes of a cube into ``root``."""
    box = grid.coarse if role == "coarse" else grid.fine
    transform = [float(value) for value in box.affine[:6]]
    step_x, left, step_y, top = transform[0], transform[2], transform[4], transform[5]
    rows, cols = box.shape
    tiles = 1 if role == "coarse" else len(grid.tiles)
    for name, spec in arrays(role, grid, len(days), bands, sigma=sigma).items():
        _create(root, name, spec)
    midnights = np.array([day_number(day) * 86400 for day in days], np.int64)
    clock = {
        "standard_name": "time",
        "axis": "T",
        "units": "seconds since 1970-01-01T00:00:00",
        "calendar": "proleptic_gregorian",
        "long_name": "nominal day of the image, at 00:00 UTC",
    }
    _coordinate(root, "time", midnights, clock, chunk=_TIME_CHUNK)
    for name, count, start, step in (("y", rows, top, step_y), ("x", cols, left, step_x)):
        centres = start + (np.arange(count) + 0.5) * step
        axis = {
            "standard_name": f"projection_{name}_coordinate",
            "axis": name.upper(),
            "units": "m",
            "long_name": "centre of the pixel",
        }
        _coordinate(root, name, centres, axis, chunk=count)
    numbers = np.arange(tiles, dtype=np.int32)
    _coordinate(root, "tile", numbers, {"long_name": "tile, row by row from the north-west"})
    root.create_array(
        "spatial_ref",
        shape=(),
        dtype="int32",
        fill_value=0,
        attributes=_crs_attrs(grid.crs, transform),
    )
    root.attrs.update(_group_attrs(role, grid, days, bands))
    root.attrs.update(dict(attrs))


def add_sigma(root: zarr.Group, grid: Grid, time: int, bands: Sequence[str]) -> None:
    """Give a fused cube empty arrays for sigma; what is there stays, so it may be repeated."""
    specs = arrays("fused", grid, time, bands, sigma=True)
    for band in bands:
        if sigmas.name_of(band) not in root:
            _create(root, sigmas.name_of(band), specs[sigmas.name_of(band)])
        root[band].attrs.update(dict(specs[band].attrs))


def add_tables(root: zarr.Group, role: Role, grid: Grid, time: int, bands: Sequence[str]) -> bool:
    """Give an input cube of an earlier version the tables it lacks, all 0; whether it did.

    Its days then count as not done, so the next run reads them again.
    """
    specs = arrays(role, grid, time, bands)
    lacking = [name for name, spec in specs.items() if len(spec.dims) < 3 and name not in root]
    if lacking:  # first not done: a kill between the two leaves days to be read again
        done = root["done"]
        assert isinstance(done, zarr.Array)
        done[...] = 0
    for name in lacking:
        _create(root, name, specs[name])
    return bool(lacking)


def _create(root: zarr.Group, name: str, spec: ArraySpec) -> None:
    root.create_array(
        name,
        shape=spec.shape,
        dtype=spec.dtype,
        chunks=spec.chunks,
        fill_value=spec.fill,
        compressors=_COMPRESSORS,
        dimension_names=spec.dims,
        attributes=dict(spec.attrs),
    )


def _coordinate(
    root: zarr.Group,
    name: str,
    values: NDArray[Any],
    attrs: Mapping[str, Any],
    chunk: int | None = None,
) -> None:
    array = root.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(chunk or values.size,),
        fill_value=0,
        compressors=_COMPRESSORS,
        dimension_names=(name,),
        attributes=dict(attrs),
    )
    array[:] = values


def _crs_attrs(crs: Any, transform: Sequence[float]) -> dict[str, Any]:
    step_x, skew_x, left, skew_y, step_y, top = transform
    return {
        **crs.proj.to_cf(),
        "GeoTransform": " ".join(repr(v) for v in (left, step_x, skew_x, top, skew_y, step_y)),
    }


def _group_attrs(
    role: Role, grid: Grid, days: Sequence[date], bands: Sequence[str]
) -> dict[str, Any]:
    box = grid.coarse if role == "coarse" else grid.fine
    bounds = box.boundingbox
    to_degrees = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*bounds.bbox)
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.11",
        "title": {
            "fused": "Daily fine surface reflectance, fused from coarse and fine images",
            "fine": "Cloud-masked fine surface reflectance",
            "coarse": "Cloud-masked coarse surface reflectance",
        }[role],
        "date_created": datetime.now(UTC).isoformat(timespec="seconds"),
        "time_coverage_start": days[0].isoformat(),
        "time_coverage_end": days[-1].isoformat(),
        "time_coverage_resolution": "P1D",
        "geospatial_lon_min": west,
        "geospatial_lon_max": east,
        "geospatial_lat_min": south,
        "geospatial_lat_max": north,
        "zarr_conventions": _CONVENTIONS,
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": [float(value) for value in box.affine[:6]],
        "spatial:shape": list(box.shape),
        "spatial:bbox": [bounds.left, bounds.bottom, bounds.right, bounds.top],
        "spatial:registration": "pixel",
        "proj:wkt2": grid.crs.to_wkt(),
        "daily30": {"role": role, "grid": grid.to_dict(), "bands": list(bands)},
    }
    if (code := grid.crs.to_epsg()) is not None:
        attrs["proj:code"] = f"EPSG:{code}"
    if role == "fine":
        del attrs["time_coverage_resolution"]  # only the days that have an image
    return attrs
