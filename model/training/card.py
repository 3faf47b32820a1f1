"""The card of a trained checkpoint: what it was trained on, how, and how good it is."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from model.training.config import TrainConfig

ELSEWHERE = frozenset({"network", "sampling", "schedule", "frame", "name", "seed"})
"""Options that a card says in keys of their own."""


def card_of(
    config: TrainConfig,
    *,
    bands: Sequence[str],
    history: Sequence[dict[str, Any]],
    scores: Sequence[dict[str, Any]],
    epoch: int,
    step: int,
    minutes: float,
    processes: int,
    device: torch.device,
    command: str,
    about: Mapping[str, Any],
    notes: Sequence[str],
) -> dict[str, Any]:
    """What ``checkpoint.save`` writes beside the weights.

    ``history``: the stages of the checkpoint it started from.  ``about``: what the data are.
    ``scores``: rows of a validation.
    """
    plain = config.as_json(short=True)
    options = {key: value for key, value in plain.items() if key not in ELSEWHERE}
    stage = {
        "name": config.name,
        "command": command,
        "commit": _commit(),
        "seed": config.seed,
        "epoch": epoch,
        "steps": step,
        "examples": step * config.batch,
        "minutes": round(minutes, 1),
        "machine": _machine(device, processes),
        **about,
        "options": options,
        "notes": list(notes),
        "scores": [{key: _rounded(value) for key, value in row.items()} for row in scores],
    }
    return {
        "method": config.network.method,
        "name": config.name,
        "bands": list(bands),
        "slots": "bands" in config.network.conditions,
        "frame": config.frame,
        "sampling": {
            "schedule": config.schedule.name,
            "levels": config.schedule.levels,
            "sum_scale": config.schedule.sum_scale,
            "steps": config.sampling.steps,
            "kappa": config.sampling.kappa,
            "window_px": config.sampling.window_px,
            "overlap_px": config.sampling.overlap_px,
            "halo_px": config.sampling.halo_px,
            # Only where they are asked for: cards of networks without them stay as they were.
            **({"eta": config.sampling.eta} if config.sampling.eta else {}),
            **({"clamp": True} if config.sampling.clamp else {}),
        },
        "training": [*history, stage],
    }


def _rounded(value: object) -> object:
    if not isinstance(value, float):
        return value
    return round(value, 5) if isfinite(value) else None  # JSON knows no NaN


def _machine(device: torch.device, processes: int) -> str:
    what = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    )
    many = f"{processes} processes, " if processes > 1 else ""
    return f"{many}{what}, torch {torch.__version__}"


def _commit() -> str:
    """The code that trains: its commit, and whether the tree differed from it."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"
