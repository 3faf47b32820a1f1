"""Predict the fine image of a day from plain GeoTIFFs, tile by tile, into one GeoTIFF."""

# Strategy.  The coarse images are brought to cells at once: they are a hundredth of the fine ones.
# Of these a tile with its halo is in memory at a time, so the size of the images does not matter.
# The prediction grows in a file beside and takes its name when it is whole.

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from model.block import COARSE_PAD, Block
from model.card import MethodCard
from model.fuser import load_fuser
from pipeline import cog
from pipeline import sigma as sigmas
from pipeline.cf import SCALE, VALID_MAX, VALID_MIN, wavelength_nm
from pipeline.cube import day_number
from pipeline.grid import Tile
from pipeline.job import Method
from pipeline.predict.cells import cells_of
from pipeline.predict.image import Float
from pipeline.predict.inputs import Asked, Inputs, PredictError, open_inputs
from pipeline.predict.lattice import Lattice, make_lattice
from pipeline.predict.numbers import Numbers
from pipeline.progress import Progress
from pipeline.statistics import statistics_of
from pipeline.version import software

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was written."""

    paths: tuple[Path, ...]
    known: float
    """Share of the pixels that have a value."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Everything a tile is made from."""

    inputs: Inputs
    lattice: Lattice
    cells: tuple[Float, Float, Float]
    """Coarse images before, after and of the day, (band, row, col) with ``COARSE_PAD`` around."""

    centre: Float
    spread: Float
    halo: int


def predict(
    asked: Asked,
    method: Method,
    out: Path,
    *,
    overwrite: bool = False,
    device: str = "auto",
    on_progress: OnProgress = lambda event: None,
) -> Predicted:
    """Write the fine image of the target's day to ``out``, whole or not at all.

    On the grid of the fine images, with their bands and numbers (``pipeline.predict.numbers``);
    nodata where a reference or a coarse cell is unknown.  Where the method states an uncertainty
    it goes to ``<out>.sigma.tif``, as in the cubes.  ImageError, PredictError, CheckpointError or
    OutputError, before anything is written, for what does not fit.
    """
    card = method.card()
    sigma_path = out.with_name(f"{out.stem}.sigma{out.suffix}") if card.sigma else None
    paths = (out,) if sigma_path is None else (out, sigma_path)
    for path in paths:
        cog.check_free(path, overwrite=overwrite)
    inputs = open_inputs(asked, card)
    _check_names(inputs, paths)
    lattice, cells = _coarse(inputs, asked.ratio)
    centre, spread = _statistics(inputs)
    work = _Work(
        inputs=inputs,
        lattice=lattice,
        cells=cells,
        centre=centre,
        spread=spread,
        halo=card.halo,
    )
    fuser = load_fuser(
        method.name,
        method.checkpoint,
        device=device,
        steps=method.steps,
        seed=method.seed,
        samples=method.samples,
    )
    numbers, known = Numbers.like(inputs.fine), 0
    tags = _tags(inputs, lattice, card)
    tiles = lattice.grid.tiles
    with ExitStack() as stack:
        main = stack.enter_context(
            cog.writing(
                out,
                overviews="AVERAGE",
                dtype=numbers.dtype,
                nodata=numbers.nodata,
                **_profile(inputs),
            )
        )
        _describe(main, inputs.bands, numbers.scales, numbers.offsets, tags)
        beside = None
        if sigma_path is not None:
            beside = stack.enter_context(
                cog.writing(
                    sigma_path, overviews="AVERAGE", dtype="uint16", nodata=0, **_profile(inputs)
                )
            )
            names = tuple(map(sigmas.name_of, inputs.bands))
            many = len(names)
            _describe(beside, names, (sigmas.SCALE,) * many, (0.0,) * many, tags)
        for done, tile in enumerate(tiles):
            on_progress(Progress(stage="predict", done=done, total=len(tiles), tile=tile.index))
            block, core, window = _block(work, tile)
            fused, sigma = fuser.fuse(block)
            values = fused[(0, slice(None), *core)]
            known += int(np.isfinite(values).all(0).sum())
            main.write(numbers.pack(values), window=window)
            if beside is not None and sigma is not None:
                beside.write(sigmas.pack_sigma(sigma[(0, slice(None), *core)]), window=window)
        on_progress(Progress(stage="predict", done=len(tiles), total=len(tiles)))
    height, width = inputs.fine.shape
    return Predicted(
        paths=paths, known=known / (height * width), notes=(*inputs.notes, lattice.found)
    )


