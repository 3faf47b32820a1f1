"""The command that makes one image from plain GeoTIFFs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.arguments import INTERRUPTED
from flows.image_arguments import SCALE, Bands, EveryScale, days_of, names_of, scale_of

out = Console()
log = Console(stderr=True)


def predict(
    target: Annotated[
        Path, typer.Option(metavar="COARSE", help="The coarse image of the day to predict.")
    ],
    destination: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The GeoTIFF to write.")
    ],
    before: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="FINE COARSE", help="The images of a day before."),
    ] = None,
    after: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="FINE COARSE", help="The images of a day after."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="sa-stf, stfdiff, guided, starfm, estarfm, fsdaf, fit-fc, anomaly, delta, linear "
            "..."
        ),
    ] = "sa-stf",
    dates: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS", help="Of before, target, after, as given; default: of the file names."
        ),
    ] = None,
    bands: Bands = None,
    coarse_bands: Annotated[
        str | None, typer.Option(help="The same of the coarse files, where it differs.")
    ] = None,
    scale: EveryScale = None,
    fine_scale: Annotated[
        str | None, typer.Option(metavar=SCALE, help="Of the fine files alone.")
    ] = None,
    coarse_scale: Annotated[
        str | None, typer.Option(metavar=SCALE, help="Of the coarse files alone.")
    ] = None,
    ratio: Annotated[
        int | None,
        typer.Option(
            min=2, max=200, help="Fine pixels along a coarse cell; default: as the files show."
        ),
    ] = None,
    same_pixels: Annotated[
        bool,
        typer.Option(
            "--same-pixels",
            help="The coarse files lie pixel on pixel over the fine ones, whatever they say.",
        ),
    ] = False,
    checkpoint: Annotated[
        str, typer.Option(help="Weights of a network: a folder, or default.")
    ] = "default",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Sampling steps; default: the card's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the diffusion's noise.")] = 0,
    sigma: Annotated[
        bool,
        typer.Option(
            "--sigma/--no-sigma", help="Write FILE.sigma.tif too, if the method states it."
        ),
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    r"""Predict the fine image of a day from plain GeoTIFFs: no catalogue, no cube.

    You need a fine and a coarse image of a day before, or after, or both, and the coarse image
    of the day itself:

        daily30 predict --method guided --out 2023-05-13.tif \
            --before landsat/2023-05-01.tif modis/2023-05-01.tif \
            --after landsat/2023-05-25.tif modis/2023-05-25.tif \
            --target modis/2023-05-13.tif

    Fine images share a grid; coarse ones lie on any grid in any CRS, also as copies on the fine
    grid: how large their pixels were is found out. The result has the grid, bands, numbers and
    scale of the fine images, and nodata where one of them, or a coarse cell, has. Values must be
    reflectance: where a file tells no scale, say --scale 0.0001 for reflectance x 10000.
    """
    from flows.show import lines, progress
    from model.interrupt import Interrupt
    from pipeline.job import Method
    from pipeline.predict.inputs import Asked
    from pipeline.predict.run import predict as make
    from pipeline.progress import Progress

    both = scale_of(scale, "--scale")
    asked = Asked(
        before=before,
        after=after,
        target=target,
        bands=names_of(bands),
        coarse_bands=names_of(coarse_bands),
        fine_scale=scale_of(fine_scale, "--fine-scale") or both,
        coarse_scale=scale_of(coarse_scale, "--coarse-scale") or both,
        dates=days_of(dates),
        ratio=ratio,
        same_pixels=same_pixels,
    )
    chosen = Method(
        name=method, checkpoint=checkpoint, steps=steps, seed=seed, samples=1 if sigma else 0
    )
    try:
        with Interrupt() as stop, progress(log) as tell:

            def on_progress(event: Progress) -> None:
                tell(event)
                if stop:  # asked here: libraries at work between two tiles may swallow an exception
                    raise KeyboardInterrupt

            done = make(
                asked,
                chosen,
                destination,
                overwrite=overwrite,
                device=device,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        lines(log, (f"Stopped; {destination} was not written.",))
        raise typer.Exit(INTERRUPTED) from None
    lines(log, (*done.notes, f"{done.known:.1%} of the pixels have a value"))
    lines(out, (f"{path}" for path in done.paths))
