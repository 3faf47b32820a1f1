"""What a checkpoint says of itself, readable without torch.

A checkpoint is a folder with ``weights.safetensors`` and ``card.json``; the card holds
everything needed to rebuild and to judge the network.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.classical.naive import NAIVE
from model.uncertainty import Calibration

DEFAULT_CHECKPOINT = Path(__file__).parent / "weights" / "default"

CLASSICAL_HALO: Mapping[str, int] = {"starfm": 25, "estarfm": 25, "fsdaf": 128, "fit-fc": 48}
"""The published methods (``model.classical.peers``): fine pixels that each wants to see around a
tile."""

SERIES_HALO: Mapping[str, int] = {"linear-series": 0, "whittaker": 64}
"""The methods on the fine series alone (``model.classical.series``), likewise."""

NETWORKS = ("sa-stf", "stfdiff")
"""The methods that need weights; those of the first come with daily30."""

METHODS = (*NETWORKS, "guided", *CLASSICAL_HALO, *NAIVE, *SERIES_HALO)

GUIDED = "guided:3"
"""Identity of ``model.guided``, the method and the frame; to be raised with its constants."""
GUIDED_HALO = 144
"""Fine pixels that ``guided`` wants to see around a tile: nine cells of 480 m, three times the
reach of its far scale, beyond which a cell's weight at the tile is about a hundredth."""

FRAME_NAMES = ("reflectance", "plain", "normalised", "anomaly", "guided", "linear", "delta")
SCHEDULE_NAMES = ("official", "rddm", "cosine")
PRECISIONS = ("fp32", "bf16")
"""Of the network's convolutions and products.  The choice among references, frame and sampler are
always float32."""
SAMPLING_KEYS = frozenset(
    ("schedule", "levels", "sum_scale", "steps", "kappa", "window_px", "overlap_px", "halo_px")
)
"""What a card says of sampling.  ``sum_scale`` is None where the schedule has none; ``kappa`` is
the share of the network's answer that is taken, the rest is where the diffusion starts.  It may
also say ``precision``, one of ``PRECISIONS``; the first unless it does; and, 0 and false unless it
does, ``eta``, the share of the noise that each step draws anew, and ``clamp``, whether every answer
of the network is kept in -1..1."""

CARD = "card.json"
WEIGHTS = "weights.safetensors"


