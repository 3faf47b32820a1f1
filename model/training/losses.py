"""What training makes small.

    reconstruction   L1 or Charbonnier of the fine image                      (paper: L1)
    perceptual       the same images in the features of VGG-16-BN             (paper: 0.01)
    time             what each alignment of sa-stf makes of the coarse target (paper: to 1e-4)
    consistency      coarse-scale means under a sampled point spread          (ours)

Each is a mean over what is scored of an example, then over the examples of the batch: so the mean
over processes with equally many examples is the mean over all.  Where the truth is NaN or a band
is absent nothing is scored.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from model.frame import View
from model.network import Features
from model.sastf.network import Features as AlignedFeatures
from model.training.batch import Batch
from model.training.config import LossConfig

COARSE_STEP_PX = 8
"""Fine pixels between the places where coarse means are compared: half a cell of 480 m."""

FWHM_CELLS = (0.73, 2.1)
"""Width of the sampled point spreads in coarse cells: 350 to 1000 m where a cell is 480 m."""

LEAST_KNOWN = 0.5
"""Coarse means that see a smaller share of known truth are not compared."""


class Perceptual(Protocol):
    """Distance of images, (batch, band, y, x) in -1..1 -> (batch,); ``present`` (batch, band)."""

    def __call__(self, image: Tensor, truth: Tensor, present: Tensor) -> Tensor: ...


class Losses(NamedTuple):
    """The parts, unweighted, and their weighted sum."""

    total: Tensor
    reconstruction: Tensor
    perceptual: Tensor
    time: Tensor
    consistency: Tensor

    def detached(self) -> Tensor:
        """(5,) in float64, for sums over many steps."""
        return torch.stack([part.detach().double() for part in self])


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a configuration."""

    config: LossConfig
    perceptual: Perceptual | None
    """None where the weight is 0 or no VGG weights are at hand."""

    def __call__(
        self, answer: Tensor, features: Features, view: View, batch: Batch, time_weight: float
    ) -> Losses:
        """``answer`` (batch, band, y, x) in the network's space, float32."""
        fine, scored = view.to_reflectance(answer), batch.scored
        # Unknown truth is the answer itself: no error, no edge, and NaN reaches no gradient.
        truth = torch.where(scored, batch.truth, fine.detach())
        fine = torch.where(scored, fine, fine.detach())
        error = (fine - truth) / self._unit(view, batch)
        zero = torch.zeros((), device=answer.device)
        rebuilt = mean_of(self._penalty(error), scored)
        perceptual = (
            self.perceptual(2 * fine - 1, 2 * truth - 1, batch.present).mean()
            if self.perceptual is not None
            else zero
        )
        time = zero
        if self.config.time_weight:
            assert isinstance(
                features, AlignedFeatures
            )  # TrainConfig asks for a network that aligns
            time = time_loss(features)
        consistency = zero
        if self.config.consistency:
            coarse, known = coarse_means(error, scored, batch)
            consistency = mean_of(self._penalty(coarse), known)
        total = (
            rebuilt
            + self.config.perceptual.weight * perceptual
            + time_weight * time
            + self.config.consistency * consistency
        )
        return Losses(total, rebuilt, perceptual, time, consistency)

    def _unit(self, view: View, batch: Batch) -> Tensor:
        if self.config.units == "reflectance":
            return torch.ones((), device=batch.truth.device)
        return batch.spread[:, :, None, None] if self.config.units == "spread" else view.scale

    def _penalty(self, error: Tensor) -> Tensor:
        if self.config.reconstruction == "l1":
            return error.abs()
        knee = self.config.knee
        return (error.square() + knee**2).sqrt() - knee


def mean_of(values: Tensor, scored: Tensor) -> Tensor:
    """Mean over the scored values of each example, then over the batch; none scored counts 0."""
    count = scored.flatten(1).sum(1).clamp(min=1)
    return ((values * scored).flatten(1).sum(1) / count).mean()


def time_loss(features: AlignedFeatures) -> Tensor:
    """Half the mean squared distance of either rebuilt coarse target from the target itself.

    The target is not detached, as in the authors' code: it may move towards what is rebuilt.
    """
    assert features.coarse_rebuilt is not None
    target = features.coarse_attended.float()
    before, after = (rebuilt.float() for rebuilt in features.coarse_rebuilt)
    return 0.5 * (before - target).square().mean() + 0.5 * (after - target).square().mean()


def coarse_means(error: Tensor, scored: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Means of ``error`` (batch, band, y, x) as a coarse sensor would see it, and where it could.

    Every example has a Gaussian point spread of its own width (``FWHM_CELLS``), up to twice as
    long along one axis.  Unknown pixels are left out of the mean.
    """
    width, aspect, which = batch.uniform[:, 3:].to(error.device).T
    ratio = torch.tensor(batch.ratio, device=error.device)
    low, high = FWHM_CELLS
    sigma = (low + (high - low) * width) * ratio / 2.355
    wide = sigma * (1 + aspect)
    rows = _gaussian(torch.where(which < 0.5, wide, sigma), error.shape[2])
    cols = _gaussian(torch.where(which < 0.5, sigma, wide), error.shape[3]).mT
    known = rows @ scored.float() @ cols
    return rows @ (error * scored) @ cols / known.clamp(min=1e-6), known > LEAST_KNOWN


def _gaussian(sigma: Tensor, length: int) -> Tensor:
    """(batch, 1, place, pixel): weights of the pixels around every ``COARSE_STEP_PX``-th place."""
    pixel = torch.arange(length, device=sigma.device) + 0.5
    place = torch.arange(COARSE_STEP_PX / 2, length, COARSE_STEP_PX, device=sigma.device)
    distance = (pixel - place[:, None]) / sigma[:, None, None]
    weights = torch.exp(-0.5 * distance.square())
    return (weights / weights.sum(-1, keepdim=True))[:, None]
