"""What `predict` and `score` ask of plain images, in one wording, and what the answers mean."""

import math
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from flows.arguments import day_of

if TYPE_CHECKING:
    from pipeline.predict.inputs import Scale

SCALE = "S[,OFFSET]"

Bands = Annotated[
    str | None,
    typer.Option(
        help="Names of the files' layers in order, blue,green,red,nir08,swir16,swir22 or your own; "
        "- leaves one out. Default: as the files describe them."
    ),
]
EveryScale = Annotated[
    str | None,
    typer.Option(
        metavar=SCALE, help="reflectance = number x S + OFFSET; default: as the files tell."
    ),
]


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
    if len(numbers) not in (1, 2) or not numbers[0] or not all(map(math.isfinite, numbers)):
        raise ValueError(
            f"{option} {text!r} is no scale; write 0.0001, or with an offset 0.0000275,-0.2"
        )
    return numbers[0], numbers[1] if len(numbers) == 2 else 0.0


def days_of(text: str | None) -> tuple[date, ...] | None:
    """Days by commas.  ValueError for anything else."""
    return tuple(day_of(one.strip()) for one in text.split(",")) if text else None
