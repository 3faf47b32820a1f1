"""A set as scenes, opened one at a time."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from pipeline.evaluate.choices import (
    RealSet,
    RegionChoice,
    SceneFolder,
    SeasonChoice,
    SetChoice,
    WorldChoice,
)
from pipeline.evaluate.region import RegionSource
from pipeline.evaluate.scene_folder import FolderSource
from pipeline.evaluate.season import SeasonSource
from pipeline.evaluate.store import files_sha
from pipeline.evaluate.worlds import WorldSource
from pipeline.real_sets import FOLDERS, Scene, named_in, read_set

TIMELINES = {"salton-sea": ("hide 8 days", "hide 0 days", "hide 16 days")}
"""Groups of a real set whose scenes are days of one place, in order of preference: with the nearest
images hidden there is something to be told from the references."""


class Source(Protocol):
    """The scenes of a set."""

    @property
    def name(self) -> str: ...

    @property
    def bands(self) -> tuple[str, ...]: ...

    @property
    def sha(self) -> str:
        """Of all that its scenes are made from."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The scenes, each by a name of its own, in the order of the report."""

    @property
    def as_published(self) -> bool:
        """Whether it is the papers' test split in their crop, so that their numbers compare."""

    @property
    def timeline(self) -> tuple[str, ...]:
        """Those of ``keys`` that are days of one place, for plots through time; often none."""

    def read(self, key: str) -> Scene: ...

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        """Whether a stage of a card's training names the set, or one of the same scene."""

    def seen_in(self, stage: Mapping[str, Any]) -> str | None:
        """How a stage that names the set has seen what would be scored; None: only the rest."""


class RealSource:
    """A small real set; all of it is held, some tens of megabytes."""

    def __init__(self, choice: RealSet) -> None:
        read = read_set(choice.name, choice.folder)
        if unknown := set(choice.groups) - {scene.group for scene in read}:
            there = ", ".join(dict.fromkeys(scene.group for scene in read))
            raise ValueError(
                f"{choice.name} has no group {', '.join(sorted(unknown))}; there are {there}"
            )
        chosen = [scene for scene in read if not choice.groups or scene.group in choice.groups]
        self._scenes = {f"{scene.group}, {scene.name}": scene for scene in chosen}
        self.name, self.as_published = choice.name, False
        self.bands = chosen[0].bands
        folder = choice.folder / FOLDERS[choice.name]
        self.sha = files_sha((path for path in folder.rglob("*") if path.is_file()), folder)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._scenes)

    @property
    def timeline(self) -> tuple[str, ...]:
        groups = {scene.group for scene in self._scenes.values()}
        line = next((group for group in TIMELINES.get(self.name, ()) if group in groups), None)
        return tuple(key for key, scene in self._scenes.items() if scene.group == line)

    def read(self, key: str) -> Scene:
        return self._scenes[key]

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        return named_in({"training": [stage]}, self.name)

    def seen_in(self, stage: Mapping[str, Any]) -> str | None:
        """No part of a real set is for training."""
        return f"its card names {self.name}, or a set of the same scene, in its training"


@lru_cache(maxsize=1)
def open_source(choice: SetChoice) -> Source:
    """The scenes of a set.  Raises ValueError or OSError, with the cure, where it cannot be read.

    A process keeps the last one: tasks come set by set.
    """
    match choice:
        case RealSet():
            return RealSource(choice)
        case SceneFolder():
            return FolderSource(choice)
        case WorldChoice():
            return WorldSource(choice)
        case SeasonChoice():
            return SeasonSource(choice)
        case RegionChoice():
            return RegionSource(choice)
