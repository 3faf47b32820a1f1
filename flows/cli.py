"""The ``daily30`` command.  Every import that takes time is inside the command that needs it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from flows.arguments import BAD_INPUT, DONE, INTERRUPTED, SOME_FAILED, Region, Workers
from flows.evaluate_cli import evaluate
from flows.look_cli import explain, export, mask, status
from flows.predict_cli import predict
from flows.score_cli import score
from flows.sets_cli import sets
from flows.sources_cli import sources
from flows.weights_cli import ablate, weights

if TYPE_CHECKING:
    from pipeline.job import Job

HOUSE = {"catalogs", "flows", "model", "pipeline"}

MOST_TASKS = 50
"""Rows of a plan that are printed; a large region has a hundred thousand."""

out = Console()
log = Console(stderr=True)


class _Teaching(TyperGroup):
    """A group of commands whose errors are one message, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            log.print("Stopped. What is finished is kept; the same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params["traceback"] or not _is_the_users(error):
                raise
            text = f"{error}" or type(error).__name__
            log.print(f"Error: {text}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(BAD_INPUT) from None


def _is_the_users(error: Exception) -> bool:
    # Bad values and files that cannot be read, by anyone; and whatever our own packages raise
    # on purpose.  Everything else is a bug and shows its traceback.
    ours = type(error).__module__.partition(".")[0] in HOUSE
    return (ours or isinstance(error, ValueError | OSError)) and not isinstance(
        error, BrokenPipeError
    )


app = typer.Typer(
    name="daily30",
    cls=_Teaching,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
app.add_typer(weights, name="weights")
app.add_typer(sets, name="sets")
app.add_typer(sources, name="sources")


@app.callback()
def _main(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error came from.")
    ] = False,
) -> None:
    """Dense daily 30 m surface reflectance from MODIS and Landsat, by SA-STF.

    **Start here:** `daily30 demo` makes a small simulated region on this machine, fuses 45 days
    around its flood, and prints how near the result is to the known truth.

    **Your own images:** `daily30 catalog FOLDER OUT` turns dated GeoTIFFs into a catalogue and a
    region file; `daily30 fuse OUT/region.yaml` writes the daily cube. Run it again at any time:
    only what is missing is computed.

    **One image, no catalogue:** `predict` makes the fine image of a day from plain GeoTIFFs,
    `score` says how near an image is to the truth.

    **Ask first, ask after:** `plan` lists what a run would do, `explain` says why a day has the
    references it has, `status` counts what is in a cube, `export` writes a day of it for QGIS,
    `validate` holds real Landsat dates out and scores the methods on them.

    Exit codes: 0 done, 1 some tile-days failed, 2 bad input, 130 interrupted.
    """


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the sample and its cube go.")] = Path(
        "demo"
    ),
    workers: Workers = None,
) -> None:
    """Fuse the embedded sample region, offline, and compare with its known truth."""
    from flows.demo import run_demo

    ok = run_demo(folder, workers=workers, out=out, log=log)
    raise typer.Exit(DONE if ok else SOME_FAILED)


@app.command()
def fuse(
    region: Region,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Compute again what other settings, items or weights made."),
    ] = False,
    workers: Workers = None,
) -> None:
    """Write a region's daily cube; run again, it adds only what is missing."""
    from flows.config import region_job
    from flows.show import lines, progress
    from pipeline.run import run_job

    job = region_job(region)
    with progress(log) as on_progress:
        summary = run_job(job, workers=workers, refresh=refresh, on_progress=on_progress)
    lines(out, summary.lines())
    raise typer.Exit(DONE if summary.ok else SOME_FAILED)


@app.command()
def plan(
    region: Region,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw it too: images, what days become, references of a tile."
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=0, help="Whose references the picture shows; default: most days fused."),
    ] = None,
    workers: Workers = None,
) -> None:
    """List what `fuse` would do: tiles, days, references, gaps; fuses nothing yet."""
    from flows.config import region_job
    from flows.show import lines, table
    from pipeline import expected
    from pipeline.prepare import items_of

    job = region_job(region)
    planned = _ingested_plan(job, workers)
    tasks = planned.table()
    table(out, tasks[:MOST_TASKS])
    if len(tasks) > MOST_TASKS:
        lines(out, (f"and {len(tasks) - MOST_TASKS} tasks more, all in {planned.path}",))
    lines(out, planned.lines())
    lines(out, expected.lines(items_of(job), job.end))
    if picture is not None:
        from pipeline.timeline import plan_picture

        lines(out, (f"picture: {plan_picture(job, picture, tile=tile)}",))


for command in (explain, mask, status, export, predict, score):
    app.command()(command)


@app.command()
def catalog(
    folder: Annotated[Path, typer.Argument(help="Folder with a fine and a coarse subfolder.")],
    destination: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="Where the catalogue goes; default FOLDER-catalog."),
    ] = None,
    fine: Annotated[str | None, typer.Option(help="Subfolder of the fine images.")] = None,
    coarse: Annotated[str | None, typer.Option(help="Subfolder of the coarse images.")] = None,
    bands: Annotated[
        str | None, typer.Option(help="Bands in the order of the files, e.g. red,nir08.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the region.")] = None,
) -> None:
    """Turn folders of dated GeoTIFFs into a STAC catalogue and a region file."""
    from flows.show import lines
    from pipeline.folder import catalog_folder, find_pair

    if fine and coarse:
        pair = folder / fine, folder / coarse
    elif fine or coarse:
        raise ValueError("give both --fine and --coarse, or neither and they are looked for")
    else:
        pair = find_pair(folder)
    made = catalog_folder(
        *pair,
        destination or folder.with_name(f"{folder.name}-catalog"),
        name=name,
        bands=tuple(bands.split(",")) if bands else None,
    )
    lines(log, made.messages)
    lines(out, (f"{made.catalog}", f"{made.region}"))
    lines(log, (f"Next: daily30 fuse {made.region}",))


