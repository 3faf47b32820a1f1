"""A simulated world as scenes: its whole truth is known, on days that no fine image shows.

Every ``EVERY``-th of its days has a fine image; of the days between every second is a target,
fused from the images around.  Groups are by days to the nearer image.  The world is simulated anew
when it is opened: it is a function of generator, seed and code.
"""

import re
import tempfile
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from model.block import Array, Block, Series
from model.training.pool import GENERATORS, SCALE, WorldCard, make
from model.worlds.sensor import see_fine
from pipeline.evaluate.choices import WorldChoice
from pipeline.evaluate.code import world_code
from pipeline.evaluate.store import fingerprint
from pipeline.real_sets import Scene, padded

EVERY = 6
PIXEL_M = 30.0
GAPS = ((8, "image within 8 days"), (16, "image 9 to 16 days away"), (999, "image farther away"))
"""Most days to the nearer image, and what the group is called."""


class WorldSource:
    """The scenes of one world."""

    as_published = False
    learned_from: str | None = None

    def __init__(self, choice: WorldChoice) -> None:
        self.choice = choice
        self.name = f"world-{choice.generator}-{choice.seed}"
        self.sha = fingerprint(choice.generator, choice.seed, world_code())

    @property
    def bands(self) -> tuple[str, ...]:
        return self._world[0].bands

    @property
    def keys(self) -> tuple[str, ...]:
        """The target days."""
        return tuple(f"day {day}" for day in self._targets)

    @property
    def timeline(self) -> tuple[str, ...]:
        """All of them are days of one place."""
        return self.keys

    def read(self, key: str) -> Scene:
        card, truth, coarse, seen = self._world
        before, target, after = self._targets[int(key.removeprefix("day "))]
        days = card.days
        away = min(days[target] - days[before], days[after] - days[target])
        cells = [padded(coarse[at]) for at in (before, target, after)]
        block = Block(
            bands=card.bands,
            fine_before=seen[before],
            fine_after=seen[after],
            coarse_before=cells[0],
            coarse_after=cells[2],
            coarse=cells[1][None],
            day_before=days[before],
            day_after=days[after],
            days=(days[target],),
            ratio=card.ratio,
            origin=(0, 0),
            centre=np.asarray(card.centre, np.float32),
            spread=np.asarray(card.spread, np.float32),
            series=Series.of((days[at], image) for at, image in seen.items()),
        )
        return Scene(
            set=self.name,
            group=next(name for most, name in GAPS if away <= most),
            name=f"day {days[target]} from {days[before]} and {days[after]}",
            block=block,
            truth=truth[target][None],
            bands=card.bands,
            pixel_m=PIXEL_M,
            note=f"a simulated world of the generator {card.generator!r}, seed {card.seed}; the "
            "truth is what a perfect sensor would see",
        )

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        """Whether it was trained or chosen on worlds of this generator and seed."""
        generator, seed = self.choice.generator, self.choice.seed
        one = rf"(?<![a-z]){generator}(-|, seed |[^;,]*--seed ){seed}(?!\d)"
        return re.search(one, str(stage)) is not None

    @cached_property
    def _world(self) -> tuple[WorldCard, Array, Array, dict[int, Array]]:
        """Card, truth (day, band, y, x), coarse cells (day, band, row, col) and, of the days that
        have one, the fine image."""
        generator, seed = self.choice.generator, self.choice.seed
        with tempfile.TemporaryDirectory(prefix="daily30-world-") as place:
            make(0, out=Path(place), seed=seed, generator=generator)
            (folder,) = Path(place).iterdir()
            card = WorldCard.read(folder)
            truth, coarse = (
                np.load(folder / f"{name}.npy") * np.float32(SCALE) for name in ("truth", "coarse")
            )
        side = truth.shape[-1] // card.ratio * card.ratio
        truth = truth[..., :side, :side]
        rng = np.random.default_rng([seed, GENERATORS[generator]])
        seen = {at: see_fine(truth[at], card.fine, rng) for at in self._images(len(card.days))}
        return card, truth, coarse, seen

    @cached_property
    def _targets(self) -> dict[int, tuple[int, int, int]]:
        """By target day: places of the image before, the target and the image after."""
        days = self._world[0].days
        images = self._images(len(days))
        found = {}
        for before, after in pairwise(images):
            for target in range(before + 1, after, 2):
                found[days[target]] = (before, target, after)
        return found

    @staticmethod
    def _images(days: int) -> list[int]:
        return [*range(0, days - 1, EVERY), days - 1]
