"""Cubes on disk: made once, extended in time, written in whole chunks, opened by analysts.

Plain Zarr v3; where it lies is the business of ``pipeline.local_store``.  The time axis is laid
out in full before anything is written and every writer owns whole chunks, so writers need no lock
among them and a killed one leaves at most a stray temporary file.  Whether a tile-day is done
stands in ``status`` alone, written last and by the driver only: a chunk that is all fill has no
file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from pipeline import cf, cube, local_store
from pipeline import sigma as sigmas
from pipeline.cf import Role
from pipeline.cube import day_date
from pipeline.grid import Grid
from pipeline.quality import Quality

_LAST = ("quality", "status", "done")
"""Arrays that say that others are there, hence written after them."""


class CubeError(ValueError):
    """A cube cannot be read or written as asked."""


class ChunkAlignmentError(CubeError):
    """A write would touch chunks that other writers own."""


class CubeMismatchError(CubeError):
    """The cube on disk is of another grid, role or other bands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The small arrays of a cube."""

    days: tuple[date, ...]
    arrays: Mapping[str, NDArray[Any]]
    """(time, tile) and (time) arrays by name."""


def inputs_folder(cube_path: Path) -> Path:
    """Where the inputs of a fused cube lie: ``x.inputs`` beside ``x.zarr``."""
    return cube_path.with_suffix(".inputs")


def create_fused(
    path: Path,
    grid: Grid,
    days: Sequence[date],
    bands: Sequence[str],
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Make an empty product cube of consecutive ``days``; FileExistsError if there is one."""
    _create(path, "fused", grid, days, bands, attrs or {})


