"""Train a network, by epochs, to the same curve however often it is interrupted.

    daily30 train CONFIG.yaml [--out DIR]

What a step does depends on the configuration and the number of the step alone: the order of the
examples, their noise and levels are functions of seed, epoch and index.  ``out`` gets ``best/``
and ``last/`` (checkpoints), the logs of ``model.training.log``, and ``state.pt``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.interrupt import Interrupt
from model.training.batches import batches
from model.training.config import TrainConfig
from model.training.distributed import Ranks
from model.training.example import Source
from model.training.run import OnProgress, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """What a run came to."""

    out: Path
    step: int
    steps: int
    best_epoch: int
    scores: list[dict[str, Any]]
    """Of the best epoch: rows of set, method, rmse and rmse_changed."""

    @property
    def finished(self) -> bool:
        """False where it was asked to stop; the same call goes on."""
        return self.step == self.steps


def train(
    config: TrainConfig,
    out: Path,
    *,
    data: Source,
    validation: Mapping[str, Source],
    ranks: Ranks,
    workers: int = 0,
    command: str = "",
    about: Mapping[str, Any] = MappingProxyType({}),
    on_progress: OnProgress = lambda progress: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> TrainSummary:
    """Train until the last epoch or until asked to stop, going on from what ``out`` holds.

    ``validation`` by name; ``workers`` processes prepare examples, 0 does it here.  ``command`` and
    ``about`` (what the data are) go into the card.  Only the first of ``ranks`` writes and tells.
    Raises ValueError where data and configuration do not fit or ``out`` cannot be a folder,
    StateError where ``out`` holds another run.
    """
    _check(config, data, ranks)
    _make(out)
    run = Run.begin(config, out, data=data, ranks=ranks, command=command, about=about)
    if ranks.first:
        for note in run.notes:
            on_note(note)
    made = batches(data, run.order, first=run.step, last=run.steps, ranks=ranks, workers=workers)
    with Interrupt() as interrupt:
        stop = False
        while run.step < run.steps and not stop:
            run.advance(made)
            stop = run.log_step(interrupt.asked, on_progress)
            ended = run.step % run.order.steps == 0
            if ended:
                run.end_epoch(validation, on_progress)
            if ended or stop or run.step % config.save_every == 0:
                run.save()
    return TrainSummary(
        out=out,
        step=run.step,
        steps=run.steps,
        best_epoch=run.best_epoch,
        scores=run.best_scores,
    )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(one for one in (out, *out.parents) if one.exists())
        raise ValueError(
            f"{out} cannot be a folder, for {file} is a file; give --out another folder"
        ) from error


def _check(config: TrainConfig, data: Source, ranks: Ranks) -> None:
    if len(data.bands) != config.network.bands:
        raise ValueError(
            f"the data have {len(data.bands)} bands ({', '.join(data.bands)}), the network "
            f"{config.network.bands}; use network: {{bands: {len(data.bands)}}}"
        )
    if config.batch % ranks.size:
        raise ValueError(
            f"a batch of {config.batch} cannot be shared by {ranks.size} processes; use "
            f"batch: {-(-config.batch // ranks.size) * ranks.size}"
        )
    if len(data) < config.batch:
        raise ValueError(
            f"the data hold {len(data)} examples an epoch, fewer than a batch of {config.batch}"
        )
