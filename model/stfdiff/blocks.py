"""The pieces STFDiff is made of."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FREQUENCIES = 32
"""Sines, and as many cosines, that a level is embedded in."""

EMBEDDING = 256
"""Numbers a level is told to each block as."""


class StandardisedConv(nn.Conv2d):
    """3x3 convolution whose filters are used with mean 0 and variance 1 (Qiao et al., 2019).

    Filters are made so at each call: 2 % of a step on a CPU, which is no reason to keep a second
    form of the weights for inference.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * (variance + 1e-5).rsqrt()
        return functional.conv2d(x, weight, self.bias, padding=1)


class Block(nn.Module):
    """Residual block; with ``embedding`` numbers it knows the level, with 0 there is none."""

    def __init__(self, channels: int, out: int, groups: int, embedding: int) -> None:
        super().__init__()
        self.first = StandardisedConv(channels, out)
        self.first_norm = nn.GroupNorm(groups, out)
        self.level = nn.Linear(embedding, 2 * out) if embedding else None
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.second_norm = nn.GroupNorm(groups, out)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, level: Tensor | None) -> Tensor:
        inner = self.first_norm(self.first(x))
        if self.level is not None:
            assert level is not None
            gain, shift = self.level(functional.silu(level))[:, :, None, None].chunk(2, dim=1)
            inner = inner * (1 + gain) + shift
        inner = self.second(functional.silu(inner))
        return functional.silu(self.second_norm(inner)) + self.shortcut(x)


class LevelEmbedding(nn.Sequential):
    """The number of a level, from 0, as a vector: sines, cosines and a small network."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(2 * FREQUENCIES, EMBEDDING), nn.GELU(), nn.Linear(EMBEDDING, EMBEDDING)
        )

    def forward(self, number: Tensor) -> Tensor:
        """``number`` (batch,) -> (batch, ``EMBEDDING``)."""
        return super().forward(waves(number))


def waves(number: Tensor) -> Tensor:
    """(batch,) -> (batch, 64): sines, then cosines, of frequencies from 1 down to 1e-4."""
    step = torch.arange(FREQUENCIES, dtype=number.dtype, device=number.device) / (FREQUENCIES - 1)
    angles = number[:, None] * torch.exp(-math.log(1e4) * step)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def halving(channels: int, out: int) -> nn.Conv2d:
    """Halve y and x."""
    return nn.Conv2d(channels, out, 4, stride=2, padding=1)


def keeping(channels: int, out: int) -> nn.Conv2d:
    """Keep y and x."""
    return nn.Conv2d(channels, out, 3, padding=1)


def doubling(channels: int, out: int) -> nn.Sequential:
    """Double y and x: nearest neighbour, then a convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), keeping(channels, out))
