"""Blocks of random reflectance, and small checkpoints, for tests of methods."""

from pathlib import Path

import numpy as np
import torch

from model import checkpoint
from model.block import COARSE_PAD, Block
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.shape import Condition
from model.stfdiff.config import Pairs, StfdiffConfig
from model.stfdiff.network import Stfdiff
from model.uncertainty import FEATURES, PAIRED, Calibration

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
SAMPLING = {
    "schedule": "rddm",
    "levels": 100,
    "sum_scale": 0.01,
    "kappa": 1.0,
    "steps": 2,
    "window_px": 64,
    "overlap_px": 16,
    "halo_px": 16,
}


def make_block(
    *,
    y: int = 64,
    x: int = 96,
    ratio: int = 16,
    days: tuple[int, ...] = (2, 5),
    bands: tuple[str, ...] = BANDS,
    span: tuple[int, int] = (0, 8),
    origin: tuple[int, int] = (0, 0),
    seed: int = 0,
) -> Block:
    """Random images; the coarse ones have nothing to do with the fine ones."""
    rng = np.random.default_rng(seed)

    def image(*shape: int) -> np.ndarray:
        return rng.uniform(0.02, 0.5, shape).astype(np.float32)

    cells = (len(bands), y // ratio + 2 * COARSE_PAD, x // ratio + 2 * COARSE_PAD)
    return Block(
        bands=bands,
        fine_before=image(len(bands), y, x),
        fine_after=image(len(bands), y, x),
        coarse_before=image(*cells),
        coarse_after=image(*cells),
        coarse=image(len(days), *cells),
        day_before=span[0],
        day_after=span[1],
        days=days,
        ratio=ratio,
        origin=origin,
        centre=np.full(len(bands), 0.2, np.float32),
        spread=np.full(len(bands), 0.1, np.float32),
    )


def write_checkpoint(
    folder: Path,
    *,
    trained: bool,
    frame: str = "anomaly",
    bands: tuple[str, ...] = BANDS,
    kappa: float = 1.0,
    conditions: tuple[Condition, ...] = ("dates",),
    filled: bool = False,
    slots: bool = False,
) -> Path:
    """SA-STF of width 16; untrained it adds nothing, else its weights are random."""
    torch.manual_seed(0)
    network = Network(
        NetworkConfig(
            bands=len(bands),
            width=16,
            groups=16,
            contrast=frame == "anomaly",
            conditions=conditions,
            filled=filled,
        )
    )
    if not trained:
        head = network.decoder.head[-1]
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    sampling = {**SAMPLING, "kappa": kappa}
    card = {"bands": bands, "slots": slots, "frame": frame, "sampling": sampling}
    checkpoint.save(folder, network, card)
    return folder


def write_stfdiff(
    folder: Path,
    *,
    bands: tuple[str, ...] = BANDS,
    frame: str = "plain",
    slots: bool = False,
    pairs: Pairs = "both",
    **sampling: object,
) -> Path:
    """STFDiff of width 8 with random weights, sampled as its authors do in three steps."""
    torch.manual_seed(0)
    conditions: tuple[Condition, ...] = ("bands",) if slots else ()
    network = Stfdiff(StfdiffConfig(bands=len(bands), width=8, pairs=pairs, conditions=conditions))
    own = {"schedule": "cosine", "sum_scale": None, "steps": 3, "eta": 1.0, "clamp": True}
    card = {"bands": bands, "slots": slots, "frame": frame}
    checkpoint.save(folder, network, card | {"sampling": SAMPLING | own | sampling})
    return folder


def make_calibration(bands: tuple[str, ...] = BANDS) -> Calibration:
    """A sigma of one or two hundredths that grows with the change between the references."""
    shape, pairs = (len(bands), len(FEATURES)), len(PAIRED) * (len(PAIRED) + 1) // 2
    slope = np.zeros(shape, np.float32)
    slope[:, FEATURES.index("change")] = 0.3
    return Calibration(
        bands=bands,
        samples=1,
        intercept=np.full(len(bands), -4.0, np.float32),
        slope=slope,
        product=np.zeros((len(bands), pairs), np.float32),
        low=np.full(shape, -4.0, np.float32),
        high=np.full(shape, 4.0, np.float32),
        centre=np.zeros(shape, np.float32),
        scale=np.ones(shape, np.float32),
        least=np.full(len(bands), -8.0, np.float32),
        most=np.zeros(len(bands), np.float32),
    )
