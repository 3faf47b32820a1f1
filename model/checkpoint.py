"""Write and read a network with its card.  Weights are safetensors: no code runs on loading."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from model.card import CARD, WEIGHTS, CheckpointError, read_card
from model.network import FusionNetwork
from model.networks import network_of, shape_of


def save(
    folder: Path,
    network: FusionNetwork,
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
    shape = {"method": network.config.method, "network": asdict(network.config)}
    known = {**card, "precision": precision, **shape}
    text = json.dumps(known, indent=2)
    (folder / f"{CARD}.partial").write_text(text + "\n")
    for name in (WEIGHTS, CARD):
        (folder / f"{name}.partial").chmod(0o644)
        (folder / f"{name}.partial").rename(folder / name)


def load(folder: Path) -> tuple[FusionNetwork, dict[str, Any]]:
    """A network in float32 and its card.  Raises CheckpointError for what does not fit."""
    card = read_card(folder)
    try:
        network = network_of(shape_of(card))
        weights = load_file(folder / WEIGHTS)
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except (RuntimeError, TypeError, ValueError) as error:
        first = str(error).splitlines()[:4]
        raise CheckpointError(
            f"the weights in {folder} do not fit the network of their card: {' '.join(first)}"
        ) from error
    return network.eval(), card


def load_into(network: FusionNetwork, folder: Path) -> list[str]:
    """Start ``network`` from a checkpoint of its method that was told less or had other parts.

    Tensors are taken by name; those it has no place for are left.  Channels of the known images
    and conditions that the checkpoint did not know start with a weight of zero, so that the
    answers are the checkpoint's until training changes them.  Returns the names of the tensors
    that are new or wider.  Raises CheckpointError for a tensor of another shape, or where the
    checkpoint was told something that ``network`` is not.
    """
    was, now = shape_of(read_card(folder)), network.config
    if was.method != now.method:
        raise CheckpointError(
            f"{folder} is a checkpoint of {was.method}, the network to be trained is {now.method}; "
            "start from one of its own, or from nothing"
        )
    stored = load_file(folder / WEIGHTS)
    new = []
    for name, value in network.state_dict().items():
        if name not in stored:
            new.append(name)
            if name in ("conditions.2.weight", "conditions.2.bias"):
                value.zero_()
            continue
        had, wants = was.inputs.get(name, ()), now.inputs.get(name, ())
        if missing := [one for one in had if one not in wants]:
            raise CheckpointError(
                f"the network of {folder} is given {', '.join(missing)}, which the one to be "
                "trained is not; give it too, or start from nothing"
            )
        weights = stored[name].to(value)
        if had != wants:
            new.append(name)
            wide = value.new_zeros(len(weights), len(wants), *weights.shape[2:])
            wide[:, [wants.index(one) for one in had]] = weights
            weights = wide
        if weights.shape != value.shape:
            raise CheckpointError(
                f"{name} has the shape {tuple(weights.shape)} in {folder}, but the network to be "
                f"trained wants {tuple(value.shape)}: {was} against {now}"
            )
        value.copy_(weights)
    return new
