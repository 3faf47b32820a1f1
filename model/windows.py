"""A block seen through overlapping windows whose predictions are merged in every reverse step.

Windows lie on an absolute lattice: one starts at every ``k * (size - overlap)`` of the fine
pixels' rows and columns, whatever region, tile or block asks.  A network's answer depends on the
window it is given (its norms and its attention look at all of it), so two neighbouring blocks
agree on a pixel only where both saw it in the same windows.  They do wherever both hold those
windows whole; a window that the edge of a block cuts is shifted inside, and speaks only for the
part that was cut.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from model.block import Part


class Window(NamedTuple):
    """Where a window lies in its block, and how much its answer counts there."""

    y: slice
    x: slice
    weight: Tensor
    """(y, x); over all windows of a block they sum to one at every pixel that one of them shows."""


def plan_windows(
    shape: tuple[int, int],
    size: int,
    overlap: int,
    *,
    origin: tuple[int, int],
    core: Part | None = None,
) -> list[Window]:
    """Cover a block of ``shape`` (y, x) at lattice pixel ``origin`` by equal windows, row-major.

    Neighbours on the lattice share ``overlap`` of their ``size`` pixels, at most half, and their
    weights rise and fall over it.  A block shorter than ``size`` has windows as long as itself.
    Of windows that show nothing of ``core`` there are none: the others speak alone beyond it.
    """
    if not 0 <= overlap <= size // 2:
        raise ValueError(
            f"windows of {size} pixels cannot overlap by {overlap}; use 0..{size // 2}"
        )
    cores = core or (slice(0, shape[0]), slice(0, shape[1]))
    rows, cols = (
        _along(length, size, overlap, start, inner)
        for length, start, inner in zip(shape, origin, cores, strict=True)
    )
    return [
        Window(y, x, (down[:, None] * across[None, :]).float())
        for (y, down), (x, across) in product(rows, cols)
    ]


def _along(
    length: int, size: int, overlap: int, origin: int, core: slice
) -> list[tuple[slice, Tensor]]:
    """The windows along one axis of a block, each with its weights (pixel,) in float64."""
    if length <= size:
        return [(slice(0, length), torch.ones(length, dtype=torch.float64))]
    pitch = size - overlap
    spans, total = [], torch.zeros(length, dtype=torch.float64)
    # From the window that holds the first pixel.  A window that shows no more than its overlap
    # with the next, at either end, would add nothing to it.
    for start in range(-(origin % pitch), length - overlap, pitch):
        if start >= core.stop or start + size <= core.start:
            continue
        place = min(max(start, 0), length - size)
        at = torch.arange(size, dtype=torch.float64) + (place - start + 0.5)
        ramp = (torch.minimum(at, size - at) / max(overlap, 0.5)).clamp(0, 1)
        weight = ramp**2 * (3 - 2 * ramp)  # no kink where a window begins or ends
        span = slice(place, place + size)
        total[span] += weight
        spans.append((span, weight))
    total[total == 0] = 1  # beyond the windows of the core
    return [(span, weight / total[span]) for span, weight in spans]


def hull(parts: Sequence[Part]) -> Part:
    """The least part (y, x) of a block that holds all ``parts``."""
    y, x = (
        slice(min(one.start for one in along), max(one.stop for one in along))
        for along in zip(*parts, strict=True)
    )
    return y, x


def inside(part: Part, whole: Part) -> Part:
    """Where ``part`` lies in ``whole``, both (y, x) of a block."""
    y, x = (
        slice(one.start - of.start, one.stop - of.start)
        for one, of in zip(part, whole, strict=True)
    )
    return y, x


def cut(
    image: Tensor, windows: Sequence[Window], layout: torch.memory_format = torch.channels_last
) -> Tensor:
    """The windows of a block's image (1, channel, y, x) as a batch (window, channel, y, x).

    It lies in memory in ``layout``; all that a network makes of it follows.
    """
    batch = torch.cat([image[..., window.y, window.x] for window in windows])
    return batch.contiguous(memory_format=layout)


def merged(
    denoise: Callable[[Tensor, int, int], Tensor],
    groups: Sequence[Sequence[Window]],
    layout: torch.memory_format = torch.channels_last,
) -> Callable[[Tensor, int], Tensor]:
    """Turn a denoiser of windows into one of the block, (1, band, y, x).

    ``denoise(x, t, index)`` answers for all windows of a group, by its index, in one batch.
    """

    def denoise_block(x: Tensor, t: int) -> Tensor:
        answer = torch.zeros_like(x)
        for index, group in enumerate(groups):
            images = denoise(cut(x, group, layout), t, index)
            for window, image in zip(group, images, strict=True):
                answer[..., window.y, window.x] += window.weight.to(x.device) * image
        return answer

    return denoise_block
