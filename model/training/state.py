"""The whole state of a training run in one file, so that it goes on after any kill."""

import json
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

STATE = "state.pt"


class StateError(ValueError):
    """A saved state that this run cannot go on from."""


def save(
    folder: Path,
    *,
    config: dict[str, Any],
    network: nn.Module,
    average: nn.Module | None,
    optimiser: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write ``state.pt`` beside its place and rename it: it is whole or it is the one before.

    ``progress`` holds plain values.  Noise, levels and the order of the examples are functions of
    seed, epoch and index, so there is no generator to save.
    """
    beside = folder / f"{STATE}.partial"
    with beside.open("wb") as file:
        torch.save(
            {
                "config": json.dumps(config),
                "network": network.state_dict(),
                "average": None if average is None else average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "progress": progress,
            },
            file,
        )
        file.flush()
        os.fsync(file.fileno())
    beside.rename(folder / STATE)


def restore(
    folder: Path,
    *,
    config: dict[str, Any],
    network: nn.Module,
    average: nn.Module | None,
    optimiser: torch.optim.Optimizer,
) -> dict[str, Any] | None:
    """Load what ``save`` wrote into the modules; its ``progress``, or None if there is none.

    Raises StateError where the state is of another configuration, or damaged.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
        raise StateError(f"{path} is not whole; remove it to begin anew") from error
    before = json.loads(saved["config"])
    changed = sorted(key for key in {*before, *config} if before.get(key) != config.get(key))
    if changed:
        raise StateError(
            f"{folder} holds a run with another {', '.join(changed)}; give --out another folder, "
            f"or remove {path} to begin anew"
        )
    network.load_state_dict(saved["network"])
    if average is not None:
        average.load_state_dict(saved["average"])
    optimiser.load_state_dict(saved["optimiser"])
    progress: dict[str, Any] = saved["progress"]
    return progress
