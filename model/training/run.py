"""A training run and where it stands: one step, the end of an epoch, the saved state."""

import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from model import checkpoint
from model.card import read_card
from model.diffusion import Schedule, schedule_of
from model.network import FusionNetwork
from model.networks import network_of
from model.training import log, state
from model.training.batch import Batch, conditions_of, view_of
from model.training.batches import Order
from model.training.card import card_of
from model.training.config import TrainConfig
from model.training.distributed import Ranks
from model.training.example import Source
from model.training.forward import Forward, noisy_of
from model.training.losses import Losses, Objective
from model.training.validation import relative_rmse, validate
from model.training.vgg import load_perceptual

ABSOLUTE_FRAMES = frozenset({"reflectance", "plain", "normalised"})
"""In all other frames 0 is a prediction: the head starts at 0, and an untrained network is it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainProgress:
    """What is told after each row of the log and each validation."""

    epoch: int
    """From 0."""
    epochs: int
    step: int
    steps: int
    loss: float
    wait_share: float
    """Share of the step time that waited for data."""
    scores: list[dict[str, Any]] = field(default_factory=list)
    """Of a validation; empty between them."""


OnProgress = Callable[[TrainProgress], None]


@dataclass(slots=True, kw_only=True)
class Run:
    """All that changes while a network is trained, and what changes it."""

    config: TrainConfig
    out: Path
    ranks: Ranks
    command: str
    about: Mapping[str, Any]
    bands: tuple[str, ...]
    order: Order
    schedule: Schedule
    network: FusionNetwork
    average: FusionNetwork | None
    forward: nn.Module
    objective: Objective
    optimiser: torch.optim.Adam
    history: list[dict[str, Any]]
    notes: tuple[str, ...]
    logs: dict[str, log.Log]
    step: int
    seconds: float
    best: float
    best_epoch: int
    best_scores: list[dict[str, Any]]
    sums: list[float]
    """Of the losses since the last row of the log."""
    summed: int
    """Steps in ``sums``."""
    pending: list[Tensor] = field(default_factory=list)
    """Losses of the last steps, still on the device, not yet in ``sums``."""
    waited: float = 0.0
    worked: float = 0.0
    timed: int = 0
    """Seconds that waited for data, all seconds, and steps since the last row of speed.csv."""

    @classmethod
    def begin(
        cls,
        config: TrainConfig,
        out: Path,
        *,
        data: Source,
        ranks: Ranks,
        command: str,
        about: Mapping[str, Any],
    ) -> Self:
        """A new run, or the one whose state ``out`` holds."""
        torch.manual_seed(config.seed)
        network, history, notes = _network_of(config)
        network.to(ranks.device)
        perceptual, note = load_perceptual(config.loss.perceptual, ranks.device)
        average = deepcopy(network).requires_grad_(False) if config.optimiser.ema else None
        optimiser = torch.optim.Adam(network.parameters(), config.optimiser.rate)
        saved = state.restore(
            out,
            config=config.identity(),
            network=network,
            average=average,
            optimiser=optimiser,
        )
        progress = saved or {
            "step": 0,
            "seconds": 0.0,
            "best": float("inf"),
            "best_epoch": 0,
            "best_scores": [],
            "sums": [0.0] * len(Losses._fields),
            "summed": 0,
        }
        kinds = {"train": log.TRAIN, "validation": log.VALIDATION, "speed": log.SPEED}
        used = min(len(data), config.examples_per_epoch or len(data))
        forward: nn.Module = Forward(network)
        return cls(
            config=config,
            out=out,
            ranks=ranks,
            command=command,
            about=about,
            bands=tuple(data.bands),
            order=Order(config.seed, len(data), config.batch, used // config.batch, config.alike),
            schedule=schedule_of(
                config.schedule.name, config.schedule.levels, config.schedule.sum_scale
            ),
            network=network,
            average=average,
            forward=DistributedDataParallel(forward) if ranks.size > 1 else forward,
            objective=Objective(config.loss, perceptual),
            optimiser=optimiser,
            history=history,
            notes=(*notes, *([note] if note else [])),
            logs={
                name: log.Log(out / f"{name}.csv", columns, progress["step"])
                for name, columns in kinds.items()
                if ranks.first
            },
            **progress,
        )

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.config.epochs * self.order.steps

    @property
    def chosen(self) -> FusionNetwork:
        """What is validated and kept: the moving average, or the network where there is none."""
        return self.average or self.network

    def advance(self, made: Iterator[Batch]) -> None:
        """Take one step on the next batch."""
        began = time.perf_counter()
        batch = next(made).to(self.ranks.device)
        arrived = time.perf_counter()
        optimiser = self.config.optimiser
        epoch = self.step // self.order.steps
        for group in self.optimiser.param_groups:
            group["lr"] = optimiser.rate_at(self.step, epoch, self.steps)
        self.network.train()
        losses = self._losses(batch, epoch)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        if optimiser.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), optimiser.clip)
        self.optimiser.step()
        self.step += 1
        if self.average is not None and optimiser.ema is not None:
            # Shorter at first, or the random start would stay in the average for long.
            keep = min(optimiser.ema, self.step / (self.step + 100))
            get_ema_multi_avg_fn(keep)(
                list(self.average.parameters()), list(self.network.parameters()), self.step
            )
        self.pending.append(losses.detached())
        self.summed += 1
        self.timed += 1
        self.waited += arrived - began
        self.worked += time.perf_counter() - began

    def _losses(self, batch: Batch, epoch: int) -> Losses:
        config = self.config
        view = view_of(batch, config.frame, config.network)
        noisy = noisy_of(batch, view, config, self.schedule)
        conditions = conditions_of(batch, config.network)
        bf16 = config.optimiser.precision == "bf16"
        with torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=bf16):
            answer, features = self.forward(noisy, conditions)
        weight = config.loss.time_weight_at(epoch, config.epochs)
        return self.objective(answer.float(), features, view, batch, weight)

    def log_step(self, asked: bool, on_progress: OnProgress) -> bool:
        """Write a row where one is due; whether to stop, on which all processes agree."""
        at_end = self.step % self.order.steps == 0
        due = at_end or self.step % self.config.log_every == 0
        if not due:
            if asked and self.ranks.size == 1:
                self._collect()
                return True
            return False
        stop = self._collect(asked)
        epoch = (self.step - 1) // self.order.steps
        means = [total / self.summed for total in self.sums]
        if not all(map(_finite, means)):
            raise ValueError(
                f"the loss is not finite at step {self.step}, {Losses._fields} = {means}; use a "
                "lower optimiser.rate, optimiser.clip or precision fp32"
            )
        if self.ranks.first:
            place = {"epoch": epoch, "step": self.step}
            rate = self.config.optimiser.rate_at(self.step - 1, epoch, self.steps)
            weight = self.config.loss.time_weight_at(epoch, self.config.epochs)
            values = dict(zip(("loss", *Losses._fields[1:]), means, strict=True))
            self.logs["train"].add({**place, **values, "rate": rate, "time_weight": weight})
            self.logs["speed"].add(
                {
                    **place,
                    "seconds_a_step": self.worked / self.timed,
                    "examples_a_second": self.timed * self.config.batch / self.worked,
                    "wait_share": self.waited / self.worked,
                }
            )
            on_progress(self._progress(epoch, means[0]))
        self.seconds += self.worked
        self.sums, self.summed = [0.0] * len(Losses._fields), 0
        self.waited, self.worked, self.timed = 0.0, 0.0, 0
        return stop

    def _collect(self, asked: bool = False) -> bool:
        """Move pending losses into ``sums``, mean of the processes; whether any was asked."""
        total = torch.stack(self.pending).sum(0).cpu()
        flag = torch.tensor([float(asked)], dtype=torch.float64)
        shared = self.ranks.mean(torch.cat([total, flag]).to(self.ranks.device)).tolist()
        self.sums = [a + b for a, b in zip(self.sums, shared[:-1], strict=True)]
        self.pending.clear()
        return bool(shared[-1])

    def end_epoch(self, validation: Mapping[str, Source], on_progress: OnProgress) -> None:
        """Validate; keep the network where it is the best so far, and at the end."""
        began = time.perf_counter()
        epoch = self.step // self.order.steps - 1
        scores = validate(self.chosen, validation, self.config, self.schedule, self.ranks)
        self.seconds += time.perf_counter() - began
        reached = relative_rmse(scores, self.config.network.method) if scores else self.best
        better = reached < self.best if scores else True
        if better and scores:
            self.best, self.best_epoch, self.best_scores = reached, epoch, scores
        if not self.ranks.first:
            return
        for row in scores:
            self.logs["validation"].add({"epoch": epoch, "step": self.step, **row})
        if better:
            self._keep("best", epoch, scores)
        if self.step == self.steps:
            self._keep("last", epoch, scores)
        if scores:
            on_progress(self._progress(epoch, float("nan"), scores))

    def save(self) -> None:
        """Write the state; the first process does."""
        if not self.ranks.first:
            return
        names = ("step", "seconds", "best", "best_epoch", "best_scores", "sums", "summed")
        state.save(
            self.out,
            config=self.config.identity(),
            network=self.network,
            average=self.average,
            optimiser=self.optimiser,
            progress={name: getattr(self, name) for name in names},
        )

    def _progress(
        self, epoch: int, loss: float, scores: list[dict[str, Any]] | None = None
    ) -> TrainProgress:
        return TrainProgress(
            epoch=epoch,
            epochs=self.config.epochs,
            step=self.step,
            steps=self.steps,
            loss=loss,
            wait_share=self.waited / self.worked if self.worked else 0.0,
            scores=scores or [],
        )

    def _keep(self, name: str, epoch: int, scores: list[dict[str, Any]]) -> None:
        card = card_of(
            self.config,
            bands=self.bands,
            history=self.history,
            scores=scores,
            epoch=epoch,
            step=self.step,
            minutes=self.seconds / 60,
            processes=self.ranks.size,
            device=self.ranks.device,
            command=self.command,
            about=self.about,
            notes=self.notes,
        )
        checkpoint.save(self.out / name, self.chosen, card)


def _network_of(config: TrainConfig) -> tuple[FusionNetwork, list[dict[str, Any]], tuple[str, ...]]:
    """The network before the first step, the training it had before, and what is to be said."""
    network = network_of(config.network)
    if config.start is not None:
        new = checkpoint.load_into(network, config.start)
        note = f"starts from {config.start}" + (f"; new: {', '.join(new)}" if new else "")
        return network, read_card(config.start).get("training", []), (note,)
    if config.frame not in ABSOLUTE_FRAMES:
        assert network.head.bias is not None
        nn.init.zeros_(network.head.weight)
        nn.init.zeros_(network.head.bias)
    return network, [], ()


def _finite(value: float) -> bool:
    return abs(value) < float("inf")
