"""A batch of examples as tensors, and as the network sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from model.block import Array
from model.conditions import condition_vector
from model.frame import Images, View, frame_of
from model.shape import NetworkShape
from model.training.example import Example

PLAIN = ("ratio", "keys")
"""Fields of a batch that are no tensors."""


class Draws(NamedTuple):
    """The chance in one training example."""

    noise: Array
    """(band, y, x) standard normal."""

    uniform: Array
    """(6,) in [0, 1): which level, whether the last, whether from the network's own answer; the
    point spread's width, its aspect, its direction."""

    key: tuple[int, ...]
    """Seed, epoch and index, of which all this is a function."""


def draw(seed: int, epoch: int, index: int, shape: tuple[int, ...]) -> Draws:
    """A pure function of its arguments: no state of a generator needs to be saved."""
    key = (seed, epoch, index)
    rng = np.random.default_rng(key)
    noise = rng.standard_normal(shape, np.float32)
    return Draws(noise, rng.random(6, np.float32), key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Examples stacked; the fields as in ``Example`` with a batch dimension in front."""

    images: Images
    truth: Tensor
    filled: Tensor
    centre: Tensor
    spread: Tensor
    present: Tensor
    days: Tensor
    ratio: tuple[int, ...]
    noise: Tensor
    uniform: Tensor
    keys: tuple[tuple[int, ...], ...]
    """As in ``Draws``."""

    def noise_of(self, step: int) -> Tensor:
        """``noise`` for 0, and other such noise for each ``step`` of sampling from 1 on."""
        if not step:
            return self.noise
        drawn = [
            np.random.default_rng([*key, step]).standard_normal(self.noise.shape[1:], np.float32)
            for key in self.keys
        ]
        return torch.from_numpy(np.stack(drawn)).to(self.noise.device)

    @property
    def weight(self) -> Tensor:
        """(batch,) of the later reference; 0 where both are the same."""
        before, target, after = self.days.T
        span = (after - before).clamp(min=1)
        return torch.where(after > before, (target - before) / span, torch.zeros(()).to(span))

    @property
    def scored(self) -> Tensor:
        """(batch, band, y, x) bool: where a loss may look."""
        return self.truth.isfinite() & self.present[:, :, None, None]

    def to(self, device: torch.device) -> Self:
        """On another device; the uniform numbers stay on the CPU, where they are decided on."""
        if device.type == "cpu":
            return self
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in self.__dataclass_fields__
            if name not in ("images", "uniform", *PLAIN)
        }
        images = Images(*(image.to(device, non_blocking=True) for image in self.images))
        return replace(self, images=images, **moved)

    def pin_memory(self) -> Self:
        """What torch's loader calls on CUDA machines, so that copies overlap with computing."""
        pinned = {
            name: getattr(self, name).pin_memory()
            for name in self.__dataclass_fields__
            if name not in ("images", *PLAIN)
        }
        images = Images(*(image.pin_memory() for image in self.images))
        return replace(self, images=images, **pinned)


def collate(examples: Sequence[Example], draws: Sequence[Draws] | None = None) -> Batch:
    """Stack examples; without ``draws`` noise and uniform numbers are 0."""
    if draws is None:
        draws = [Draws(np.zeros_like(one.truth), np.zeros(6, np.float32), ()) for one in examples]

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(one, name) for one in examples]))

    return Batch(
        images=Images(*(stack(name) for name in Images._fields)),
        truth=stack("truth"),
        filled=stack("filled"),
        centre=stack("centre"),
        spread=stack("spread"),
        present=stack("present"),
        days=torch.tensor([one.days for one in examples]),
        ratio=tuple(one.ratio for one in examples),
        noise=torch.from_numpy(np.stack([one.noise for one in draws])),
        uniform=torch.from_numpy(np.stack([one.uniform for one in draws])),
        keys=tuple(one.key for one in draws),
    )


def view_of(batch: Batch, frame: str, config: NetworkShape) -> View:
    """The network's view; examples of another ratio are viewed apart and put back in order."""
    how = frame_of(frame, contrast=config.contrast)
    ratios = sorted(set(batch.ratio))
    groups = [
        torch.tensor([i for i, one in enumerate(batch.ratio) if one == ratio]) for ratio in ratios
    ]
    views = []
    for ratio, group in zip(ratios, groups, strict=True):
        rows = slice(None) if len(ratios) == 1 else group.to(batch.truth.device)
        views.append(
            how.view(
                Images(*(image[rows] for image in batch.images)),
                batch.filled[rows] if config.filled else None,
                batch.weight[rows],
                batch.centre[rows],
                batch.spread[rows],
                ratio,
                batch.present[rows],
            )
        )
    if len(views) == 1:
        return views[0]
    order = torch.cat(groups).argsort().to(batch.truth.device)

    def joined(parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts)).index_select(0, order)

    return View(
        known=Images(*map(joined, zip(*(view.known for view in views), strict=True))),
        **{
            name: joined([getattr(view, name) for view in views])
            for name in ("start", "base", "scale", "present")
        },
        guide=None,
    )


def conditions_of(batch: Batch, config: NetworkShape) -> Tensor | None:
    """What the network is told beside the images, (batch, n); None where it is told nothing."""
    before, target, after = batch.days.T
    ratio = torch.tensor(batch.ratio, device=batch.days.device)
    return condition_vector(
        config, batch.weight, target - before, after - target, ratio, batch.present
    )
