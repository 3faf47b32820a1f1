"""A checkpoint that the authors of SA-STF published, as a checkpoint folder of ours.

Nothing in the file runs: tensors are read by torch's own restricted unpickler or by safetensors.
"""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from model import checkpoint
from model.card import CARD, CheckpointError
from model.sastf.network import Network
from model.sastf.official import BANDS, GROUPS, config_of, from_official

WRAPPERS = (
    # An average of the weights is what its training would have sampled with: first.
    "ema",
    "ema_state_dict",
    "params_ema",
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "net",
    "params",
)
"""Keys under which training scripts keep the state dict, in the order they are looked for."""

SAMPLING = {
    "schedule": "official",
    "levels": 100,
    "sum_scale": None,
    "steps": 50,
    "kappa": 1.0,
    "window_px": 256,
    "overlap_px": 128,
    "halo_px": 64,
}
"""As the authors sample: windows of 256 pixels every 128, of which 64 on each side are margin."""

AUTHORS = "SA-STF, MIT, (c) 2026 Jinsong Zhang, https://github.com/ZZZhangjinsong/SA-STF"


def import_official(
    file: Path, out: Path, *, name: str | None = None, groups: int = GROUPS
) -> dict[str, Any]:
    """Write the checkpoint folder ``out`` from a published ``file`` and give its card.

    ``file`` is what torch.save or safetensors wrote: a state dict, plain or under a key of
    ``WRAPPERS``.  The weights stay in float32, since the authors' numbers need it.  Raises
    CheckpointError, and writes nothing, for a file that is not SA-STF to the last shape.
    """
    if (out / CARD).exists():
        raise CheckpointError(f"{out} already holds a checkpoint; give --out a new folder")
    state, key = read_state(file)
    try:
        config = config_of(state, groups=groups)
        ours = from_official(state, groups=groups)
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}") from error
    with torch.device("meta"):  # no weights are made that would be replaced at once
        network = Network(config)
    network.load_state_dict({key: value.float() for key, value in ours.items()}, assign=True)
    where = f"its `{key}`" if key else "a state dict"
    card = {
        "name": name or f"SA-STF, {file.stem}",
        "bands": BANDS,
        "frame": "reflectance",
        "sampling": SAMPLING,
        "training": [],
        "source": {
            "file": file.name,
            "sha256": _sha256(file),
            "tensors": f"{where} of {len(state)}, {len(state) - len(ours)} of them unused",
            "origin": AUTHORS,
            "licence": "that of the file you imported; the authors' code is MIT",
        },
        "notes": [
            "Imported, not trained here: no score of ours belongs to it until you make one "
            "(daily30 validate).",
            "Trained by the authors on 2 DN / 10000 - 1 for CIA and LGC, on 8-bit images / 255 for "
            "AHB; the coarse images stood resampled on the fine grid.",
            "The schedule, the column form of attention and the element-wise mask are the authors' "
            "code, where the paper's text differs.",
        ],
    }
    checkpoint.save(out, network, card, precision="float32")
    return card


def read_state(file: Path) -> tuple[dict[str, Tensor], str]:
    """The state dict in a file and the key it was found under, "" for a plain one.

    Raises CheckpointError for what is no whole file of tensors.
    """
    if not file.is_file():
        raise CheckpointError(f"there is no file {file}")
    if not file.stat().st_size:
        raise CheckpointError(f"{file} is empty; download it again")
    found, key = _unwrapped(_read(file))
    state = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    others = [f"{name}" for name in found if name not in state]
    if others or not state:
        raise CheckpointError(
            f"{file} holds no state dict: {', '.join(others[:3]) or 'nothing'} "
            f"{'stands' if len(others) == 1 else 'stand'} where only tensors belong. A state dict "
            f"is plain or under one of {', '.join(WRAPPERS)}"
        )
    return state, key


def _read(file: Path) -> Any:
    with file.open("rb") as opened:
        start = opened.read(9)
    try:
        if start[8:] == b"{":  # the header of safetensors, after its length
            return load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle versions; what matters raises
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle may raise anything at all
        if code := re.search(r"GLOBAL ([\w.]+)", f"{error}"):
            raise CheckpointError(
                f"{file} holds code to run ({code[1]}) and not only tensors; nothing of it was "
                "run. Where you trust it, save its plain state dict: "
                "torch.save(model.state_dict(), FILE)"
            ) from error
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) is no whole file of torch.save or safetensors: "
            "cut off in the download, a web page in its place, or a pickle of something else. "
            "Download it again and compare its size"
        ) from error


def _unwrapped(found: Any) -> tuple[Mapping[str, Any], str]:
    if not isinstance(found, Mapping):
        return {type(found).__name__: found}, ""
    for key in WRAPPERS:
        inner = found.get(key)
        if isinstance(inner, Mapping) and inner:
            state, deeper = _unwrapped(inner)
            return state, f"{key}.{deeper}" if deeper else key
    return found, ""


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
