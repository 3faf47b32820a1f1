"""Validate a region: hold dates out, have them fused blind, and put the scores in rows."""

from collections.abc import Mapping, Sequence

from pipeline.executor import Executor
from pipeline.job import Job, JobError
from pipeline.progress import OnProgress
from pipeline.recipe import check_bands
from pipeline.validate.answers import Answers
from pipeline.validate.held_out import Asked, answer, asked
from pipeline.validate.hide import HIDE_DAYS, Region
from pipeline.validate.result import Validation
from pipeline.validate.seen import Seen, seen_by
from pipeline.validate.table import FLOOR, Answered, rows
from pipeline.validate.targets import Extent, Target, targets
from pipeline.version import software

BASELINES = ("linear", FLOOR, "linear-series", "whittaker")
"""Beside every method, asked for or not: what needs no learning, and is to be beaten."""


def validate(
    job: Job,
    ex: Executor,
    *,
    methods: Sequence[str] = (),
    hide_days: Sequence[int] = HIDE_DAYS,
    extent: Extent = "all",
    on_progress: OnProgress | None = None,
) -> Validation:
    """Score methods on the fine dates of the job's period that can be held out.

    Needs the scenes to have been read; what was answered before is not asked again.  ``methods``:
    the job's own if none is named; the naive ones of ``BASELINES`` are always beside.  No rows
    where no date can be held out.  Raises NotIngestedError, CheckpointError and JobError.
    """
    region = Region(job)
    wanted = asked(job, (*(methods or (job.method.name,)), *BASELINES))
    for one in wanted:
        check_bands(job, one.method.card(), region.bands)
    held_out = targets(region, hide_days=hide_days, extent=extent)
    found, errors = answered(region, wanted, held_out, ex, on_progress)
    words = {one.name: seen_by(job, one.method).weights for one in wanted}
    return Validation(
        rows=tuple(rows(found, words)),
        extent=extent,
        method=job.method.name,
        until=max(region.survey.fine_days).isoformat(),
        software=software(),
        errors=tuple(errors),
    )


def answered(
    region: Region,
    wanted: Sequence[Asked],
    held_out: Sequence[Target],
    ex: Executor,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Answered], list[str]]:
    """The answers of each method to all targets that it may be scored on, and what failed."""
    knows = {one.name: seen_by(region.job, one.method) for one in wanted}
    pairs = [(target, fair(target, wanted, knows)) for target in held_out]
    answers = Answers.of(region.job)
    errors = answer(region, pairs, answers, ex, on_progress)
    by_method: dict[str, Answered] = {
        one.name: [
            (target, sums)
            for target, methods in pairs
            if one in methods and (sums := answers.get(target, one.sha)) is not None
        ]
        for one in wanted
    }
    return by_method, errors


def fair(target: Target, methods: Sequence[Asked], knows: Mapping[str, Seen]) -> tuple[Asked, ...]:
    """The methods whose weights have seen nothing of what is hidden."""
    return tuple(one for one in methods if not knows[one.name].dates & target.hidden)


def refuse_nothing(job: Job, found: Validation, hide_days: Sequence[int]) -> None:
    """Raise JobError, with the cure, where no date could be held out at all."""
    if not found.rows and not found.errors:
        raise JobError(
            f"no fine date from {job.start} to {job.end} keeps clear references on both sides "
            f"when it is hidden with those up to {min(hide_days)} days around it; allow a longer "
            "period, fewer hidden days, or a lower pairs.min_clear"
        )
