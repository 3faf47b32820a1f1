"""Training examples cut from a scene set, a few memory-mapped rows at a time."""

from pathlib import Path
from types import EllipsisType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from model.block import COARSE_PAD, Array
from model.training.example import Example
from model.training.scenes import COARSE, Scene, SceneSetError, mapped, open_set, unpack
from model.upsample import UPSAMPLE

SHRINKING = 16
"""A patch is a multiple of this: four halvings in the network."""

Augment = Literal["none", "flip", "eight"]
Bool = NDArray[np.bool_]
Window = tuple[EllipsisType, slice, slice]


class PatchSource:
    """The patches of one split, scene by scene, row by row; an epoch holds each of them once.

    Patches of ``patch`` pixels start every ``stride`` pixels, the last ones shifted inside; those
    of which less than ``min_known`` can be scored are left out.  All three are the set's own
    where None.  ``augment``: "flip" mirrors half of the patches left to right; "eight" draws one
    of the eight ways to lay a square.  Both follow from (seed, epoch, index) alone.

    Coarse cells come to the fine grid by ``upsample``; on pixels already, they are taken as they
    are.  Holes of the inputs take their nearest known pixel, and are ``filled`` in the example.
    Raises SceneSetError where the set has no such split or no such patch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        split: str,
        patch: int | None = None,
        stride: int | None = None,
        min_known: float | None = None,
        upsample: str = "smooth",
        augment: Augment = "none",
        seed: int = 0,
    ) -> None:
        self.folder = Path(folder)
        self.set = open_set(self.folder)
        self.patch = self.set.patch_px if patch is None else patch
        self.stride = self.set.stride_px if stride is None else stride
        self.min_known = self.set.min_known if min_known is None else min_known
        if self.patch < SHRINKING or self.patch % SHRINKING:
            better = max(SHRINKING, self.patch // SHRINKING * SHRINKING)
            raise ValueError(
                f"patch={self.patch} is not a multiple of {SHRINKING}, the shrinking of the "
                f"network; use {better}"
            )
        if self.stride < 1:
            raise ValueError(f"stride={self.stride}: patches start at least a pixel apart")
        self.augment, self.seed = augment, seed
        self._to_pixels = UPSAMPLE[upsample]
        self._centre = np.asarray(self.set.centre, np.float32)
        self._spread = np.asarray(self.set.spread, np.float32)
        scenes = self.set.split(split)
        self.places = tuple((scene, *at) for scene in scenes for at in self._in(scene))
        """(scene, first row, first column) of every patch."""
        if not self.places:
            raise SceneSetError(
                f"no patch of {self.patch} pixels of split {split!r} of {self.folder} can be "
                f"scored on {self.min_known:.0%} of its pixels; ask for less by min_known"
            )

    @property
    def bands(self) -> tuple[str, ...]:
        return self.set.bands

    def __len__(self) -> int:
        return len(self.places)

    def example(self, epoch: int, index: int) -> Example:
        """Patch ``index``; the epoch only turns it (``augment``)."""
        scene, y, x = self.places[index]
        at = _square(y, x, self.patch)

        def read(role: str) -> Array:
            return unpack(mapped(self.folder, scene.files[role])[at])

        def marked(role: str) -> Bool | None:
            return self._mask(scene, role)[at] != 0 if role in scene.files else None

        before, before_filled = _without_holes(read("fine_before"), marked("filled_before"))
        after, after_filled = _without_holes(read("fine_after"), marked("filled_after"))
        coarse, coarse_filled = self._coarse(scene, y, x)
        truth = read("truth")
        if (known := marked("known")) is not None:
            truth[:, ~known] = np.nan
        images = [before, coarse[0], after, coarse[1], coarse[2], truth]
        filled = np.stack(
            [before_filled, coarse_filled[0], after_filled, coarse_filled[1], coarse_filled[2]]
        )
        *images, filled = self._turned([*images, filled], epoch, index)
        return Example(
            fine_before=images[0],
            coarse_before=images[1],
            fine_after=images[2],
            coarse_after=images[3],
            coarse=images[4],
            truth=images[5],
            filled=filled,
            centre=self._centre,
            spread=self._spread,
            present=np.ones(len(self.bands), np.bool_),
            days=scene.days,
            ratio=self.set.ratio,
        )

    def _in(self, scene: Scene) -> list[tuple[int, int]]:
        """First rows and columns of the patches of a scene."""
        height, width = mapped(self.folder, scene.files["truth"]).shape[1:]
        if min(height, width) < self.patch:
            fits = min(height, width) // SHRINKING * SHRINKING
            raise SceneSetError(
                f"scene {scene.name} of {self.folder} is {height} x {width} pixels, smaller than "
                f"a patch of {self.patch}; use {fits} or less"
            )
        known = self._mask(scene, "known") if "known" in scene.files else None
        return scored_places(
            (height, width),
            known,
            patch=self.patch,
            stride=self.stride,
            min_known=self.min_known,
        )

    def _coarse(self, scene: Scene, y: int, x: int) -> tuple[Array, Bool]:
        """The coarse images in the order of ``COARSE`` on the patch, (image, band, y, x), and
        where they were filled, (image, y, x)."""
        on_cells, ratio = self.set.coarse == "cells", self.set.ratio
        at = _cells(y, x, self.patch, ratio) if on_cells else _square(y, x, self.patch)
        stack = np.stack([unpack(mapped(self.folder, scene.files[role])[at]) for role in COARSE])
        filled = ~np.all(np.isfinite(stack), axis=1)
        if "coarse_filled" in scene.files:
            filled = filled | (self._mask(scene, "coarse_filled")[at] != 0)
        if not on_cells:
            return np.stack([_without_holes(image, None)[0] for image in stack]), filled
        inner = filled[..., COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        cut = _square(y % ratio, x % ratio, self.patch)
        on_pixels = inner.repeat(ratio, -2).repeat(ratio, -1)
        return self._to_pixels(stack, ratio)[cut], on_pixels[cut]

    def _mask(self, scene: Scene, role: str) -> NDArray[np.uint8]:
        return mapped(self.folder, scene.files[role])

    def _turned(self, arrays: list[NDArray[Any]], epoch: int, index: int) -> list[NDArray[Any]]:
        if self.augment == "none":
            return arrays
        rng = np.random.default_rng([self.seed, epoch, index])
        flip = rng.random() < 0.5
        turns = int(rng.integers(4)) if self.augment == "eight" else 0
        turned = [np.rot90(array, turns, (-2, -1)) for array in arrays]
        return [np.ascontiguousarray(one[..., ::-1] if flip else one) for one in turned]


def starts(length: int, patch: int, stride: int) -> list[int]:
    """Where patches start along a side, the last one shifted inside so that nothing is left."""
    regular = list(range(0, length - patch + 1, stride))
    return regular if regular[-1] == length - patch else [*regular, length - patch]


def scored_places(
    shape: tuple[int, int],
    known: NDArray[Any] | None,
    *,
    patch: int,
    stride: int,
    min_known: float,
) -> list[tuple[int, int]]:
    """First rows and columns of the patches of which at least ``min_known``, and some pixel at
    all, is ``known`` (y, x); of all patches where it is None."""
    corners = [
        (y, x) for y in starts(shape[0], patch, stride) for x in starts(shape[1], patch, stride)
    ]
    if known is None:
        return corners
    sums = _sums(known)
    return [at for at in corners if _inside(sums, *at, patch) >= max(min_known * patch**2, 1)]


def _square(y: int, x: int, side: int) -> Window:
    return ..., slice(y, y + side), slice(x, x + side)


def _cells(y: int, x: int, side: int, ratio: int) -> Window:
    """The cells under a square of pixels and ``COARSE_PAD`` around them, in a coarse image whose
    own first ``COARSE_PAD`` rows and columns lie outside the scene."""
    rows, cols = (
        slice(first // ratio, -(-(first + side) // ratio) + 2 * COARSE_PAD) for first in (y, x)
    )
    return ..., rows, cols


def _without_holes(image: Array, filled: Bool | None) -> tuple[Array, Bool]:
    """An image whose unknown pixels took their nearest known one (0 where none is known), and
    (y, x) where it is not what was seen, ``filled`` included."""
    holes: Bool = ~np.all(np.isfinite(image), axis=0)
    if holes.all():
        return np.zeros_like(image), holes
    if holes.any():
        near = distance_transform_edt(holes, return_distances=False, return_indices=True)
        image = image[:, near[0], near[1]]
    return image, holes if filled is None else holes | filled


def _sums(mask: NDArray[Any]) -> NDArray[np.int64]:
    """(y + 1, x + 1) number of known pixels above and left of each corner."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(mask != 0, 0, dtype=np.int64), 1, out=sums[1:, 1:])
    return sums


def _inside(sums: NDArray[np.int64], y: int, x: int, side: int) -> int:
    y1, x1 = y + side, x + side
    return int(sums[y1, x1] - sums[y, x1] - sums[y1, x] + sums[y, x])
