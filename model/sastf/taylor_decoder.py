"""From fused and noisy features to the fine image: De-Res (TE-Blocks) and the decoder."""

import torch
from torch import Tensor, nn

from model.sastf.blocks import LevelBlock, PreBlock, Up
from model.sastf.config import NetworkConfig


class DeRes(nn.Module):
    """Estimate the residual from coarse and fused features, take it off the noisy ones.

    Without ``config.residual`` nothing is estimated and nothing taken off.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = config.channels[-1]
        self.norm = nn.GroupNorm(config.groups, c)
        self.residual = LevelBlock(c, c, config.groups, config.width) if config.residual else None
        self.denoise = LevelBlock(c, c, config.groups, config.width)

    def forward(
        self, x: Tensor, coarse: Tensor, fused: Tensor, residual_level: Tensor, noise_level: Tensor
    ) -> Tensor:
        noisy = self.norm(x)
        if self.residual is not None:
            rho = self.residual(self.norm(coarse) - self.norm(fused), residual_level)
            noisy = noisy - self.norm(rho)
        return self.denoise(noisy, noise_level)


class Decoder(nn.Module):
    """Back to full size; the fused features of each level join on the way.

    Without diffusion its blocks know at most the conditions.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c, g = config.channels, config.groups
        level = config.width if config.diffusion or config.conditions else 0
        outs = (c[4], c[4], c[2], c[1], c[0])
        joined = (2 * c[4], c[4] + c[3], c[3] + c[2], c[2] + c[1], c[1] + c[0])
        self.blocks = nn.ModuleList(
            LevelBlock(a, b, g, level) for a, b in zip(joined, outs, strict=True)
        )
        self.ups = nn.ModuleList(Up(n) for n in outs[:-1])
        self.head = PreBlock(c[0], config.bands, g)

    def forward(
        self, x: Tensor, deep: Tensor, shallow: tuple[Tensor, ...], level: Tensor | None
    ) -> Tensor:
        """``shallow`` levels 1 to 4, full size first."""
        x = self.blocks[0](torch.cat([x, deep], dim=1), level)
        for up, block, skip in zip(self.ups, self.blocks[1:], reversed(shallow), strict=True):
            x = block(torch.cat([up(x), skip], dim=1), level)
        return self.head(x)
