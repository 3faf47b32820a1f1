"""The command that says how near an image is to the truth."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.image_arguments import SCALE, Bands, EveryScale, days_of, names_of, scale_of

out = Console()
log = Console(stderr=True)


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
    scale: EveryScale = None,
    truth_scale: Annotated[
        str | None, typer.Option(metavar=SCALE, help="Of the truth, where it differs.")
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
            dates=days_of(dates),
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
