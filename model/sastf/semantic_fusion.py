"""Level 5: self-attention, and the choice of the reference that fits each place (SAF)."""

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Single-head attention over all places of an image, added to it."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.transpose(1, 2) @ k / q.shape[1] ** 0.5, dim=-1)
        return self.out((v @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])) + x


def select_reference(
    coarse: Tensor, fine_before: Tensor, fine_after: Tensor, aligned: tuple[Tensor, Tensor]
) -> Tensor:
    """Take the earlier reference where the place is stable, else the closer aligned one (SAF).

    Stable is where the references differ less from each other than the coarse target from
    either.  Element-wise on squared differences, strictly smaller, as the authors' code does;
    the paper's text compares per pixel.  No threshold.  In float32 or better whatever the
    precision of the convolutions: a comparison that flips is not a rounding error.
    """
    images = (coarse, fine_before, fine_after, *aligned)
    c, f0, f2, a0, a2 = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in images)
    to_nearest = torch.minimum((c - f0) ** 2, (c - f2) ** 2)
    closer = torch.where((c - a0) ** 2 < (c - a2) ** 2, a0, a2)
    return torch.where((f2 - f0) ** 2 < to_nearest, f0, closer)
