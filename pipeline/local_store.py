"""A cube as a folder of plain Zarr v3: how it is opened, made, replaced as a whole and cleaned.

The seam for other stores.  Nothing else knows that a cube has files: a bucket or an Icechunk
repository is another module with these functions, where a conditional write or a commit does what
renaming does here (and takes the place of ``pipeline.lock``).  What is derived from a cube, a copy
with chunks long in time or overviews, is a group of its own in the same store, made from
``store.open_product``.
"""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import zarr


def exists(path: Path) -> bool:
    """Whether there is a store, ours or not."""
    return (path / "zarr.json").exists()


def open_group(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    """A store that is there."""
    return zarr.open_group(path, mode=mode, zarr_format=3)


def consolidate(path: Path) -> None:
    """Gather all metadata in one file, the last step of a run: only then readers are quiet."""
    with warnings.catch_warnings():
        # Zarr warns that consolidated metadata is not in the v3 specification; other readers
        # ignore it, and without it xarray warns every analyst.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)


@contextmanager
def made_beside(path: Path) -> Iterator[zarr.Group]:
    """A new store, whole and consolidated when the body ends, for ``put_in_place``."""
    new = _beside(path, "new")
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    yield zarr.open_group(new, mode="w", zarr_format=3)
    consolidate(new)


def put_in_place(path: Path) -> None:
    """Let the store made beside ``path`` take its place.  Killed anywhere, old or new is whole."""
    old = _beside(path, "old")
    if path.exists():
        path.rename(old)
    _beside(path, "new").rename(path)
    if old.exists():
        shutil.rmtree(old)


def finish_swap(path: Path) -> None:
    """After a kill between the two renames of ``put_in_place`` the new store is put there."""
    new, old = _beside(path, "new"), _beside(path, "old")
    if not path.exists() and old.exists():
        (new if new.exists() else old).rename(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)


def share_day(path: Path, name: str, before: int, after: int) -> None:
    """Give the store made beside ``path`` a day's chunks of an array, at another place in time.

    Out of hard links: a day's chunks are files c/<time>/..., and writes replace files, never
    change them.
    """
    folder = path / name / "c" / str(before)
    if folder.exists():
        shutil.copytree(
            folder,
            _beside(path, "new") / name / "c" / str(after),
            copy_function=_link_or_copy,
            ignore=shutil.ignore_patterns("*.partial"),
        )


def clean(path: Path) -> int:
    """Remove what a killed run left: temporary files, half-made stores; the number of them.

    Under the lock only: a temporary file of a running writer looks the same.
    """
    finish_swap(path)
    stray = [_beside(path, "new"), _beside(path, "old")]
    removed = sum(folder.exists() for folder in stray)
    for folder in stray:
        shutil.rmtree(folder, ignore_errors=True)
    for leftover in path.rglob("*.partial"):  # zarr writes a chunk under this name and renames
        leftover.unlink()
        removed += 1
    return removed


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.name}.{word}")
