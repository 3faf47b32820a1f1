"""A region's own images as scenes: real fine dates, hidden and fused blind.

What is hidden, and what a target is fused from, is what ``daily30 validate`` says
(``pipeline.validate``): the same dates, the same statistics without them.  Groups are by the days
hidden around a date, as with the real sets.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.evaluate.choices import RegionChoice, group_of
from pipeline.evaluate.store import fingerprint
from pipeline.real_sets import Scene
from pipeline.references import read_block
from pipeline.validate.hide import ONE_SIDED, Region, ahead_note, class_name, in_order
from pipeline.validate.seen import shares_ground
from pipeline.validate.targets import Target, targets

HALO_PX = 144
"""Around every tile, for all methods alike: the widest that one of them asks for, which is the
shipped network's."""


class RegionSource:
    """The held-out dates of a region on its tiles; the scenes must have been read before."""

    as_published = False

    def __init__(self, choice: RegionChoice) -> None:
        self.choice = choice
        self.region = Region(choice.job, HALO_PX)
        self.name, self.bands = choice.job.name, self.region.bands
        found = targets(self.region, hide=choice.hide_days, extent=choice.extent)
        if not found:
            raise ValueError(
                f"{self.name}: no fine date keeps the references it needs "
                f"({class_name(min(choice.hide_days, key=in_order))}); take a longer period or "
                "fewer hide_days"
            )
        self._targets = {f"{group_of(one.hide)}, {_name(one)}": one for one in found}
        self.sha = fingerprint([one.key for one in found])

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._targets)

    @cached_property
    def timeline(self) -> tuple[str, ...]:
        """The tile with most dates, in the first class."""
        first = [
            (key, one) for key, one in self._targets.items() if one.hide == self.choice.hide_days[0]
        ]
        tiles = [one.tile for _, one in first]
        most = max(sorted(set(tiles)), key=tiles.count, default=None)
        return tuple(key for key, one in first if one.tile == most)

    def read(self, key: str) -> Scene:
        target, job = self._targets[key], self.choice.job
        blind = self.region.without(target.hidden)
        inputs = read_block(
            job.inputs,
            job.grid,
            replace(target.address, halo=HALO_PX),
            centre=blind.centre,
            spread=blind.spread,
            corrections=blind.corrections,
        )
        block = inputs.block
        assert block is not None
        truth = np.full(block.shape, np.nan, np.float32)
        truth[:, :, *inputs.core] = np.where(inputs.clear[:, None], inputs.observed, np.nan)
        step = job.grid.fine.resolution
        return Scene(
            set=self.name,
            group=group_of(target.hide),
            name=_name(target),
            block=block,
            truth=truth,
            bands=self.bands,
            pixel_m=(abs(step.x) * abs(step.y)) ** 0.5,
            note=ahead_note(self.region.days_ahead) if target.hide == ONE_SIDED else "",
        )

    def named_in(self, stage: Mapping[str, Any]) -> bool:
        """Whether a stage trained on images of this ground."""
        known = stage.get("region")
        return known is not None and shares_ground(self.choice.job.bbox, known["bbox"])

    def seen_in(self, stage: Mapping[str, Any]) -> str | None:
        """``daily30 train-region`` says which dates it used: no hidden one may be among them."""
        used = {date.fromisoformat(day) for day in stage["region"]["dates"]}
        hidden = frozenset[date]().union(*(one.hidden for one in self._targets.values()))
        if not used & hidden:
            return None
        return f"it was trained or chosen on {len(used & hidden)} of the hidden dates"


def _name(target: Target) -> str:
    return f"{target.day} on tile {target.tile}"
