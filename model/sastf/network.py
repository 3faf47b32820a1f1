"""The SA-STF network: what is known is encoded once, then read in every reverse step.

paper   here                          features
C_1     known.coarse                  coarse image of the target day
F_0 C_0 known.fine_before ...         the earlier reference pair
F_2 C_2 known.fine_after ...          the later one
F_d     Features.deep                 fused at level 5
S^l     Features.shallow              fused at levels 1 to 4
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from model.diffusion import Levels
from model.network import FusionNetwork
from model.sastf.blocks import ImageBlock, LevelEmbedding, PreBlock
from model.sastf.config import NetworkConfig
from model.sastf.encoders import Encoded, ImageEncoder, NoiseEncoder
from model.sastf.semantic_fusion import select_reference
from model.sastf.taylor_decoder import Decoder, DeRes
from model.sastf.temporal_alignment import TemporalAlignment


class References(NamedTuple):
    """The encoded reference pairs: the same for all days between them."""

    fine_before: Encoded
    coarse_before: Encoded
    fine_after: Encoded
    coarse_after: Encoded


class Features(NamedTuple):
    """All that the reverse steps need to know of the known images; free of x_t and t."""

    deep: Tensor
    shallow: tuple[Tensor, ...]
    coarse: Tensor
    """Level 5 of the target's coarse image, before attention."""
    coarse_attended: Tensor
    coarse_rebuilt: tuple[Tensor, Tensor] | None
    """Coarse target as each alignment rebuilds it (the paper's time loss compares the two); None
    for a network that does not align."""

    def rows(self, rows: Tensor) -> Self:
        """Of some of the batch, for ``denoise``."""
        return type(self)(
            self.deep[rows],
            tuple(level[rows] for level in self.shallow),
            self.coarse[rows],
            self.coarse_attended[rows],
            self.coarse_rebuilt and (self.coarse_rebuilt[0][rows], self.coarse_rebuilt[1][rows]),
        )


class ShallowFusion(nn.Module):
    """Coarse and fine features of one level into one."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.coarse = PreBlock(3 * channels, channels, groups)
        self.fine = PreBlock(2 * channels, channels, groups)
        self.merge = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, coarse: list[Tensor], fine: list[Tensor]) -> Tensor:
        """``coarse`` C1, C0, C2 and ``fine`` F0, F2, in this order."""
        merged = [self.coarse(torch.cat(coarse, dim=1)), self.fine(torch.cat(fine, dim=1))]
        return self.merge(torch.cat(merged, dim=1))


class Network(FusionNetwork):
    """f(x_t, alphabar_t, betabar_t | C1, C0, F0, C2, F2) -> the fine image at level t.

    A part that the configuration leaves out does not exist.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config: NetworkConfig = config
        c, g = config.channels, config.groups
        self.image_encoder = ImageEncoder(config)
        self.shallow = nn.ModuleList(ShallowFusion(n, g) for n in c[:-1])
        if config.align:
            of_norm = config.alignment_groups or g
            self.align_before = TemporalAlignment(c[-1], of_norm, config.attention)
            self.align_after = TemporalAlignment(c[-1], of_norm, config.attention)
        if not config.select:
            self.merge = nn.Conv2d(2 * c[-1], c[-1], 1)
        self.selected = PreBlock(c[-1], c[-1], g)
        self.target = nn.Conv2d(c[-1], c[-1], 1)
        self.fused = ImageBlock(c[-1], c[-1], g)
        if config.diffusion:
            self.residual_level = LevelEmbedding(config.width)
            self.noise_level = LevelEmbedding(config.width)
            self.noise_encoder = NoiseEncoder(config)
            self.de_res = DeRes(config)
        self.decoder = Decoder(config)
        if config.conditions:
            # Added to the embeddings of both levels; without diffusion in place of the second.
            shifts = config.width * (2 if config.diffusion else 1)
            self.conditions = nn.Sequential(
                nn.Linear(len(config.condition_inputs), config.width),
                nn.SiLU(),
                nn.Linear(config.width, shifts),
            )

    @property
    def head(self) -> nn.Conv2d:
        head = self.decoder.head[-1]
        assert isinstance(head, nn.Conv2d)
        return head

    def encode_references(
        self, fine_before: Tensor, coarse_before: Tensor, fine_after: Tensor, coarse_after: Tensor
    ) -> References:
        encode = self.image_encoder
        return References(
            encode(fine_before), encode(coarse_before), encode(fine_after), encode(coarse_after)
        )

    def encode(self, coarse: Tensor, references: References) -> Features:
        target: Encoded = self.image_encoder(coarse)
        f0, c0, f2, c2 = references
        shallow = tuple(
            fuse([target.levels[i], c0.levels[i], c2.levels[i]], [f0.levels[i], f2.levels[i]])
            for i, fuse in enumerate(self.shallow)
        )
        aligned, rebuilt = (f0.deep, f2.deep), None
        if self.config.align:
            before, rebuilt_before = self.align_before(target.deep, c0.deep, f0.deep)
            after, rebuilt_after = self.align_after(target.deep, c2.deep, f2.deep)
            aligned, rebuilt = (before, after), (rebuilt_before, rebuilt_after)
        if self.config.select:
            chosen = select_reference(
                target.deep,
                f0.deep,
                f2.deep,
                aligned,
                mask=self.config.mask,
                stable=self.config.stable,
            ).to(target.deep.dtype)
        else:
            chosen = self.merge(torch.cat(aligned, dim=1))
        return Features(
            deep=self.fused(self.selected(chosen) + self.target(target.deep)),
            shallow=shallow,
            coarse=target.raw,
            coarse_attended=target.deep,
            coarse_rebuilt=rebuilt,
        )

    def denoise(
        self, x: Tensor, features: Features, levels: Levels, conditions: Tensor | None
    ) -> Tensor:
        """As every network; without diffusion ``x`` and ``levels`` are ignored."""
        told = self.conditions(conditions) if self.config.conditions else None
        if not self.config.diffusion:
            return self.decoder(features.coarse, features.deep, features.shallow, told)
        residual = self.residual_level(levels.residual)
        noise = self.noise_level(levels.noise)
        if told is not None:
            shift = told.chunk(2, dim=1)
            residual, noise = residual + shift[0], noise + shift[1]
        encoded = self.noise_encoder(x, residual)
        y = self.de_res(encoded, features.coarse, features.deep, residual, noise)
        return self.decoder(y, features.deep, features.shallow, noise)
