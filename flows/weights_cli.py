"""The ``daily30 weights`` commands: look into model checkpoints, bring in published ones."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DIFFERS = 1

out = Console()
log = Console(stderr=True)

weights = typer.Typer(
    no_args_is_help=True, help="Look into model checkpoints; import and check published ones."
)


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


@weights.command("import-official")
def weights_import_official(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What the authors publish: .pth, .safetensors.")
    ],
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The new checkpoint folder.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What the card calls it; default: after the file.")
    ] = None,
    groups: Annotated[
        int,
        typer.Option(
            min=1, help="Of the norms, which no file says; those of the alignment have 32."
        ),
    ] = 32,
) -> None:
    """Turn a checkpoint of the SA-STF authors into a checkpoint folder, checked name by name.

    Any width; float32; schedule, attention and mask as in their code. Nothing in the file runs.
    """
    from flows.show import lines
    from model.sastf.import_official import import_official

    card = import_official(file, folder, name=name, groups=groups)
    lines(out, (f"{folder}",))
    lines(log, (f"{card['name']}: {card['source']['tensors']}.",))
    lines(log, (f"Next: daily30 weights parity {folder} GOLDEN.npz",))


@weights.command("parity")
def weights_parity(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Checkpoint folder, or `default`.")],
    golden: Annotated[
        Path, typer.Argument(metavar="GOLDEN.npz", help="Inputs and expected outputs.")
    ],
    double: Annotated[bool, typer.Option("--double", help="Compute in float64.")] = False,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest absolute difference.")] = 2e-4,
) -> None:
    """Run network and sampler on given arrays and print how far each output lies from theirs.

    Exit code 1 where one is out of tolerance. Above 64 x 64 pixels 99.9 % of the values must lie
    within it.
    """
    from flows.show import lines
    from model.card import locate
    from model.sastf.parity import check_parity

    found = check_parity(locate(str(folder)), golden, tolerance=tolerance, double=double)
    width = max(len(one.output) for one in found)
    verdicts = {True: "ok", False: "DIFFERS"}
    lines(
        out,
        (
            f"{one.output:<{width}}  largest difference {one.largest:.3e}  "
            f"within {tolerance:g}: {one.within:.4%}  {verdicts[one.ok]}"
            for one in found
        ),
    )
    if not all(one.ok for one in found):
        raise typer.Exit(DIFFERS)


@weights.command("calibrate")
def weights_calibrate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Checkpoint folder, or `default`.")],
    worlds: Annotated[
        list[Path] | None,
        typer.Option(metavar="POOL", help="Simulated worlds it was not trained on; repeatable."),
    ] = None,
    scenes: Annotated[
        list[Path] | None,
        typer.Option(metavar="SET", help="Scene sets; their split `validation`; repeatable."),
    ] = None,
    examples: Annotated[int, typer.Option(min=2, help="Of each pool.")] = 480,
    patch: Annotated[int, typer.Option(min=16, help="Pixels, a multiple of 16.")] = 96,
    samples: Annotated[int, typer.Option(min=1, help="Draws of the diffusion.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the examples and of the noise.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Learn from errors on held-out examples how far each pixel may be off; write it in the card.

    From then on every cube made with these weights holds `sigma_<band>`. A calibration for as many
    samples is replaced.
    """
    from flows.show import lines
    from model.training.calibrate import calibrate_checkpoint

    held = calibrate_checkpoint(
        folder,
        worlds=worlds or (),
        scenes=scenes or (),
        examples=examples,
        patch=patch,
        samples=samples,
        seed=seed,
        device=device,
    )
    lines(out, held.lines())


def ablate(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="A training file with `variants`, or a shipped one: ablation, options, real.",
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="One folder a row; default ablation/CONFIG."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare examples; 0: none besides.")
    ] = 0,
) -> None:
    """Train networks that differ in one thing, score them alike, print the table.

    `variants: paper` are the six rows of the paper's ablation; else each row is a name and what it
    changes, such as `row attention: {network.attention: row}`. Run again, it goes on: a finished
    row is not trained again.
    """
    from flows.ablate import run_ablation

    run_ablation(config, folder=folder, device=device, workers=workers, out=out, log=log)
