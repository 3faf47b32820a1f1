"""Which fine images a day is fused from, and why when there are none.  Dates only, no pixels."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What makes an image a better or worse reference of a day, all in days of distance.

    The nearest cloudless image wins always, for all that is added to its days is 0; a much
    clearer one wins over one that is a little nearer.
    """

    cloud: float = 16.0
    """Days that an image all under cloud would be worse than a cloudless one: half of the tile
    under cloud is worth waiting for the next pass of Landsat, 8 days.  The hole itself costs
    little, the next image fills it; but fillings meet in seams, and where a mask found half a
    tile of cloud it also missed some."""

    near_cloud: float = 8.0
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


class Gap(StrEnum):
    """Why a target date has no bracket.  Written to the cube, never raised."""

    NO_COARSE = "no coarse image"
    NONE_BEFORE = "no clear reference before"
    NONE_AFTER = "no clear reference after"
    TOO_FAR = "references too far apart"

    @property
    def status(self) -> int:
        """The code in the cube's ``status``, 10 and up (``cube.Status`` of the same name)."""
        return 10 + list(Gap).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """The references of a target date, one on each side."""

    before: date
    after: date

    @property
    def span(self) -> int:
        """Days from one reference to the other."""
        return (self.after - self.before).days


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
    references: Sequence[date],
    *,
    max_span_days: int,
    coarse_days: Container[date],
) -> Bracket | Gap:
    """Pick the nearest reference on each side of ``target``.

    ``references`` are ascending (``reference_dates``), ``coarse_days`` those on which the tile
    has any coarse cell.  A reference on the target date itself is never used: its clear pixels
    are observed and the others have nothing to take from it.
    """
    if target not in coarse_days:
        return Gap.NO_COARSE
    i, j = bisect_left(references, target), bisect_right(references, target)
    if i == 0:
        return Gap.NONE_BEFORE
    if j == len(references):
        return Gap.NONE_AFTER
    found = Bracket(before=references[i - 1], after=references[j])
    return found if found.span <= max_span_days else Gap.TOO_FAR


def fillers(
    found: Bracket,
    days: Sequence[date],
    clear_dates: Collection[date],
    *,
    max_span_days: int,
    most: int,
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """The references of a run of ``days``, each followed by the dates that may fill its holes.

    ``clear_dates`` are all dates on which any pixel of the tile is clear.  The ``most`` nearest
    to the days are taken on each side, at most ``max_span_days`` from the reference they help.
    A partly clear date between the reference and the days is nearer in time, so it comes
    before the dates beyond the reference; one among the days themselves is on both sides and
    on neither, so it is left out (``runs`` cuts there).
    """
    first, last = min(days), max(days)

    def near(reference: date, dates: list[date]) -> tuple[date, ...]:
        usable = [day for day in dates if abs((day - reference).days) <= max_span_days]
        return (reference, *[day for day in usable if day != reference][:most])

    earlier = sorted((day for day in clear_dates if day < first), reverse=True)
    later = sorted(day for day in clear_dates if day > last)
    return near(found.before, earlier), near(found.after, later)


def runs(
    brackets: Mapping[date, Bracket | Gap], *, breaks: Collection[date], longest: int = 16
) -> list[tuple[date, ...]]:
    """Cut the days into runs of consecutive days that share their bracket (or their gap).

    At each day of ``breaks``, the dates with any clear pixel, a run ends before and another
    begins after: then every such date lies on one side of all other days and may fill holes.
    """
    cut: list[list[date]] = []
    for day in sorted(brackets):
        last = cut[-1][-1] if cut else None
        if (
            last is not None
            and day - last == timedelta(days=1)
            and brackets[day] == brackets[last]
            and not {day, last} & set(breaks)
            and len(cut[-1]) < longest
        ):
            cut[-1].append(day)
        else:
            cut.append([day])
    return [tuple(run) for run in cut]


def explain(
    target: date,
    fine_clear: Mapping[date, float],
    coarse_known: Mapping[date, float],
    *,
    min_clear: float,
    max_span_days: int,
) -> str:
    """Say in a few lines why ``target`` is or is not fused over a tile, and from what."""
    references = reference_dates(fine_clear, coarse_known, min_clear=min_clear)
    coarse_days = {day for day, share in coarse_known.items() if share > 0}
    found = bracket(target, references, max_span_days=max_span_days, coarse_days=coarse_days)
    lines = []
    if (seen := fine_clear.get(target, 0.0)) > 0:
        lines.append(f"fine image of the day: {seen:.0%} clear, kept as observed")
    if isinstance(found, Bracket):
        lines.append(
            f"fused from {found.before} ({(target - found.before).days} days before) and "
            f"{found.after} ({(found.after - target).days} days after), {found.span} days apart"
        )
    else:
        lines.append(f"not fused: {found.value}")
        lines.append(_cure(found, target, references, max_span_days))
    lines.append(f"coarse cells known that day: {coarse_known.get(target, 0.0):.0%}")
    for day in sorted(fine_clear, key=lambda day: abs((day - target).days)):
        if day == target or day in references or abs((day - target).days) > max_span_days:
            continue
        clear, coarse = fine_clear[day], coarse_known.get(day, 0.0)
        lacks = f"{clear:.0%} clear" if clear < min_clear else f"coarse cells known {coarse:.0%}"
        lines.append(f"passed over as a reference: {day} ({lacks}, needs {min_clear:.0%})")
    return "\n".join(lines)


def _cure(gap: Gap, target: date, references: Sequence[date], max_span_days: int) -> str:
    match gap:
        case Gap.NO_COARSE:
            return "no coarse cell of the tile is known that day or near enough to fill it"
        case Gap.NONE_BEFORE:
            first = f"the first is {references[0]}" if references else "there is none at all"
            return f"of the references {first}; start the search earlier or lower pairs.min_clear"
        case Gap.NONE_AFTER:
            last = f"the last is {references[-1]}" if references else "there is none at all"
            return f"of the references {last}; wait for the next image or lower pairs.min_clear"
        case Gap.TOO_FAR:
            before = references[bisect_left(references, target) - 1]
            after = references[bisect_right(references, target)]
            return (
                f"{before} and {after} are {(after - before).days} days apart, more than "
                f"pairs.max_span_days = {max_span_days}"
            )