def _check_names(inputs: Inputs, paths: tuple[Path, ...]) -> None:
    used = [inputs.target, *(image for p in inputs.references for image in (p.fine, p.coarse))]
    taken = {image.path.resolve() for image in used}
    if clash := [path for path in paths if path.resolve() in taken]:
        raise PredictError(f"{clash[0]} is one of the inputs; give --out another name")


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


def _block(work: _Work, tile: Tile) -> tuple[Block, tuple[slice, slice], Window]:
    """A tile with its halo; where of it the image's part is; and that part in the file."""
    inputs, lattice, grid = work.inputs, work.lattice, work.lattice.grid
    y, x = grid.block(tile, work.halo)
    rows, cols = grid.coarse_window(y, x)
    around = (
        slice(None),
        slice(rows.start, rows.stop + 2 * COARSE_PAD),
        slice(cols.start, cols.stop + 2 * COARSE_PAD),
    )
    before, after, coarse = (cells[around] for cells in work.cells)
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
        centre=work.centre,
        spread=work.spread,
        core=(core[0], core[1]),
    )
    height, width = (part.stop - part.start for part in inner)
    return block, (core[0], core[1]), Window(inner[1].start, inner[0].start, width, height)


def _profile(inputs: Inputs) -> dict[str, object]:
    box = inputs.fine.box
    placed = {"crs": box.crs.to_wkt(), "transform": box.affine} if box.crs is not None else {}
    height, width = inputs.fine.shape
    return {"height": height, "width": width, "count": len(inputs.bands), **placed}


def _describe(
    file: DatasetWriter,
    names: tuple[str, ...],
    scales: tuple[float, ...],
    offsets: tuple[float, ...],
    tags: Mapping[str, str],
) -> None:
    for number, name in enumerate(names, 1):
        file.set_band_description(number, name)
        if (known := wavelength_nm(name)) is not None:
            file.update_tags(number, WAVELENGTH_NM=f"{known[0]:g}", BANDWIDTH_NM=f"{known[1]}")
    if shown := cog.colours(names):
        file.colorinterp = shown
    file.scales, file.offsets = scales, offsets
    file.update_tags(**tags)


def _tags(inputs: Inputs, lattice: Lattice, card: MethodCard) -> dict[str, str]:
    """What the file says of its making."""
    told = {
        "TIFFTAG_DATETIME": f"{inputs.day:%Y:%m:%d} 00:00:00",
        "TIFFTAG_IMAGEDESCRIPTION": f"Reflectance of {inputs.day}, predicted by {card.name}",
        "TIFFTAG_SOFTWARE": software(),
        "DATE": inputs.day.isoformat(),
        "METHOD": card.name,
        "METHOD_SHA": card.sha,
        "TARGET": inputs.target.path.name,
        "RATIO": f"{lattice.grid.ratio}",
        "CELLS": lattice.found,
    }
    if card.weights is not None:
        told["WEIGHTS_SHA256"] = card.weights
    sides = ("BEFORE", "AFTER") if len(inputs.references) == 2 else ("REFERENCE",)
    for side, pair in zip(sides, inputs.references, strict=True):
        told[side] = f"{pair.day}: {pair.fine.path.name}, {pair.coarse.path.name}"
    return told
