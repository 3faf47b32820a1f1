"""The region's grid: fine pixels, the coarse cells they nest in, and the tiles of work.

Both grids are fixed once per region and stored with the cube, so that every scene of every day
lands on the same pixels.  The lattice is absolute: edges of coarse cells lie at
``anchor + k * ratio * resolution``, and the index of a pixel on it (``Grid.origin``) is the same
whatever the region around it.  Landsat has its pixel centres on multiples of 30 m, its edges at
15 mod 30; a lattice with edges on multiples of 30 would shift all scenes by half a pixel, hence
the default anchor of 15 m, 15 m.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio import Affine

ON_LATTICE = 1e-6
"""Share of a coarse cell by which a bound may miss an edge and still count as lying on it."""

READ_TOGETHER = 512
"""Pixels a side up to which small tiles are read, and stored as inputs, in one chunk.

A block with its halo then touches few chunks: with 96-pixel tiles each in a chunk of its own, a
task spent more time opening nine chunks a band and day than fusing.
"""

LARGEST = 200_000
"""Pixels a side beyond which a region is surely a mistake (6000 km at 30 m)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One column of output chunks, the unit of planning."""

    index: int
    row: int
    col: int
    y: slice
    """Rows of fine pixels; tiles at the lower and right edge are shorter."""
    x: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Size in fine pixels, (y, x)."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A fine GeoBox made of whole coarse cells, cut into tiles."""

    fine: GeoBox
    ratio: int
    """Fine pixels per coarse cell, along y and along x."""
    tile: int
    """Side of a tile in fine pixels, a multiple of ``ratio``."""
    anchor: tuple[float, float]
    """A point of the lattice, (x, y) in CRS units, on an edge of coarse cells."""

    def __post_init__(self) -> None:
        if self.ratio < 1:
            raise ValueError(f"ratio={self.ratio} fine pixels a coarse cell: it is at least 1")
        if self.tile < 1 or self.tile % self.ratio:
            nearest = max(1, round(self.tile / self.ratio)) * self.ratio
            raise ValueError(
                f"tile={self.tile} is not a multiple of ratio={self.ratio}, so tiles would cut "
                f"coarse cells; use {nearest}"
            )
        if self.shape[0] % self.ratio or self.shape[1] % self.ratio:
            raise ValueError(
                f"the fine grid of {self.shape[0]} x {self.shape[1]} pixels is not made of whole "
                f"coarse cells of {self.ratio} x {self.ratio}; make it by Grid.from_bbox or "
                f"Grid.from_bounds"
            )

    @classmethod
    def from_bbox(
        cls,
        bbox: tuple[float, float, float, float],
        *,
        crs: str = "auto",
        resolution_m: float | tuple[float, float] = 30.0,
        ratio: int = 16,
        tile: int = 512,
        anchor_m: tuple[float, float] = (15.0, 15.0),
    ) -> Self:
        """Cover ``bbox`` (west, south, east, north in degrees) by whole coarse cells.

        ``west > east`` means a box across the antimeridian.  ``crs="auto"`` is the UTM zone of
        the centre, always by its northern code (EPSG:326zz), for that is where Landsat's lattice
        lies in the south too (negative northings); the 10 000 km false northing of 327zz would
        shift it by 10 m.
        """
        west, south, east, north = bbox
        if not (-90 <= south < north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
            raise ValueError(
                f"bbox {list(bbox)} is not west, south, east, north in degrees with south < north"
            )
        if west == east:
            raise ValueError(f"bbox {list(bbox)} has no width")
        if west > east:
            east += 360
        if crs == "auto":
            if max(abs(south), abs(north)) > 84:
                raise ValueError(f"bbox {list(bbox)} reaches beyond UTM (84 degrees); give a crs")
            centre = (west + east) / 2
            crs = f"EPSG:{32601 + int((centre + 180) // 6) % 60}"
        try:
            to_crs = Transformer.from_crs("EPSG:4326", _crs(crs).proj, always_xy=True)
            bounds = to_crs.transform_bounds(west, south, east, north, densify_pts=64)
        except ProjError as error:
            raise ValueError(f"bbox {list(bbox)} cannot be projected to {crs}: {error}") from error
        return cls.from_bounds(
            bounds, crs=crs, resolution_m=resolution_m, ratio=ratio, tile=tile, anchor_m=anchor_m
        )

    @classmethod
    def from_bounds(
        cls,
        bounds: tuple[float, float, float, float],
        *,
        crs: str,
        resolution_m: float | tuple[float, float] = 30.0,
        ratio: int = 16,
        tile: int = 512,
        anchor_m: tuple[float, float] = (15.0, 15.0),
    ) -> Self:
        """Cover ``bounds`` (xmin, ymin, xmax, ymax in CRS units) by whole coarse cells, outward.

        ``resolution_m`` is the side of a fine pixel in CRS units, or its two sides (x, y).
        """
        xmin, ymin, xmax, ymax = bounds
        if not (all(map(math.isfinite, bounds)) and xmin < xmax and ymin < ymax):
            raise ValueError(
                f"bounds {list(bounds)} are not finite xmin, ymin, xmax, ymax with min < max"
            )
        resolution = (
            resolution_m if isinstance(resolution_m, tuple) else (resolution_m, resolution_m)
        )
        if min(resolution) <= 0:
            raise ValueError(f"resolution_m={resolution_m}: a pixel has a positive size")
        if ratio < 1:
            raise ValueError(f"ratio={ratio} fine pixels a coarse cell: it is at least 1")
        (x_from, x_to), (y_from, y_to) = (
            _outward(low, high, at, step * ratio)
            for low, high, at, step in zip(
                (xmin, ymin), (xmax, ymax), anchor_m, resolution, strict=True
            )
        )
        shape = ((y_to - y_from) * ratio, (x_to - x_from) * ratio)
        if max(shape) > LARGEST:
            raise ValueError(
                f"the region would be {shape[0]} x {shape[1]} pixels of {resolution_m} CRS units; "
                f"is the bbox in degrees and the resolution in metres?"
            )
        left = anchor_m[0] + x_from * ratio * resolution[0]
        top = anchor_m[1] + y_to * ratio * resolution[1]
        affine = Affine(resolution[0], 0.0, left, 0.0, -resolution[1], top)
        fine = GeoBox(shape, affine, _crs(crs))
        return cls(
            fine=fine, ratio=ratio, tile=tile, anchor=(float(anchor_m[0]), float(anchor_m[1]))
        )

    @property
    def crs(self) -> CRS:
        """The coordinate reference system of both grids."""
        assert self.fine.crs is not None
        return self.fine.crs

    @property
    def shape(self) -> tuple[int, int]:
        """Fine pixels, (y, x)."""
        return int(self.fine.shape[0]), int(self.fine.shape[1])

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Coarse cells, (y, x)."""
        return self.shape[0] // self.ratio, self.shape[1] // self.ratio

    @property
    def coarse(self) -> GeoBox:
        """The grid of coarse cells, each exactly ``ratio`` x ``ratio`` fine pixels."""
        fine = self.fine.affine
        cell = Affine(fine.a * self.ratio, 0.0, fine.c, 0.0, fine.e * self.ratio, fine.f)
        return GeoBox(self.coarse_shape, cell, self.crs)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Number of tiles, (rows, columns)."""
        return -(-self.shape[0] // self.tile), -(-self.shape[1] // self.tile)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All tiles, row by row; together they hold every fine pixel exactly once."""
        rows, cols = self.tile_shape
        height, width = self.shape
        return tuple(
            Tile(
                index=row * cols + col,
                row=row,
                col=col,
                y=slice(row * self.tile, min((row + 1) * self.tile, height)),
                x=slice(col * self.tile, min((col + 1) * self.tile, width)),
            )
            for row in range(rows)
            for col in range(cols)
        )

    @property
    def tiles_together(self) -> int:
        """Tiles along each side of a chunk of the fine input cube."""
        return max(1, READ_TOGETHER // self.tile)

    def block(self, tile: Tile, halo: int) -> tuple[slice, slice]:
        """The fine pixels (y, x) of a tile and its halo.

        The halo (fine pixels) is rounded up to whole coarse cells and clipped to the region, so
        a block always starts and ends on edges of coarse cells.
        """
        if halo < 0:
            raise ValueError(f"halo={halo}: a halo is not negative")
        margin = -(-halo // self.ratio) * self.ratio
        y, x = (
            slice(max(core.start - margin, 0), min(core.stop + margin, length))
            for core, length in zip((tile.y, tile.x), self.shape, strict=True)
        )
        return y, x

    def coarse_window(self, y: slice, x: slice) -> tuple[slice, slice]:
        """The coarse cells (y, x) that hold the fine pixels ``y``, ``x`` of a block, exactly."""
        for name, side in (("y", y), ("x", x)):
            if side.start % self.ratio or side.stop % self.ratio:
                raise ValueError(
                    f"{name}={side.start}:{side.stop} does not start and end on coarse cells of "
                    f"{self.ratio} pixels; take the slices of Grid.block"
                )
        return (
            slice(y.start // self.ratio, y.stop // self.ratio),
            slice(x.start // self.ratio, x.stop // self.ratio),
        )

    def origin(self, y0: int, x0: int) -> tuple[int, int]:
        """Absolute lattice (row, column) of the region's fine pixel (``y0``, ``x0``).

        Rows count southward and columns eastward from the anchor; the same ground has the same
        index in every region of one anchor and CRS, so noise keyed by it does not depend on the
        region's edges.
        """
        affine = self.fine.affine
        row = round((self.anchor[1] - affine.f) / -affine.e)
        col = round((affine.c - self.anchor[0]) / affine.a)
        return row + y0, col + x0

    def to_dict(self) -> dict[str, Any]:
        """The grid as JSON values; ``from_dict`` gives it back bit for bit."""
        return {
            "crs": self.crs.to_wkt(),
            "transform": list(self.fine.affine[:6]),
            "shape": list(self.shape),
            "ratio": self.ratio,
            "tile": self.tile,
            "anchor": list(self.anchor),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The grid written by ``to_dict``."""
        height, width = values["shape"]
        x, y = values["anchor"]
        fine = GeoBox((height, width), Affine(*values["transform"]), CRS(values["crs"]))
        return cls(fine=fine, ratio=values["ratio"], tile=values["tile"], anchor=(x, y))


def degrees_of(box: GeoBox) -> tuple[float, float, float, float]:
    """West, south, east, north of a grid in degrees; west > east across the antimeridian."""
    bounds = box.boundingbox
    degrees: tuple[float, float, float, float] = Transformer.from_crs(
        box.crs, "OGC:CRS84", always_xy=True
    ).transform_bounds(bounds.left, bounds.bottom, bounds.right, bounds.top, densify_pts=32)
    return degrees


def _crs(name: str) -> CRS:
    try:
        crs = CRS(name)
    except Exception as error:  # pyproj and odc raise different classes for unknown names
        raise ValueError(
            f"crs {name!r} is not known; give 'auto', an EPSG code such as 'EPSG:32633', or WKT"
        ) from error
    if crs.geographic:
        raise ValueError(f"crs {name!r} is geographic; a grid in metres needs a projected one")
    return crs


def _outward(low: float, high: float, anchor: float, step: float) -> tuple[int, int]:
    """The lattice cells from, to (exclusive) that cover ``low`` .. ``high``."""
    return (
        math.floor((low - anchor) / step + ON_LATTICE),
        math.ceil((high - anchor) / step - ON_LATTICE),
    )
