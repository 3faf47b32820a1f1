"""Validate a region: hold dates out, have them fused blind, and put the scores in rows."""

from collections.abc import Sequence

from pipeline.chosen import read_chosen
from pipeline.executor import Executor
from pipeline.job import AUTO, Job, JobError
from pipeline.progress import OnProgress
from pipeline.recipe import check_bands
from pipeline.validate.asked import asked
from pipeline.validate.choice import of_auto, within
from pipeline.validate.decide import decided, intervals
from pipeline.validate.held_out import answered
from pipeline.validate.hide import HIDE, Hide, Region, class_name, in_order
from pipeline.validate.intervals import IntervalRow
from pipeline.validate.result import Validation
from pipeline.validate.seen import seen_by
from pipeline.validate.table import FLOOR, rows
from pipeline.validate.targets import Extent, targets
from pipeline.version import software

BASELINES = ("linear", FLOOR, "linear-series", "whittaker")
"""Beside every method, asked for or not: what needs no learning, and is to be beaten."""


def validate(
    job: Job,
    ex: Executor,
    *,
    methods: Sequence[str] = (),
    hide: Sequence[Hide] = HIDE,
    extent: Extent = "all",
    choose_anew: bool = False,
    on_progress: OnProgress | None = None,
) -> Validation:
    """Score methods on the fine dates of the job's period that can be held out.

    Needs the scenes to have been read; what was answered before is not asked again.  ``methods``:
    the job's own if none is named; the naive ones of ``BASELINES`` are always beside.  The own
    ones are chosen by other dates (``validate.choice``), unless they were, and ``choose_anew`` even
    then.  No rows where no date can be held out.
    Raises NotIngestedError, CheckpointError and JobError.
    """
    names = [one.name for one in job.method.each]
    wanted = asked(job, (*(methods or names), *BASELINES))
    region = Region(job, max(one.halo for one in wanted))
    for one in wanted:
        check_bands(job, one.method.card(), region.bands)
    own = [one for one in wanted if one.name in names]
    chosen, errors = (
        (read_chosen(job), [])
        if methods
        else decided(region, own, ex, extent=extent, anew=choose_anew, on_progress=on_progress)
    )
    auto = chosen if job.method.name == AUTO and not methods else None
    dates = None if auto is None else set(within(region.survey.fine_days, auto.report))
    held_out = targets(region, hide=hide, extent=extent, dates=dates)
    found, failed = answered(region, wanted, held_out, ex, on_progress)
    errors += failed
    if auto is not None:
        found = {AUTO: of_auto(auto, found), **found}
    held: list[IntervalRow] = []
    if chosen is not None and not methods:
        held, failed = intervals(
            region, chosen, own, ex, hide=hide, extent=extent, on_progress=on_progress
        )
        errors += failed
    words = {one.name: seen_by(job, one.method).weights for one in wanted}
    return Validation(
        rows=tuple(rows(found, words)),
        intervals=tuple(held),
        extent=extent,
        method=job.method.name,
        choice=() if chosen is None else tuple(chosen.lines),
        until=max(region.survey.fine_days).isoformat(),
        software=software(),
        days_ahead=region.days_ahead,
        errors=tuple(errors),
    )


def refuse_nothing(job: Job, found: Validation, hide: Sequence[Hide]) -> None:
    """Raise JobError, with the cure, where no date could be held out at all."""
    if not found.rows and not found.errors:
        raise JobError(
            f"no fine date from {job.start} to {job.end} keeps the clear references it needs "
            f"({class_name(min(hide, key=in_order))}); allow a longer period, fewer hidden days, "
            "or a lower pairs.min_clear"
        )
