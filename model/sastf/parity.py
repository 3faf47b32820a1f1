"""Does a checkpoint give another program's numbers?  Compared on arrays that both have seen.

An ``.npz`` holds inputs in the network's own space and any of the outputs, (batch, band, y, x)
unless said:

    xt C1 C0 F0 C2 F2   the noisy image, the coarse target, both reference pairs
    a_level b_level     T alphabar_t and T betabar_t, one number or (batch,)
    noise               what the sampler starts with
    y                   output: the network's clean image
    lr_feature          output: level 5 of C1 after attention, (batch, channel, y / 16, x / 16)
    recon0 recon1       output: what both alignments make of it (the time loss), likewise
    sample_S<steps>     output: the deterministic sampler with that many steps
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import checkpoint
from model.card import CheckpointError
from model.diffusion import Levels, Schedule, sample, sampling_steps, schedule_of
from model.sastf.network import Features, Network

TOLERANCE = 2e-4
"""Absolute, for float32 on another processor."""

STRICT_PX, WITHIN = 64, 0.999
"""Up to 64 x 64 pixels every value must lie within the tolerance.  On larger images one correct
network differs from itself by more between thread counts, in few places: 99.9 % must."""

IMAGES = ("C1", "C0", "F0", "C2", "F2")
LEVELS = ("a_level", "b_level")
FEATURES = ("lr_feature", "recon0", "recon1")
INPUTS = ("xt", *IMAGES, *LEVELS, "noise")
OUTPUTS = ("y", *FEATURES)
SAMPLE = re.compile(r"sample_S(\d+)")

Arrays = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far an output lies from the expected one."""

    output: str
    largest: float
    within: float
    """Share of the values within the tolerance."""
    ok: bool


def check_parity(
    folder: Path, golden: Path, *, tolerance: float = TOLERANCE, double: bool = False
) -> list[Difference]:
    """Run the checkpoint in ``folder`` on the inputs in ``golden`` and compare every output.

    ``double``: network, inputs and levels in float64.  Raises CheckpointError for a checkpoint
    that does not work in the paper's frame, ValueError for arrays that do not fit it.
    """
    network, card = checkpoint.load(folder)
    if not isinstance(network, Network):
        raise CheckpointError(f"{folder} is a checkpoint of {network.config.method}, not of sa-stf")
    sampling, config = card["sampling"], network.config
    more = [name for name in ("contrast", "filled", "conditions") if getattr(config, name)]
    if card["frame"] != "reflectance" or sampling["kappa"] != 1 or more:
        raise CheckpointError(
            f"{folder} works in the frame {card['frame']!r} with kappa {sampling['kappa']} and "
            f"{', '.join(more) or 'no more inputs'}; parity is for networks that see the five "
            "images alone, as the paper's do: frame reflectance, kappa 1"
        )
    schedule = schedule_of(sampling["schedule"], sampling["levels"], sampling["sum_scale"])
    arrays = read_arrays(golden)
    _check_arrays(arrays, network, golden)
    made = outputs(network, schedule, arrays, double=double)
    return [_difference(name, image, arrays[name], tolerance) for name, image in made]


