"""A scene set: triplets of dates with their images, in a folder of memory-mapped files.

    set.json     what there is: bands, ratio, splits, dates, which file holds which image
    *.npy        images (band, y, x), int16 reflectance at 1e-4, -9999 unknown; masks uint8

Scenes may share files: the truth of one triplet is a reference of the next.  Coarse images are
either on ``cells``, with ``COARSE_PAD`` cells around as in a Block, or on ``pixels``: on the fine
grid already, as some benchmark sets come.  A set is written whole (``written_whole``) and checked
when it is opened; training reads patches of it (model.training.patches) without loading a scene.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array

FORMAT = 1
TABLE = "set.json"
SCALE, FILL = 1e-4, -9999
"""As in the cubes (``pipeline.cube``), so that images go from one to the other unchanged."""

FINE = ("fine_before", "fine_after", "truth")
COARSE = ("coarse_before", "coarse_after", "coarse")
MASKS = ("filled_before", "filled_after", "coarse_filled", "known")
"""May be absent.  1 in ``filled_before`` and ``filled_after`` (y, x): not seen on the reference's
day.  1 in ``coarse_filled`` (image, row, col), images as in ``COARSE``: filled in time.  0 in
``known`` (y, x): nothing is scored, for the truth or an input is unknown; without the file all is
scored that has a truth."""

Coarse = Literal["cells", "pixels"]


class SceneSetError(ValueError):
    """A folder that is no whole scene set, or does not hold what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One triplet: two references and a target day with its truth."""

    name: str
    split: str
    """What it may be used for: "train", "validation", "test"."""

    days: tuple[int, int, int]
    """Earlier reference, target, later reference; days since 1970-01-01.  One-sided: the first is
    the last, and both references the same pair."""

    files: dict[str, str]
    """File name without ``.npy``, for each of ``FINE`` and ``COARSE`` and some of ``MASKS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSet:
    """What ``set.json`` says."""

    name: str
    bands: tuple[str, ...]
    ratio: int
    """Fine pixels along one side of a coarse cell."""

    coarse: Coarse
    patch_px: int
    stride_px: int
    """Side of a training patch and the way from one to the next, where nothing else is asked."""

    min_known: float
    """Least share of a patch that is scored."""

    centre: tuple[float, ...]
    """(band,) median reflectance of the fine images of the training dates."""

    spread: tuple[float, ...]
    """(band,) their interquartile range, 0.01 or more."""

    origin: str
    """Where the images are from, and what was done to them."""

    licence: str
    scenes: tuple[Scene, ...]

    def split(self, name: str) -> tuple[Scene, ...]:
        """The scenes of a split.  Raises SceneSetError where there is none."""
        if chosen := tuple(scene for scene in self.scenes if scene.split == name):
            return chosen
        there = sorted({scene.split for scene in self.scenes})
        raise SceneSetError(f"{self.name} has no split {name!r}; there are {', '.join(there)}")

    def save(self, folder: Path) -> None:
        """Write ``set.json``; last of all, for a folder that has one is taken for a set."""
        known = {name: getattr(self, name) for name in _FIELDS} | {
            "format": FORMAT,
            "scenes": [{name: getattr(scene, name) for name in _OF_SCENE} for scene in self.scenes],
        }
        (folder / TABLE).write_text(json.dumps(known, indent=1), encoding="utf-8")


_OF_SCENE = ("name", "split", "days", "files")
_FIELDS = (
    *("name", "bands", "ratio", "coarse", "patch_px", "stride_px", "min_known"),
    *("centre", "spread", "origin", "licence"),
)


