"""By how much the uncertainty that a method states is multiplied, for each class of gaps.

Split conformal prediction: the least factor whose interval holds 90 % of the pixels of the dates
that choose (``validate.choice``).  It is one for all bands: factors for each band held less of
other dates of the same region than one for all did.  What few dates say is taken for part of it:
of n dates n / (n + 1), in the logarithm, for factors of single dates differ by as much as those
of whole regions; to narrow the interval, which is the dearer mistake, n / (n + 4).  n is (sum of
pixels)^2 / (sum of their squares), so a date of few pixels hardly counts.

A class that no date could measure takes the factor of the class of two-sided gaps next to it, of
two the longer; it must be the same method that makes both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from pipeline.chosen import ONE_SIDED, Pick, gap_name
from pipeline.validate.hide import HIDE
from pipeline.validate.ratios import AS_STATED, FACTORS
from pipeline.validate.table import Answered, by_date

TO_WIDEN, TO_NARROW = 1.0, 4.0
"""How many dates the weights' own calibration is worth."""


def widened(
    picks: Sequence[Pick], by_method: Mapping[str, Answered], *, stating: Collection[str]
) -> tuple[Pick, ...]:
    """The picks with their factors, from the answers of the dates that choose.

    ``stating``: the methods that state an uncertainty; those of others stay as they are.
    """
    theirs = {place: pick for place, pick in enumerate(picks) if pick.used.name in stating}
    measured = {}
    for place, pick in theirs.items():
        found = [
            (target, sums)
            for target, sums in by_method[pick.used.name]
            if target.hide == HIDE[place] and sums.ratios.stated
        ]
        if found:
            measured[place] = _measured(pick, found)
    borrowed = {place: _borrowed(place, pick, measured) for place, pick in theirs.items()}
    made = borrowed | measured
    return tuple(made.get(place, pick) for place, pick in enumerate(picks))


def _measured(pick: Pick, answered: Answered) -> Pick:
    dates = [one.ratios for one in by_date(answered)]
    pixels = [one.stated for one in dates]
    count = sum(pixels) ** 2 / sum(one * one for one in pixels)
    total = reduce(add, dates)
    steps = total.least - AS_STATED
    prior = TO_WIDEN if steps > 0 else TO_NARROW
    factor = float(FACTORS[AS_STATED + round(steps * count / (count + prior))])
    days = sorted({target.day for target, _ in answered})
    why = (
        f"{FACTORS[total.least]:.2f} would hold 90 % on {len(days)} held-out dates, {days[0]} to "
        f"{days[-1]}, where as stated it holds {total.covered(AS_STATED) / total.stated:.1%}"
    )
    return _with(pick, factor, why)


def _borrowed(place: int, pick: Pick, measured: Mapping[int, Pick]) -> Pick:
    lenders = [
        at for at, one in measured.items() if at != ONE_SIDED and one.used.name == pick.used.name
    ]
    if not lenders:
        return _with(
            pick, 1.0, "as stated, for no held-out date can measure it yet; --refresh asks again"
        )
    nearest = min(lenders, key=lambda at: (abs(at - place), -at))
    why = f"no held-out date can measure it; that of {gap_name(nearest)}"
    return _with(pick, measured[nearest].used.sigma_factor, why)


def _with(pick: Pick, factor: float, why: str) -> Pick:
    return replace(pick, used=replace(pick.used, sigma_factor=factor), factor_why=why)
