"""The published methods behind the door: each predicts a day, ``PeerFuser`` a block."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from model.block import Array, Block, Fused
from model.card import describe
from model.classical.estarfm import estarfm
from model.classical.fit_fc import fit_fc
from model.classical.fsdaf import fsdaf
from model.classical.pairs import Target
from model.classical.starfm import starfm

PEERS: Mapping[str, Callable[[Target], Array]] = {
    "starfm": starfm,
    "estarfm": estarfm,
    "fsdaf": fsdaf,
    "fit-fc": fit_fc,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFuser:
    """A ``model.Fuser`` of a method of ``PEERS``."""

    name: str
    bands: None = None

    @property
    def halo(self) -> int:
        """As ``model.card.describe`` says."""
        return describe(self.name).halo

    @property
    def sha(self) -> str:
        """As ``model.card.describe`` says."""
        return describe(self.name).sha

    def fuse(self, block: Block) -> Fused:
        """(time, band, y, x) reflectance, NaN where ``block.known()`` is false and beyond its core;
        no sigma."""
        predict = PEERS[self.name]
        fused = np.stack([predict(Target.of(block, i)) for i in range(len(block.days))])
        inside = np.zeros(block.shape[2:], bool)
        inside[block.core or ...] = True
        known = block.known() & inside
        return Fused(np.where(known[:, None], fused, np.float32(np.nan)), None)
