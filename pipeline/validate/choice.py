"""How held-out dates choose, for each class of gaps, and on other dates than those on which the
scores of what they chose are told: which method ``auto`` takes, and by how much the uncertainty it
states is multiplied (``validate.widen``).

The period is cut into blocks, a third of it each (but 24 to 128 days).  The dates of the first,
third ... block choose, those of the others are reported.  While a date chooses, the dates that
are reported are hidden with all that is hidden around them in its class, so nothing of an image
that a reported score is blind to has entered the choice: not as a truth, a reference or a filling,
and in no statistics.

For gaps of up to 8 days choose the dates hidden alone, of 9 to 16 days those hidden with 8 days
around, and so on, if the nearer reference they are left with is so far.  For days with references
on one side alone choose one-sided dates, all before the first that is reported: on the morning of
that one no later date could have chosen.

Of the methods in the order in which they are named, the first is taken that is not worse than the
best beyond the 95 % interval: a method named first need not win to be kept, one named later must
win surely.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pipeline.chosen import CLASSES, Chosen, Period, Pick, Used
from pipeline.job import Job
from pipeline.validate.asked import Asked
from pipeline.validate.hide import HIDE, ONE_SIDED, Region
from pipeline.validate.sums import Sums
from pipeline.validate.table import Answered, by_date, difference, pooled_rmse
from pipeline.validate.targets import Extent, Target, targets
from pipeline.validate.widen import widened
from pipeline.version import software

SHORTEST, LONGEST = 24, 128
"""Days of a block."""

LEAST_DATES = 3
"""That must have chosen; of fewer the first method is taken."""


def report_periods(job: Job) -> tuple[Period, ...]:
    """Every second block of a job's period."""
    days = (job.end - job.start).days + 1
    length = min(max(-(-days // 3), SHORTEST), LONGEST)
    starts = [job.start + timedelta(days=at) for at in range(length, days, 2 * length)]
    last = timedelta(days=length - 1)
    return tuple(Period(first, min(first + last, job.end)) for first in starts)


def within(days: Sequence[date], periods: Sequence[Period]) -> list[date]:
    """Those in any of the periods."""
    return [day for day in days if any(one.first <= day <= one.last for one in periods)]


def choosing(region: Region, periods: Sequence[Period], extent: Extent) -> list[Target]:
    """The targets that choose."""
    reported = within(region.survey.fine_days, periods)
    dates = set(region.survey.fine_days) - set(reported)

    # Of a sample too as many as choose: in clouds most dates leave a longer gap than is hidden.
    def fits(one: Target) -> bool:
        early = one.hide != ONE_SIDED or one.day < min(reported, default=date.max)
        return early and typical(one)

    return targets(region, hide=HIDE, extent=extent, dates=dates, besides=reported, fits=fits)


def typical(target: Target) -> bool:
    """Whether the gap that a date is left with is of the class that its hidden days stand for."""
    return target.gap_class == HIDE.index(target.hide)


def choose(
    region: Region,
    methods: Sequence[Asked],
    by_method: Mapping[str, Answered],
    periods: Sequence[Period],
) -> Chosen:
    """The method of each class and its factor, from the answers to ``choosing``."""
    known = within(region.survey.fine_days, periods)
    if len(methods) == 1:
        picks = [Pick(used=used_of(methods[0]))] * CLASSES
    elif known:
        picks = [_pick(methods, _of_class(by_method, place)) for place in range(CLASSES)]
    else:
        picks = [_first(methods, "no date is left")] * CLASSES
    return Chosen(
        among=region.job.method.card().sha,
        picks=widened(picks, by_method, stating={one.name for one in methods if one.sigma}),
        report=tuple(periods),
        until=max(region.survey.fine_days),
        software=software(),
    )


def used_of(one: Asked) -> Used:
    """At work, its uncertainty as stated."""
    return Used(name=one.name, sha=one.sha, halo=one.halo, series=one.series)


def of_auto(chosen: Chosen, by_method: Mapping[str, Answered]) -> list[tuple[Target, Sums]]:
    """What ``auto`` answered: of each target what the method of its class did."""
    found = {
        (name, target.hide, target.key): (target, sums)
        for name, answered in by_method.items()
        for target, sums in answered
    }
    return [
        pair
        for (name, _, _), pair in found.items()
        if chosen.picks[pair[0].gap_class].used.name == name
    ]


def _of_class(
    by_method: Mapping[str, Answered], place: int
) -> dict[str, list[tuple[Target, Sums]]]:
    """The answers of a class to the targets that every method with any answered."""
    found = {
        name: {one.key: (one, sums) for one, sums in answered if one.hide == HIDE[place]}
        for name, answered in by_method.items()
    }
    found = {name: of_keys for name, of_keys in found.items() if of_keys}
    common = set.intersection(*map(set, found.values())) if found else set()
    return {
        name: [of_keys[key] for key in of_keys if key in common] for name, of_keys in found.items()
    }


def _pick(methods: Sequence[Asked], by_method: Mapping[str, Answered]) -> Pick:
    listed = [one for one in methods if by_method.get(one.name)]
    dates = sorted({target.day for one in listed[:1] for target, _ in by_method[one.name]})
    if len(dates) < LEAST_DATES:
        return _first(methods, f"{len(dates)} held-out dates can choose, {LEAST_DATES} are needed")
    rmse = {one.name: pooled_rmse(by_date(by_method[one.name])) for one in listed}
    best = min(rmse, key=rmse.__getitem__)
    told = ", ".join(f"{name} {value:.4f}" for name, value in rmse.items())
    told = f"RMSE on {len(dates)} held-out dates, {dates[0]} to {dates[-1]}: {told}"
    for one in listed:
        if one.name == best:
            return Pick(used=used_of(one), why=f"the best; {told}")
        found = difference(by_method[one.name], by_method[best])
        if found is None or found.low <= 0:
            interval = "few blocks" if found is None else f"[{found.low:+.4f}, {found.high:+.4f}]"
            why = f"named before {best} and not surely worse ({interval}); {told}"
            return Pick(used=used_of(one), why=why)
    raise AssertionError("the best is one of them")


def _first(methods: Sequence[Asked], why: str) -> Pick:
    return Pick(used=used_of(methods[0]), why=f"the first named, for {why}")
