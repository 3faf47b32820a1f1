"""Scene sets that can be trained on, and scenes to test on, made of the small real sets.

Two of the sets have a single pair of dates, so a network can only be tested on ground that it was
not trained on; the Salton Sea has seventeen clear dates, so there it is tested on the same ground
on later dates, as a region's own training does (pipeline.triplets).  What is held out:

``by place``  The upper 60 % of the rows of cells are trained on, the next row of cells is left out,
              the rest is tested on.  Beyond its last row a part sees its own cells repeated, never
              those of the other.
``by date``   Of the target dates in their order, the last quarter are tested on and the quarter
              before is for validation.  A scene is trained on only if all its dates are earlier
              than the first of both; a validation scene has no test date.  (References of a test
              scene may be of any date: the product has them too.)

Statistics (centre, spread) are those of the fine images of the training scenes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm
from pathlib import Path
from typing import Literal

import numpy as np

from model.block import COARSE_PAD, Array
from model.training.patches import SHRINKING
from model.training.scenes import Scene as Triplet
from model.training.scenes import SceneSet, open_set, written_whole
from pipeline.cube import pack
from pipeline.real_sets import Scene, read_set

TRAIN_ROWS = 0.6
"""Share of the rows of cells above the gap."""
GAP_CELLS = 1
HELD_OUT = 0.25
"""Share of the target dates that are tested on, and of those for validation."""
LEAST_SPREAD = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRule:
    """Which scenes of a real set are used, and how they are split."""

    groups: tuple[str, ...]
    """Names of groups; a set has its scenes at several ratios, or with a cloud let in."""
    split: Literal["place", "date"]
    origin: str
    licence: str


RULES: Mapping[str, TrainingRule] = {
    "salton-sea": TrainingRule(
        groups=("hide 0 days", "hide 8 days", "hide 16 days", "hide 32 days"),
        split="date",
        origin="stars-salton-sea-nir: HLS near infrared of 70 m and VIIRS cells of 490 m",
        licence="Apache-2.0 (NASA JPL); NASA HLS and VIIRS",
    ),
    "shenzhen": TrainingRule(
        groups=("one-sided, ratio 16",),
        split="place",
        origin="shenzhen-etm-mod09: Landsat 7 and MOD09 of 2000-11-01 and 2002-11-07",
        licence="MIT (2020 shx951104); USGS and NASA public domain",
    ),
    "tsstf": TrainingRule(
        groups=("one-sided",),
        split="place",
        origin="tsstf-6band-simcoarse: two fine images, their means over 20 x 20 pixels",
        licence="MIT (2026 MDILab); the scene looks like CIA, CSIRO, CC BY 4.0",
    ),
}

Splits = Mapping[str, Sequence[Scene]]


def read_splits(name: str, root: Path) -> Splits:
    """The scenes of a set of ``RULES`` by what they may be used for: ``train``, ``validation``
    (by date only) and ``test``.  Raises FileNotFoundError where ``root`` lacks the set."""
    rule = RULES[name]
    scenes = [scene for scene in read_set(name, root) if scene.group in rule.groups]
    return split_by_date(scenes) if rule.split == "date" else split_by_place(scenes)


def split_by_place(scenes: Sequence[Scene]) -> Splits:
    """The upper and the lower part of every scene, with a gap between."""

    def part(scene: Scene, *, upper: bool) -> Scene:
        cells = scene.block.shape[2] // scene.block.ratio
        cut = round(TRAIN_ROWS * cells)
        return _rows(scene, slice(0, cut) if upper else slice(cut + GAP_CELLS, cells))

    return {
        "train": [part(scene, upper=True) for scene in scenes],
        "test": [part(scene, upper=False) for scene in scenes],
    }


def split_by_date(scenes: Sequence[Scene]) -> Splits:
    """By the days of the scenes; those that would mix splits are left out."""
    targets = sorted({scene.block.days[0] for scene in scenes})
    held = max(1, int(HELD_OUT * len(targets)))
    validation, test = targets[-2 * held], targets[-held]

    def last_day(scene: Scene) -> int:
        block = scene.block
        return max(block.day_before, *block.days, block.day_after)

    return {
        "train": [scene for scene in scenes if last_day(scene) < validation],
        "validation": [
            scene
            for scene in scenes
            if scene.block.days[0] >= validation and last_day(scene) < test
        ],
        "test": [scene for scene in scenes if scene.block.days[0] >= test],
    }


def write_training_set(name: str, splits: Splits, out: Path) -> SceneSet:
    """Write the scene set ``out``; its patches and the steps between them are whole cells.

    Raises ValueError where a split is too small for a patch, or the scenes differ in bands or
    ratio.
    """
    every = [scene for scenes in splits.values() for scene in scenes]
    if len({(scene.bands, scene.block.ratio) for scene in every}) != 1:
        raise ValueError(f"the scenes of {name} differ in bands or ratio, or there is none")
    bands, ratio = every[0].bands, every[0].block.ratio
    patch = patch_of(ratio, min(min(scene.block.shape[2:]) for scene in every))
    centre, spread = _statistics(splits["train"])
    with written_whole(out) as new:
        SceneSet(
            name=name,
            bands=bands,
            ratio=ratio,
            coarse="cells",
            patch_px=patch,
            stride_px=ratio,
            min_known=0.5,
            centre=tuple(centre.tolist()),
            spread=tuple(spread.tolist()),
            origin=f"{RULES[name].origin}; split by {RULES[name].split}",
            licence=RULES[name].licence,
            scenes=tuple(
                _write(new, f"{split}-{number}", split, scene)
                for split, scenes in splits.items()
                for number, scene in enumerate(scenes)
            ),
        ).save(new)
    return open_set(out)


def patch_of(ratio: int, length: int) -> int:
    """Side of a patch: about 64 pixels of whole cells, so that cells start with it however it is
    laid.  Raises ValueError where none fits into ``length``."""
    least = lcm(SHRINKING, ratio)
    if least > length:
        raise ValueError(
            f"a side of {length} pixels holds no patch of {least}, whole cells of {ratio} and a "
            f"multiple of {SHRINKING}; use a larger part"
        )
    return min(round(64 / least) or 1, length // least) * least


def _rows(scene: Scene, cells: slice) -> Scene:
    """The scene cut to rows of cells; around it the edge cells repeated."""
    block, ratio = scene.block, scene.block.ratio
    fine = slice(cells.start * ratio, cells.stop * ratio)

    def coarse(image: Array) -> Array:
        inner = image[..., COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD][..., cells, :]
        pad = [(0, 0)] * (image.ndim - 2) + [(COARSE_PAD, COARSE_PAD)] * 2
        return np.pad(inner, pad, mode="edge")

    cut = replace(
        block,
        fine_before=block.fine_before[:, fine],
        fine_after=block.fine_after[:, fine],
        coarse_before=coarse(block.coarse_before),
        coarse_after=coarse(block.coarse_after),
        coarse=coarse(block.coarse),
        origin=(block.origin[0] + fine.start, block.origin[1]),
        series=None,  # a network that is trained on the part asks for none
    )
    return replace(scene, block=cut, truth=scene.truth[:, :, fine])


def _statistics(scenes: Sequence[Scene]) -> tuple[Array, Array]:
    """(band,) median and interquartile range, as ``pipeline.real_sets`` takes them."""
    images = [one for s in scenes for one in (s.block.fine_before, s.block.fine_after, s.truth[0])]
    pixels = np.concatenate([image.reshape(len(image), -1) for image in images], 1)
    low, centre, high = np.nanpercentile(pixels, (25, 50, 75), 1)
    return centre.astype(np.float32), np.maximum(high - low, LEAST_SPREAD).astype(np.float32)


def _write(folder: Path, name: str, split: str, scene: Scene) -> Triplet:
    block = scene.block
    images = {
        "fine_before": block.fine_before,
        "fine_after": block.fine_after,
        "coarse_before": block.coarse_before,
        "coarse_after": block.coarse_after,
        "coarse": block.coarse[0],
        "truth": scene.truth[0],
    }
    arrays = {role: pack(image)[0] for role, image in images.items()}
    known = block.known()[0] & np.isfinite(scene.truth[0]).all(0)
    masks = {} if known.all() else {"known": known.astype(np.uint8)}
    for role, array in (arrays | masks).items():
        np.save(folder / f"{name}-{role}", array)
    return Triplet(
        name=name,
        split=split,
        days=(block.day_before, block.days[0], block.day_after),
        files={role: f"{name}-{role}" for role in (*arrays, *masks)},
    )
