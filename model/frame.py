"""The space a network works in: from reflectance there and back.

A frame says three things: what the network sees of the five known images, where the diffusion
starts, and how its answer becomes reflectance.  Network and sampler know nothing of it.

``reflectance``  The paper's: 2 r - 1, starting from the coarse image of the day.
``plain``        The same, starting from 0, that is from noise alone: STFDiff's.
``normalised``   As the first with the region's own scale, (r - centre) / spread, and a start that
                 the fine sensor could have seen: the coarse image of the day plus what the fine
                 references are above the coarse ones there, averaged over cells.
Relative frames  The image relative to a first guess B, in units of the local expected change s:
                 r -> (r - B) / s.  The diffusion starts from 0, that is from B, so an untrained
                 network with a zero head is exactly B.  GroupNorm forgets amplitude; s carries it
                 past the network.  They differ in B, with L = (1 - w) F0 + w F2:
    ``anomaly``  L + C1 - (1 - w) C0 - w C2 (model.classical.naive); ours.
    ``guided``   L + the same anomaly put where the references say that the ground is alike
                 (model.guided); ours.
    ``linear``   L: what the coarse images say is left to the network.
    ``delta``    (1 - v) (F0 + C1 - C0) + v (F2 + C1 - C2), where v leans from w to the reference
                 whose coarse image is more like C1 around the pixel.  (With v = w, as the naive
                 method ``delta`` has it, this is ``anomaly`` once all images are fine.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from model.block import Part
from model.guided import Guide, guide_of, guided_change
from model.guided_noise import FirstCell


class Images(NamedTuple):
    """The known images of a window on the fine grid, (batch, band, y, x) reflectance, no NaN."""

    fine_before: Tensor
    coarse_before: Tensor
    fine_after: Tensor
    coarse_after: Tensor
    coarse: Tensor


class View(NamedTuple):
    """A window as the network sees it.  A band that is not present is 0 all over it."""

    known: Images
    """(batch, channel, y, x), channels as in ``NetworkShape.image_channels``."""
    start: Tensor
    """Where the diffusion starts, (batch, band, y, x)."""
    base: Tensor
    scale: Tensor
    """reflectance = base + scale * network space"""
    present: Tensor
    """(batch, band, 1, 1) bool."""
    guide: Guide | None
    """What a frame made of the references alone; the view of another day may take it over."""

    def to_reflectance(self, x: Tensor) -> Tensor:
        """0 in bands that are not present."""
        return self.hide(self.base + self.scale * x)

    def to_network(self, reflectance: Tensor) -> Tensor:
        """0 in bands that are not present, whatever stands there."""
        return self.hide((reflectance - self.base) / self.scale)

    def hide(self, x: Tensor) -> Tensor:
        """``x`` with 0 in the bands that are not present: for noise and for a network's answer,
        before either goes into the next step."""
        return torch.where(self.present, x, 0.0)


class Frame(Protocol):
    """Makes the network's view of the known images."""

    def view(
        self,
        images: Images,
        filled: Tensor | None,
        weight: Tensor,
        centre: Tensor,
        spread: Tensor,
        ratio: int,
        present: Tensor,
        guide: Guide | None = None,
        inside: Part | None = None,
        first_cell: FirstCell = (0, 0),
    ) -> View:
        """``filled`` (batch, image, y, x) where an image was not seen but filled, images in their
        order; None for a network without that channel.  ``weight`` (batch,) of the later
        reference; ``centre``, ``spread`` and ``present`` (batch, band).  ``guide``: that of
        another day's view with the same references, which saves making it again.  ``inside``: the
        part that the view is used of; beyond it a guess may be left out.  ``first_cell``: the
        block's on the region's lattice, so that neighbouring blocks guess the same.
        """


@dataclass(frozen=True, kw_only=True)
class _Window:
    """What all frames start from; bands that are not present are 0 with a spread of 1."""

    images: Images
    w: Tensor
    """(batch, 1, 1, 1)"""
    centre: Tensor
    spread: Tensor
    present: Tensor
    """(batch, band, 1, 1) each."""
    ratio: int
    known_guide: Guide | None
    inside: Part | None
    first_cell: FirstCell

    @cached_property
    def linear(self) -> Tensor:
        """L: what time alone predicts."""
        return (1 - self.w) * self.images.fine_before + self.w * self.images.fine_after

    @cached_property
    def anomaly(self) -> Tensor:
        """What the coarse sensor saw beyond that."""
        coarse = self.images.coarse
        return coarse - (1 - self.w) * self.images.coarse_before - self.w * self.images.coarse_after

    @cached_property
    def reference_change(self) -> Tensor:
        """How much the fine references differ around each pixel, never less than 0.1 spread."""
        difference = self.images.fine_after - self.images.fine_before
        return (local_mean(difference**2, self.ratio) + (0.1 * self.spread) ** 2).sqrt()

    @cached_property
    def scale(self) -> Tensor:
        """s: how much the day may differ from a first guess around each pixel."""
        return (self.reference_change**2 + self.anomaly**2).sqrt()

    @cached_property
    def guided(self) -> Tensor:
        """The anomaly, spread along what is alike in the references."""
        return guided_change(self.anomaly, self.guide, self.inside)

    @cached_property
    def guide(self) -> Guide:
        """Of both references; of one where both are the same image, as then a difference would
        count twice."""
        if self.known_guide is not None:
            return self.known_guide
        before, after = (
            torch.where(self.present, (one - self.centre) / self.spread, 0.0)
            for one in (self.images.fine_before, self.images.fine_after)
        )
        apart = (before - after).flatten(1).abs().amax(dim=1) > 0
        count = self.present.flatten(1).sum(dim=1)
        both = torch.cat([before, torch.where(apart[:, None, None, None], after, 0.0)], dim=1)
        channels = torch.where(apart, 2 * count, count)
        return guide_of(both, channels, self.ratio, self.first_cell)

    def contrasts(self, change: Tensor) -> tuple[Tensor, ...]:
        """Of each image to the other date, of the day to what time alone predicts; about 1.

        ``change`` is the frame's own idea of the latter."""
        f0, c0, f2, c2, _ = self.images
        differences = (f0 - f2, c0 - c2, f2 - f0, c2 - c0)
        return (*(one / self.reference_change for one in differences), change / self.scale)


