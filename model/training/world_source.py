"""Examples out of a pool of simulated worlds: which world, which place in it, which days.

What becomes of them on the way is in ``model.training.world_reading``.  The 30 m sensor looks when
an example is read, so a world gives new ones for ever.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.training.augment import draw_layout
from model.training.example import Example
from model.training.pool import CARD, SCALE, WorldCard
from model.training.world_reading import OpenWorld, Place, Reading, open_world
from model.worlds.spectra import BANDS

ONE_SIDED = 0.3
"""Share of the examples whose two references are the same: most of the real sets have two dates."""
SPAN_DAYS = (2, 120)
CALMED = 0.75
"""Share of the varied examples whose coarse images are calmed, as the product's are by default.
The others are single days: so are those of most benchmark sets, and of a region that asks for
days as they were seen."""


class WorldSource:
    """Implements ``Source`` over one pool or several; an epoch has ``examples`` examples.

    ``example`` is a pure function of the seed, its arguments and the list of worlds, which is read
    once, in the order of their names; ``worlds`` takes that many of each pool, so that a pool may
    grow beside a training.

    ``augment``: ``none`` gives what the product meets, for choosing a model: six bands, calmed
    coarse images, the frame's own ``upsample`` (a name of model.upsample), no change of colour,
    each example as it is drawn.
    ``flip`` mirrors half of them besides.  ``eight`` lays each in one of eight ways, turns time
    round in half, changes the colours, drops bands, takes any way of upsampling in 40 % (benchmark
    sets come in several), and keeps the more surprising of two drawn places in a share
    ``eventful``: floods and harvests between the references are rare, and without this a network
    learns to distrust what they show.

    ``alike``: so many examples in a row, from a multiple of it on, come from worlds of one ratio;
    each ratio as often as worlds have it.
    """

    bands = BANDS

    def __init__(
        self,
        pool: Path | Sequence[Path],
        *,
        seed: int,
        examples: int,
        patch: int,
        augment: str = "none",
        eventful: float = 0.7,
        worlds: int | None = None,
        upsample: str = "smooth",
        alike: int = 1,
    ) -> None:
        if examples < 1:
            raise ValueError(
                f"examples={examples}: worlds are endless, so say how many examples an epoch has"
            )
        pools = [pool] if isinstance(pool, Path | str) else list(pool)
        self.folders = tuple(world for one in pools for world in _worlds(Path(one), worlds))
        self.seed, self.patch, self.augment = seed, patch, augment
        self.eventful = eventful if augment == "eight" else 0.0
        self.upsample = upsample
        self.alike = alike
        self._ratios = self._read_ratios() if alike > 1 else {}
        self._examples = examples

    def __len__(self) -> int:
        return self._examples

    def example(self, epoch: int, index: int) -> Example:
        """Example ``index`` of ``epoch``.  Raises ValueError where the patch is larger than the
        world."""
        rng = np.random.default_rng([self.seed, epoch, index])
        world = self._draw_world(epoch, index, rng)
        layout = draw_layout(rng, self.augment)
        places = [self._draw_place(world, rng) for _ in range(1 + (rng.random() < self.eventful))]
        place = max(places, key=lambda one: _surprise(world, one)) if places[1:] else places[0]
        varied = self.augment == "eight"
        calmed = not varied or bool(rng.random() < CALMED)
        return Reading(world, place, layout, self.patch, rng, calmed=calmed).example(
            varied=varied, upsample=self.upsample
        )

    def _draw_world(self, epoch: int, index: int, rng: np.random.Generator) -> OpenWorld:
        folders = self.folders
        if self.alike > 1:  # the ratio of any world, then another world of the same for each
            of_run = np.random.default_rng([self.seed, epoch, index // self.alike, 1])
            first = folders[of_run.integers(len(folders))]
            folders = self._ratios[open_world(first).card.ratio]
        return open_world(folders[rng.integers(len(folders))])

    def _read_ratios(self) -> dict[int, tuple[Path, ...]]:
        by_ratio: dict[int, list[Path]] = {}
        for folder in self.folders:
            by_ratio.setdefault(WorldCard.read(folder).ratio, []).append(folder)
        return {ratio: tuple(folders) for ratio, folders in by_ratio.items()}

    def _draw_place(self, world: OpenWorld, rng: np.random.Generator) -> Place:
        before, target, after = _draw_days(np.array(world.card.days), rng)
        cells = -(-self.patch // world.card.ratio)
        room = np.array(world.coarse.shape[2:]) - cells
        if room.min() < 0:
            raise ValueError(
                f"a patch of {self.patch} pixels needs {cells} cells of {world.card.ratio}, the "
                f"worlds have {world.coarse.shape[2:]}; take a smaller patch"
            )
        rows, cols = (slice(at, at + cells) for at in rng.integers(0, room + 1))
        return Place(before, target, after, rows, cols)


def _draw_days(days: NDArray[np.int_], rng: np.random.Generator) -> tuple[int, int, int]:
    """Days between the references log-uniform over ``SPAN_DAYS``, the target anywhere between."""
    low, high = np.log(SPAN_DAYS)
    span, part = np.exp(rng.uniform(low, high)), rng.random()
    if rng.random() < ONE_SIDED:
        target = int(rng.integers(len(days)))
        away = np.abs(days[target] + rng.choice((-1, 1)) * span / 2 - days)
        away[target] = np.inf
        reference = int(away.argmin())
        return reference, target, reference
    target = int(rng.integers(1, len(days) - 1))
    before = min(int(np.abs(days[target] - part * span - days).argmin()), target - 1)
    after = max(int(np.abs(days[target] + (1 - part) * span - days).argmin()), target + 1)
    return before, target, after


def _surprise(world: OpenWorld, place: Place) -> float:
    """How far the target day is from what time alone predicts, in units of the spread."""
    card, ratio = world.card, world.card.ratio
    y, x = (slice(side.start * ratio, side.stop * ratio, 3) for side in (place.rows, place.cols))
    t0, t1, t2 = (card.days[day] for day in (place.before, place.target, place.after))
    w = (t1 - t0) / (t2 - t0) if t2 > t0 else 0.0
    before, target, after = (
        world.truth[day, :, y, x].astype(np.float32)
        for day in (place.before, place.target, place.after)
    )
    away = (target - (1 - w) * before - w * after) * SCALE
    return float(np.mean((away / np.array(card.spread)[:, None, None]) ** 2))


def _worlds(pool: Path, count: int | None) -> list[Path]:
    folders = sorted(card.parent for card in pool.glob(f"[!.]*/{CARD}"))
    if not folders or (count is not None and len(folders) < count):
        raise FileNotFoundError(
            f"{len(folders)} worlds in {pool}, {count or 'some'} wanted; make them with "
            f"python -m model.training.pool {pool} --worlds {count or 400}"
        )
    return folders[:count]
