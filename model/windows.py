"""A block seen through overlapping windows whose predictions are merged in every reverse step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window lies in its block."""

    y: slice
    x: slice


def plan_windows(shape: tuple[int, int], size: int, overlap: int) -> list[Window]:
    """Cover a block of ``shape`` (y, x) with equal windows of ``size`` pixels, row-major.

    Neighbours share at least ``overlap`` pixels, the shifts are as even as they can be; a block
    shorter than ``size`` has windows as long as itself.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"windows of {size} pixels cannot overlap by {overlap}; use 0..{size - 1}")
    rows, cols = (_starts(length, size, overlap) for length in shape)
    height, width = (min(size, length) for length in shape)
    return [Window(slice(y, y + height), slice(x, x + width)) for y, x in product(rows, cols)]


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if length <= size:
        return [0]
    count = -(-(length - overlap) // (size - overlap))
    return [(length - size) * i // (count - 1) for i in range(count)]


def merge_weights(windows: Sequence[Window], shape: tuple[int, int]) -> list[Tensor]:
    """Weights (y, x) of each window that fall to its edges and sum to one over the block."""
    ramps = [
        _ramp(window.y, shape[0], windows, "y")[:, None]
        * _ramp(window.x, shape[1], windows, "x")[None, :]
        for window in windows
    ]
    total = torch.zeros(shape, dtype=torch.float64)
    for window, ramp in zip(windows, ramps, strict=True):
        total[window.y, window.x] += ramp
    return [
        (ramp / total[window.y, window.x]).float()
        for window, ramp in zip(windows, ramps, strict=True)
    ]


def _ramp(at: slice, length: int, windows: Sequence[Window], axis: str) -> Tensor:
    """Rising over the overlap with the neighbour before, falling over that with the next."""
    starts = sorted({getattr(window, axis).start for window in windows})
    size = at.stop - at.start
    weight = torch.ones(size, dtype=torch.float64)
    for before, after in pairwise(starts):
        shared = before + size - after
        rise = (torch.arange(shared, dtype=torch.float64) + 0.5) / shared
        if at.start == after:
            weight[:shared] *= rise
        if at.start == before:
            weight[size - shared :] *= rise.flip(0)
    return weight


def cut(image: Tensor, windows: Sequence[Window]) -> Tensor:
    """The windows of a block's image (1, channel, y, x) as a batch (window, channel, y, x)."""
    return torch.cat([image[..., window.y, window.x] for window in windows])


def merged(
    denoise: Callable[[Tensor, int, int], Tensor],
    groups: Sequence[Sequence[Window]],
    shape: tuple[int, int],
) -> Callable[[Tensor, int], Tensor]:
    """Turn a denoiser of windows into one of the block, (1, band, y, x).

    ``denoise(x, t, index)`` answers for all windows of a group, by its index, in one batch.
    """
    weights = iter(merge_weights([window for group in groups for window in group], shape))
    by_group = [[next(weights) for _ in group] for group in groups]

    def denoise_block(x: Tensor, t: int) -> Tensor:
        answer = torch.zeros_like(x)
        for index, (group, group_weights) in enumerate(zip(groups, by_group, strict=True)):
            images = denoise(cut(x, group), t, index)
            for window, weight, image in zip(group, group_weights, images, strict=True):
                answer[..., window.y, window.x] += weight.to(x.device) * image
        return answer

    return denoise_block
