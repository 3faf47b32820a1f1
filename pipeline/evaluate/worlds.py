"""A simulated world through a season as scenes: its whole truth is known.

The target of a scene is a day on which the fine sensor looked, clear or not; its image is hidden
with those within so many days of it, in the classes of the real sets, or with all later images of
both sensors, and what is scored is the truth of all its pixels.  The world
(``model.worlds.timeline``) is simulated anew when it is opened: it is a function of generator, seed
and code.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from model.block import Block
from model.worlds.spectra import BANDS
from model.worlds.timeline import Timeline
from pipeline.evaluate.choices import WorldChoice, group_of
from pipeline.evaluate.code import world_code
from pipeline.evaluate.store import fingerprint
from pipeline.real_sets import Scene
from pipeline.validate.hide import ONE_SIDED, Hide

PIXEL_M = 30.0


class WorldSource:
    """The scenes of one world."""

    as_published = False
    bands = BANDS

    def __init__(self, choice: WorldChoice) -> None:
        self.choice = choice
        self.name = f"world-{choice.generator}-{choice.seed}"
        self.sha = fingerprint(choice.generator, choice.seed, world_code())

    @property
    def keys(self) -> tuple[str, ...]:
        """The target days of each class."""
        return tuple(self._targets)

    @property
    def timeline(self) -> tuple[str, ...]:
        """Of the first class, where every target has its nearest images."""
        return tuple(
            key for key, (_, hide) in self._targets.items() if hide == self.choice.hide_days[0]
        )

    def read(self, key: str) -> Scene:
        day, hide = self._targets[key]
        block = self._block(day, hide)
        sides = dict.fromkeys((block.day_before, block.day_after))
        return Scene(
            set=self.name,
            group=group_of(hide),
            name=f"day {day} from {' and '.join(map(str, sides))}",
            block=block,
            truth=self._world.truth[[day]],
            bands=self.bands,
            pixel_m=PIXEL_M,
            note=f"a simulated world of the generator {self.choice.generator!r}, seed "
            f"{self.choice.seed}; the truth is what a perfect sensor would see",
        )

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        """Whether it was trained or chosen on worlds of this generator and seed."""
        generator, seed = self.choice.generator, self.choice.seed
        one = rf"(?<![a-z]){generator}(?![a-z])(-|, seed |[^;,]*--seed ){seed}(?!\d)"
        return re.search(one, str(stage)) is not None

    def seen_in(self, stage: Mapping[str, Any]) -> str | None:
        """A world is no part of anything."""
        return f"it was trained or chosen on {self.name}"

    @cached_property
    def _world(self) -> Timeline:
        return Timeline.make(self.choice.generator, self.choice.seed)

    def _block(self, day: int, hide: Hide) -> Block:
        if hide == ONE_SIDED:
            return self._world.morning(day)
        return self._world.block([day], self._world.near(day, hide))

    def _has_references(self, day: int, hide: Hide) -> bool:
        if hide == ONE_SIDED:
            return self._world.earlier(day) is not None
        return self._world.bracket(day, self._world.near(day, hide)) is not None

    @cached_property
    def _targets(self) -> dict[str, tuple[int, Hide]]:
        """Target day and what is hidden with it, by name."""
        return {
            f"day {day}, {group_of(hide)}": (day, hide)
            for hide in self.choice.hide_days
            for day in self._world.fine.days
            if self._has_references(day, hide)
        }
