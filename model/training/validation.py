"""How good a network is on held-out examples, beside every naive method."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.classical.naive import NAIVE
from model.diffusion import Schedule
from model.network import FusionNetwork
from model.sampler import Sampler
from model.training.batch import Batch, Draws, collate, conditions_of, draw, view_of
from model.training.config import TrainConfig
from model.training.distributed import Ranks
from model.training.example import Source

CHANGED = 0.05
"""A pixel is changed where the truth is this far from ``linear`` in some band."""
AT_ONCE = 8

Sums = NDArray[np.float64]
"""(method, 4, band): squared error and count, of all scored pixels and of the changed ones."""


@torch.inference_mode()
def validate(
    network: FusionNetwork,
    sets: Mapping[str, Source],
    config: TrainConfig,
    schedule: Schedule,
    ranks: Ranks,
) -> list[dict[str, Any]]:
    """One row a set and method: RMSE, mean of the bands, of all and of the changed pixels.

    The processes share the examples; sums are added in the order of the examples, so the scores
    do not depend on how many processes there are.
    """
    network.eval()
    rows: list[dict[str, Any]] = []
    for name, source in sets.items():
        count = min(len(source), config.validation.examples)
        indices = np.linspace(0, len(source) - 1, count).round().astype(int).tolist()
        sums: dict[int, Sums] = {}
        own = indices[ranks.rank :: ranks.size]
        for at in range(0, len(own), AT_ONCE):
            part = own[at : at + AT_ONCE]
            sums |= zip(part, _sums(network, source, part, config, schedule, ranks), strict=True)
        everyone = {index: one for part in ranks.gather(sums) for index, one in part.items()}
        total = np.sum([everyone[index] for index in indices], axis=0)
        if not total[0, 1].any():
            raise ValueError(f"the validation set {name} has no known truth in {count} examples")
        rows += [
            {"set": name, "method": method, "rmse": _rmse(*of[:2]), "rmse_changed": _rmse(*of[2:])}
            for method, of in zip((config.network.method, *NAIVE), total, strict=True)
        ]
    return rows


def relative_rmse(rows: list[dict[str, Any]], method: str) -> float:
    """What the network of ``method`` is chosen by: RMSE over that of ``anomaly``, mean of sets."""
    by = {(row["set"], row["method"]): row["rmse"] for row in rows}
    names = {row["set"] for row in rows}
    return float(np.mean([by[name, method] / by[name, "anomaly"] for name in sorted(names)]))


def naive_images(batch: Batch) -> dict[str, Tensor]:
    """``model.classical.naive`` on a batch, whose coarse images are on the fine grid already."""
    f0, c0, f2, c2, c1 = batch.images
    w = batch.weight[:, None, None, None]
    linear = (1 - w) * f0 + w * f2
    before, after = f0 + c1 - c0, f2 + c1 - c2
    return {
        "copy-before": f0,
        "copy-after": f2,
        "mean": 0.5 * (f0 + f2),
        "linear": linear,
        "delta-before": before,
        "delta-after": after,
        "delta": (1 - w) * before + w * after,
        "anomaly": linear + c1 - (1 - w) * c0 - w * c2,
    }


def _sums(
    network: FusionNetwork,
    source: Source,
    indices: list[int],
    config: TrainConfig,
    schedule: Schedule,
    ranks: Ranks,
) -> list[Sums]:
    examples = [source.example(0, index) for index in indices]
    draws: list[Draws] = [
        draw(config.seed, 0, index, one.truth.shape)
        for index, one in zip(indices, examples, strict=True)
    ]
    batch = collate(examples, draws).to(ranks.device)
    naive = naive_images(batch)
    images = {
        config.network.method: sampled(network, batch, config, schedule),
        **{method: naive[method] for method in NAIVE},
    }
    scored = batch.scored
    linear_error = torch.where(scored, batch.truth - images["linear"], 0.0)
    changed = (linear_error.abs() > CHANGED).any(1, keepdim=True) & scored
    sums = []
    for image in images.values():
        error = torch.where(scored, image - batch.truth, 0.0).double().square()
        parts = (error, scored.double(), error * changed, changed.double())
        sums.append(torch.stack([part.sum((2, 3)) for part in parts], dim=1))
    return list(torch.stack(sums, dim=1).cpu().numpy())


def sampled(
    network: FusionNetwork, batch: Batch, config: TrainConfig, schedule: Schedule
) -> Tensor:
    """The network's reflectance, (batch, band, y, x), by the sampler of the configuration."""
    view = view_of(batch, config.frame, network.config)
    asked = config.sampling
    sampler = Sampler(
        schedule=schedule,
        steps=asked.steps,
        kappa=asked.kappa,
        eta=asked.eta,
        clamp=asked.clamp,
    )
    denoise = sampler.denoiser(network, view, conditions_of(batch, network.config))
    return sampler.image(denoise, view, batch.noise_of)


def _rmse(squares: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    seen = counts > 0
    return float(np.sqrt(squares[seen] / counts[seen]).mean()) if seen.any() else float("nan")
