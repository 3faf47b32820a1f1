"""Level 5: self-attention, and the choice of the reference that fits each place (SAF)."""

import torch
from torch import Tensor, nn

from model.sastf.config import Mask, Stable


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
    coarse: Tensor,
    fine_before: Tensor,
    fine_after: Tensor,
    aligned: tuple[Tensor, Tensor],
    *,
    mask: Mask = "element",
    stable: Stable = "earlier",
) -> Tensor:
    """Take a reference itself where the place is stable, else the closer aligned one (SAF).

    All (batch, channel, y, x).  Stable is where the references differ less from each other than
    the coarse target from either: strictly, in squared differences, without a threshold; of each
    element (the authors' code), or with ``mask="pixel"`` of each pixel, summed over channels
    (the paper's text).  There the earlier reference is taken, or with ``stable="nearest"`` the
    one nearer to the coarse target.  In float32 or better whatever the precision of the
    convolutions: a comparison that flips is not a rounding error.
    """
    images = (coarse, fine_before, fine_after, *aligned)
    c, f0, f2, a0, a2 = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in images)

    def distance(one: Tensor, two: Tensor) -> Tensor:
        square = (one - two) ** 2
        return square.sum(dim=1, keepdim=True) if mask == "pixel" else square

    to_before, to_after = distance(c, f0), distance(c, f2)
    kept = torch.where(to_after < to_before, f2, f0) if stable == "nearest" else f0
    closer = torch.where(distance(c, a0) < distance(c, a2), a0, a2)
    return torch.where(distance(f2, f0) < torch.minimum(to_before, to_after), kept, closer)
