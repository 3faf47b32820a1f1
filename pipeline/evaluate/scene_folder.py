"""A scene set (``model.training.scenes``) as scenes: benchmark sets, and a region's triplets."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.block import Array, Block, Series
from model.training.scenes import TABLE, mapped, open_set, unpack
from model.training.scenes import Scene as Triplet
from pipeline.evaluate.choices import SceneFolder
from pipeline.evaluate.store import files_sha
from pipeline.real_sets import Scene, cell_means, named_in, padded, whole_cells
from pipeline.sets.tables import SETS

PIXEL_M = {"cia": 25.0, "lgc": 25.0}
"""Side of a fine pixel where it is not Landsat's 30 m."""

LEARNED_FROM = "train"
"""The split that weights may know which are scored on another."""

_EPOCH = date(1970, 1, 1)


class FolderSource:
    """The scenes of one split, each read when it is asked for."""

    def __init__(self, choice: SceneFolder) -> None:
        self.folder = choice.folder
        self.set = open_set(self.folder)
        self.split = choice.split
        self._triplets = {one.name: one for one in self.set.split(choice.split)}
        self.name, self.bands, self.keys = self.set.name, self.set.bands, tuple(self._triplets)
        named = {file for one in self._triplets.values() for file in one.files.values()}
        paths = [self.folder / TABLE, *(self.folder / f"{name}.npy" for name in named)]
        self.sha = files_sha(paths, self.folder)

    def read(self, key: str) -> Scene:
        """The coarse images of a set that has them on pixels are their means over cells: the sets
        were brought to the fine grid by the nearest cell, which is no image of the sensor's."""
        one = self._triplets[key]
        ratio = self.set.ratio
        fine = {role: self._fine(one, role) for role in ("fine_before", "fine_after", "truth")}
        y, x = fine["truth"].shape[1:]
        if "known" in one.files:
            fine["truth"][:, mapped(self.folder, one.files["known"]) == 0] = np.nan
        coarse = {
            role: self._coarse(one, role) for role in ("coarse_before", "coarse_after", "coarse")
        }
        filled = self._masks(one)
        references = [whole_cells(fine[role], ratio) for role in ("fine_before", "fine_after")]
        block = Block(
            bands=self.set.bands,
            fine_before=references[0],
            fine_after=references[1],
            coarse_before=coarse["coarse_before"],
            coarse_after=coarse["coarse_after"],
            coarse=coarse["coarse"][None],
            day_before=one.days[0],
            day_after=one.days[2],
            days=(one.days[1],),
            ratio=ratio,
            origin=(0, 0),
            centre=np.asarray(self.set.centre, np.float32),
            spread=np.asarray(self.set.spread, np.float32),
            core=(slice(0, y), slice(0, x)),
            series=Series.of(zip(one.days[::2], references, strict=True)),
            **filled,
        )
        before, target, after = (_EPOCH + timedelta(day) for day in one.days)
        sides = f"{before}" if before == after else f"{before} and {after}"
        return Scene(
            set=self.name,
            group=self.split,
            name=f"{target} from {sides}",
            block=block,
            truth=whole_cells(fine["truth"], ratio)[None],
            bands=self.set.bands,
            pixel_m=PIXEL_M.get(self.name, 30.0),
            note=f"{self.set.origin}; licence: {self.set.licence}",
        )

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        return named_in({"training": [stage]}, self.name)

    def seen_in(self, stage: Mapping[str, Any]) -> str | None:
        """Weights of the training split are scored, if no triplet of it shows a truth."""
        if self.split == LEARNED_FROM or self._shows_truths:
            return f"its card names {self.name}, or a set of the same scene, in its training"
        entries = [one for one in _entries(stage) if self.named_in(one)]
        if not entries:
            return f"its card names {self.name} in its training and does not say which split"
        for one in entries:
            if one.get("scenes") != self.name:
                return f"its card names a set of the same scene as {self.name} in its training"
            if one.get("split") not in (LEARNED_FROM, "validation"):
                return f"it was trained or chosen on the split {one.get('split')} of {self.name}"
        return None

    @property
    def timeline(self) -> tuple[str, ...]:
        """A scene set does not say which of its scenes are of one place."""
        return ()

    @property
    def as_published(self) -> bool:
        """Whether this is the crop and the split of the papers, so that their numbers compare."""
        spec = SETS.get(self.name)
        if spec is None or self.split != "test":
            return False
        rows, columns = (
            re.escape(f"{first} + {length}")
            for first, length in zip(spec.corner, spec.crop, strict=True)
        )
        cropped = re.search(rf"rows {rows}, columns {columns}$", self.set.origin) is not None
        days = tuple(
            tuple((day - _EPOCH).days for day in triplet) for triplet in spec.splits["test"]
        )
        return cropped and tuple(one.days for one in self._triplets.values()) == days

    @property
    def _shows_truths(self) -> bool:
        """Whether a training triplet shows what is to be predicted."""
        trained = (one for one in self.set.scenes if one.split == LEARNED_FROM)
        seen = {day for one in trained for day in one.days}
        return bool(seen & {one.days[1] for one in self._triplets.values()})

    def _fine(self, one: Triplet, role: str) -> Array:
        return unpack(np.asarray(mapped(self.folder, one.files[role])))

    def _coarse(self, one: Triplet, role: str) -> Array:
        image = unpack(np.asarray(mapped(self.folder, one.files[role])))
        if self.set.coarse == "cells":
            return image
        y, x = (-length % self.set.ratio for length in image.shape[1:])
        whole = np.pad(image, ((0, 0), (0, y), (0, x)), mode="edge")
        return padded(cell_means(whole, self.set.ratio))

    def _masks(self, one: Triplet) -> dict[str, NDArray[np.bool_]]:
        def mask(role: str) -> NDArray[np.bool_]:
            return np.asarray(mapped(self.folder, one.files[role])) != 0

        found: dict[str, NDArray[np.bool_]] = {
            role: whole_mask(mask(role), self.set.ratio)
            for role in ("filled_before", "filled_after")
            if role in one.files
        }
        if "coarse_filled" in one.files:
            before, after, target = mask("coarse_filled")
            found |= {
                "coarse_filled_before": before,
                "coarse_filled_after": after,
                "coarse_filled": target[None],
            }
        return found


def _entries(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a stage was trained and chosen on, set by set (``model.training.sources.describe``)."""
    for key in ("data", "validation"):
        listed = stage.get(key)
        yield from listed if isinstance(listed, list) else ()


def whole_mask(mask: NDArray[np.bool_], ratio: int) -> NDArray[np.bool_]:
    """Lengthened to whole cells as ``whole_cells``; what lies beyond counts as filled."""
    y, x = (-length % ratio for length in mask.shape)
    return np.pad(mask, ((0, y), (0, x)), constant_values=True)