Scaled = tuple[Tensor, Tensor, Tensor]
"""Base and scale of the network space, and the start in it; (batch, band, y, x) each."""


def _reflectance(window: _Window) -> Scaled:
    half = torch.full_like(window.images.coarse, 0.5)
    return half, half, 2 * window.images.coarse - 1


def _plain(window: _Window) -> Scaled:
    half = torch.full_like(window.images.coarse, 0.5)
    return half, half, torch.zeros_like(half)


def _normalised(window: _Window) -> Scaled:
    f0, c0, f2, c2, c1 = window.images
    base, scale = (one.expand_as(c1) for one in (window.centre, window.spread))
    above = (1 - window.w) * (f0 - c0) + window.w * (f2 - c2)
    return base, scale, (c1 + local_mean(above, window.ratio) - base) / scale


def _relative(guess: Callable[[_Window], Tensor]) -> Callable[[_Window], Scaled]:
    def scaled(window: _Window) -> Scaled:
        base = guess(window)
        return base, window.scale, torch.zeros_like(base)

    return scaled


def _delta(window: _Window) -> Tensor:
    f0, c0, f2, c2, c1 = window.images
    w, bands = window.w, window.present.sum(dim=1, keepdim=True)

    def unlike(coarse: Tensor) -> Tensor:
        square = ((c1 - coarse) / window.spread) ** 2
        return local_mean(square.sum(dim=1, keepdim=True) / bands, window.ratio) + 0.1**2

    before, after = (1 - w) * unlike(c2), w * unlike(c0)
    v = after / (before + after)
    return (1 - v) * (f0 + c1 - c0) + v * (f2 + c1 - c2)


_SCALED: dict[str, Callable[[_Window], Scaled]] = {
    "reflectance": _reflectance,
    "plain": _plain,
    "normalised": _normalised,
    "anomaly": _relative(lambda window: window.linear + window.anomaly),
    "guided": _relative(lambda window: window.linear + window.guided),
    "linear": _relative(lambda window: window.linear),
    "delta": _relative(_delta),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    scaled: Callable[[_Window], Scaled]
    of_the_papers: bool
    """The known images as 2 r - 1, else by the region's centre and spread."""
    contrast: bool
    guided: bool
    """The contrast of the day is the guided change."""

    def view(
        self,
        images: Images,
        filled: Tensor | None,
        weight: Tensor,
        centre: Tensor,
        spread: Tensor,
        ratio: int,
        present: Tensor,
        guide: Guide | None = None,
        inside: Part | None = None,
        first_cell: FirstCell = (0, 0),
    ) -> View:
        there = present.bool()[:, :, None, None]
        window = _Window(
            images=Images(*(torch.where(there, image, 0.0) for image in images)),
            w=weight[:, None, None, None],
            centre=torch.where(there, centre[:, :, None, None], 0.0),
            spread=torch.where(there, spread[:, :, None, None], 1.0),
            present=there,
            ratio=ratio,
            known_guide=guide,
            inside=inside,
            first_cell=first_cell,
        )
        middle, width = (0.5, 0.5) if self.of_the_papers else (window.centre, window.spread)
        channels = [[torch.where(there, (image - middle) / width, 0.0)] for image in window.images]
        if self.contrast:
            change = window.guided if self.guided else window.anomaly
            for own, contrast in zip(channels, window.contrasts(change), strict=True):
                own.append(contrast)
        if filled is not None:
            for own, where in zip(channels, filled.unbind(dim=1), strict=True):
                own.append(where[:, None].to(images.coarse))
        base, scale, start = self.scaled(window)
        return View(
            known=Images(*(torch.cat(own, dim=1) for own in channels)),
            start=torch.where(there, start, 0.0),
            base=base,
            scale=scale,
            present=there,
            guide=window.guide if self.guided else None,
        )


def frame_of(name: str, *, contrast: bool) -> Frame:
    """The frame a card names, for a network that sees contrasts or not."""
    return _Frame(
        scaled=_SCALED[name],
        of_the_papers=name in ("reflectance", "plain"),
        contrast=contrast,
        guided=name == "guided",
    )


def local_mean(image: Tensor, ratio: int) -> Tensor:
    """Mean over about three coarse cells around each fine pixel, without cell edges."""
    cells = functional.avg_pool2d(image, ratio, ceil_mode=True, count_include_pad=False)
    cells = functional.avg_pool2d(
        functional.pad(cells, (1, 1, 1, 1), mode="replicate"), kernel_size=3, stride=1
    )
    size = (cells.shape[2] * ratio, cells.shape[3] * ratio)
    smooth = functional.interpolate(cells, size=size, mode="bilinear", align_corners=False)
    return smooth[:, :, : image.shape[2], : image.shape[3]]
