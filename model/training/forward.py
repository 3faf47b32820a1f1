"""One forward pass in training: noisy images of chosen levels, through network and rollout."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.diffusion import Levels, Schedule, degrade
from model.frame import View
from model.network import Features, FusionNetwork
from model.training.batch import Batch
from model.training.config import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Noisy:
    """The noisy images of a batch, in the network's space; bands that are absent are 0."""

    view: View
    truth: Tensor
    noise: Tensor
    t: Tensor
    """(batch,) on the CPU."""
    rolled: Tensor
    """Rows of the batch whose x_t is made from the network's own answer; on the CPU."""
    schedule: Schedule

    def levels(self) -> Levels:
        """As the network embeds them, on its device."""
        return self.schedule.levels(self.t, self.truth)

    def x(self, network: FusionNetwork, features: Features, conditions: Tensor | None) -> Tensor:
        """x_t of the truth, or of what the network answers at the last level as in sampling."""
        x = degrade(self.truth, self.view.start, self.noise, self.t, self.schedule)
        if not len(self.rolled):
            return x
        rows = self.rolled.to(x.device)
        start, noise = self.view.start[rows], self.noise[rows]
        told = None if conditions is None else conditions[rows]
        with torch.no_grad():
            answer = network.denoise(
                start + self.schedule.start_noise * noise,
                features.rows(rows),
                self.schedule.levels(self.schedule.steps, start),
                told,
            ).float()
        answer = torch.where(self.view.present[rows], answer, 0.0)
        x[rows] = degrade(answer, start, noise, self.t[self.rolled], self.schedule)
        return x


def noisy_of(batch: Batch, view: View, config: TrainConfig, schedule: Schedule) -> Noisy:
    """What the batch's own chance makes of the truth; unknown truth is where sampling starts."""
    level, last, rolled = batch.uniform[:, :3].T
    steps = schedule.steps
    t = (1 + (level * steps).long()).clamp(max=steps)
    t = torch.where(last < config.levels.last_share, steps, t)
    return Noisy(
        view=view,
        truth=torch.where(batch.scored, view.to_network(batch.truth), view.start),
        noise=view.hide(batch.noise),
        t=t,
        rolled=((rolled < config.rollout) & (t < steps)).nonzero()[:, 0],
        schedule=schedule,
    )


class Forward(nn.Module):
    """The network as one call, which is what DistributedDataParallel wraps."""

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, noisy: Noisy, conditions: Tensor | None) -> tuple[Tensor, Features]:
        """The answer in the network's space, and the features for the time loss."""
        known, network = noisy.view.known, self.network
        references = network.encode_references(
            known.fine_before, known.coarse_before, known.fine_after, known.coarse_after
        )
        features = network.encode(known.coarse, references)
        x = noisy.x(network, features, conditions)
        return network.denoise(x, features, noisy.levels(), conditions), features
