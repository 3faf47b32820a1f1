"""The ``daily30 weights`` commands: look into model checkpoints."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()

weights = typer.Typer(no_args_is_help=True, help="Look into model checkpoints.")


@weights.command("info")
def weights_info(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Checkpoint folder, or `default`.")],
) -> None:
    """Print a checkpoint's card: bands, data, training, scores."""
    import yaml

    from flows.show import lines
    from model.card import locate, read_card

    folder = locate(str(path))
    text = yaml.safe_dump(read_card(folder), sort_keys=False, allow_unicode=True, width=100)
    lines(out, (f"{folder}", *text.splitlines()))
