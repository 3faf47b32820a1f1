"""``daily30 train``: a training file in; checkpoints, curves and a table out."""

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from flows.show import QUIET_SECONDS, lines, table
from flows.train_config import read_training
from model.card import NETWORKS
from model.training.config import TrainConfig
from model.training.distributed import ranks
from model.training.run import OnProgress, TrainProgress
from model.training.sources import describe, training_source, validation_sources
from model.training.train import train

PLOT = "loss.png"
SAID = ("linear", "anomaly")
"""Baselines named after every epoch; the last table has them all."""


def run_train(
    path: Path, *, folder: Path | None, device: str, workers: int, out: Console, log: Console
) -> None:
    """Train as the file says; under ``torchrun`` every process calls this and the first one speaks.

    Raises KeyboardInterrupt, after the state is saved, where it was asked to stop.
    """
    config = read_training(path)
    folder = folder or Path("training") / config.name
    run_config(config, folder=folder, device=device, workers=workers, out=out, log=log)
    lines(out, (f"checkpoint: {folder / 'best'}", f"curves: {folder / PLOT}"))


def run_config(
    config: TrainConfig, *, folder: Path, device: str, workers: int, out: Console, log: Console
) -> None:
    """Train as ``config`` says, into ``folder``; raises as ``run_train``."""
    with ranks(device) as where:
        log.quiet = out.quiet = not where.first
        data = training_source(config)
        with training_progress(log) as on_progress:
            summary = train(
                config,
                folder,
                data=data,
                validation=validation_sources(config, tuple(data.bands)),
                ranks=where,
                workers=workers,
                command=shlex.join(["daily30", *sys.argv[1:]]),
                about={
                    "data": describe(config.data),
                    "validation": describe(config.validation.data),
                },
                on_progress=on_progress,
                on_note=lambda note: lines(log, (note,)),
            )
        if where.first:
            from pipeline.training_plot import plot_training

            plot_training(folder, folder / PLOT)
    if not summary.finished:
        lines(log, (f"step {summary.step} of {summary.steps}; its state is in {folder}",))
        raise KeyboardInterrupt
    if summary.scores:
        title = f"RMSE of the best epoch, {summary.best_epoch + 1} of {config.epochs}"
        table(out, _by_method(summary.scores), title=title)


def _by_method(scores: Sequence[dict[str, Any]]) -> list[dict[str, object]]:
    """A row a method, two columns a set: all pixels, and those 0.05 from ``linear``."""
    rows: dict[str, dict[str, object]] = {}
    for one in scores:
        row = rows.setdefault(one["method"], {"method": one["method"]})
        row[one["set"]] = one["rmse"]
        row[f"{one['set']}, changed"] = one["rmse_changed"]
    return list(rows.values())


@contextmanager
def training_progress(console: Console) -> Iterator[OnProgress]:
    """A bar on a terminal, now and then a line elsewhere; a line an epoch on both."""
    if not console.is_terminal:
        last = 0.0

        def say(event: TrainProgress) -> None:
            nonlocal last
            if event.scores:
                lines(console, (_epoch(event),))
            elif time.monotonic() - last >= QUIET_SECONDS:
                last = time.monotonic()
                lines(console, (f"step {event.step} of {event.steps}, {_state(event)}",))

        yield say
        return
    bars = Bars(
        TextColumn("train"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("steps  {task.fields[state]:<40}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    task = bars.add_task("train", state="", total=None)

    def draw(event: TrainProgress) -> None:
        if event.scores:
            lines(bars.console, (_epoch(event),))
        else:
            bars.update(task, total=event.steps, completed=event.step, state=_state(event))

    with bars:
        yield draw


def _state(event: TrainProgress) -> str:
    return f"loss {event.loss:.5f}, {event.wait_share:.0%} waiting for data"


def _epoch(event: TrainProgress) -> str:
    parts = [
        f"{row['set']}: {row['method']} {row['rmse']:.5f}"
        for row in event.scores
        if row["method"] in (*NETWORKS, *SAID)
    ]
    return f"epoch {event.epoch + 1} of {event.epochs}, RMSE " + ", ".join(parts)
