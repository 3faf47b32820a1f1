"""Tiles of a prediction with their halos, as blocks that a method is given."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from rasterio.windows import Window

from model.block import COARSE_PAD, Block
from pipeline.cf import SCALE, VALID_MAX, VALID_MIN
from pipeline.cube import day_number
from pipeline.grid import Tile
from pipeline.predict.cells import cells_of
from pipeline.predict.image import Float
from pipeline.predict.inputs import Inputs, PredictError
from pipeline.predict.lattice import Lattice, make_lattice
from pipeline.statistics import statistics_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Everything a tile is made from; its fine pixels are read when it is asked for."""

    inputs: Inputs
    lattice: Lattice
    cells: tuple[Float, Float, Float]
    """Coarse images before, after and of the day, (band, row, col) with ``COARSE_PAD`` around."""

    centre: Float
    spread: Float
    halo: int

    @classmethod
    def of(cls, inputs: Inputs, *, ratio: int | None, halo: int) -> Self:
        """Bring the coarse images to cells, and look at all fine pixels for their statistics.

        ``ratio`` as asked for, see ``make_lattice``; ``halo`` in fine pixels.
        """
        lattice, cells = _coarse(inputs, ratio)
        centre, spread = _statistics(inputs)
        return cls(
            inputs=inputs, lattice=lattice, cells=cells, centre=centre, spread=spread, halo=halo
        )

    def block(self, tile: Tile) -> tuple[Block, tuple[slice, slice], Window]:
        """A tile with its halo; where of it the image's part is; and that part in the file."""
        inputs, lattice, grid = self.inputs, self.lattice, self.lattice.grid
        y, x = grid.block(tile, self.halo)
        rows, cols = grid.coarse_window(y, x)
        around = (
            slice(None),
            slice(rows.start, rows.stop + 2 * COARSE_PAD),
            slice(cols.start, cols.stop + 2 * COARSE_PAD),
        )
        before, after, coarse = (cells[around] for cells in self.cells)
        at = lattice.window(y, x)
        first = inputs.before.fine.read(*at)
        last = first if inputs.after is inputs.before else inputs.after.fine.read(*at)
        # The part of the tile that is in the image: cells may reach beyond it.
        inner = [
            slice(max(side.start, 0), min(side.stop, length))
            for side, length in zip(lattice.window(tile.y, tile.x), inputs.fine.shape, strict=True)
        ]
        core = tuple(
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(inner, at, strict=True)
        )
        block = Block(
            bands=inputs.bands,
            fine_before=first,
            fine_after=last,
            coarse_before=before,
            coarse_after=after,
            coarse=coarse[None],
            day_before=day_number(inputs.before.day),
            day_after=day_number(inputs.after.day),
            days=(day_number(inputs.day),),
            ratio=grid.ratio,
            origin=grid.origin(y.start, x.start),
            centre=self.centre,
            spread=self.spread,
            core=(core[0], core[1]),
        )
        height, width = (part.stop - part.start for part in inner)
        return block, (core[0], core[1]), Window(inner[1].start, inner[0].start, width, height)


def _coarse(inputs: Inputs, ratio: int | None) -> tuple[Lattice, tuple[Float, Float, Float]]:
    before, after = inputs.before.coarse, inputs.after.coarse
    lattice = make_lattice(inputs.fine, (inputs.target, before, after), ratio)
    first = cells_of(before, lattice)
    last = first if after is before else cells_of(after, lattice)
    pad = (COARSE_PAD, COARSE_PAD)
    padded = [
        np.pad(one, ((0, 0), pad, pad), mode="edge")
        for one in (first, last, cells_of(inputs.target, lattice))
    ]
    return lattice, (padded[0], padded[1], padded[2])


def _statistics(inputs: Inputs) -> tuple[Float, Float]:
    """Median and interquartile range of the references, as ``pipeline.statistics`` has them."""
    counts = np.zeros((len(inputs.bands), VALID_MAX - VALID_MIN + 1), np.int64)
    for pair in inputs.references:
        for strip in pair.fine.strips(512):
            pixels = strip[:, np.isfinite(strip).all(0)]
            for row, values in zip(counts, pixels, strict=True):
                dn = np.rint(values / SCALE).astype(np.intp) - VALID_MIN
                row += np.bincount(dn, minlength=row.size)
    if not counts.any():
        raise PredictError(
            f"no pixel is known in all bands of {inputs.fine.path}; is its nodata "
            f"({inputs.fine.nodata}) right?"
        )
    return statistics_of(counts)
