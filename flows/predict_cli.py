"""One image from plain GeoTIFFs, and how near an image is to the truth."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from flows.arguments import day_of

if TYPE_CHECKING:
    from pipeline.predict.inputs import Scale

out = Console()
log = Console(stderr=True)

INTERRUPTED = 130

Bands = Annotated[
    str | None,
    typer.Option(
        help="Names of the files' layers in order, blue,green,red,nir08,swir16,swir22 or your own; "
        "- leaves one out. Default: as the files describe them."
    ),
]


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
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="S[,OFFSET]",
            help="reflectance = number x S + OFFSET; default: as the files tell.",
        ),
    ] = None,
    fine_scale: Annotated[
        str | None, typer.Option(metavar="S[,OFFSET]", help="Of the fine files alone.")
    ] = None,
    coarse_scale: Annotated[
        str | None, typer.Option(metavar="S[,OFFSET]", help="Of the coarse files alone.")
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
    from pipeline.job import Method
    from pipeline.predict.inputs import Asked
    from pipeline.predict.run import predict as make

    both = scale_of(scale, "--scale")
    asked = Asked(
        before=before,
        after=after,
        target=target,
        bands=names_of(bands),
        coarse_bands=names_of(coarse_bands),
        fine_scale=scale_of(fine_scale, "--fine-scale") or both,
        coarse_scale=scale_of(coarse_scale, "--coarse-scale") or both,
        dates=_days_of(dates),
        ratio=ratio,
        same_pixels=same_pixels,
    )
    chosen = Method(
        name=method, checkpoint=checkpoint, steps=steps, seed=seed, samples=1 if sigma else 0
    )
    try:
        with progress(log) as on_progress:
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


def score(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="What was seen that day.")],
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION", help="What to score.")],
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Another image of the day, scored beside; as often as you like."
        ),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(metavar="FINE", help="The fine image before, for the naive baselines."),
    ] = None,
    after: Annotated[
        Path | None, typer.Option(metavar="FINE", help="The fine image after, likewise.")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option(metavar="DAYS", help="Of before, truth, after; default: of the file names."),
    ] = None,
    bands: Bands = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="S[,OFFSET]",
            help="reflectance = number x S + OFFSET; default: as the files tell.",
        ),
    ] = None,
    truth_scale: Annotated[
        str | None, typer.Option(metavar="S[,OFFSET]", help="Of the truth, where it differs.")
    ] = None,
    ratio: Annotated[
        int,
        typer.Option(
            min=1, help="Fine pixels along a coarse cell, for ERGAS; the papers' tables have 16."
        ),
    ] = 16,
    classes: Annotated[
        int, typer.Option(min=2, max=50, help="Land cover classes of the K-means map.")
    ] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all numbers as JSON instead of tables.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw images, errors and scatter plots too."),
    ] = None,
) -> None:
    r"""Say how near an image is to the truth: every metric, per band and as a mean.

        daily30 score landsat/2023-05-13.tif 2023-05-13.tif --picture score.png \
            --before landsat/2023-05-01.tif --after landsat/2023-05-25.tif

    With --before and --after the naive baselines stand beside it: copies, mean and linear
    interpolation. A prediction that does not beat them tells nothing new. For anomaly and delta,
    which need the coarse images, run `daily30 predict` and give the file by --reference.

    All files share a grid. Pixels unknown in any of them are left out of all, and of the windows
    of SSIM and texture those that touch one.
    """
    import json

    from flows.show import lines, table
    from pipeline.predict import verdict
    from pipeline.predict.judge import Question, judge

    found = judge(
        Question(
            truth=truth,
            prediction=prediction,
            references=tuple(reference or ()),
            before=before,
            after=after,
            bands=names_of(bands),
            truth_scale=scale_of(truth_scale, "--truth-scale"),
            scale=scale_of(scale, "--scale"),
            dates=_days_of(dates),
            ratio=ratio,
            classes=classes,
        )
    )
    if as_json:
        lines(out, (json.dumps(verdict.to_json(found), indent=1),))
    else:
        table(out, verdict.band_rows(found))
        lines(out, ("",))
        table(out, verdict.image_rows(found))
        lines(out, ("", *verdict.lines(found)))
    if picture is not None:
        from pipeline.predict.judge_picture import draw_judgement

        lines(log, (f"picture: {draw_judgement(found, picture)}",))


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Names by commas."""
    return tuple(one.strip() for one in text.split(",")) if text else None


def scale_of(text: str | None, option: str) -> "Scale | None":
    """Scale and offset as an option tells them.  ValueError for what is no two numbers."""
    if text is None:
        return None
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not numbers[0]:
        raise ValueError(
            f"{option} {text!r} is no scale; write 0.0001, or with an offset 0.0000275,-0.2"
        )
    return numbers[0], numbers[1] if len(numbers) == 2 else 0.0


def _days_of(text: str | None) -> tuple[date, ...] | None:
    return tuple(day_of(one.strip()) for one in text.split(",")) if text else None
