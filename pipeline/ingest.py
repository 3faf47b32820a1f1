"""From frozen items to the cloud-masked input cubes, a day and a block at a time."""

# Strategy.  The unit of work is one day of one collection over a group of whole tiles; it crosses
# the scheduler as an address and writes chunks that no other task owns.  The items of a run are
# frozen in one file beside the cubes, with the facts of their collections, so that a task needs no
# search, a re-run sees the same items, and what a day was made of can be compared later.  A group
# is up to a thousand pixels a side: opening an item's files costs more than the pixels of a tile.

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import pystac
from numpy.typing import NDArray

from catalogs import CollectionSpec, Role, by_name, fingerprint, freeze, nominal_day, thaw
from pipeline.cube import HIGH_AEROSOL, PARTLY, SNOW, WATER, WHOLLY, pack
from pipeline.grid import Grid
from pipeline.load import load_coarse, load_fine
from pipeline.mask import clearness
from pipeline.pairs import SCORE
from pipeline.read import Loader
from pipeline.store import write_block

GROUP_PX = 1024
"""Fine pixels a side that are read at once, where tiles are smaller.

Scenes have blocks of 256 pixels, and those under the edges of groups are read for each of them:
of a region of 2048 pixels, groups of 512 read 1.8 times the bytes needed, groups of 1024 1.2 times,
for 120 MB more memory (``python -m benchmarks.ingest``).
"""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The items of one kind of image and the facts about their collections."""

    specs: Mapping[str, CollectionSpec]
    """By the name that items carry as ``collection``, in the order of preference."""

    items: tuple[pystac.Item, ...]
    """Sorted by (day, id)."""

    notes: tuple[str, ...] = ()
    """Which catalogues were used, which passed over and which items left out, and why."""

    @cached_property
    def by_day(self) -> Mapping[date, tuple[pystac.Item, ...]]:
        """Items by nominal day, days ascending."""
        by_day: dict[date, list[pystac.Item]] = {}
        for item in self.items:
            by_day.setdefault(nominal_day(item), []).append(item)
        return {day: tuple(by_day[day]) for day in sorted(by_day)}

    @property
    def days(self) -> tuple[date, ...]:
        """Days that have items, ascending."""
        return tuple(self.by_day)

    def fingerprint(self, day: date) -> int:
        """64 bits that change when the items of a day or the facts about them do; 0: no item."""
        if day not in self.by_day:
            return 0
        items = self.by_day[day]
        named = {str(item.collection_id) for item in items}
        # In their order, for of two sensors that are as good the first leads.
        facts = [json.dumps(spec.to_dict()) for name, spec in self.specs.items() if name in named]
        parts = [*map(fingerprint, items), *facts]
        return int(sha256("\n".join(parts).encode()).hexdigest()[:16], 16) or 1

    def to_dict(self) -> dict[str, Any]:
        """JSON values; hrefs without query strings."""
        return {
            "specs": [spec.to_dict() for spec in self.specs.values()],
            "items": [freeze(item) for item in self.items],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """What ``to_dict`` wrote."""
        return cls(
            specs=by_name(*map(CollectionSpec.from_dict, known["specs"])),
            items=tuple(map(thaw, known["items"])),
            notes=tuple(known["notes"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that the input cubes are made from: the content of ``items.json``."""

    grid: Grid
    bands: tuple[str, ...]
    drop: tuple[str, ...]
    """What is unclear in fine images besides clouds: snow, water."""

    normal_sun: float | None = None
    """Zenith of the sun, in degrees, under which all reflectance is seen from above; None: each
    image as its sun and view were."""

    fine: Collected
    coarse: Collected


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTask:
    """The address of a block of an input cube."""

    folder: str
    """Where ``items.json`` and the input cubes lie."""

    role: Role
    day: date
    tiles: tuple[int, ...]
    """Indices of the tiles, a full rectangle; () for coarse, whose block is the region."""

    loader: Loader = "odc-stac"
    """What reads the rasters.  Not part of any identity: all give the same pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What became of a task."""

    task: IngestTask
    clear_pixels: int = 0
    clipped_pixels: int = 0
    """Pixels beyond -0.2 .. 1.6, flagged as input of low quality."""

    sources: int = 0
    """Items that gave pixels."""

    clear_share: tuple[float, ...] = ()
    """Of each tile of a fine task,"""
    cloud_distance: tuple[float, ...] = ()
    """and how far its clear pixels are from the others, in metres; see ``mask.clearness``."""

    seconds_read: float = 0.0
    seconds_write: float = 0.0
    error: str | None = None
    """What could not be read, with the place."""

    written: bool = False
    """Whether the block was written; with an error, from the items that could be read."""

    @property
    def done(self) -> int:
        """The block's value in ``done``."""
        return PARTLY if self.error and self.written else WHOLLY if self.written else 0


