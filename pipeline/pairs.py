"""Which fine images a day is fused from, and why when there are none.  Dates only, no pixels."""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from math import inf, prod
from operator import attrgetter
from typing import Literal

SinglePair = Literal["ignore", "mixed", "all"]
Observed = Literal["keep", "fuse", "skip"]

_DAY = attrgetter("day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What makes an image a better or worse reference of a day, all in days of distance.

    The nearest image wins always where it is cloudless, for all that is added to its days is 0;
    a much clearer one wins over one that is a few days nearer.
    """

    cloud: float = 4.0
    """Days that an image all under cloud would be worse than a cloudless one.  Its holes cost
    little, the next image fills them; but fillings meet in seams, and a mask that found much cloud
    missed some.  On the sample (dates held out, ``anomaly``; alone / with 8 days around) the RMSE
    is +.2 / -.2 % of that of the nearest dates; 8 days here and 4 below gave +.5 / +.2 %, 16 and
    8 gave +1.7 / +1.1 %: nearness is worth more than it seems."""

    near_cloud: float = 4.0
    """Days that an image is worse whose clear pixels all touch the clouds: there are the thin
    edges and the shadows that masks miss."""

    cloud_reach_m: float = 1500.0
    """From here on a cloud does not matter; the 50 pixels of White et al. 2014 (Canadian Journal
    of Remote Sensing 40, 192-212, best-available-pixel composites)."""

    season_days: int = 32
    """Distance from which a day counts double: more than a month away the fields are in another
    stage of growth, and how clear an image is matters less than how old it is.  Days of the year
    would say the same within half a year, and a year later it is another crop."""


SCORE = Score()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fillers:
    """How many dates on a side may fill the holes of a reference.

    A tile of 96 pixels is often all clear or all clouded, and a few dates fill it; in a larger one
    each date leaves some hole.  So more are taken until few holes can be left, were clouds of one
    date to know nothing of those of another.  On the sample (350 x 350 pixels, a fine image in four
    days, 28 % clear in the mean) the share without a reference is, for tiles of 96, 192 and 384
    pixels, .84, 5.7 and 7.3 % with 4 dates always; .22, .58 and .64 % with 8 at most; .22, .00 and
    .00 % with 12, the same as with all there are.  What a tile lists is a mask to read, and an
    image only where it has something to fill; but a day whose list is not full is provisional until
    no image to come could join it.
    """

    least: int = 4
    most: int = 12
    holes: float = 1e-3
    """Share of the tile expected to be left, below which no more than ``least`` are taken."""

    def wants(self, taken: int, left: float) -> bool:
        """Whether another is taken after so many, a share of ``left`` still without a value."""
        return taken < self.least or (taken < self.most and left > self.holes)


FILLERS = Fillers()


class Gap(StrEnum):
    """Why a target date has no bracket.  Written to the cube, never raised."""

    NO_COARSE = "no coarse image"
    NONE_BEFORE = "no clear reference before"
    NONE_AFTER = "no clear reference after"
    TOO_FAR = "references too far apart"
    OBSERVED = "observed well enough, not to be fused"

    @property
    def status(self) -> int:
        """The code in the cube's ``status``, 10 and up (``cube.Status`` of the same name)."""
        return 10 + list(Gap).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A fine image of a tile, as far as choosing goes."""

    day: date

    clear: float
    """Share of the tile's pixels that are clear."""

    cloud_distance: float
    """Metres from them to the others, see ``mask.clearness``."""

    penalty: float = field(init=False)
    """What its clouds cost, in days of distance."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "penalty", self.cloud + self.near_cloud)

    @property
    def cloud(self) -> float:
        """Days for what is not clear."""
        return _eighths(SCORE.cloud * (1 - self.clear))

    @property
    def near_cloud(self) -> float:
        """Days for clear pixels near clouds."""
        near = 1 - min(self.cloud_distance / SCORE.cloud_reach_m, 1)
        return _eighths(SCORE.near_cloud * near)

    def cost(self, target: date) -> float:
        """How far the image is from being the best for ``target``, in days."""
        days = abs((self.day - target).days)
        return days + season(days) + self.penalty


def season(days: int) -> int:
    """Days to add for another season of growth.  Convex, so that choices follow the days: as the
    target moves on, neither reference ever moves back."""
    return max(0, days - SCORE.season_days)


def _eighths(days: float) -> float:
    # Exact in binary, hence sums are exact too and a tie is a tie on any machine.
    return round(days * 8) / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """The references of a target date, one on each side, or a single one."""

    before: date | None
    after: date | None

    @property
    def dates(self) -> tuple[date, ...]:
        """The one or two references."""
        return tuple(day for day in (self.before, self.after) if day is not None)


def reference_dates(
    fine_clear: Mapping[date, float], coarse_known: Mapping[date, float], *, min_clear: float
) -> tuple[date, ...]:
    """Dates fit to be a reference of a tile, ascending.

    ``fine_clear`` is the clear share of the tile's pixels, ``coarse_known`` the share of its
    coarse cells that are known after filling; both must reach ``min_clear``, for fusion needs
    the coarse image of the reference as much as the fine one.
    """
    return tuple(
        day
        for day in sorted(fine_clear)
        if fine_clear[day] >= min_clear and coarse_known.get(day, 0.0) >= min_clear
    )


def bracket(
    target: date,
    references: Sequence[Candidate],
    *,
    max_span_days: int,
    coarse_days: Container[date],
    single_pair: SinglePair = "ignore",
) -> Bracket | Gap:
    """The references that cost least for ``target``: one on each side, or a single one.

    Two may be ``max_span_days`` apart, and of such pairs the one of least cost is taken, the
    nearer of equals.  A single one may be half of that away, as no day is farther from the nearer
    of two.  ``single_pair``: ``ignore`` takes pairs alone, ``mixed`` a single one where there is
    no pair, ``all`` a single one always.

    ``references`` are ascending (``reference_dates``), ``coarse_days`` those on which the tile
    has any coarse cell.  A reference on the target date itself is never used: its clear pixels
    are observed and the others have nothing to take from it.
    """
    if target not in coarse_days:
        return Gap.NO_COARSE
    reach = timedelta(days=max_span_days)
    i, j = bisect_left(references, target, key=_DAY), bisect_right(references, target, key=_DAY)
    before = references[bisect_left(references, target - reach, key=_DAY) : i]
    after = references[j : bisect_right(references, target + reach, key=_DAY)]
    found = None
    if single_pair != "all":
        found = _pair(target, before, after, reach)
    if found is None and single_pair != "ignore":
        found = _single(target, before, after, max_span_days // 2)
    if found is not None:
        return found
    if i == 0:
        return Gap.NONE_BEFORE
    return Gap.NONE_AFTER if j == len(references) else Gap.TOO_FAR


def _pair(
    target: date, before: Sequence[Candidate], after: Sequence[Candidate], reach: timedelta
) -> Bracket | None:
    """One step along each side: a later date before leaves more of those after within reach."""
    found, least = None, inf
    best, cheapest, place = None, inf, 0
    for one in before:
        while place < len(after) and after[place].day - one.day <= reach:
            if (cost := after[place].cost(target)) < cheapest:
                best, cheapest = after[place], cost
            place += 1
        if best is not None and (total := one.cost(target) + cheapest) <= least:
            found, least = Bracket(before=one.day, after=best.day), total
    return found


def _single(
    target: date, before: Sequence[Candidate], after: Sequence[Candidate], reach: int
) -> Bracket | None:
    near = [one for one in (*reversed(before), *after) if abs((one.day - target).days) <= reach]
    if not near:
        return None
    day = min(near, key=lambda one: one.cost(target)).day
    return Bracket(before=day, after=None) if day < target else Bracket(before=None, after=day)


def fillers(
    found: Bracket,
    target: date,
    clear: Sequence[Candidate],
    *,
    max_span_days: int,
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """The references before and after ``target``, each followed by the dates of its side that may
    fill holes of either (``model.hole_fill``), ascending.

    ``clear`` are all dates on which any pixel of the tile is clear, ascending.  On each side those
    of least cost are taken, as many as ``FILLERS`` says, at most ``max_span_days`` from the
    reference of the other side; of a single reference those of its side, at most half of that from
    it.  So no image farther than ``max_span_days`` from a day ever matters to it.
    """
    first, last = min(found.dates), max(found.dates)
    reach = timedelta(days=max_span_days if first < last else max_span_days // 2)
    near = clear[
        bisect_left(clear, last - reach, key=_DAY) : bisect_right(clear, first + reach, key=_DAY)
    ]

    def side(reference: date | None, days: Iterable[Candidate]) -> tuple[date, ...]:
        if reference is None:
            return ()
        listed = sorted(days, key=lambda one: (one.cost(target), abs((one.day - target).days)))
        left = prod(1 - one.clear for one in listed if one.day == reference)
        taken: list[date] = []
        for one in listed:
            if one.day != reference and FILLERS.wants(len(taken), left):
                taken.append(one.day)
                left *= 1 - one.clear
        # In an order that does not follow the target: days of the same images are one run.
        return (reference, *sorted(taken))

    return (
        side(found.before, (one for one in near if one.day < target)),
        side(found.after, (one for one in near if one.day > target)),
    )


def runs(made_from: Mapping[date, object], *, longest: int = 16) -> list[tuple[date, ...]]:
    """Cut the days into runs of consecutive days that are made from the same images."""
    cut: list[list[date]] = []
    for day in sorted(made_from):
        last = cut[-1][-1] if cut else None
        if (
            last is not None
            and day - last == timedelta(days=1)
            and made_from[day] == made_from[last]
            and len(cut[-1]) < longest
        ):
            cut[-1].append(day)
        else:
            cut.append([day])
    return [tuple(run) for run in cut]
