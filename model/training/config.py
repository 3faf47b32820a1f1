"""What a training run is asked to do.

One tree of frozen dataclasses, every default here.  The YAML of a run is read into it by
``flows.train_config``, whose keys are these names; ``flows/training/`` holds examples.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from model.card import FRAME_NAMES, SCHEDULE_NAMES
from model.sastf.config import NetworkConfig
from model.shape import NetworkShape

CLAMPED_FRAMES = ("reflectance", "plain")
"""Frames in which reflectance of 0 to 1 is -1..1."""

Augment = Literal["none", "flip", "eight"]


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"needs {name} of {least} or more, got {value}")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"needs {name} between 0 and 1, got {value}")


def _multiple_of_16(patch_px: int) -> None:
    if patch_px < 16 or patch_px % 16:
        better = max(16, patch_px // 16 * 16)
        raise ValueError(
            f"needs patch_px a multiple of 16, the shrinking of the network, got {patch_px}; "
            f"use {better}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Residual and noise of the levels (model.diffusion); in training and inference the same."""

    name: str = "rddm"
    levels: int = 100
    sum_scale: float | None = None
    """Variance of the noise at the last level; only ``rddm`` has it."""

    def __post_init__(self) -> None:
        if self.name not in SCHEDULE_NAMES:
            raise ValueError(f"has no schedule {self.name!r}; known: {', '.join(SCHEDULE_NAMES)}")
        if self.sum_scale is not None and self.name != "rddm":
            raise ValueError(f"has no sum_scale for the {self.name} schedule; leave it out")
        _at_least(1, levels=self.levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How the trained network is sampled; goes into its card, and validation does the same."""

    steps: int = 1
    kappa: float = 1.0
    """Share of the way from the start of the diffusion to the network's answer."""
    eta: float = 0.0
    """Share of the noise that each step draws anew: 0 none, 1 as much as an ancestral step."""
    clamp: bool = False
    """Keep every answer of the network in -1..1; for frames in which that is 0..1 reflectance."""
    window_px: int = 128
    overlap_px: int = 32
    halo_px: int = 16

    def __post_init__(self) -> None:
        _at_least(1, steps=self.steps)
        _share(eta=self.eta)
        if self.window_px % 16:
            raise ValueError(f"needs window_px a multiple of 16, got {self.window_px}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """One source of examples: ``worlds`` or ``scenes``."""

    worlds: Path | None = None
    """Folder of simulated worlds (``python -m model.training.pool``)."""

    scenes: Path | None = None
    """Folder of a scene set (model.training.scenes)."""

    split: str = "train"
    """Which triplets of a scene set."""

    count: int | None = None
    """Only the first so many worlds, so that a pool may grow beside a training; None: all."""

    share: float = 1.0
    """Weight of this source beside the others; they need not add up to one."""

    def __post_init__(self) -> None:
        if (self.worlds is None) == (self.scenes is None):
            raise ValueError("needs one of `worlds: FOLDER` and `scenes: FOLDER`, and not both")
        if not self.share > 0:
            raise ValueError(f"needs a share above 0, got {self.share}; leave the source out")

    @property
    def folder(self) -> Path:
        """The one of the two that is given."""
        folder = self.worlds or self.scenes
        assert folder is not None
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationConfig:
    """What a network is chosen on, after every epoch.  Never a set that will be reported."""

    data: tuple[DataConfig, ...] = ()
    examples: int = 48
    """Of each source, spread evenly over it."""
    patch_px: int = 128

    def __post_init__(self) -> None:
        _at_least(1, examples=self.examples)
        _multiple_of_16(self.patch_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """Adam with its default momenta; the learning rate is constant unless one says otherwise."""

    rate: float = 1e-4
    halve_every_epochs: int | None = None
    cosine: bool = False
    """Fall by half a cosine to one hundredth at the end."""
    warmup_steps: int = 0
    clip: float | None = None
    """Largest norm of the gradient."""
    ema: float | None = None
    """Share that the moving average of the weights keeps at each step (model.training.train)."""
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        if self.cosine and self.halve_every_epochs is not None:
            raise ValueError("cannot both fall as a cosine and halve_every_epochs; leave one out")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"needs ema between 0 and 1, got {self.ema}; leave it out for none")

    def rate_at(self, step: int, epoch: int, steps: int) -> float:
        """Learning rate of the step after ``step`` of ``steps`` in all, in ``epoch``."""
        rate = self.rate * min(1.0, (step + 1) / max(self.warmup_steps, 1))
        if self.cosine:
            return rate * max(0.5 * (1 + math.cos(math.pi * step / steps)), 0.01)
        if self.halve_every_epochs is not None:
            return rate * 0.5 ** (epoch // self.halve_every_epochs)
        return rate


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualConfig:
    """The loss in the features of VGG-16-BN (model.training.vgg)."""

    weight: float = 0.0
    weights_file: Path | None = None
    """A user's ``vgg16_bn-*.pth`` of torchvision; without it the weight is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """What is made small; see model.training.losses."""

    reconstruction: Literal["l1", "charbonnier"] = "l1"
    knee: float = 0.5
    """Charbonnier: squares below, absolute values above, in ``units``."""
    units: Literal["reflectance", "spread", "network"] = "network"
    """In which errors are measured: reflectance, the band's spread, or the network's own scale."""
    perceptual: PerceptualConfig = PerceptualConfig()
    time_weight: float = 0.0
    """Of the time-alignment loss at its height; 1e-4 in the paper."""
    consistency: float = 0.0
    """Weight of the coarse-scale mean under a sampled point spread."""

    def time_weight_at(self, epoch: int, epochs: int) -> float:
        """Rises as half a cosine over the first half of the epochs, from 0; once an epoch."""
        risen = min(epoch / (epochs / 2), 1.0)
        return self.time_weight * 0.5 * (1 - math.cos(math.pi * risen))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsConfig:
    """Which levels of the schedule are trained."""

    last_share: float = 0.0
    """Share of the samples at the last level, where every sampling starts; the rest uniform."""

    def __post_init__(self) -> None:
        _share(last_share=self.last_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A training run.  Paths in its YAML are relative to the YAML."""

    name: str
    data: tuple[DataConfig, ...]
    validation: ValidationConfig
    seed: int = 0
    bands: tuple[str, ...] | None = None
    """Slots of the network, by name; None: the bands of the data in the order they are met."""
    network: NetworkShape = NetworkConfig()  # noqa: RUF009 - frozen
    """Of sa-stf; in a YAML with ``method: stfdiff`` of that."""
    frame: str = "reflectance"
    schedule: ScheduleConfig = ScheduleConfig()
    sampling: SamplingConfig = SamplingConfig()
    patch_px: int = 256
    batch: int = 4
    """Examples of a step, over all processes."""
    alike: int = 1
    """Examples in a row of a batch that share their ratio of resolutions, where the data can choose
    it (simulated worlds).  The frame ``guided`` works out its guess for each ratio of a batch on
    its own, and on a GPU each costs as much as the network."""
    epochs: int = 200
    examples_per_epoch: int | None = None
    """None: as many as the sources hold; simulated worlds are endless and need a number."""
    optimiser: OptimiserConfig = OptimiserConfig()
    loss: LossConfig = LossConfig()
    levels: LevelsConfig = LevelsConfig()
    rollout: float = 0.0
    """Share of the samples whose x_t is made from the network's own answer at the last level, as
    in sampling, instead of the truth."""
    augment: Augment = "flip"
    start: Path | None = None
    """Checkpoint whose weights the network starts from; "default" in a YAML: ours."""
    log_every: int = 10
    save_every: int = 200
    """Steps between two rows of the log, and between two saved states; a multiple of it."""

    def __post_init__(self) -> None:
        if self.frame not in FRAME_NAMES:
            raise ValueError(f"has no frame {self.frame!r}; known: {', '.join(FRAME_NAMES)}")
        if not self.data:
            raise ValueError("needs data, such as `data: [{worlds: FOLDER}]`")
        endless = any(one.worlds is not None for one in self.data)
        if endless and self.examples_per_epoch is None:
            raise ValueError("needs examples_per_epoch: simulated worlds have no end")
        if self.sampling.steps > self.schedule.levels:
            raise ValueError(
                f"samples {self.sampling.steps} steps of {self.schedule.levels} levels; "
                "use sampling.steps no larger than schedule.levels"
            )
        _at_least(
            1,
            batch=self.batch,
            alike=self.alike,
            epochs=self.epochs,
            log_every=self.log_every,
            save_every=self.save_every,
            examples_per_epoch=self.batch
            if self.examples_per_epoch is None
            else self.examples_per_epoch,
        )
        if self.save_every % self.log_every:
            raise ValueError(
                f"needs save_every a multiple of log_every={self.log_every}, got "
                f"{self.save_every}; use {-(-self.save_every // self.log_every) * self.log_every}"
            )
        if self.loss.time_weight and not self.network.aligns:
            raise ValueError("has a loss.time_weight but a network without align; use 0")
        if self.sampling.clamp and self.frame not in CLAMPED_FRAMES:
            raise ValueError(
                f"has sampling.clamp, which the frame {self.frame!r} has no use for: its values go "
                f"beyond -1..1; use false, or one of {', '.join(CLAMPED_FRAMES)}"
            )
        if self.batch % self.alike:
            raise ValueError(
                f"needs a batch that is a multiple of alike={self.alike}, got {self.batch}"
            )
        if self.alike > 1 and (len(self.data) > 1 or not endless):
            raise ValueError(
                f"has alike={self.alike}, which only one folder of simulated worlds can keep; use 1"
            )
        _share(rollout=self.rollout)
        _multiple_of_16(self.patch_px)

    def as_json(self, *, short: bool = False) -> dict[str, Any]:
        """Plain values; ``short`` with the names of files and
        folders instead of their paths, as in a card that leaves this machine."""

        def text(value: Path) -> str:
            return value.name if short else str(value)

        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=text))
        return plain

    def identity(self) -> dict[str, Any]:
        """What a run that goes on shares with what it saved.

        Names instead of places, so that data and runs may be moved.  Of ``start`` also the folder
        above, since every trained checkpoint is called best.
        """
        start = self.start and "/".join(self.start.parts[-2:])
        return {**self.as_json(short=True), "start": start}
