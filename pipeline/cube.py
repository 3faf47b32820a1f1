"""What is in a cube: its arrays, chunks, fill values and attributes.

Three cubes share one schema.  *fused* is the product; *fine* and *coarse* are its inputs,
cloud-masked and on the region's grids.  Reflectance is int16 at 1e-4, so 1 DN = 0.0001.  What the
attributes say beyond each array is in ``pipeline.cf``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from pipeline import cf
from pipeline import sigma as sigmas
from pipeline.cf import FILL, SCALE, VALID_MAX, VALID_MIN, Role
from pipeline.grid import Grid
from pipeline.quality import MEANINGS, Quality

WATER, SNOW, HIGH_AEROSOL = 1, 2, 4
"""Bits of ``surface`` in the input cubes."""

WHOLLY, PARTLY = 1, 2
"""``done`` of the input cubes: all of the day's items were read, or some could not be."""

EPOCH = date(1970, 1, 1)
_TIME_CHUNK = 3650  # the time coordinate: one small file for ten years
_TABLE_CHUNK = 366  # the (time, tile) arrays: about one file a year

_COMPRESSORS = (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),)


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
    OBSERVED = 14


METHOD_CODES: Mapping[str, int] = {
    name: code
    for code, name in enumerate(
        (
            *("sa-stf", "guided", "starfm", "estarfm", "fsdaf", "fit-fc", "stfdiff"),
            *("copy-before", "copy-after", "mean", "linear", "delta-before", "delta-after"),
            *("delta", "anomaly", "linear-series", "whittaker"),
        ),
        1,
    )
}
"""Numbers of ``method`` in the cubes: new methods go to the end, none is ever given away again."""


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
    made = {band: pixels("int16", FILL, **cf.band_attrs(band, named[band])) for band in bands}
    if sigma:
        made |= {sigmas.name_of(b): pixels("uint16", **sigmas.attrs_of(b)) for b in bands}
    if role == "fused":
        return made | _fused_arrays(pixels, table)
    return made | _input_arrays(role, pixels, table, time)


# No _FillValue on words, counts and shares: xarray would turn them into floats, and their 0 is
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
            # Not "days": xarray would read a span of time, and 255 as one of 255 days.
            units="day",
            valid_max=254,
        ),
        "ref_prev": table("int32", long_name="reference before; 0: none", **cf.DAY),
        "ref_next": table("int32", long_name="reference after; 0: none", **cf.DAY),
        "coarse_valid": table(
            "float32", long_name="share of the tile's coarse cells seen clear that day", units="1"
        ),
        "plan_hash": table("uint64", long_name="hash of all that determines the tile-day"),
        "model_sha": table("uint64", long_name="first 64 bits of the method's sha256"),
        "method": table(
            "uint8",
            long_name="what fused the tile on the day",
            standard_name="status_flag",
            flag_values=[0, *METHOD_CODES.values()],
            flag_meanings=" ".join(("none", *METHOD_CODES)),
        ),
        "status": table(
            "uint8",
            long_name="what became of the tile on the day",
            standard_name="status_flag",
            flag_values=[status.value for status in Status],
            flag_meanings=" ".join(status.name.lower() for status in Status),
        ),
    }


def _input_arrays(
    role: Role, pixels: Callable[..., ArraySpec], table: Callable[..., ArraySpec], time: int
) -> dict[str, ArraySpec]:
    made = {
        "clear": pixels(
            "uint8",
            long_name="whether the pixel was seen clear",
            standard_name="status_flag",
            flag_values=[0, 1],
            flag_meanings="not_clear clear",
        ),
        "surface": pixels(
            "uint8",
            long_name="what the scene's own flags say of the surface",
            standard_name="status_flag",
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
        "done": table(
            "uint8",
            long_name="whether the tile's day is read and written; part: what could be read of it",
            flag_values=[0, WHOLLY, PARTLY],
            flag_meanings="no yes part",
        ),
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
    _coordinate(root, "time", midnights, cf.TIME, chunk=_TIME_CHUNK)
    for name, count, start, step in (("y", rows, top, step_y), ("x", cols, left, step_x)):
        centres = start + (np.arange(count) + 0.5) * step
        _coordinate(root, name, centres, cf.axis_attrs(name), chunk=count)
    numbers = np.arange(tiles, dtype=np.int32)
    _coordinate(root, "tile", numbers, cf.tile_attrs(role, grid))
    root.create_array(
        "spatial_ref",
        shape=(),
        dtype="int32",
        fill_value=0,
        attributes=cf.crs_attrs(grid.crs, transform),
    )
    root.attrs.update(cf.group_attrs(role, grid, days, bands))
    root.attrs.update(dict(attrs))


def add_sigma(root: zarr.Group, grid: Grid, time: int, bands: Sequence[str]) -> None:
    """Give a fused cube empty arrays for sigma; what is there stays, so it may be repeated."""
    specs = arrays("fused", grid, time, bands, sigma=True)
    for band in bands:
        if sigmas.name_of(band) not in root:
            _create(root, sigmas.name_of(band), specs[sigmas.name_of(band)])
        root[band].attrs.update(dict(specs[band].attrs))


def add_tables(root: zarr.Group, role: Role, grid: Grid, time: int, bands: Sequence[str]) -> bool:
    """Give a cube of an earlier version the tables it lacks, all 0; whether it did.

    The days of an input cube then count as not done, so the next run reads them again.
    """
    specs = arrays(role, grid, time, bands)
    lacking = [name for name, spec in specs.items() if len(spec.dims) < 3 and name not in root]
    if lacking and role != "fused":
        # First not done: a kill between the two leaves days to be read again.
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
