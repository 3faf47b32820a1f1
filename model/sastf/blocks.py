"""The four pieces everything else is made of (supplement, Table 2)."""

import math

import torch
from torch import Tensor, nn


class PreBlock(nn.Sequential):
    """GroupNorm, SiLU, 3x3 convolution."""

    def __init__(self, channels: int, out: int, groups: int) -> None:
        super().__init__(
            nn.GroupNorm(groups, channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1)
        )


def shortcut(channels: int, out: int) -> nn.Module:
    """Identity, or a 1x1 convolution where the number of channels changes."""
    return nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)


class ImageBlock(nn.Module):
    """Residual block of the image encoder: one PreBlock beside the shortcut."""

    def __init__(self, channels: int, out: int, groups: int) -> None:
        super().__init__()
        self.block = PreBlock(channels, out, groups)
        self.shortcut = shortcut(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + self.shortcut(x)


class LevelBlock(nn.Module):
    """Residual block that knows the diffusion level: two PreBlocks, a shift between them.

    ``level``: numbers that the level is embedded in; 0 where there is no level, then no shift.
    """

    def __init__(self, channels: int, out: int, groups: int, level: int) -> None:
        super().__init__()
        self.first = PreBlock(channels, out, groups)
        self.shift = nn.Linear(level, out) if level else None
        self.second = PreBlock(out, out, groups)
        self.shortcut = shortcut(channels, out)

    def forward(self, x: Tensor, level: Tensor | None) -> Tensor:
        inner = self.first(x)
        if self.shift is not None:
            inner = inner + self.shift(level)[:, :, None, None]
        return self.second(inner) + self.shortcut(x)


class Down(nn.Conv2d):
    """Halve y and x."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2, padding=1)


class Up(nn.Sequential):
    """Double y and x: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(channels, channels, 3, padding=1),
        )


class LevelEmbedding(nn.Sequential):
    """A schedule value (times T) as a vector: sines, cosines and a small network."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.width = width

    def forward(self, value: Tensor) -> Tensor:
        """``value`` (batch,) -> (batch, width)."""
        half = self.width // 2
        # In the precision of the value: a float64 twin must not work with rounded frequencies.
        index = torch.arange(half, dtype=value.dtype, device=value.device)
        angles = value[:, None] * torch.exp(-math.log(1e4) * index / half)
        return super().forward(torch.cat([angles.sin(), angles.cos()], dim=1))