def freeze_inputs(folder: Path, inputs: Inputs) -> None:
    """Write ``items.json`` into ``folder``, in one step."""
    known = {
        "grid": inputs.grid.to_dict(),
        "bands": list(inputs.bands),
        "drop": list(inputs.drop),
        "normal_sun": inputs.normal_sun,
        "fine": inputs.fine.to_dict(),
        "coarse": inputs.coarse.to_dict(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "items.json.partial"  # one name: what a kill leaves is written over
    with beside.open("w", encoding="utf-8") as file:
        json.dump(known, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / "items.json")


def open_inputs(folder: str | Path) -> Inputs:
    """The frozen items of a folder; read once per process and change of the file."""
    path = Path(folder) / "items.json"
    return _open_inputs(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _open_inputs(path: Path, changed: int) -> Inputs:
    known = json.loads(path.read_text(encoding="utf-8"))
    return Inputs(
        grid=Grid.from_dict(known["grid"]),
        bands=tuple(known["bands"]),
        drop=tuple(known["drop"]),
        normal_sun=known["normal_sun"],
        fine=Collected.from_dict(known["fine"]),
        coarse=Collected.from_dict(known["coarse"]),
    )


def ingest_tasks(
    folder: str | Path,
    inputs: Inputs,
    *,
    role: Role,
    days_on_axis: Sequence[date],
    done: NDArray[np.uint8],
    loader: Loader = "odc-stac",
) -> list[IngestTask]:
    """The tasks that are missing in an input cube, by day.

    ``done`` is the cube's (time, tile) array, time as ``days_on_axis``; a group of tiles is read
    again if any of its tiles is not done.  Days without items have no task.
    """
    collected = inputs.fine if role == "fine" else inputs.coarse
    groups = _groups(inputs.grid) if role == "fine" else [()]
    return [
        IngestTask(folder=str(folder), role=role, day=day, tiles=tiles, loader=loader)
        for day, row in sorted(zip(days_on_axis, done, strict=True), key=lambda pair: pair[0])
        if day in collected.by_day
        for tiles in groups
        if (row[list(tiles or (0,))] != WHOLLY).any()
    ]


def _groups(grid: Grid) -> list[tuple[int, ...]]:
    """The tiles in rectangles of whole chunks of the fine input cube, ``GROUP_PX`` a side."""
    chunk = grid.tiles_together
    side = chunk * max(1, GROUP_PX // (chunk * grid.tile))
    rows, cols = grid.tile_shape
    return [
        tuple(
            row * cols + col
            for row in range(top, min(top + side, rows))
            for col in range(left, min(left + side, cols))
        )
        for top in range(0, rows, side)
        for left in range(0, cols, side)
    ]


def ingest_block(task: IngestTask) -> IngestReport:
    """Read a day's items on a block, mask them, and write the block's chunks.

    What cannot be read is told in the report, with the place.  The block is written from the
    other items of the day, or not at all where there is nothing in them, and a re-run tries again.
    """
    inputs = open_inputs(task.folder)
    collected = inputs.fine if task.role == "fine" else inputs.coarse
    items = collected.by_day[task.day]
    where = f"{task.role} image of {task.day}, " + (
        f"tiles {_spans(task.tiles)}" if task.tiles else "the whole region"
    )
    started = time.perf_counter()
    try:
        if task.role == "fine":
            y, x = _rectangle(inputs.grid, task.tiles)
            box = inputs.grid.fine[y, x]
            scene = load_fine(
                items,
                collected.specs,
                inputs.bands,
                box,
                drop=inputs.drop,
                normal_sun=inputs.normal_sun,
                loader=task.loader,
            )
        else:
            box = inputs.grid.coarse
            y, x = slice(0, box.shape.y), slice(0, box.shape.x)
            scene = load_coarse(
                items,
                collected.specs,
                inputs.bands,
                box,
                normal_sun=inputs.normal_sun,
                loader=task.loader,
            )
        read = time.perf_counter()
        seen = clearness_of(inputs.grid, scene.clear, task.tiles)
        dn, clipped = pack(scene.reflectance)
        poor = scene.high_aerosol | np.logical_or.reduce(clipped)
        surface = scene.water * WATER | scene.snow * SNOW | poor * HIGH_AEROSOL
        arrays = dict(zip(inputs.bands, dn[:, None], strict=True)) | {
            "clear": scene.clear[None].astype(np.uint8),
            "surface": surface[None].astype(np.uint8),
            "source": scene.source[None],
        }
        cube = Path(task.folder) / f"{task.role}.zarr"
        write_block(cube, arrays, days=(task.day,), y=y, x=x)
    except OSError as error:
        return IngestReport(
            task=task,
            seconds_read=time.perf_counter() - started,
            error=f"{where}: {error}",
        )
    return IngestReport(
        task=task,
        clear_pixels=int(scene.clear.sum()),
        clipped_pixels=int(np.logical_or.reduce(clipped).sum()),
        sources=int(np.unique(scene.source[scene.clear]).size),
        clear_share=tuple(share for share, _ in seen),
        cloud_distance=tuple(metres for _, metres in seen),
        seconds_read=read - started,
        seconds_write=time.perf_counter() - read,
        error=f"{where}, read in part: {'; '.join(scene.unread)}" if scene.unread else None,
        written=True,
    )


def empty_day(folder: Path, role: Role, grid: Grid, day: date) -> None:
    """Let an input cube show nothing on a day: no pixel of it is clear."""
    for tiles in _groups(grid) if role == "fine" else [()]:
        y, x = _rectangle(grid, tiles) if tiles else (slice(0, n) for n in grid.coarse_shape)
        nothing = np.zeros((1, y.stop - y.start, x.stop - x.start), np.uint8)
        write_block(folder / f"{role}.zarr", {"clear": nothing}, days=(day,), y=y, x=x)


def clearness_of(
    grid: Grid, clear: NDArray[np.bool_], tiles: Sequence[int]
) -> list[tuple[float, float]]:
    """``mask.clearness`` of the ``tiles`` that fill the rectangle of which ``clear`` is the mask.

    So a cloud beyond the rectangle is not seen: one more reading of its neighbours for every
    day would cost more than the little it says.
    """
    if not tiles:
        return []
    top, left = (side.start for side in _rectangle(grid, tiles))
    windows = [
        (
            slice(tile.y.start - top, tile.y.stop - top),
            slice(tile.x.start - left, tile.x.stop - left),
        )
        for tile in (grid.tiles[index] for index in tiles)
    ]
    step = grid.fine.resolution
    return clearness(clear, windows, (abs(step.y), abs(step.x)), SCORE.cloud_reach_m)


def _rectangle(grid: Grid, tiles: Iterable[int]) -> tuple[slice, slice]:
    own = [grid.tiles[index] for index in tiles]
    return (
        slice(min(tile.y.start for tile in own), max(tile.y.stop for tile in own)),
        slice(min(tile.x.start for tile in own), max(tile.x.stop for tile in own)),
    )


def _spans(tiles: Sequence[int]) -> str:
    return str(tiles[0]) if len(tiles) == 1 else f"{tiles[0]} to {tiles[-1]}"
