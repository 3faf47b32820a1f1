"""The published methods by name: each predicts a day, together they predict a block."""

from collections.abc import Callable, Mapping

import numpy as np

from model.block import Array, Block
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


def predict_by_pairs(name: str, block: Block) -> Array:
    """(time, band, y, x) by a method of ``PEERS``; meaningless beyond the core."""
    return np.stack([PEERS[name](Target.of(block, i)) for i in range(len(block.days))])
