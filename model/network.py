"""What trainer and sampler ask of a network: sa-stf and stfdiff are two."""

from abc import ABC, abstractmethod
from typing import Any, Protocol, Self

from torch import Tensor, nn

from model.diffusion import Levels
from model.shape import NetworkShape


class Features(Protocol):
    """All that the reverse steps need to know of the known images; free of x_t and t."""

    def rows(self, rows: Tensor) -> Self:
        """Of some of the batch, for ``denoise``."""


class FusionNetwork(nn.Module, ABC):
    """Encodes what is known once and reads it in every reverse step.

    What ``encode_references`` and ``encode`` give is the network's own, opaque to all others.
    Images are (batch, channel, y, x) in the space of a ``model.frame``.
    """

    config: NetworkShape

    @property
    @abstractmethod
    def head(self) -> nn.Conv2d:
        """The last convolution; where it is 0 the network answers 0."""

    @abstractmethod
    def encode_references(
        self, fine_before: Tensor, coarse_before: Tensor, fine_after: Tensor, coarse_after: Tensor
    ) -> Any:
        """What is the same for all days between two reference pairs."""

    @abstractmethod
    def encode(self, coarse: Tensor, references: Any) -> Any:
        """``Features`` of a day, from its coarse image and the encoded references."""

    @abstractmethod
    def denoise(
        self, x: Tensor, features: Any, levels: Levels, conditions: Tensor | None
    ) -> Tensor:
        """Predict the clean image from ``x`` (batch, band, y, x) at a level of the schedule.

        ``conditions``: what ``model.conditions.condition_vector`` gives.
        """
