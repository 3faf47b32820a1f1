"""The ``daily30 evaluate`` command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.arguments import SOME_FAILED, Workers

out = Console()
log = Console(stderr=True)


def evaluate(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="An evaluation file, or a shipped one such as real-sets."
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Where the report goes; default evaluation/NAME."),
    ] = None,
    workers: Workers = None,
) -> None:
    """Score methods on sets whose truth is known; leaves a report with tables and pictures.

    The naive methods take part in any case; weights that saw a set are not scored on it. Run
    again, it goes on; the `config.yaml` beside a report makes the same report again.
    """
    from flows.evaluate import run_evaluate

    if not run_evaluate(config, folder=folder, workers=workers, out=out, log=log):
        raise typer.Exit(SOME_FAILED)
