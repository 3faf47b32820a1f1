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

from model.card import MethodCard
from model.fuser import load_fuser
from pipeline import cog
from pipeline import sigma as sigmas
from pipeline.cf import wavelength_nm
from pipeline.job import Method
from pipeline.predict.blocks import Blocks
from pipeline.predict.inputs import Asked, Inputs, PredictError, open_inputs
from pipeline.predict.lattice import Lattice
from pipeline.predict.numbers import Numbers
from pipeline.progress import Progress
from pipeline.version import software

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was written."""

    paths: tuple[Path, ...]
    known: float
    """Share of the pixels that have a value."""

    notes: tuple[str, ...]


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
    sigma_path = out.with_name(f"{out.stem}.sigma{out.suffix}")
    paths = (out, sigma_path) if card.sigma else (out,)
    for path in paths:
        cog.check_free(path, overwrite=overwrite)
    inputs = open_inputs(asked, card)
    _check_names(inputs, paths)
    blocks = Blocks.of(inputs, ratio=asked.ratio, halo=card.halo)
    fuser = load_fuser(
        method.name,
        method.checkpoint,
        device=device,
        steps=method.steps,
        seed=method.seed,
        samples=method.samples,
    )
    numbers, known = Numbers.like(inputs.fine), 0
    tags = _tags(inputs, blocks.lattice, card)
    tiles = blocks.lattice.grid.tiles
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
        if card.sigma:
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
            block, core, window = blocks.block(tile)
            fused, sigma = fuser.fuse(block)
            values = fused[(0, slice(None), *core)]
            known += int(np.isfinite(values).all(0).sum())
            main.write(numbers.pack(values), window=window)
            if beside is not None and sigma is not None:
                beside.write(sigmas.pack_sigma(sigma[(0, slice(None), *core)]), window=window)
        on_progress(Progress(stage="predict", done=len(tiles), total=len(tiles)))
    if not card.sigma and overwrite:
        sigma_path.unlink(missing_ok=True)  # it was of the image that is replaced
    height, width = inputs.fine.shape
    return Predicted(
        paths=paths, known=known / (height * width), notes=(*inputs.notes, blocks.lattice.found)
    )


def _check_names(inputs: Inputs, paths: tuple[Path, ...]) -> None:
    used = [inputs.target, *(image for p in inputs.references for image in (p.fine, p.coarse))]
    taken = {image.path.resolve() for image in used}
    if clash := [path for path in paths if path.resolve() in taken]:
        raise PredictError(f"{clash[0]} is one of the inputs; give --out another name")


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