def create_input(
    path: Path,
    role: Role,
    grid: Grid,
    days: Sequence[date],
    bands: Sequence[str],
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Make an empty input cube: ``fine`` of the days that have an image, ``coarse`` of all."""
    _create(path, role, grid, days, bands, attrs or {})


def ensure(
    path: Path,
    role: Role,
    grid: Grid,
    days: Sequence[date],
    bands: Sequence[str],
    attrs: Mapping[str, Any] | None = None,
    *,
    sigma: bool = False,
) -> None:
    """Make the cube, or bring the one that is there to hold ``days`` too.

    ``sigma``: a fused cube gets the arrays of ``pipeline.sigma``, should it not have them; none
    ever loses them.
    Days that are there already keep all their values, asked for or not; new ones come later,
    earlier or in between.  ``fused`` and ``coarse`` keep a complete daily axis.  ``attrs`` are
    written either way.  CubeMismatchError if the cube is of another role, grid or other bands.
    """
    local_store.finish_swap(path)
    if not path.exists():
        _create(path, role, grid, days, bands, attrs or {}, sigma=sigma)
        return
    _check_same(path, role, grid, bands)
    present = read_days(path)
    if cube.add_tables(_open(path, "r+"), role, grid, len(present), bands):
        local_store.consolidate(path)
    wanted = _axis(role, {*present, *days})
    if wanted != present:
        _extend(path, role, grid, wanted, bands)
    if sigma and not holds_sigma(path, bands):
        cube.add_sigma(_open(path, "r+"), grid, len(wanted), bands)
        local_store.consolidate(path)
    if attrs:
        update_attrs(path, attrs)


def holds_sigma(path: Path, bands: Sequence[str]) -> bool:
    """Whether the cube has room for the uncertainty of every band."""
    root = _open(path, "r")
    return all(sigmas.name_of(band) in root for band in bands)


def write_block(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    days: Sequence[date],
    y: slice,
    x: slice,
) -> None:
    """Write (time, y, x) arrays of whole chunks: every day of ``days``, rows ``y``, columns ``x``.

    ``quality`` is written after the others, so that a pixel with a quality word has its bands.
    The driver marks the tile-day afterwards.  May be repeated at any time.
    """
    root = _open(path, "r+")
    time = _places(path, root, days)
    for name in sorted(arrays, key=lambda name: name in _LAST):
        target, values = root[name], arrays[name]
        assert isinstance(target, zarr.Array)
        _check_block(path, name, target, values, len(days), y, x)
        for place, image in zip(time, values, strict=True):
            target[place, y, x] = image


def write_tables(
    path: Path, values: Mapping[str, Any], *, days: Sequence[date], tile: int | None = None
) -> None:
    """Write values of ``days`` into (time, tile) arrays at ``tile``, or into (time) arrays.

    A value is one number or one per day.  For the driver alone: a table is one chunk a year,
    shared by all tiles.  ``status`` and ``done`` are written after the others.
    """
    root = _open(path, "r+")
    time = _places(path, root, days)
    for name in sorted(values, key=lambda name: name in _LAST):
        target = root[name]
        assert isinstance(target, zarr.Array)
        per_day = np.broadcast_to(np.asarray(values[name], target.dtype), len(time))
        where = (time,) if tile is None else (time, np.full_like(time, tile))
        target.set_coordinate_selection(where, per_day)


def read_tables(path: Path) -> Tables:
    """All (time, tile) and (time) arrays."""
    root = _open(path, "r")
    small = {name: array for name, array in root.arrays() if array.ndim and array.ndim < 3}
    return Tables(
        days=_days(root),
        arrays={name: np.asarray(a[...]) for name, a in small.items() if name not in _COORDINATES},
    )


_COORDINATES = ("time", "y", "x", "tile")


def read_days(path: Path) -> tuple[date, ...]:
    """The time axis."""
    return _days(_open(path, "r"))


def read_attrs(path: Path) -> dict[str, Any]:
    """Attributes of the group."""
    return dict(_open(path, "r").attrs)


def update_attrs(path: Path, attrs: Mapping[str, Any]) -> None:
    """Write attributes of the group; others stay."""
    _open(path, "r+").attrs.update(dict(attrs))
    local_store.consolidate(path)


def open_product(path: Path) -> zarr.Group:
    """The product as it is stored.  Raises CubeError where there is none of ours."""
    root = _open(path, "r")
    about = root.attrs.get("daily30")
    if not isinstance(about, Mapping) or about["role"] != "fused":
        raise CubeError(f"{path} is no daily cube of daily30; give the path of one, <name>.zarr")
    return root


def open_cube(path: Path) -> xr.Dataset:
    """The product, lazily (dask): float32 reflectance, NaN wherever a pixel was not produced.

    A plain ``xr.open_zarr(path)`` gives the same in float64, save that it shows the half of a
    tile-day that is being written this very moment.
    """
    cubed = xr.open_zarr(path)
    produced = (cubed["quality"] & Quality.PRODUCED.value) != 0
    masked = {
        name: values.astype("float32").where(produced).assign_attrs(values.attrs)
        for name, values in cubed.data_vars.items()
        if "scale_factor" in values.encoding
    }
    return cubed.assign(masked)


def _create(
    path: Path,
    role: Role,
    grid: Grid,
    days: Sequence[date],
    bands: Sequence[str],
    attrs: Mapping[str, Any],
    *,
    sigma: bool = False,
) -> None:
    if path.exists():
        raise FileExistsError(f"there is a cube at {path} already; store.ensure() extends it")
    axis = _axis(role, set(days))
    with local_store.made_beside(path) as new:
        cube.fill_store(new, role, grid, axis, bands, attrs, sigma=sigma)
    local_store.put_in_place(path)


def _axis(role: Role, days: set[date]) -> tuple[date, ...]:
    if not days:
        raise CubeError(f"a {role} cube needs at least one day; no image was found")
    return tuple(sorted(days)) if role == "fine" else cube.daily(min(days), max(days))


def _extend(path: Path, role: Role, grid: Grid, days: Sequence[date], bands: Sequence[str]) -> None:
    # Another axis is another numbering of all chunks in time: the new store is built beside out
    # of the old one's chunks and takes its place.
    old = _open(path, "r")
    place = {day: at for at, day in enumerate(days)}
    moved = [(at, place[day]) for at, day in enumerate(_days(old))]
    fresh = cf.coverage(days)
    sigma = holds_sigma(path, bands)
    kept = {name: value for name, value in old.attrs.items() if name not in fresh}
    with local_store.made_beside(path) as new:
        cube.fill_store(new, role, grid, days, bands, kept, sigma=sigma)
        for name, spec in cube.arrays(role, grid, len(days), bands, sigma=sigma).items():
            if len(spec.dims) == 3:
                for before, after in moved:
                    local_store.share_day(path, name, before, after)
            else:
                values = np.zeros(spec.shape, spec.dtype)
                source, target = old[name], new[name]
                assert isinstance(source, zarr.Array)
                assert isinstance(target, zarr.Array)
                values[[after for _, after in moved]] = source[...]
                target[...] = values
    local_store.put_in_place(path)


def _open(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    if not local_store.exists(path):
        raise CubeError(f"there is no cube at {path}; run the steps that make it first")
    return local_store.open_group(path, mode)


def _days(root: zarr.Group) -> tuple[date, ...]:
    time = root["time"]
    assert isinstance(time, zarr.Array)
    return tuple(day_date(second // 86400) for second in np.asarray(time[...]))


def _places(path: Path, root: zarr.Group, days: Sequence[date]) -> NDArray[np.intp]:
    axis = _days(root)
    at = {day: place for place, day in enumerate(axis)}
    if missing := [day for day in days if day not in at]:
        raise CubeError(
            f"{', '.join(map(str, missing))} not on the time axis of {path} "
            f"({axis[0]} to {axis[-1]}, {len(axis)} days); extend it with store.ensure()"
        )
    return np.array([at[day] for day in days], np.intp)


def _check_same(path: Path, role: Role, grid: Grid, bands: Sequence[str]) -> None:
    there = _open(path, "r").attrs["daily30"]
    assert isinstance(there, Mapping)
    asked = {"role": role, "grid": grid.to_dict(), "bands": list(bands)}
    if differing := [key for key, value in asked.items() if there.get(key) != value]:
        what = "; ".join(f"{key} {there.get(key)}, asked for {asked[key]}" for key in differing)
        raise CubeMismatchError(
            f"the cube at {path} has {what}. Give the region another cube path, "
            f"or move the old cube away"
        )


def _check_block(
    path: Path,
    name: str,
    target: zarr.Array[Any],
    values: NDArray[Any],
    days: int,
    y: slice,
    x: slice,
) -> None:
    if values.shape != (days, y.stop - y.start, x.stop - x.start) or values.dtype != target.dtype:
        raise CubeError(
            f"{name!r} of {path}: got {values.dtype} {values.shape} for {days} days, rows "
            f"{y.start}:{y.stop} and columns {x.start}:{x.stop} of a {target.dtype} array"
        )
    for dim, at, chunk, length in zip(
        "yx", (y, x), target.chunks[1:], target.shape[1:], strict=True
    ):
        whole = at.start % chunk == 0 and (at.stop % chunk == 0 or at.stop == length)
        if not (whole and 0 <= at.start < at.stop <= length):
            raise ChunkAlignmentError(
                f"cannot write {dim}={at.start}:{at.stop} of {name!r} to {path}: its chunks are "
                f"{chunk} long, so the write would touch chunks that other tasks own. Start and "
                f"end on a multiple of {chunk} or at the end of the axis ({length}); "
                f"Grid.tiles lists such blocks."
            )
