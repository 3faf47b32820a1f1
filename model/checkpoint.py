"""Write and read a network with its card.  Weights are safetensors: no code runs on loading."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from model.card import CARD, WEIGHTS, CheckpointError, read_card
from model.sastf.config import NetworkConfig
from model.sastf.network import Network


def save(
    folder: Path,
    network: Network,
    card: dict[str, Any],
    *,
    precision: Literal["float16", "float32"] = "float16",
) -> None:
    """Write ``weights.safetensors`` and ``card.json`` with the network's shape and ``precision``.

    Float16 is half the size; weights that must give another program's numbers need float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dtype = {"float16": torch.float16, "float32": torch.float32}[precision]
    stored = {
        name: value.detach().to(dtype).contiguous() for name, value in network.state_dict().items()
    }
    # Beside their places first: a kill while the weights are written leaves the old pair.
    save_file(stored, folder / f"{WEIGHTS}.partial")
    known = {**card, "precision": precision, "network": asdict(network.config)}
    text = json.dumps(known, indent=2)
    (folder / f"{CARD}.partial").write_text(text + "\n")
    for name in (WEIGHTS, CARD):
        (folder / f"{name}.partial").chmod(0o644)
        (folder / f"{name}.partial").rename(folder / name)


def load(folder: Path) -> tuple[Network, dict[str, Any]]:
    """A network in float32 and its card.  Raises CheckpointError for what does not fit."""
    card = read_card(folder)
    try:
        network = Network(NetworkConfig.from_dict(card["network"]))
        weights = load_file(folder / WEIGHTS)
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except (RuntimeError, TypeError, ValueError) as error:
        first = str(error).splitlines()[:4]
        raise CheckpointError(
            f"the weights in {folder} do not fit the network of their card: {' '.join(first)}"
        ) from error
    return network.eval(), card
