"""The authors' state dict under our names.

Their layers sit in numbered lists; the tables below say what stands at each number.
"""

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

UNUSED = re.compile(r"image_fusion\.4\.fusion\.(norm|time_attention\d\.cross_atten\.proj_out)\..*")
"""Tensors of their checkpoints that no computation reads."""

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
        yield f"{deep}.fusion.attention.{name}", f"image_encoder.attention.{name}"
    for number, ours in enumerate(("align_before", "align_after")):
        for a, b in _ALIGNMENT.items():
            yield f"{deep}.fusion.time_attention{number}.{a}", f"{ours}.{b}"
    yield f"{deep}.fusion.final_conv.block.0", "selected.0"
    yield f"{deep}.fusion.final_conv.block.3", "selected.2"
    yield f"{deep}.fusion.res_conv", "target"
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


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published state dict; load it with ``strict=True`` to check every shape.

    Drops the tensors nothing reads and a leading ``module.``.  Raises KeyError with the first
    names that do not belong to SA-STF.
    """
    named = {key.removeprefix("module."): value for key, value in state.items()}
    used = {key: value for key, value in named.items() if not UNUSED.fullmatch(key)}
    strangers = [key for key in used if key.rpartition(".")[0] not in OURS]
    if strangers:
        raise KeyError(
            f"{len(strangers)} of {len(named)} names are not of SA-STF, the first: "
            f"{', '.join(strangers[:3])}; is this another network's checkpoint?"
        )
    return {
        f"{OURS[layer]}.{kind}": value
        for key, value in used.items()
        for layer, _, kind in [key.rpartition(".")]
    }
