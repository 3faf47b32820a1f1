"""A method without weights behind the door: its answers, where one is asked for and known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.block import Array, Block, Fused
from model.card import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalFuser:
    """A ``model.Fuser`` made of a function."""

    name: str

    predict: Callable[[Block], Array]
    """(time, band, y, x) reflectance of a block; whatever it likes where nothing is asked."""

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
        """(time, band, y, x) reflectance; NaN where ``block.known()`` is false, beyond the core,
        and where the method itself says so; no sigma."""
        asked = block.known()
        asked[:, ~block.in_core()] = False
        return Fused(np.where(asked[:, None], self.predict(block), np.float32(np.nan)), None)
