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

FRAME_NAMES = ("reflectance", "normalised", "anomaly", "linear", "delta")
SCHEDULE_NAMES = ("official", "rddm")
SAMPLING_KEYS = frozenset(
    ("schedule", "levels", "sum_scale", "steps", "kappa", "window_px", "overlap_px", "halo_px")
)
"""What a card says of sampling.  ``sum_scale`` is None where the schedule has none; ``kappa`` is
the share of the network's answer that is taken, the rest is where the diffusion starts."""

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

    slots: bool
    """Whether some of ``bands`` will do, in any order; else it takes all of them in theirs."""

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
        return MethodCard(name=method, bands=None, slots=False, halo=0, sha=f"naive:{method}")
    if method != "sa-stf":
        raise CheckpointError(f"no method {method!r}; there are {', '.join(METHODS)}")
    folder = locate(checkpoint)
    card = read_card(folder)
    levels, own = card["sampling"]["levels"], card["sampling"]["steps"]
    if not 1 <= (steps or own) <= levels:
        raise CheckpointError(
            f"steps={steps or own} is not between 1 and the {levels} levels of the schedule of "
            f"{folder}; leave steps out for its own {own}"
        )
    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    slots = bool(card.get("slots", False))
    computes = {key: card[key] for key in ("bands", "frame", "network", "sampling")}
    computes["slots"] = slots
    text = json.dumps([weights, computes, steps or own, seed], sort_keys=True)
    return MethodCard(
        name=method,
        bands=tuple(card["bands"]),
        slots=slots,
        halo=card["sampling"]["halo_px"],
        sha=hashlib.sha256(text.encode()).hexdigest(),
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
    _check(folder / CARD, card)
    _check_weights(folder / WEIGHTS)
    return card


def _check(path: Path, card: Any) -> None:
    """Refuse a card that lacks what sampling needs, before anything is read for it."""
    if not isinstance(card, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    missing = {"bands", "network", "sampling", "frame"} - card.keys()
    missing |= {f"sampling.{key}" for key in SAMPLING_KEYS - dict(card.get("sampling", {})).keys()}
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(sorted(missing))}")
    for value, known, what in (
        (card["frame"], FRAME_NAMES, "frame"),
        (card["sampling"]["schedule"], SCHEDULE_NAMES, "sampling.schedule"),
    ):
        if value not in known:
            raise CheckpointError(f"{path}: no {what} {value!r}; there are {', '.join(known)}")


def _check_weights(path: Path) -> None:
    """Refuse a file that is no whole safetensors file: cut off, or a pointer to one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        try:
            entries = json.loads(file.read(header)) if 0 < header <= size - 8 else {}
        except ValueError:
            entries = {}
    ends = [one["data_offsets"][1] for name, one in entries.items() if name != "__metadata__"]
    if not ends or 8 + header + max(ends) != size:
        raise CheckpointError(
            f"{path} ({size} bytes) is not a whole safetensors file; fetch the checkpoint again"
        )
