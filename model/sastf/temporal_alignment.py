"""TFA: carry a reference to the target date by what the coarse images say changed."""

import torch
from torch import Tensor, nn

from model.sastf.config import Attention


class CrossAttention(nn.Module):
    """Spread the coarse gain over the places of the fine image.

    Every fine place weighs the coarse places, its weights sum to one.  ``row`` is the usual
    attention: a place takes the mean gain under its own weights.  The authors' code multiplies
    by the transpose (``column``): a place takes the gains of all fine places, each times the
    weight that it has for this one.  Their checkpoints were trained that way.
    """

    def __init__(self, channels: int, groups: int, attention: Attention) -> None:
        super().__init__()
        self.attention = attention
        self.norm = nn.GroupNorm(groups, channels)
        self.query = nn.Conv2d(channels, channels, 1, bias=False)
        self.key = nn.Conv2d(channels, channels, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor, gain: Tensor) -> Tensor:
        q = self.query(self.norm(fine)).flatten(2)
        k = self.key(self.norm(coarse)).flatten(2)
        v = self.value(gain).flatten(2)
        weights = torch.softmax(q.transpose(1, 2) @ k / q.shape[1] ** 0.5, dim=-1)
        if self.attention == "row":
            weights = weights.transpose(1, 2)
        return (v @ weights).unflatten(2, fine.shape[2:])


class TemporalAlignment(nn.Module):
    """Fine reference -> its estimate at the target date: gain times reference plus bias."""

    def __init__(self, channels: int, groups: int, attention: Attention) -> None:
        super().__init__()
        c = channels
        self.gain = nn.Sequential(nn.Conv2d(2 * c, c, 1), nn.SiLU(), nn.Conv2d(c, c, 1))
        self.difference = nn.Conv2d(c, c, 1, bias=False)
        self.bias = nn.Sequential(nn.Conv2d(c, c, 1), nn.SiLU(), nn.Conv2d(c, c, 1))
        self.spread = CrossAttention(c, groups, attention)

    def forward(self, target: Tensor, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Features of C1, Cr, Fr -> (aligned reference, what the same gain makes of Cr).

        The second is compared with C1 by the time loss.  The bias is one value a channel.
        """
        gain = self.gain(torch.cat([target, coarse], dim=1))
        bias = self.bias(self.difference(fine - coarse).mean(dim=(2, 3), keepdim=True))
        return self.spread(fine, coarse, gain) * fine + bias, gain * coarse + bias
