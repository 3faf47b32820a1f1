"""The reverse step of a network, compiled where that pays, and how its images lie in memory."""

import shutil
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network import FusionNetwork

COMPILED_FROM = 10
"""Steps of sampling.  Compiling takes a process some 20 s for each network; below so many steps the
network is a small part of the work on a GPU."""
CHANNELS_AT_ONCE = 8
"""A GPU multiplies bfloat16 channels by eights; cudnn has only slow ways for other counts."""


def step_of(network: FusionNetwork, steps: int) -> Callable[..., Tensor] | None:
    """``network.denoise`` compiled, for a network on a GPU and many steps; else None.

    None too without a C compiler, which Triton needs.
    """
    on_gpu = next(network.parameters()).is_cuda
    if not on_gpu or steps < COMPILED_FROM or shutil.which("cc") is None:
        return None
    return compiled(network)


def compiled(network: FusionNetwork, backend: str = "inductor") -> Callable[..., Tensor]:
    """``network.denoise`` through torch.compile, which joins norms, activations and sums between
    the convolutions.  The numbers are the same but for rounding.

    The weights are copied: what is learned later does not reach it.
    """
    step: Callable[..., Tensor] = torch.compile(
        joinable(network).denoise, backend=backend, fullgraph=True
    )
    return step


def layout_of(device: torch.device, *, compiled: bool) -> torch.memory_format:
    """Channels last, as convolutions like it; but not where torch's own group norm runs on a GPU:
    it takes its input apart and lays it out plainly, and the next convolution turns it again."""
    plain = device.type == "cuda" and not compiled
    return torch.contiguous_format if plain else torch.channels_last


def joinable(network: FusionNetwork) -> FusionNetwork:
    """A copy that computes the same in operations that a compiler can join well."""
    twin = deepcopy(network)
    _replace(twin)
    twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return twin


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, _Norm(child))
        elif isinstance(child, nn.Conv2d) and (
            child.in_channels % CHANNELS_AT_ONCE or child.out_channels % CHANNELS_AT_ONCE
        ):
            setattr(module, name, _Wide(child))
        else:
            _replace(child)


class _Norm(nn.Module):
    """Group norm as sums over the pixels of each channel, and one factor and term a channel.

    Channels lie last, so sums over pixels read memory in order, which those over a group's few
    channels do not.  The factors come out of a matrix product because a compiler does not join
    that: it would work them out again for every pixel.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.groups, self.eps = norm.num_groups, norm.eps
        self.weight, self.bias = norm.weight, norm.bias
        of_group = torch.eye(norm.num_groups).repeat_interleave(
            norm.num_channels // norm.num_groups, 1
        )
        self.register_buffer("of_group", of_group.to(norm.weight.device), persistent=False)
        self.of_group: Tensor

    def forward(self, x: Tensor) -> Tensor:
        count = x[0].numel() // self.groups
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            group = self.of_group.float()
            mean = values.sum((2, 3)) @ group.T / count
            square = values.square().sum((2, 3)) @ group.T / count
            size = (square - mean.square()).clamp_min(0).add(self.eps).rsqrt()
            factor, term = (torch.cat([size, mean * size]) @ group).chunk(2)
            factor = factor * self.weight.float()
            term = self.bias.float() - term * self.weight.float()
            return (values * factor[:, :, None, None] + term[:, :, None, None]).to(x.dtype)


class _Wide(nn.Module):
    """A convolution of whole eights of channels, the last of them 0."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        more_out, self.more_in = (
            -n % CHANNELS_AT_ONCE for n in (conv.out_channels, conv.in_channels)
        )
        self.out, self.stride, self.padding = conv.out_channels, conv.stride, conv.padding
        self.weight = nn.Parameter(
            functional.pad(conv.weight, (0, 0, 0, 0, 0, self.more_in, 0, more_out))
        )
        assert conv.bias is not None
        self.bias = nn.Parameter(functional.pad(conv.bias, (0, more_out)))

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.pad(x, (0, 0, 0, 0, 0, self.more_in))
        y = functional.conv2d(wide, self.weight, self.bias, self.stride, self.padding)
        return y[:, : self.out]
