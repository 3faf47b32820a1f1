"""Examples out of a pool of simulated worlds: two references and a target day.

What the pipeline does to real inputs is done here too: clouded coarse cells are filled in time
(``model.coarse_fill``), holes of a reference from another date moved by the coarse change, from one
where the pipeline may take two (``model.hole_fill``).  The 30 m sensor looks when an example is
read, so a world gives new ones for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.coarse_fill import fill_coarse
from model.training.augment import (
    THIN,
    Bool,
    Layout,
    draw_bands,
    draw_gain,
    draw_layout,
    draw_sky,
)
from model.training.example import Example
from model.training.pool import CARD, SCALE, WorldCard
from model.upsample import UPSAMPLE, bilinear
from model.worlds.sensor import see_fine
from model.worlds.spectra import BANDS

ONE_SIDED = 0.3
"""Share of the examples whose two references are the same: most of the real sets have two dates."""
SPAN_DAYS = (2, 120)
FILL_DAYS = 8
"""As the product fills clouded coarse cells: from days up to this far away."""
NEAR_IMAGES = 2
"""Images on each side that a filling looks at; with more, few cells stay unknown."""
CLEAR_COARSE = 0.3
CLOUDED_COARSE = (0.0, 0.7)
"""Share of the coarse images without a cloud, and of clouds in the others."""
HOLED = 0.5
HOLES = (0.1, 0.8)
"""Share of the references with holes, and of the holes in them."""
OTHER_UPSAMPLING = 0.4
"""Share of the varied examples that come to the fine grid in another way than the frame's own."""


@dataclass(frozen=True, slots=True)
class _World:
    """An open world; its arrays are memory maps."""

    card: WorldCard
    truth: NDArray[np.int16]
    coarse: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and when an example is."""

    before: int
    target: int
    after: int
    """Indices of the world's days; ``before`` is ``after`` in a one-sided example."""
    rows: slice
    cols: slice
    """Whole coarse cells under the patch."""


