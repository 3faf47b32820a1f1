"""One example on its way out of a world.

What the pipeline does to real inputs is done here too: coarse images are filled and calmed by the
days around them (``model.training.pool`` does it, once for all), holes of a reference are filled
from the clear dates on both sides of it (``model.hole_fill``).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.coarse_fill import fill_coarse
from model.hole_fill import fill_holes
from model.training.augment import (
    CLEAR_COARSE,
    CLOUDED_COARSE,
    THIN,
    Bool,
    Layout,
    draw_bands,
    draw_gain,
    draw_sky,
)
from model.training.example import Example
from model.training.pool import SCALE, UNKNOWN, WorldCard
from model.upsample import UPSAMPLE, bilinear
from model.worlds.sensor import see_fine
from model.worlds.spectra import BANDS
from model.worlds.timeline import FILL_DAYS

NEAR_IMAGES = 2
"""Single days on each side that a filling looks at; with more, few cells stay unknown."""
HOLED = 0.5
HOLES = (0.1, 0.8)
"""Share of the references with holes, and of the holes in them."""
OTHER_UPSAMPLING = 0.4
"""Share of the varied examples that come to the fine grid in another way than the frame's own."""


@dataclass(frozen=True, slots=True)
class OpenWorld:
    """An open world; its arrays are memory maps."""

    card: WorldCard
    truth: NDArray[np.int16]
    coarse: NDArray[np.int16]
    calmed: NDArray[np.int16]
    filled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when an example is."""

    before: int
    target: int
    after: int
    """Indices of the world's days; ``before`` is ``after`` in a one-sided example."""
    rows: slice
    cols: slice
    """Whole coarse cells under the patch."""


class Reading:
    """One example on its way out of a world; each coarse day is read once.

    ``calmed``: its coarse images are the pool's calmed ones, else single days, clouded here.
    """

    def __init__(
        self,
        world: OpenWorld,
        place: Place,
        layout: Layout,
        patch: int,
        rng: np.random.Generator,
        *,
        calmed: bool,
    ) -> None:
        self.world, self.place, self.layout, self.patch, self.rng = world, place, layout, patch, rng
        self.calmed = calmed
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
            image, filled = self._calmed(day) if self.calmed else self._single(day)
            unknown = ~np.isfinite(image[0])
            if unknown.all():  # nothing to make an example of: a clear day instead
                image, filled, unknown = self._coarse(day), ~unknown, ~unknown
            self._cells[day] = image, filled | unknown, unknown
        return self._cells[day]

    def _calmed(self, day: int) -> tuple[Array, Bool]:
        """A day of the calmed record, NaN unknown, and where it was filled."""
        counts = self._padded(self.world.calmed[day])
        image = np.where(counts == UNKNOWN, np.nan, counts * np.float32(SCALE))
        return image.astype(np.float32), self._padded(self.world.filled[day])

    def _single(self, day: int) -> tuple[Array, Bool]:
        """A single day under clouds of its own, filled from others; NaN where none was clear."""
        rng, card = self.rng, self.world.card
        clear = self._coarse(day)
        sky = draw_sky(rng, clear.shape[1:], card.ratio)
        share = 0.0 if rng.random() < CLEAR_COARSE else rng.uniform(*CLOUDED_COARSE)
        image = sky.seen_through(clear, share, self.thin, rng)
        cloud = sky.cloud(share)
        if not cloud.any():
            return image, cloud
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
        return filled[at], marked[at]

    def _coarse(self, day: int) -> Array:
        return self._padded(self.world.coarse[day]) * np.float32(SCALE)

    def _padded(self, cells: NDArray[Any]) -> NDArray[Any]:
        """The patch's of (..., row, col) and ``COARSE_PAD`` more around; a world's edge repeats."""
        rows, cols = (
            np.clip(np.arange(side.start - COARSE_PAD, side.stop + COARSE_PAD), 0, n - 1)
            for side, n in zip((self.place.rows, self.place.cols), cells.shape[-2:], strict=True)
        )
        return np.asarray(cells[..., rows[:, None], cols])

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
        the pipeline could not have filled it."""
        rng, card, shape = self.rng, self.world.card, (self.patch, self.patch)
        share = rng.uniform(*HOLES) if rng.random() < HOLED else 0.0
        sky = draw_sky(rng, shape, 1)
        seen = sky.seen_through(self._seen(day), share, self.thin, rng)
        dates = {card.days[date]: date for date in self._filling_dates(day, other, outward)}
        holes = sky.cloud(share) & bool(dates)
        if not holes.any():
            return seen, holes, holes
        farthest = max(dates, key=lambda number: abs(number - card.days[day]))
        covers = {
            number: (draw_sky(rng, shape, 1), 0.0 if number == farthest else rng.uniform(*HOLES))
            for number in dates
        }

        def clear(number: int) -> Bool:
            over, through = covers[number]
            known = np.isfinite(self.cells(day)[0][0] - self.cells(dates[number])[0][0])
            return ~over.cloud(through) & self._on_pixels(known)

        def moved(number: int) -> Array:
            (over, through), date = covers[number], dates[number]
            change = self.cells(day)[0] - self.cells(date)[0]
            image = over.seen_through(self._seen(date), through, self.thin, rng)
            image = image + bilinear(change, card.ratio)[:, *self.cut]
            return np.where(clear(number), image, np.float32(np.nan))

        holed = np.where(holes, np.float32(np.nan), seen)
        found = fill_holes(holed, card.days[day], dates, clear=clear, moved=moved)
        unknown = holes & ~found.filled
        return np.where(unknown, seen, found.image), found.filled, unknown

    def _filling_dates(self, day: int, other: int, outward: int) -> list[int]:
        """Up to two dates beyond the reference, seen from the target, and up to two from the other
        reference on; none of those where there is one reference."""
        count, target = len(self.world.card.days), self.place.target
        if day == other:  # one-sided: away from the target
            outward = -1 if day < target else 1
        own = [day + outward, day + 2 * outward]
        beyond = [other, other - outward] if other != day else []
        taken = [own[: self.rng.integers(1, 3)], beyond[: self.rng.integers(1, 3)]]
        return [date for side in taken for date in side if 0 <= date < count]

    def _on_pixels(self, cells: Bool) -> Bool:
        ratio = self.world.card.ratio
        inner = cells[COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        return inner.repeat(ratio, 0).repeat(ratio, 1)[self.cut]


@lru_cache(maxsize=4096)
def open_world(folder: Path) -> OpenWorld:
    """A world of a pool.  Raises ValueError for one that this version cannot read."""
    names = ("truth", "coarse", "calmed", "filled")
    try:
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
    except FileNotFoundError as error:
        raise ValueError(
            f"{error.filename} is not there: {folder} was made by an older version; make the pool "
            "again with python -m model.training.pool"
        ) from error
    return OpenWorld(WorldCard.read(folder), *arrays)


def _in_slots(image: Array, bands: tuple[str, ...]) -> Array:
    """(band, ...) of the world's own bands -> of all ``BANDS``, 0 where it has none."""
    if bands == BANDS:
        return image
    slots = np.zeros((len(BANDS), *image.shape[1:]), np.float32)
    slots[[BANDS.index(band) for band in bands]] = image
    return slots