class CheckpointError(ValueError):
    """A checkpoint or method that cannot be used as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """What the planner needs to know of a method before any pixel is read."""

    name: str

    sha: str
    """Identity of what computes: the method, or weights with sampler settings and seed."""

    bands: tuple[str, ...] | None = None
    """Bands the method was made for, in order; None takes any."""

    slots: bool = False
    """Whether some of ``bands`` will do, in any order; else it takes all of them in theirs."""

    halo: int = 0
    """Fine pixels around a tile that the method wants to see."""

    sigma: bool = False
    """Whether it states how far each pixel may be from the truth."""

    weights: str | None = None
    """sha256 of the file of weights; None for a method that has none."""

    series: bool = False
    """Whether it is given the clear fine images around the days, ``Block.series``."""


_WITHOUT_WEIGHTS = {
    card.name: card
    for card in (
        *(MethodCard(name=name, sha=f"naive:{name}") for name in NAIVE),
        *(
            MethodCard(name=name, sha=f"classical:{name}:1", halo=halo)
            for name, halo in CLASSICAL_HALO.items()
        ),
        *(
            MethodCard(name=name, sha=f"series:{name}:1", halo=halo, series=True)
            for name, halo in SERIES_HALO.items()
        ),
        MethodCard(name="guided", sha=GUIDED, halo=GUIDED_HALO),
    )
}


def describe(
    method: str,
    checkpoint: str | Path | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    samples: int = 1,
) -> MethodCard:
    """The card of a method; for a network of a checkpoint folder (None or "default": ours, which
    there is of ``sa-stf`` alone).

    ``samples`` of the diffusion: 0 states no sigma; 1 does where the card holds a calibration;
    more always do, and where the card holds none it is their plain standard deviation, which is
    far too small with a network that makes little of its noise.  Raises CheckpointError for an
    unknown method, a folder that is none of its checkpoints, and samples the card is not
    calibrated for.
    """
    if method in _WITHOUT_WEIGHTS:
        return _WITHOUT_WEIGHTS[method]
    if method not in NETWORKS:
        raise CheckpointError(f"no method {method!r}; there are {', '.join(METHODS)}")
    folder = locate(checkpoint, method)
    card = read_card(folder)
    if method_of(card) != method:
        raise CheckpointError(
            f"{folder} is a checkpoint of {method_of(card)}, and the method asked for is {method}; "
            f"use method: {method_of(card)}, or a checkpoint of {method}"
        )
    levels, own = card["sampling"]["levels"], card["sampling"]["steps"]
    if not 1 <= (steps or own) <= levels:
        raise CheckpointError(
            f"steps={steps or own} is not between 1 and the {levels} levels of the schedule of "
            f"{folder}; leave steps out for its own {own}"
        )
    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    slots = bool(card.get("slots", False))
    said = ("method", "bands", "frame", "network", "sampling")
    computes = {key: card[key] for key in said if key in card}
    computes["slots"] = slots
    if card["frame"] == "guided":
        computes["frame"] = GUIDED
    calibration = calibration_of(folder, card, samples)
    sigma = samples > 1 or calibration is not None
    if sigma:
        computes["sigma"] = [samples, None if calibration is None else calibration.to_dict()]
    text = json.dumps([weights, computes, steps or own, seed], sort_keys=True)
    return MethodCard(
        name=method,
        bands=tuple(card["bands"]),
        slots=slots,
        halo=card["sampling"]["halo_px"],
        sigma=sigma,
        sha=hashlib.sha256(text.encode()).hexdigest(),
        weights=weights,
    )


def calibration_of(folder: Path, card: dict[str, Any], samples: int) -> Calibration | None:
    """The card's calibration for so many samples; None for 0, and where the card has none at all.

    Raises CheckpointError where it has one for other numbers only, or an outdated one.
    """
    known = {one["samples"]: one for one in card.get("uncertainty", ())}
    if not known or not samples:
        return None
    if samples not in known:
        raise CheckpointError(
            f"samples={samples}: the card of {folder} is calibrated for "
            f"{' and '.join(map(str, sorted(known)))}; use that, 0 for no uncertainty, or run "
            f"daily30 weights calibrate {folder} --worlds POOL --samples {samples}"
        )
    try:
        return Calibration.from_dict(known[samples])
    except ValueError as error:
        raise CheckpointError(f"{folder}: {error}") from error


def method_of(card: Mapping[str, Any]) -> str:
    """Which network a card is of; older cards, all of them of ``sa-stf``, do not say."""
    return str(card.get("method", NETWORKS[0]))


def locate(checkpoint: str | Path | None, method: str = NETWORKS[0]) -> Path:
    """The folder of a checkpoint; None and "default" mean the one in this repository.

    Raises CheckpointError where there is none of the ``method``.
    """
    if checkpoint in (None, "default"):
        if method != NETWORKS[0]:
            raise CheckpointError(
                f"no weights of {method} come with daily30. Train some, `daily30 train {method}` "
                f"(docs/training.md), and name their folder, training/{method}/best, by "
                "`checkpoint:` in the region file or --checkpoint of the command"
            )
        return DEFAULT_CHECKPOINT
    return Path(str(checkpoint))


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a checkpoint folder.  Raises CheckpointError when it is none."""
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is not a checkpoint: it has no {name}. Give a folder written by "
                "`daily30 train`, or leave the checkpoint at default"
            )
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text())
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{folder / CARD} is not JSON: {error}") from error
    _check(folder / CARD, card)
    _check_weights(folder / WEIGHTS)
    return card


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Replace the card of a checkpoint as a whole; rows of numbers stand on one line each."""
    text = json.dumps(card, indent=2)
    row = re.compile(r"\[\s+(-?\d[^\[\]{}\"]*?)\s+\]")
    text = row.sub(lambda found: f"[{', '.join(found[1].split()).replace(',,', ',')}]", text)
    beside = folder / f"{CARD}.partial"
    beside.write_text(text + "\n")
    beside.chmod(0o644)
    beside.rename(folder / CARD)


def _check(path: Path, card: Any) -> None:
    """Refuse a card that lacks what sampling needs, before anything is read for it."""
    if not isinstance(card, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    missing = {"bands", "network", "sampling", "frame"} - card.keys()
    missing |= {f"sampling.{key}" for key in SAMPLING_KEYS - dict(card.get("sampling", {})).keys()}
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(sorted(missing))}")
    for value, known, what in (
        (method_of(card), NETWORKS, "method"),
        (card["frame"], FRAME_NAMES, "frame"),
        (card["sampling"]["schedule"], SCHEDULE_NAMES, "sampling.schedule"),
        (card["sampling"].get("precision", PRECISIONS[0]), PRECISIONS, "sampling.precision"),
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