@app.command()
def validate(
    region: Region,
    methods: Annotated[
        str,
        typer.Option(
            help="Methods to score, by commas: sa-stf, stfdiff, guided, starfm, estarfm, fsdaf, "
            "fit-fc, anomaly, linear ...; default: the file's own."
        ),
    ] = "",
    hide_days: Annotated[
        str,
        typer.Option(
            help="Also hide fine images this near the held-out one; a class each. one-sided hides "
            "all later images, coarse ones too: what a run knows on the morning of the day."
        ),
    ] = "0,8,16,32,one-sided",
    sample: Annotated[
        bool, typer.Option("--sample", help="Some dates and tiles only, as within a run.")
    ] = False,
    workers: Workers = None,
) -> None:
    """Hold out each fine date in turn, fuse it blind, and score it against what was seen.

    Beside the methods asked for stand the naive ones. `changed` is the RMSE where the truth is
    not what time alone predicts; `edge` and `lbp` are below 0 where the fusion is smoother than
    the truth; `- anomaly` is the RMSE less that of the method anomaly, with its 95 % interval.
    What was answered before, here or within a run, is not computed again. Report and cube tell
    these scores until the next `fuse` puts those of its own method in their place; the same command
    brings them back from the answers.
    """
    from flows.config import region_job
    from flows.show import lines, progress, table
    from pipeline.executor import executor
    from pipeline.run import ingest, locked, prepare, tell_validation
    from pipeline.validate.hide import read_hide
    from pipeline.validate.result import report_path
    from pipeline.validate.stage import refuse_nothing
    from pipeline.validate.stage import validate as score
    from pipeline.validate.table import shown

    job = region_job(region)
    try:
        hide = tuple(map(read_hide, hide_days.split(",")))
    except ValueError as error:
        raise ValueError(f"--hide-days: {error}; give e.g. 0,8,16,one-sided") from error
    with locked(job), executor(workers) as ex, progress(log) as on_progress:
        # Refreshed: no day of the cube is touched here, so it does not matter if they are stale.
        prepare(job, refresh=True, on_progress=on_progress)
        ingest(job, ex, on_progress)
        found = score(
            job,
            ex,
            methods=methods.split(",") if methods else (),
            hide=hide,
            extent="sample" if sample else "all",
            on_progress=on_progress,
        )
        refuse_nothing(job, found, hide)
        found.write(job.inputs)
        tell_validation(job)
    table(out, [shown(row) for row in found.rows])
    lines(out, (*found.held_lines, *found.choice, f"report: {report_path(job.cube)}"))
    raise typer.Exit(SOME_FAILED if found.errors else DONE)


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="A training file, or a shipped one: default, paper, quick, stfdiff, "
            "stfdiff-worlds; region is for train-region.",
        ),
    ],
    destination: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where checkpoints, curves and state go; default training/NAME."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare examples; 0: none besides.")
    ] = 0,
) -> None:
    """Train a network; run again, it goes on to the same curve.

    On several GPUs: `torchrun --nproc-per-node=8 -m flows.cli train CONFIG`.
    """
    from flows.train import run_train

    run_train(config, folder=destination, device=device, workers=workers, out=out, log=log)


@app.command("train-region")
def train_region(
    region: Region,
    training: Annotated[
        Path,
        typer.Option(metavar="CONFIG", help="A training file whose data are `scenes: region`."),
    ] = Path("region"),
    start: Annotated[
        str, typer.Option(help="Checkpoint to go on from: default, a folder, or none.")
    ] = "default",
    hide: Annotated[
        str, typer.Option(metavar="DATES", help="Fine dates to use for nothing, 2023-05-24,...")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    workers: Workers = None,
) -> None:
    """Train weights for a region on its own images; leaves NAME-weights beside the cube.

    Then put `checkpoint: NAME-weights` into the region file and fuse. Clear dates are held out
    for choosing and for a test; nothing of them is trained on. Run again, it goes on.
    """
    from flows.config import region_job
    from flows.region_training import run_train_region

    job = region_job(region)
    weights = run_train_region(
        job,
        training=training,
        start=start,
        hidden=hide.split(",") if hide else (),
        device=device,
        workers=workers,
        out=out,
        log=log,
    )
    log.print(
        f"Next: put `checkpoint: {weights.name}` into {region}, then daily30 fuse {region}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


app.command()(ablate)
app.command()(evaluate)


def _ingested_plan(job: "Job", workers: int | None) -> Any:
    from flows.show import progress
    from pipeline.executor import executor
    from pipeline.run import ingest, locked, prepare, validate
    from pipeline.run import plan as make_plan

    with locked(job), progress(log) as on_progress:
        prepare(job, on_progress=on_progress)
        with executor(workers) as ex:
            ingest(job, ex, on_progress)
            if job.method.among:  # the plan depends on what is picked
                validate(job, ex, on_progress)
        return make_plan(job)


def main() -> None:
    """Entry point of the ``daily30`` script."""
    # Numpy's matrices are small here and processes share the cores.  Threads of OpenBLAS that wait
    # for each other made training examples 20 times dearer on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(app())


if __name__ == "__main__":  # torchrun starts modules
    main()
