"""The authors' state dict under our names.

Their layers sit in numbered lists; the tables below say what stands at each number.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

import torch
from torch import Tensor

from model.card import CheckpointError
from model.sastf.config import NetworkConfig
from model.sastf.network import Network

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
"""Of their images, in their order."""

GROUPS = 32
"""Of every GroupNorm as the authors train; a state dict does not say.  In their alignment it is
fixed, whatever a network of another width has elsewhere."""

_FUSE = "image_fusion.4.fusion"

_PARTS = {
    # name inside their block : name inside ours
    "block.0": "0",
    "block.3": "2",
    "block1.block.0": "first.0",
    "block1.block.3": "first.2",
    "block2.block.0": "second.0",
    "block2.block.3": "second.2",
    "noise_func.noise_func.0": "shift",
    "res_conv": "shortcut",
    "conv": "1",
}
_IMAGE_PARTS = {"block1.block.0": "block.0", "block1.block.3": "block.2", "res_conv": "shortcut"}
_FUSION = {
    "crose_block.block.0": "coarse.0",
    "crose_block.block.3": "coarse.2",
    "fine_block.block.0": "fine.0",
    "fine_block.block.3": "fine.2",
    "fusion_conv": "merge",
}
_ALIGNMENT = {
    "conv_a.0": "gain.0",
    "conv_a.2": "gain.2",
    "conv_b": "difference",
    "conv_b_full.0": "bias.0",
    "conv_b_full.2": "bias.2",
    "cross_atten.Wq": "spread.query",
    "cross_atten.Wk": "spread.key",
    "cross_atten.Wv": "spread.value",
    "cross_atten.norm": "spread.norm",
}


def _names() -> Iterator[tuple[str, str]]:
    """Pairs of (their layer, our layer), without the final .weight or .bias."""
    for theirs, ours in (("res_level_mlp", "residual_level"), ("noise_level_mlp", "noise_level")):
        yield f"{theirs}.1", f"{ours}.0"
        yield f"{theirs}.3", f"{ours}.2"
    for theirs, ours, parts in (
        ("image_downs", "image_encoder", _IMAGE_PARTS),
        ("noise_downs", "noise_encoder", _PARTS),
    ):
        yield f"{theirs}.0", f"{ours}.stem"
        for level in range(5):
            for a, b in parts.items():
                yield f"{theirs}.{2 * level + 1}.{a}", f"{ours}.blocks.{level}.{b}"
            yield f"{theirs}.{2 * level + 2}.conv", f"{ours}.downs.{level}"
    for level in range(4):
        for a, b in _FUSION.items():
            yield f"image_fusion.{level}.{a}", f"shallow.{level}.{b}"
    deep = "image_fusion.4"
    for a, b in _IMAGE_PARTS.items():
        yield f"{deep}.res_block1.{a}", f"image_encoder.deep.{b}"
        yield f"{deep}.res_block2.{a}", f"fused.{b}"
    for name in ("norm", "qkv", "out"):
        yield f"{_FUSE}.attention.{name}", f"image_encoder.attention.{name}"
    for number, ours in enumerate(("align_before", "align_after")):
        for a, b in _ALIGNMENT.items():
            yield f"{_FUSE}.time_attention{number}.{a}", f"{ours}.{b}"
    yield f"{_FUSE}.final_conv.block.0", "selected.0"
    yield f"{_FUSE}.final_conv.block.3", "selected.2"
    yield f"{_FUSE}.res_conv", "target"
    for number, ours in ((1, "residual"), (2, "denoise")):
        for a, b in _PARTS.items():
            yield f"mid.res_block{number}.{a}", f"de_res.{ours}.{b}"
    yield "mid.norm", "de_res.norm"
    for level in range(5):
        for a, b in _PARTS.items():
            yield f"image_ups.{2 * level}.{a}", f"decoder.blocks.{level}.{b}"
        yield f"image_ups.{2 * level + 1}.conv", f"decoder.ups.{level}.1"
    yield "final_conv.block.0", "decoder.head.0"
    yield "final_conv.block.3", "decoder.head.2"


OURS = dict(_names())
THEIRS = {ours: theirs for theirs, ours in OURS.items()}

_PREFIX = re.compile(r"^(module\.|_orig_mod\.)+")
"""What DataParallel and torch.compile put before every name."""

_SHOWN = 3
"""Names of each kind in a message."""

Shapes = dict[str, tuple[int, ...]]


def config_of(state: Mapping[str, Tensor], *, groups: int = GROUPS) -> NetworkConfig:
    """The network that a published state dict belongs to, with the choices of their code.

    The width is read off the first convolution.  Raises CheckpointError where there is none, and
    ValueError where ``groups`` or ``GROUPS`` do not divide its channels.
    """
    stem = "image_downs.0.weight"
    shapes = [tuple(value.shape) for key, value in state.items() if _plain(key) == stem]
    if not shapes or len(shapes[0]) != 4:
        first = ", ".join(_plain(key) for key in islice(state, _SHOWN)) or "none"
        raise CheckpointError(
            f"none of its {len(state)} tensors (the first: {first}) is SA-STF's first "
            f"convolution, {stem}; is this another network's checkpoint?"
        )
    return NetworkConfig(
        bands=len(BANDS),
        width=shapes[0][0],
        groups=groups,
        alignment_groups=GROUPS,
        mask="element",
        attention="column",
        stable="earlier",
    )


def used_shapes(config: NetworkConfig) -> Shapes:
    """Every name and shape of a published state dict that the network reads."""
    with torch.device("meta"):
        state = Network(config).state_dict()
    shapes = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        shapes[f"{THEIRS[layer]}.{kind}"] = tuple(value.shape)
    return shapes


def unused_shapes(config: NetworkConfig) -> Shapes:
    """The six tensors that no computation reads: two projections and a norm."""
    c = config.channels[-1]
    shapes: Shapes = {f"{_FUSE}.norm.weight": (c,), f"{_FUSE}.norm.bias": (c,)}
    for number in (0, 1):
        layer = f"{_FUSE}.time_attention{number}.cross_atten.proj_out"
        shapes |= {f"{layer}.weight": (c, c, 1, 1), f"{layer}.bias": (c,)}
    return shapes


def from_official(state: Mapping[str, Tensor], *, groups: int = GROUPS) -> dict[str, Tensor]:
    """A published state dict, of any width, under the names of ``Network``.

    Drops the six tensors nothing reads and a leading ``module.``.  Raises CheckpointError with
    the first names that are missing, unknown, of another shape or not finite numbers.
    """
    config = config_of(state, groups=groups)
    used, unused = used_shapes(config), unused_shapes(config)
    named = {_plain(key): value for key, value in state.items()}
    wrong = _misfits(named, used, unused)
    if len(named) < len(state):
        wrong.append("some stand there twice, with and without `module.`")
    if wrong:
        raise CheckpointError(
            f"its {len(state)} tensors are not those of SA-STF of width {config.width}: "
            f"{'; '.join(wrong)}"
        )
    return {
        f"{OURS[layer]}.{kind}": named[key]
        for key in used
        for layer, _, kind in [key.rpartition(".")]
    }


def _plain(key: str) -> str:
    return _PREFIX.sub("", key)


def _misfits(named: Mapping[str, Tensor], used: Shapes, unused: Shapes) -> list[str]:
    known = used | unused
    reasons = {
        "missing": [key for key in used if key not in named],
        "unknown": [key for key in named if key not in known],
        "of another shape": [
            f"{key} {tuple(value.shape)} instead of {known[key]}"
            for key, value in named.items()
            if tuple(value.shape) != known.get(key, tuple(value.shape))
        ],
        "not finite numbers": [
            key
            for key, value in named.items()
            if not (value.is_floating_point() and value.isfinite().all())
        ],
    }
    return [
        f"{len(names)} {reason} (the first: {', '.join(names[:_SHOWN])})"
        for reason, names in reasons.items()
        if names
    ]
