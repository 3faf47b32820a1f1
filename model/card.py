"""What a checkpoint says of itself, readable without torch.

A checkpoint is a folder with ``weights.safetensors`` and ``card.json``; the card holds
everything needed to rebuild and to judge the network.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.classical.naive import NAIVE

DEFAULT_CHECKPOINT = Path(__file__).parent / "weights" / "default"
METHODS = ("sa-stf", *NAIVE)

CARD = "card.json"
WEIGHTS = "weights.safetensors"


class CheckpointError(ValueError):
    """A checkpoint or method that cannot be used as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """What the planner needs to know of a method before any pixel is read."""

    name: str

    bands: tuple[str, ...] | None
    """Bands the method was made for, in order; None takes any."""

    halo: int
    """Fine pixels around a tile that the method wants to see."""

    sha: str
    """Identity of what computes: the method, or weights with sampler settings and seed."""


def describe(
    method: str, checkpoint: str | Path | None = None, *, steps: int | None = None, seed: int = 0
) -> MethodCard:
    """The card of a method; for ``sa-stf`` of a checkpoint folder (None or "default": ours).

    Raises CheckpointError for an unknown method or a folder that is no checkpoint.
    """
    if method in NAIVE:
        return MethodCard(name=method, bands=None, halo=0, sha=f"naive:{method}")
    if method != "sa-stf":
        raise CheckpointError(f"no method {method!r}; there are {', '.join(METHODS)}")
    folder = locate(checkpoint)
    card = read_card(folder)
    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    sampler = f"steps={steps or card['sampling']['steps']} seed={seed}"
    return MethodCard(
        name=method,
        bands=tuple(card["bands"]),
        halo=card["sampling"]["halo_px"],
        sha=hashlib.sha256(
            f"{weights} {json.dumps(card['network'], sort_keys=True)} "
            f"{json.dumps(card['sampling'], sort_keys=True)} {sampler}".encode()
        ).hexdigest(),
    )


def locate(checkpoint: str | Path | None) -> Path:
    """The folder of a checkpoint; None and "default" mean the one in this repository."""
    if checkpoint in (None, "default"):
        return DEFAULT_CHECKPOINT
    return Path(str(checkpoint))


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a checkpoint folder.  Raises CheckpointError when it is none."""
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is not a checkpoint: it has no {name}. Give a folder written by "
                "`python -m model.training.train`, or leave checkpoint: default"
            )
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text())
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{folder / CARD} is not JSON: {error}") from error
    missing = {"bands", "network", "sampling", "frame"} - card.keys()
    if missing:
        raise CheckpointError(f"{folder / CARD} lacks {', '.join(sorted(missing))}")
    return card
