"""How a network is sampled, as its card or its training file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from model.diffusion import Denoiser, Noise, Schedule, sample, sampling_steps, schedule_of
from model.frame import View
from model.network import FusionNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """A schedule and the way back through it."""

    schedule: Schedule
    steps: int
    kappa: float
    """Share of the way from the start of the diffusion to the network's answer."""
    eta: float
    """Share of the noise that each step draws anew."""
    clamp: bool
    """Whether every answer of the network is kept in -1..1."""

    @classmethod
    def of_card(cls, sampling: Mapping[str, Any], *, steps: int | None = None) -> Self:
        """As ``sampling`` of a card says, but for ``steps`` where they are given."""
        return cls(
            schedule=schedule_of(sampling["schedule"], sampling["levels"], sampling["sum_scale"]),
            steps=steps or sampling["steps"],
            kappa=sampling["kappa"],
            eta=sampling.get("eta", 0.0),
            clamp=sampling.get("clamp", False),
        )

    def denoiser(self, network: FusionNetwork, view: View, conditions: Tensor | None) -> Denoiser:
        """The network on a view as one window; what is known is encoded once, here."""
        known = network.encode_references(*view.known[:4])
        features = network.encode(view.known.coarse, known)

        def denoise(x: Tensor, t: int) -> Tensor:
            return network.denoise(x, features, self.schedule.levels(t, x), conditions)

        return denoise

    def image(self, denoise: Denoiser, view: View, noise: Noise) -> Tensor:
        """Reflectance (batch, band, y, x) that ``denoise`` recovers in the space of ``view``.

        ``noise`` is asked for 0, where the walk starts, and with ``eta`` for the level that each
        step ends at.
        """
        answer = sample(
            lambda x, t: view.hide(denoise(x, t)),
            view.start,
            view.hide(noise(0)),
            sampling_steps(self.schedule.steps, self.steps),
            self.schedule,
            eta=self.eta,
            fresh=lambda t: view.hide(noise(t)),
            clamp=self.clamp,
        )
        return view.to_reflectance(torch.lerp(view.start, answer, self.kappa))
