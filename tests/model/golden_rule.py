"""Weights and images made by a rule instead of a random generator (shared/golden/README.md)."""

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.sastf.official import THEIRS

KEYS = "official_state_dict_keys.txt"


def rule_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """The golden set's weights without a random generator (rule in its README)."""
    h = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 1000
    v = np.sin(0.7391 * np.arange(math.prod(shape)) + 0.0137 * h)
    if name.endswith("bias"):
        v = 0.05 * v
    elif len(shape) == 1:
        v = 1 + 0.1 * v
    else:
        v = v * np.sqrt(3 / math.prod(shape[1:]))
    return torch.tensor(v.reshape(shape).astype(np.float32))


def official_state(keys: Path, width: int) -> dict[str, Tensor]:
    state = {}
    for line in keys.read_text().splitlines():
        name, _, text = line.partition("\t")
        sizes = [int(part) for part in text.strip("() ").split(",") if part.strip()]
        shape = tuple(n if n in (1, 3, 6) else n * width // 64 for n in sizes)
        state[name] = rule_weight(name, shape)
    return state


def rule_network(width: int, groups: int) -> Network:
    """A network whose weights follow the golden rule by the authors' names of its layers."""
    network = Network(NetworkConfig(width=width, groups=groups))
    state = {}
    for key, value in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        state[key] = rule_weight(f"{THEIRS[layer]}.{kind}", tuple(value.shape))
    network.load_state_dict(state)
    return network.eval()


def rule_images(size: int) -> dict[str, Tensor]:
    """Seven images in [-1, 1] without a random generator."""
    names = ("xt", "C1", "C0", "F0", "C2", "F2", "noise")
    waves = {name: 20 * rule_weight(f"{name}.bias", (6 * size * size,)) for name in names}
    return {name: wave.reshape(1, 6, size, size) for name, wave in waves.items()}
