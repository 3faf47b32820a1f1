"""Bring images from one grid to another without letting the unknown bleed into the known."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy.sparse import csr_array, vstack

POINTS = 32
"""Points a side by which the area of a coarse cell is shared out."""


@lru_cache(maxsize=64)
def _between(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def transformer(source: GeoBox, target: GeoBox) -> Transformer | None:
    """From the CRS of one grid to that of another; None where they are the same."""
    if source.crs == target.crs:
        return None
    assert source.crs is not None
    assert target.crs is not None
    return _between(source.crs.to_wkt(), target.crs.to_wkt())


def to_lattice(
    values: NDArray[np.float32], marks: NDArray[np.bool_], source: GeoBox, target: GeoBox
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bring ``values`` (band, y, x; NaN unknown) and ``marks`` (mark, y, x) to ``target``."""
    if (offset := _same_lattice(source, target)) is not None:
        height, width = target.shape.yx
        at = (..., slice(offset[0], offset[0] + height), slice(offset[1], offset[1] + width))
        return values[at], marks[at]
    near = _warp(marks.astype(np.uint8), source, target, Resampling.nearest).astype(bool)
    # A band at a time: together GDAL holds a pixel for known where any band is.  Alone, a pixel is
    # known exactly where the pixel of the source it falls in is.
    smooth = np.concatenate(
        [_warp(one[None], source, target, Resampling.bilinear, nodata=np.nan) for one in values]
    )
    # Cubic weights are partly negative and would be unstable over part of their support, so
    # cubic counts only where it has met no NaN.
    sharp = _warp(values, source, target, Resampling.cubic)
    return np.where(np.isfinite(smooth) & np.isfinite(sharp), sharp, smooth), near


def nearest(layers: NDArray[Any], source: GeoBox, target: GeoBox) -> NDArray[Any]:
    """Bring (layer, y, x) to ``target`` by nearest, 0 beyond ``source``."""
    if (offset := _same_lattice(source, target)) is not None:
        height, width = target.shape.yx
        return layers[:, offset[0] : offset[0] + height, offset[1] : offset[1] + width]
    return _warp(layers, source, target, Resampling.nearest)


def _same_lattice(source: GeoBox, target: GeoBox) -> tuple[int, int] | None:
    """Row and column of ``target``'s first pixel in ``source``, if their pixels coincide."""
    a, b = source.affine, target.affine
    if source.crs != target.crs or not np.allclose((a.a, a.e), (b.a, b.e), rtol=1e-9, atol=0):
        return None
    col, row = (b.c - a.c) / a.a, (b.f - a.f) / a.e
    if max(abs(col - round(col)), abs(row - round(row))) > 0.01:
        return None
    height, width = target.shape.yx
    inside = (
        0 <= round(row) <= source.shape.y - height and 0 <= round(col) <= source.shape.x - width
    )
    return (round(row), round(col)) if inside else None


def _warp(
    values: NDArray[Any],
    source: GeoBox,
    target: GeoBox,
    resampling: Resampling,
    nodata: float | None = None,
) -> NDArray[Any]:
    assert source.crs is not None
    assert target.crs is not None
    result = np.zeros((len(values), *target.shape.yx), values.dtype)
    reproject(
        values,
        result,
        src_transform=source.affine,
        src_crs=source.crs.to_wkt(),
        src_nodata=nodata,
        dst_transform=target.affine,
        dst_crs=target.crs.to_wkt(),
        dst_nodata=nodata,
        resampling=resampling,
        # The default warper approximates to an eighth of a pixel.
        tolerance=0.01,
    )
    return result


@lru_cache(maxsize=8)
def area_weights(source: GeoBox, target: GeoBox) -> csr_array:
    """Share of each cell of ``target`` that each pixel of ``source`` covers.

    (target cell, source pixel), sparse; a row sums to the share of its cell inside ``source``.
    Cells are sampled at the centres of a regular raster of at least ``POINTS`` x ``POINTS``
    points, so the shear and curvature of the projection are followed; the shares are exact where
    the source nests in the target.  Cached: all days of a region share one window.
    """
    height, width = target.shape.yx
    a, b = source.affine, target.affine
    nested = max(1, round(abs(b.a / a.a)))
    points = nested * -(-POINTS // nested)
    step = (np.arange(points) + 0.5) / points
    # Only the corners of the cells are projected: within one cell of 480 m the projection is
    # bilinear to millimetres.
    x, y = np.meshgrid(b.c + b.a * np.arange(width + 1), b.f + b.e * np.arange(height + 1))
    if (to_source := transformer(target, source)) is not None:
        x, y = to_source.transform(x, y)
    cols, rows = (x - a.c) / a.a, (y - a.f) / a.e
    cell = np.broadcast_to(np.arange(width)[None, :, None], (points, width, points))
    shape = (width, source.shape.y * source.shape.x)
    shares = []
    for top in range(height):
        # One row of cells at a time, so that the points never are in memory together.
        col, line = (
            np.floor(_between_corners(corners[top : top + 2], step)).astype(np.int64)
            for corners in (cols, rows)
        )
        inside = (col >= 0) & (col < source.shape.x) & (line >= 0) & (line < source.shape.y)
        pixel = (line * source.shape.x + col)[inside]
        # Points of one cell in one pixel are summed here.
        shares.append(
            csr_array((np.full(pixel.size, 1 / points**2), (cell[inside], pixel)), shape=shape)
        )
    return vstack(shares, format="csr")


def _between_corners(
    corners: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A coordinate at the points of a row of cells: (2, cells + 1) -> (point, cell, point)."""
    u, v = step[None, None, :], step[:, None, None]
    (upper_left, lower_left), (upper_right, lower_right) = corners[:, :-1], corners[:, 1:]
    upper = upper_left[:, None] * (1 - u) + upper_right[:, None] * u
    lower = lower_left[:, None] * (1 - u) + lower_right[:, None] * u
    return upper * (1 - v) + lower * v
