"""The space a network works in: from reflectance there and back.

A frame says three things: what the network sees of the five known images, where the diffusion
starts, and how its answer becomes reflectance.  Network and sampler know nothing of it.

``reflectance``  The paper's: 2 r - 1, starting from the coarse image of the day.
``anomaly``      Ours: the image relative to the ``anomaly`` prediction B (model.classical.naive),
                 in units of the local expected change s:  r -> (r - B) / s.  The diffusion starts
                 from 0, that is from B, so an untrained network with a zero head is exactly
                 ``anomaly``.  GroupNorm forgets amplitude; s carries it past the network.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Images(NamedTuple):
    """The known images of a window on the fine grid, (batch, band, y, x) reflectance, no NaN."""

    fine_before: Tensor
    coarse_before: Tensor
    fine_after: Tensor
    coarse_after: Tensor
    coarse: Tensor


class View(NamedTuple):
    """A window as the network sees it."""

    known: Images
    """(batch, channel, y, x)"""
    start: Tensor
    """Where the diffusion starts, (batch, band, y, x)."""
    base: Tensor
    scale: Tensor
    """reflectance = base + scale * network space"""

    def to_reflectance(self, x: Tensor) -> Tensor:
        return self.base + self.scale * x

    def to_network(self, reflectance: Tensor) -> Tensor:
        return (reflectance - self.base) / self.scale


class Frame(Protocol):
    """Makes the network's view of the known images."""

    def view(
        self, images: Images, weight: Tensor, centre: Tensor, spread: Tensor, ratio: int
    ) -> View:
        """``weight`` (batch,) of the later reference; ``centre``, ``spread`` (batch, band)."""


class ReflectanceFrame:
    """2 r - 1, from the coarse image (the paper)."""

    def view(
        self, images: Images, weight: Tensor, centre: Tensor, spread: Tensor, ratio: int
    ) -> View:
        known = Images(*(2 * image - 1 for image in images))
        half = torch.full_like(known.coarse, 0.5)
        return View(known, known.coarse, half, half)


class AnomalyFrame:
    """Relative to ``anomaly``, in units of the local expected change."""

    def view(
        self, images: Images, weight: Tensor, centre: Tensor, spread: Tensor, ratio: int
    ) -> View:
        f0, c0, f2, c2, c1 = images
        w = weight[:, None, None, None]
        centre, spread = centre[:, :, None, None], spread[:, :, None, None]
        anomaly = c1 - (1 - w) * c0 - w * c2
        base = (1 - w) * f0 + w * f2 + anomaly
        reference_change = (local_mean((f2 - f0) ** 2, ratio) + (0.1 * spread) ** 2).sqrt()
        scale = (reference_change**2 + anomaly**2).sqrt()
        contrasts = (
            (f0 - f2) / reference_change,
            (c0 - c2) / reference_change,
            (f2 - f0) / reference_change,
            (c2 - c0) / reference_change,
            anomaly / scale,
        )
        known = Images(
            *(
                torch.cat([(image - centre) / spread, contrast], dim=1)
                for image, contrast in zip(images, contrasts, strict=True)
            )
        )
        return View(known, torch.zeros_like(base), base, scale)


FRAMES: dict[str, Frame] = {"reflectance": ReflectanceFrame(), "anomaly": AnomalyFrame()}


def local_mean(image: Tensor, ratio: int) -> Tensor:
    """Mean over about three coarse cells around each fine pixel, without cell edges."""
    cells = functional.avg_pool2d(image, ratio, ceil_mode=True, count_include_pad=False)
    cells = functional.avg_pool2d(
        functional.pad(cells, (1, 1, 1, 1), mode="replicate"), kernel_size=3, stride=1
    )
    size = (cells.shape[2] * ratio, cells.shape[3] * ratio)
    smooth = functional.interpolate(cells, size=size, mode="bilinear", align_corners=False)
    return smooth[:, :, : image.shape[2], : image.shape[3]]
