"""The ``daily30 sets`` commands: benchmark sets of others for training and scoring."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()
log = Console(stderr=True)

sets = typer.Typer(no_args_is_help=True, help="Bring in the benchmark sets CIA, LGC and AHB.")


@sets.callback()
def _sets() -> None:
    """Bring in the benchmark sets CIA, LGC and AHB."""


@sets.command("import")
def sets_import(
    name: Annotated[str, typer.Argument(metavar="cia|lgc|ahb", help="Which set it is.")],
    folder: Annotated[Path, typer.Argument(help="Where the set was unpacked, as distributed.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="The new scene set.")],
    corner: Annotated[
        str | None,
        typer.Option(metavar="ROW,COL", help="First row and column of the crop, if not the usual."),
    ] = None,
    validation: Annotated[
        bool,
        typer.Option(
            "--validation", help="Take the last training date away, to choose a model on it."
        ),
    ] = False,
) -> None:
    """Turn a benchmark set as distributed into a scene set, with the paper's crop and splits.

    Raw BIL or BSQ and GeoTIFFs, told apart by their endings; files are found by the dates in
    their names.
    """
    from flows.show import lines
    from pipeline.sets.importing import import_set
    from pipeline.sets.tables import SETS

    if name.lower() not in SETS:
        raise ValueError(f"no set {name!r}; there are {', '.join(SETS)}")
    spec = SETS[name.lower()]
    if validation:
        spec = spec.with_validation()
    with log.status(f"reading {folder}") as status:
        made = import_set(
            spec,
            folder,
            destination,
            corner=None if corner is None else _corner(corner),
            on_image=lambda done, total: status.update(f"{done} of {total} images"),
        )
    lines(out, (f"{destination}",))
    for split, triplets in spec.splits.items():
        lines(log, (f"{split}: {len(triplets)} triplets, {spec.patches(split)} patches",))
    lines(
        log, (f"Bands {', '.join(made.bands)}. In a training file: data: [scenes: {destination}]",)
    )


def _corner(text: str) -> tuple[int, int]:
    try:
        row, col = map(int, text.split(","))
    except ValueError as error:
        raise ValueError(f"--corner {text!r} must be a row and a column such as 40,32") from error
    if min(row, col) < 0:
        raise ValueError(f"--corner {text!r}: rows and columns count from 0")
    return row, col
