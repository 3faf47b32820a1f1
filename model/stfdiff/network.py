"""The STFDiff network: two encoders of one shape, whose features are subtracted.

One, the clean stream, sees the known images alone: it is run once a window and day.  The other
sees x_t and the level.  The decoder is given their differences, noisy less clean, of every level.

authors                   here
fine, coarse stem         Stfdiff.fine, Stfdiff.coarse -> merge: the clean stream's start
noisy stem                Stfdiff.noisy
t = 0..T-1                Levels.number
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from model.diffusion import Levels
from model.network import FusionNetwork
from model.stfdiff.blocks import EMBEDDING, Block, LevelEmbedding, doubling, halving, keeping
from model.stfdiff.config import StfdiffConfig

ALIKE = 0.01
"""Of the network's space: coarse images that differ less than this count as equally near, or
noise would choose between two references that fit."""


class References(NamedTuple):
    """The reference pairs: the same for all days between them."""

    fine: Tensor
    """After its stem."""
    coarse_before: Tensor
    coarse_after: Tensor


class Features(NamedTuple):
    """The clean stream, from its start down to its middle."""

    start: Tensor
    levels: tuple[Tensor, ...]
    middle: Tensor
    later: Tensor | None
    """(batch, 1, y, x) share of the later reference's answer where each pair is seen by itself:
    the streams then hold the batch with the earlier pair, below it the batch with the later."""

    def rows(self, rows: Tensor) -> Self:
        """Of some of the batch, for ``denoise``."""
        if self.later is None:
            return self._at(rows, None)
        return self._at(torch.cat([rows, rows + len(self.later)]), self.later[rows])

    def _at(self, rows: Tensor, later: Tensor | None) -> Self:
        levels = tuple(level[rows] for level in self.levels)
        return type(self)(self.start[rows], levels, self.middle[rows], later)


class Encoder(nn.Module):
    """From full size down; ``embedding`` numbers of the level go to each block, 0: none."""

    def __init__(self, config: StfdiffConfig, embedding: int) -> None:
        super().__init__()
        *upper, (last, deepest) = config.channels
        self.blocks = nn.ModuleList(
            Block(channels, channels, config.groups, embedding) for channels, _ in config.channels
        )
        self.downs = nn.ModuleList(
            [*(halving(channels, out) for channels, out in upper), keeping(last, deepest)]
        )
        self.middle = Block(deepest, deepest, config.groups, embedding)

    def forward(self, x: Tensor, level: Tensor | None) -> tuple[tuple[Tensor, ...], Tensor]:
        """What each level's block made, and the middle."""
        made = []
        for block, down in zip(self.blocks, self.downs, strict=True):
            x = block(x, level)
            made.append(x)
            x = down(x)
        return tuple(made), self.middle(x, level)


class Decoder(nn.Module):
    """From the differences of the two encoders, deepest first, to the image."""

    def __init__(self, config: StfdiffConfig) -> None:
        super().__init__()
        (_, first), *lower = config.channels
        self.blocks = nn.ModuleList(
            Block(channels + out, out, config.groups, EMBEDDING)
            for channels, out in reversed(config.channels)
        )
        self.ups = nn.ModuleList(doubling(out, channels) for channels, out in reversed(lower))
        self.ups.append(keeping(first, config.width))
        self.last = Block(2 * config.width, config.width, config.groups, EMBEDDING)
        self.head = nn.Conv2d(config.width, config.bands, 1)

    def forward(
        self, start: Tensor, levels: tuple[Tensor, ...], middle: Tensor, level: Tensor
    ) -> Tensor:
        y = middle
        for block, up, skip in zip(self.blocks, self.ups, reversed(levels), strict=True):
            y = up(block(torch.cat([y, skip], dim=1), level))
        return self.head(self.last(torch.cat([y, start], dim=1), level))


class Stfdiff(FusionNetwork):
    """f(x_t, t | C1, C0, F0, C2, F2) -> the fine image."""

    def __init__(self, config: StfdiffConfig) -> None:
        super().__init__()
        self.config: StfdiffConfig = config
        width, channels = config.width, len(config.image_channels)
        one = config.pairs == "each"
        self.fine = keeping(channels if one else 2 * channels, width)
        self.coarse = keeping(2 * channels if one else 3 * channels, width)
        self.merge = nn.Conv2d(2 * width, width, 1)
        self.noisy = keeping(config.bands, width)
        self.embedding = LevelEmbedding()
        self.clean_encoder = Encoder(config, 0)
        self.noisy_encoder = Encoder(config, EMBEDDING)
        self.decoder = Decoder(config)
        if config.conditions:  # ours, added to the embedding of the level
            self.conditions = nn.Sequential(
                nn.Linear(len(config.condition_inputs), EMBEDDING),
                nn.SiLU(),
                nn.Linear(EMBEDDING, EMBEDDING),
            )

    @property
    def head(self) -> nn.Conv2d:
        return self.decoder.head

    def encode_references(
        self, fine_before: Tensor, coarse_before: Tensor, fine_after: Tensor, coarse_after: Tensor
    ) -> References:
        side = 1 if self.config.pairs == "both" else 0  # beside each other, or below
        fine = self.fine(torch.cat([fine_before, fine_after], dim=side))
        return References(fine, coarse_before, coarse_after)

    def encode(self, coarse: Tensor, references: References) -> Features:
        fine, before, after = references
        later = None
        if self.config.pairs == "both":
            seen = torch.cat([before, coarse, after], dim=1)
        else:
            pairs = [torch.cat([one, coarse], dim=1) for one in (before, after)]
            seen = torch.cat(pairs)
            far_before, far_after = (self._apart(coarse, one) for one in (before, after))
            later = far_before / (far_before + far_after)
        start = self.merge(torch.cat([fine, self.coarse(seen)], dim=1))
        levels, middle = self.clean_encoder(start, None)
        return Features(start, levels, middle, later)

    def _apart(self, coarse: Tensor, other: Tensor) -> Tensor:
        """(batch, 1, y, x) mean difference of the bands, contrasts and masks left out."""
        apart = (coarse - other)[:, : self.config.bands].abs()
        return apart.mean(dim=1, keepdim=True) + ALIKE

    def denoise(
        self, x: Tensor, features: Features, levels: Levels, conditions: Tensor | None
    ) -> Tensor:
        level = self.embedding(levels.number)
        if self.config.conditions:
            level = level + self.conditions(conditions)
        noisy = self.noisy(x)
        made, middle = self.noisy_encoder(noisy, level)
        if features.later is not None:  # the noisy stream is the same beside either reference
            noisy, middle, level = (torch.cat([one, one]) for one in (noisy, middle, level))
            made = tuple(torch.cat([one, one]) for one in made)
        apart = tuple(one - clean for one, clean in zip(made, features.levels, strict=True))
        answer = self.decoder(noisy - features.start, apart, middle - features.middle, level)
        if features.later is None:
            return answer
        before, after = answer.chunk(2)
        return torch.lerp(before, after, features.later.to(before.dtype))
