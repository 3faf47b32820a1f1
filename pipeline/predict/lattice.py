"""The grid of a prediction: the fine image's pixels, and the coarse cells that nest in them.

Cells lie where the coarse images' own pixels are, if those nest; else on the absolute lattice of
the CRS, as in the cubes (``pipeline.grid``), so that a part of an image is predicted like the
whole.  Cells at its edges may reach beyond the image: those pixels are unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio import Affine

from pipeline.grid import Grid
from pipeline.predict.copies import SIDE, Copy, recognise
from pipeline.predict.image import ImageError, PlainImage, degrees

TILE = 512
"""Side in fine pixels that tiles stay below, unless a cell is larger."""

NEAR = 0.01
"""Pixels by which an edge may miss another and still lie on it."""


ROUND_DOWN = 0.35
"""Up to this part of a fine pixel cells are smaller than the coarse sensor's own, else larger:
MODIS's 463 m become 16 Landsat pixels as in the cubes, its 250 m become 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where the cells lie."""

    grid: Grid
    """Whole cells that hold the fine image."""

    top: int
    left: int
    """Pixels of the grid before the image's first."""

    found: str
    """How the cells came about, in words."""

    def window(self, y: slice, x: slice) -> tuple[slice, slice]:
        """Pixels of the grid as pixels of the image; negative before its first."""
        return (
            slice(y.start - self.top, y.stop - self.top),
            slice(x.start - self.left, x.stop - self.left),
        )


def same_grid(a: GeoBox, b: GeoBox) -> bool:
    """Whether the pixels of two images coincide."""
    if a.shape != b.shape or a.crs != b.crs:
        return False
    same = np.array(a.affine[:6]) - np.array(b.affine[:6])
    return bool(np.abs(same).max() < NEAR * abs(a.affine.a))


def offset_in(fine: GeoBox, other: GeoBox) -> tuple[int, int] | None:
    """(row, col) of ``other``'s first pixel in ``fine``, where their pixels coincide."""
    a, b = fine.affine, other.affine
    if fine.crs != other.crs or not np.allclose((a.a, a.e), (b.a, b.e), rtol=1e-6, atol=0):
        return None
    col, row = (b.c - a.c) / a.a, (b.f - a.f) / a.e
    if max(abs(col - round(col)), abs(row - round(row))) > NEAR:
        return None
    return round(row), round(col)


def make_lattice(fine: PlainImage, coarse: Sequence[PlainImage], ratio: int | None) -> Lattice:
    """Choose the cells for a fine image and its coarse ones.

    ``ratio``, fine pixels along a cell, is asked for, or follows from the coarse images: from the
    size of their pixels, or, where they lie on pixels as small as the fine ones, from how they
    were copied there (``pipeline.predict.copies``).  ImageError, with the cure, where it does not.
    """
    phases: list[tuple[int, tuple[int, int], str]] = []
    guesses: list[tuple[float, str]] = []
    for image in coarse:
        size = pixel_ratio(fine.box, image.box)
        name = image.path.name
        if size < 0.5:
            raise ImageError(
                f"the pixels of the coarse image {image.path} are {size:.2g} times as large as "
                f"those of {fine.path}; were fine and coarse exchanged?"
            )
        if size >= 1.5:
            guesses.append((size, f"the pixels of {name} are {size:.3g} fine pixels"))
            if (nested := _nested(fine.box, image.box)) is not None:
                phases.append((*nested, f"the pixels of {name}"))
            continue
        copy = look(image)
        if copy is None:
            continue
        pitch = float(np.sqrt(copy.pitch[0] * copy.pitch[1])) * size
        told = f"{name} is a {copy.way} copy of pixels {pitch:.4g} fine pixels large"
        guesses.append((pitch, told))
        at = offset_in(fine.box, image.box)
        if copy.phase is not None and at is not None:
            start = copy.phase[0] + at[0], copy.phase[1] + at[1]
            phases.append((round(copy.pitch[0]), start, told))
    if ratio is None and not guesses:
        raise ImageError(
            f"{coarse[0].path} lies on pixels as small as those of {fine.path}, and does not show "
            "how large its own were; state it in fine pixels, e.g. --ratio 16 for MODIS 500 m on "
            "Landsat"
        )
    wanted, found = (
        (ratio, f"cells of {ratio} x {ratio} pixels as asked")
        if ratio is not None
        # The coarsest image decides: smaller cells would hold what it never saw.
        else (max(int(np.ceil(max(guesses)[0] - ROUND_DOWN)), 2), max(guesses)[1])
    )
    for own, start, told in phases:
        if own == wanted:
            return _lattice(fine.box, wanted, start, told)
    return _lattice(fine.box, wanted, _absolute(fine.box, wanted), found)