class WorldSource:
    """Implements ``Source`` over one pool or several; an epoch has ``examples`` examples.

    ``example`` is a pure function of the seed, its arguments and the list of worlds, which is read
    once, in the order of their names; ``worlds`` takes that many of each pool, so that a pool may
    grow beside a training.

    ``augment``: ``none`` gives what the product meets, for choosing a model: six bands, the
    frame's own ``upsample`` (a name of model.upsample), no change of colour, each example as it is
    drawn.
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
        return _Reading(world, place, layout, self.patch, rng).example(
            varied=self.augment == "eight", upsample=self.upsample
        )

    def _draw_world(self, epoch: int, index: int, rng: np.random.Generator) -> _World:
        folders = self.folders
        if self.alike > 1:  # the ratio of any world, then another world of the same for each
            of_run = np.random.default_rng([self.seed, epoch, index // self.alike, 1])
            first = folders[of_run.integers(len(folders))]
            folders = self._ratios[_open(first).card.ratio]
        return _open(folders[rng.integers(len(folders))])

    def _read_ratios(self) -> dict[int, tuple[Path, ...]]:
        by_ratio: dict[int, list[Path]] = {}
        for folder in self.folders:
            by_ratio.setdefault(WorldCard.read(folder).ratio, []).append(folder)
        return {ratio: tuple(folders) for ratio, folders in by_ratio.items()}

    def _draw_place(self, world: _World, rng: np.random.Generator) -> _Place:
        before, target, after = _draw_days(np.array(world.card.days), rng)
        cells = -(-self.patch // world.card.ratio)
        room = np.array(world.coarse.shape[2:]) - cells
        if room.min() < 0:
            raise ValueError(
                f"a patch of {self.patch} pixels needs {cells} cells of {world.card.ratio}, the "
                f"worlds have {world.coarse.shape[2:]}; take a smaller patch"
            )
        rows, cols = (slice(at, at + cells) for at in rng.integers(0, room + 1))
        return _Place(before, target, after, rows, cols)


class _Reading:
    """One example on its way out of a world; each coarse day is clouded and filled once."""

    def __init__(
        self, world: _World, place: _Place, layout: Layout, patch: int, rng: np.random.Generator
    ) -> None:
        self.world, self.place, self.layout, self.patch, self.rng = world, place, layout, patch, rng
        ratio = world.card.ratio
        # A patch is cut from whole cells at the side that comes first once it is laid, so that
        # cells start with the patch.
        self.cut = tuple(
            slice(end - patch, end) if flip else slice(0, patch)
            for flip, end in (
                (layout.flip_y, (place.rows.stop - place.rows.start) * ratio),
                (layout.flip_x, (place.cols.stop - place.cols.start) * ratio),
            )
        )
        self.thin = np.array([THIN[band] for band in world.card.bands], np.float32)
        self._cells: dict[int, tuple[Array, Bool, Bool]] = {}

    def example(self, *, varied: bool, upsample: str) -> Example:
        """``varied``: with all that ``WorldSource`` calls ``eight``."""
        card, place, rng = self.world.card, self.place, self.rng
        way = upsample
        if varied and rng.random() < OTHER_UPSAMPLING:
            way = str(rng.choice(sorted(UPSAMPLE)))
        up = UPSAMPLE[way]
        before, before_filled, before_unknown = self._reference(place.before, place.after, -1)
        after, after_filled, after_unknown = before, before_filled, before_unknown
        if place.before != place.after:
            after, after_filled, after_unknown = self._reference(place.after, place.before, 1)
        days = (place.before, place.after, place.target)
        coarse = [up(self.cells(day)[0], card.ratio)[:, *self.cut] for day in days]
        filled = [self._on_pixels(self.cells(day)[1]) for day in days]
        unknown = [self._on_pixels(self.cells(day)[2]) for day in days]
        truth = self._truth(place.target)
        truth[:, np.any([*unknown, before_unknown, after_unknown], axis=0)] = np.nan

        images = [before, coarse[0], after, coarse[1], coarse[2], truth]
        marks = [before_filled, filled[0], after_filled, filled[1], filled[2]]
        t0, t1, t2 = (card.days[day] for day in (place.before, place.target, place.after))
        if varied and rng.random() < 0.5:
            t0, t2 = 2 * t1 - t2, 2 * t1 - t0
            images[:4] = images[2:4] + images[:2]
            marks[:4] = marks[2:4] + marks[:2]
        present = np.array([band in card.bands for band in BANDS])
        kept, gain = present, np.ones(len(BANDS), np.float32)
        if varied:
            kept, gain = draw_bands(rng, BANDS, present), draw_gain(rng, len(BANDS))
        scaled = np.where(kept, gain, 0).astype(np.float32)[:, None, None]
        laid = [self.layout.lay(_in_slots(image, card.bands) * scaled) for image in images]
        laid[5][~kept] = 0.0
        centre = _in_slots(np.array(card.centre, np.float32), card.bands)
        spread = _in_slots(np.array(card.spread, np.float32), card.bands)
        return Example(
            fine_before=laid[0],
            coarse_before=laid[1],
            fine_after=laid[2],
            coarse_after=laid[3],
            coarse=laid[4],
            truth=laid[5],
            filled=self.layout.lay(np.stack(marks)),
            centre=centre * gain,
            spread=np.maximum(spread * gain, np.float32(0.01)),
            present=kept,
            days=(t0, t1, t2),
            ratio=card.ratio,
        )

    def cells(self, day: int) -> tuple[Array, Bool, Bool]:
        """A coarse day with ``COARSE_PAD`` cells around the patch's, (band, row, col): clouds
        filled in time; where a cell was filled, and where it stayed unknown (NaN)."""
        if day not in self._cells:
            self._cells[day] = self._filled(day)
        return self._cells[day]

    def _filled(self, day: int) -> tuple[Array, Bool, Bool]:
        rng, card = self.rng, self.world.card
        clear = self._coarse(day)
        sky = draw_sky(rng, clear.shape[1:], card.ratio)
        share = 0.0 if rng.random() < CLEAR_COARSE else rng.uniform(*CLOUDED_COARSE)
        image = sky.seen_through(clear, share, self.thin, rng)
        cloud = sky.cloud(share)
        none = np.zeros_like(cloud)
        if not cloud.any():
            return image, none, none
        days = np.array(card.days)
        near = np.flatnonzero(np.abs(days - days[day]) <= FILL_DAYS)
        near = near[np.abs(near - day) <= NEAR_IMAGES].tolist()
        stack = np.stack([image if other == day else self._coarse(other) for other in near])
        hidden = np.stack(
            [
                cloud
                if other == day
                else draw_sky(rng, cloud.shape, card.ratio).cloud(rng.uniform(*CLOUDED_COARSE))
                for other in near
            ]
        )
        stack.swapaxes(1, 2).swapaxes(2, 3)[hidden] = np.nan
        filled, marked = fill_coarse(stack, [card.days[other] for other in near], window=FILL_DAYS)
        at = near.index(day)
        unknown = ~np.isfinite(filled[at, 0])
        if unknown.all():  # nothing to make an example of: a clear day instead
            return clear, none, none
        return filled[at], marked[at] | unknown, unknown

    def _coarse(self, day: int) -> Array:
        rows, cols = (
            np.clip(np.arange(side.start - COARSE_PAD, side.stop + COARSE_PAD), 0, n - 1)
            for side, n in zip(
                (self.place.rows, self.place.cols), self.world.coarse.shape[2:], strict=True
            )
        )
        return self.world.coarse[day][:, rows[:, None], cols] * np.float32(SCALE)

    def _truth(self, day: int) -> Array:
        ratio = self.world.card.ratio
        y, x = (
            slice(side.start * ratio + cut.start, side.start * ratio + cut.stop)
            for side, cut in zip((self.place.rows, self.place.cols), self.cut, strict=True)
        )
        return self.world.truth[day, :, y, x] * np.float32(SCALE)

    def _seen(self, day: int) -> Array:
        """What the 30 m sensor sees, from one of its two paths."""
        return see_fine(self._truth(day), self.world.card.fine, self.rng)

    def _reference(self, day: int, other: int, outward: int) -> tuple[Array, Bool, Bool]:
        """The image of a reference, (band, y, x), where it was filled from other dates, and where
        the pipeline could not have filled it.

        Holes take the next date of the same side, then of the other, moved by the change of the
        coarse images.
        """
        rng, shape = self.rng, (self.patch, self.patch)
        sky, share = draw_sky(rng, shape, 1), 0.0
        if rng.random() < HOLED:
            share = rng.uniform(*HOLES)
        image = sky.seen_through(self._seen(day), share, self.thin, rng)
        holes = sky.cloud(share)
        filled = np.zeros_like(holes)
        dates = self._filling_dates(day, other, outward)
        holes &= bool(dates)
        for place, date in enumerate(dates):
            if not holes.any():
                break
            over, cloud = draw_sky(rng, shape, 1), np.zeros_like(holes)
            through = 0.0
            if place < len(dates) - 1:
                through = rng.uniform(*HOLES)
                cloud = over.cloud(through)
            change = self.cells(day)[0] - self.cells(date)[0]
            usable = holes & ~cloud & self._on_pixels(np.isfinite(change[0]))
            values = over.seen_through(self._seen(date), through, self.thin, rng)
            values = values + bilinear(change, self.world.card.ratio)[:, *self.cut]
            np.copyto(image, values, where=usable)
            filled |= usable
            holes &= ~usable
        return image, filled, holes

    def _filling_dates(self, day: int, other: int, outward: int) -> list[int]:
        count, target = len(self.world.card.days), self.place.target
        if day == other:  # one-sided: away from the target
            outward = -1 if day < target else 1
        same = [day + outward, day + 2 * outward]
        beyond = [other] if other != day else []
        dates = [date for date in same if 0 <= date < count] + beyond
        return dates[: int(self.rng.integers(1, 3))]

    def _on_pixels(self, cells: Bool) -> Bool:
        ratio = self.world.card.ratio
        inner = cells[COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        return inner.repeat(ratio, 0).repeat(ratio, 1)[self.cut]


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


def _surprise(world: _World, place: _Place) -> float:
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


def _in_slots(image: Array, bands: tuple[str, ...]) -> Array:
    """(band, ...) of the world's own bands -> of all ``BANDS``, 0 where it has none."""
    if bands == BANDS:
        return image
    slots = np.zeros((len(BANDS), *image.shape[1:]), np.float32)
    slots[[BANDS.index(band) for band in bands]] = image
    return slots


def _worlds(pool: Path, count: int | None) -> list[Path]:
    folders = sorted(card.parent for card in pool.glob(f"[!.]*/{CARD}"))
    if not folders or (count is not None and len(folders) < count):
        raise FileNotFoundError(
            f"{len(folders)} worlds in {pool}, {count or 'some'} wanted; make them with "
            f"python -m model.training.pool {pool} --worlds {count or 400}"
        )
    return folders[:count]


@lru_cache(maxsize=4096)
def _open(folder: Path) -> _World:
    truth, coarse = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("truth", "coarse"))
    return _World(WorldCard.read(folder), truth, coarse)
