"""From images to features: one encoder for the five known images, one for the noisy image."""

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from model.sastf.blocks import Down, ImageBlock, LevelBlock
from model.sastf.config import NetworkConfig
from model.sastf.semantic_fusion import SelfAttention


class Encoded(NamedTuple):
    """The features of one known image."""

    levels: tuple[Tensor, Tensor, Tensor, Tensor]
    """Levels 1 to 4, before their Down: full size to an eighth."""

    raw: Tensor
    """Level 5, a sixteenth of the size."""

    deep: Tensor
    """Level 5 after the shared residual block and self-attention."""


class ImageEncoder(nn.Module):
    """Shared by all five images (siamese)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c, g = config.channels, config.groups
        self.stem = nn.Conv2d(len(config.image_channels), config.width, 3, padding=1)
        self.blocks = nn.ModuleList(ImageBlock(a, b, g) for a, b in pairwise((config.width, *c)))
        self.downs = nn.ModuleList(Down(n) for n in c[:-1])
        self.deep = ImageBlock(c[-1], c[-1], g)
        self.attention = SelfAttention(c[-1], g)

    def forward(self, image: Tensor) -> Encoded:
        """``image`` (batch, channel, y, x) -> its features."""
        x = self.stem(image)
        levels = []
        for block, down in zip(self.blocks[:-1], self.downs, strict=True):
            levels.append(block(x))
            x = down(levels[-1])
        raw = self.blocks[-1](x)
        one, two, three, four = levels
        return Encoded((one, two, three, four), raw, self.attention(self.deep(raw)))


class NoiseEncoder(nn.Module):
    """The noisy image down to level 5.  Its inner features are not used as skips."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c, g = config.channels, config.groups
        self.stem = nn.Conv2d(config.bands, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(
            LevelBlock(a, b, g, config.width) for a, b in pairwise((config.width, *c))
        )
        self.downs = nn.ModuleList(Down(n) for n in c[:-1])

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        x = self.stem(x)
        for block, down in zip(self.blocks[:-1], self.downs, strict=True):
            x = down(block(x, level))
        return self.blocks[-1](x, level)
