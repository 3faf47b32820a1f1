"""What held-out dates decide of a region, once: methods of ``auto``, factors of uncertainty; and
what the factors are worth on the others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.chosen import CLASSES, Chosen, Pick, chosen_path, read_chosen
from pipeline.executor import Executor
from pipeline.job import Job
from pipeline.plan import PRODUCED
from pipeline.progress import OnProgress
from pipeline.recipe import model_sha, write_json
from pipeline.store import read_tables
from pipeline.validate.asked import Asked
from pipeline.validate.choice import (
    choose,
    choosing,
    report_periods,
    typical,
    used_of,
    within,
)
from pipeline.validate.held_out import answered
from pipeline.validate.hide import HIDE, Hide, Region
from pipeline.validate.intervals import IntervalRow
from pipeline.validate.targets import Extent, targets
from pipeline.version import software

BEGUN = "as stated, for the cube was begun so; --refresh measures it"


def decided(
    region: Region,
    methods: Sequence[Asked],
    ex: Executor,
    *,
    extent: Extent,
    anew: bool,
    on_progress: OnProgress | None,
) -> tuple[Chosen | None, list[str]]:
    """What was chosen, now or before, of the job's own methods, and what failed.

    None where there is nothing to choose: one method, and it states no uncertainty.  ``anew``:
    choose again even where it was chosen.  A cube that one method has begun without a factor goes
    on without: that a region is validated from now on makes no day of it stale.

    What is chosen stays, so a worker that was lost must not choose: what failed is tried once more.
    What fails again is left out, and the choice says so.
    """
    job = region.job
    known = read_chosen(job)
    if known is not None and not anew:
        return known, []
    if not job.method.among and not methods[0].sigma:
        return None, []
    if not job.method.among and not anew and _begun(job, methods[0]):
        return _as_begun(region, methods[0]), []
    periods = report_periods(job)
    # Nothing could be told of what dates chose where none is left.
    told = within(region.survey.fine_days, periods)
    choosers = choosing(region, periods, extent) if told else []
    found, errors = answered(region, methods, choosers, ex, on_progress)
    if errors:
        found, errors = answered(region, methods, choosers, ex, on_progress)
    chosen = _without(len(errors), choose(region, methods, found, periods))
    write_json(chosen_path(job), chosen.to_dict())
    return chosen, errors


def intervals(
    region: Region,
    chosen: Chosen,
    methods: Sequence[Asked],
    ex: Executor,
    *,
    hide: Sequence[Hide],
    extent: Extent,
    on_progress: OnProgress | None,
) -> tuple[list[IntervalRow], list[str]]:
    """A row for each class that any reported date can tell of, and what failed."""
    used = {pick.used.name for pick in chosen.picks}
    stating = [one for one in methods if one.sigma and one.name in used]
    reported = set(within(region.survey.fine_days, chosen.report))
    if not stating or not reported:
        return [], []
    held_out = targets(
        region,
        hide=[one for one in HIDE if one in hide],
        extent=extent,
        dates=reported,
        fits=typical,
    )
    found, errors = answered(region, stating, held_out, ex, on_progress)
    rows = []
    for gap, pick in enumerate(chosen.picks):
        answers = [
            (target, sums)
            for target, sums in found.get(pick.used.name, ())
            if target.hide == HIDE[gap] and sums.ratios.stated
        ]
        if answers:
            rows.append(IntervalRow.of(gap, pick, answers))
    return rows, errors


def _without(failed: int, chosen: Chosen) -> Chosen:
    if not failed:
        return chosen
    note = f"; {failed} held-out tile-dates failed and had no part in it, --refresh asks them again"
    return replace(
        chosen,
        picks=tuple(
            replace(
                one,
                why=one.why and one.why + note,
                factor_why=one.factor_why and one.factor_why + note,
            )
            for one in chosen.picks
        ),
    )


def _begun(job: Job, method: Asked) -> bool:
    tables = read_tables(job.cube).arrays
    made = tables["model_sha"] == np.uint64(model_sha(method.sha))
    return bool((made & np.isin(tables["status"], PRODUCED)).any())


def _as_begun(region: Region, method: Asked) -> Chosen:
    """Not kept: what the cube holds tells it again."""
    return Chosen(
        among=method.sha,
        picks=(Pick(used=used_of(method), factor_why=BEGUN),) * CLASSES,
        report=(),
        until=max(region.survey.fine_days),
        software=software(),
    )