def read_arrays(golden: Path) -> dict[str, NDArray[np.floating]]:
    """The arrays of an ``.npz``.  Raises ValueError for another file."""
    if not golden.is_file():
        raise ValueError(f"there is no file {golden}")
    try:
        with golden.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (AttributeError, BadZipFile, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{golden} is no whole .npz of numbers: {error}") from error


@torch.inference_mode()
def outputs(
    network: Network, schedule: Schedule, arrays: Arrays, *, double: bool = False
) -> Iterator[tuple[str, Tensor]]:
    """Each output that ``arrays`` names beside its inputs, by its name."""
    dtype = torch.float64 if double else torch.float32
    network = network.to(dtype)
    known = {name: torch.from_numpy(arrays[name]).to(dtype) for name in IMAGES}
    start = known["C1"]
    references = network.encode_references(*(known[name] for name in ("F0", "C0", "F2", "C2")))
    features = network.encode(start, references)

    def denoise(x: Tensor, a: float | Tensor, b: float | Tensor) -> Tensor:
        a, b = (torch.as_tensor(v, dtype=dtype).expand(x.shape[0]) for v in (a, b))
        # The number is not known, and this network does not read it.
        return network.denoise(x, features, Levels(a, b, torch.full_like(a, torch.nan)), None)

    def at_level(x: Tensor, t: int) -> Tensor:
        # Not Schedule.levels, which rounds to float32.
        return denoise(x, *(schedule.steps * float(v[t]) for v in (schedule.alpha, schedule.beta)))

    for name in arrays:
        if name == "y":
            a, b = (torch.from_numpy(arrays[level]).reshape(-1) for level in LEVELS)
            yield name, denoise(torch.from_numpy(arrays["xt"]).to(dtype), a, b)
        elif name in FEATURES:
            yield name, _feature(name, features)
        elif steps := SAMPLE.fullmatch(name):
            noise = torch.from_numpy(arrays["noise"]).to(dtype)
            grid = sampling_steps(schedule.steps, int(steps[1]))
            yield name, sample(at_level, start, noise, grid, schedule)


def _feature(name: str, features: Features) -> Tensor:
    if name == "lr_feature":
        return features.coarse_attended
    if features.coarse_rebuilt is None:
        raise ValueError(f"this network has no alignment (align: false), so it makes no {name}")
    return features.coarse_rebuilt[FEATURES.index(name) - 1]


def _difference(
    name: str, made: Tensor, expected: NDArray[np.floating], tolerance: float
) -> Difference:
    if tuple(made.shape) != expected.shape:
        raise ValueError(
            f"{name} is {expected.shape} in the file, but the network makes {tuple(made.shape)}"
        )
    error = np.abs(made.numpy().astype(np.float64) - expected)
    # A NaN is no number within anything.
    within = float((error <= tolerance).mean())
    y, x = made.shape[-2:]
    scale = 16 if name in FEATURES else 1
    small = max(y, x) * scale <= STRICT_PX
    return Difference(
        output=name,
        largest=float(error.max()),
        within=within,
        ok=within >= (1.0 if small else WITHIN),
    )


def _check_arrays(arrays: Arrays, network: Network, golden: Path) -> None:
    """Refuse what lacks an input of an output it holds, or holds none, or does not fit.

    An array of another name is refused too: passed over, it would seem to agree.
    """
    if strangers := [n for n in arrays if n not in INPUTS + OUTPUTS and not SAMPLE.fullmatch(n)]:
        raise ValueError(
            f"{golden} holds {', '.join(strangers)}, which parity does not know; inputs are "
            f"{', '.join(INPUTS)}, outputs {', '.join(OUTPUTS)} and sample_S<steps>"
        )
    sampled = any(SAMPLE.fullmatch(name) for name in arrays)
    needed = list(IMAGES)
    needed += ["xt", *LEVELS] if "y" in arrays else []
    needed += ["noise"] if sampled else []
    if missing := [name for name in needed if name not in arrays]:
        raise ValueError(f"{golden} lacks {', '.join(missing)}; it holds {', '.join(arrays)}")
    if not (sampled or any(name in arrays for name in OUTPUTS)):
        raise ValueError(
            f"{golden} holds no output to compare: {', '.join(OUTPUTS)} or sample_S<steps>"
        )
    shape, bands = arrays["C1"].shape, network.config.bands
    wrong = [n for n in needed if n not in LEVELS and arrays[n].shape != shape]
    stride = network.config.stride
    if len(shape) != 4 or shape[1] != bands or shape[2] % stride or shape[3] % stride or wrong:
        raise ValueError(
            f"{golden}: images must all be (batch, {bands}, y, x) with y and x multiples of "
            f"{stride}, got C1 {shape}" + "".join(f", {n} {arrays[n].shape}" for n in wrong[:1])
        )
    for name in LEVELS:
        if name in needed and arrays[name].size not in (1, shape[0]):
            raise ValueError(
                f"{golden}: {name} must be one number or one of each of {shape[0]} images, "
                f"got {arrays[name].shape}"
            )
