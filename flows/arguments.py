"""Arguments that several commands take, in one wording, and how all of them end."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

Region = Annotated[Path, typer.Argument(metavar="REGION.yaml", help="The region file.")]
Cube = Annotated[Path, typer.Argument(metavar="CUBE", help="A .zarr folder.")]
Day = Annotated[str, typer.Argument(metavar="DATE", help="A day, YYYY-MM-DD.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Worker processes; default: one a core. Up to four share a GPU.",
        show_default=False,
    ),
]


def day_of(text: str) -> date:
    """The date that a ``Day`` says.  ValueError for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date; write it as 2023-05-24") from error