def pixel_ratio(fine: GeoBox, coarse: GeoBox) -> float:
    """Side of a coarse pixel in fine pixels, at the middle of the fine image."""
    if fine.crs is None or coarse.crs is None:
        return fine.shape[0] / coarse.shape[0]
    height, width = fine.shape
    x, y = fine.affine @ (width / 2, height / 2)
    if fine.crs == coarse.crs:
        area = abs(coarse.affine.a * coarse.affine.e)
    else:
        to_coarse = Transformer.from_crs(fine.crs, coarse.crs, always_xy=True)
        back = Transformer.from_crs(coarse.crs, fine.crs, always_xy=True)
        at = to_coarse.transform(x, y)
        if not np.isfinite(at).all():
            raise ImageError(
                f"the fine image, {degrees(fine)}, cannot be found in the CRS of the coarse one"
            )
        a, e = coarse.affine.a, coarse.affine.e
        xs, ys = back.transform([at[0], at[0] + a, at[0]], [at[1], at[1], at[1] + e])
        area = abs((xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0]))
    return float(np.sqrt(area / abs(fine.affine.a * fine.affine.e)))


def look(image: PlainImage) -> Copy | None:
    """How an image was copied to its grid, by its first pixels."""
    height, width = image.shape
    return recognise(image.read(slice(0, min(height, SIDE)), slice(0, min(width, SIDE))))


def _nested(fine: GeoBox, coarse: GeoBox) -> tuple[int, tuple[int, int]] | None:
    """Ratio and first edge (y, x), where coarse pixels are made of whole fine ones."""
    a, b = fine.affine, coarse.affine
    if fine.crs != coarse.crs:
        return None
    across, down = b.a / a.a, b.e / a.e
    ratio = round(across)
    start = (b.f - a.f) / a.e, (b.c - a.c) / a.a
    exact = max(abs(across - ratio), abs(down - ratio)) < 1e-3
    if not exact or any(abs(one - round(one)) > NEAR for one in start):
        return None
    return ratio, (round(start[0]), round(start[1]))


def _absolute(fine: GeoBox, ratio: int) -> tuple[int, int]:
    """First edge of the cells whose edges are multiples of their size from the CRS's origin, but
    for the part of a pixel by which the fine grid lies off it (15 m for Landsat)."""
    if fine.crs is None:
        return 0, 0
    a = fine.affine
    # In both directions away from the origin: rows count down, coordinates up.
    return int(np.floor(a.f / -a.e + NEAR)) % ratio, -int(np.floor(a.c / a.a + NEAR)) % ratio


def _lattice(fine: GeoBox, ratio: int, start: tuple[int, int], found: str) -> Lattice:
    top, left = (-edge % ratio for edge in start)
    rows, cols = (
        -(-(length + before) // ratio)
        for length, before in zip(fine.shape, (top, left), strict=True)
    )
    affine = fine.affine @ Affine.translation(-left, -top)
    box = GeoBox((rows * ratio, cols * ratio), affine, fine.crs)
    # A point of the lattice near the origin of the CRS keys the noise by the place on Earth.
    cell = ratio * affine.a, ratio * -affine.e
    anchor = (affine.c % cell[0], affine.f % cell[1]) if fine.crs is not None else (0.0, 0.0)
    tile = max(TILE // ratio, 1) * ratio
    grid = Grid(fine=box, ratio=ratio, tile=tile, anchor=anchor)
    return Lattice(grid=grid, top=top, left=left, found=found)