def open_set(folder: Path) -> SceneSet:
    """Read and check a scene set.

    Every file is opened, none is read.  Raises SceneSetError with the place and the cure.
    """
    path = Path(folder) / TABLE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SceneSetError(
            f"{folder} is no scene set: it has no {TABLE}. `daily30 sets import` makes one of a "
            "benchmark set, `daily30 train-region` one of a region"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SceneSetError(f"{path} is not JSON: {error}; write the set again") from error
    if not isinstance(known, dict) or known.get("format") != FORMAT:
        found = known.get("format") if isinstance(known, dict) else None
        raise SceneSetError(
            f"{path} is of format {found!r}, this code reads {FORMAT}; write the set again"
        )
    if missing := sorted({*_FIELDS, "scenes"} - known.keys()):
        raise SceneSetError(f"{path} lacks {', '.join(missing)}; write the set again")
    scenes = tuple(
        Scene(
            name=one["name"], split=one["split"], days=tuple(one["days"]), files=dict(one["files"])
        )
        for one in known["scenes"]
    )
    lists = {name: tuple(known[name]) for name in ("bands", "centre", "spread")}
    opened = SceneSet(
        **{**{name: known[name] for name in _FIELDS}, **lists},
        scenes=scenes,
    )
    _check(Path(folder), opened)
    return opened


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """An empty folder to write a set into; it becomes ``folder`` when the body has ended well.

    A set that is there already is replaced then, and not before.  Raises SceneSetError where
    ``folder`` holds something else, or what was written is no set.
    """
    if folder.exists() and not (folder / TABLE).exists() and any(folder.iterdir()):
        raise SceneSetError(
            f"{folder} exists and is no scene set; give another folder, or move it away"
        )
    new, old = (folder.with_name(f"{folder.name}.{word}") for word in ("partial", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    yield new
    open_set(new)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def mapped(folder: Path, file: str) -> NDArray[Any]:
    """An array of a set, memory-mapped; opened once per process and change of the file."""
    path = folder / f"{file}.npy"
    return _mapped(path, path.stat().st_mtime_ns)


# A few thousand maps: a region's set has thousands of files, and the system allows 65 000 maps.
@lru_cache(maxsize=4096)
def _mapped(path: Path, changed: int) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def unpack(dn: NDArray[np.int16]) -> Array:
    """Stored int16 to float32 reflectance, NaN where unknown."""
    values = dn * np.float32(SCALE)
    values[dn == FILL] = np.nan
    return values


def _check(folder: Path, opened: SceneSet) -> None:
    bands = len(opened.bands)
    if not bands or len(set(opened.bands)) < bands:
        raise SceneSetError(f"{folder / TABLE} names the bands {opened.bands}; each is named once")
    if not len(opened.centre) == len(opened.spread) == bands:
        raise SceneSetError(
            f"{folder / TABLE} has {len(opened.centre)} values of centre and "
            f"{len(opened.spread)} of spread for {bands} bands"
        )
    if opened.coarse not in ("cells", "pixels"):
        raise SceneSetError(f"{folder / TABLE}: coarse is {opened.coarse!r}, not cells or pixels")
    if not opened.scenes:
        raise SceneSetError(f"{folder / TABLE} holds no scene; write the set again")
    for scene in opened.scenes:
        _check_scene(folder, opened, scene)


def _check_scene(folder: Path, opened: SceneSet, scene: Scene) -> None:
    before, target, after = scene.days
    if before != after and not (before <= target <= after):
        raise SceneSetError(f"scene {scene.name} of {folder}: its days {scene.days} do not ascend")
    if odd := sorted(scene.files.keys() - {*FINE, *COARSE, *MASKS}):
        raise SceneSetError(f"scene {scene.name} of {folder} has unknown files {', '.join(odd)}")
    if missing := [role for role in (*FINE, *COARSE) if role not in scene.files]:
        raise SceneSetError(f"scene {scene.name} of {folder} lacks {', '.join(missing)}")
    arrays = {role: _open_file(folder, scene, role) for role in scene.files}
    y, x = arrays["truth"].shape[1:]
    if opened.coarse == "cells" and (y % opened.ratio or x % opened.ratio):
        raise SceneSetError(
            f"scene {scene.name} of {folder} is {y} x {x} pixels, not whole coarse cells of "
            f"{opened.ratio}"
        )
    cells = (y, x)
    if opened.coarse == "cells":
        cells = y // opened.ratio + 2 * COARSE_PAD, x // opened.ratio + 2 * COARSE_PAD
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(FINE, (len(opened.bands), y, x))
    wanted |= dict.fromkeys(COARSE, (len(opened.bands), *cells))
    wanted |= dict.fromkeys(MASKS, (y, x)) | {"coarse_filled": (len(COARSE), *cells)}
    for role, array in arrays.items():
        kind = np.dtype(np.uint8 if role in MASKS else np.int16)
        if array.shape != wanted[role] or array.dtype != kind:
            raise SceneSetError(
                f"{role} of scene {scene.name}, {folder / scene.files[role]}.npy, is "
                f"{array.dtype} {array.shape}, but the set asks for {kind} {wanted[role]}; "
                "write the set again"
            )


def _open_file(folder: Path, scene: Scene, role: str) -> NDArray[Any]:
    path = folder / f"{scene.files[role]}.npy"
    try:
        array = mapped(folder, scene.files[role])
    except (OSError, ValueError) as error:
        raise SceneSetError(
            f"{role} of scene {scene.name} cannot be read: {path} ({error}); write the set again"
        ) from error
    if role == "truth" and array.ndim != 3:
        raise SceneSetError(f"{path} has shape {array.shape}, not (band, y, x)")
    return array
