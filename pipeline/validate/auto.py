"""``method: auto`` within a validation: pick, unless it has, and tell the scores on other dates."""

from collections.abc import Sequence

from pipeline.chosen import Chosen, chosen_path, read_chosen
from pipeline.executor import Executor
from pipeline.job import AUTO
from pipeline.progress import OnProgress
from pipeline.recipe import write_json
from pipeline.validate.asked import Asked
from pipeline.validate.choice import choose, choosing, of_auto, report_periods, within
from pipeline.validate.held_out import answered
from pipeline.validate.hide import Hide, Region
from pipeline.validate.table import Answered
from pipeline.validate.targets import Extent, Target, targets


def pick_and_report(
    region: Region,
    wanted: Sequence[Asked],
    ex: Executor,
    *,
    hide: Sequence[Hide],
    extent: Extent,
    anew: bool,
    on_progress: OnProgress | None,
) -> tuple[Chosen, dict[str, Answered], list[str]]:
    """What was picked, the answers of ``auto`` and of each method on the dates reported, errors.

    ``anew``: pick again even where it was picked among the same methods.
    """
    job = region.job
    chosen = None if anew else read_chosen(job)
    periods = report_periods(job) if chosen is None else chosen.report
    reported = set(within(region.survey.fine_days, periods))
    held_out = targets(region, hide=hide, extent=extent, dates=reported)
    choosers = choosing(region, periods, extent) if chosen is None else []
    found, errors = answered(region, wanted, [*held_out, *choosers], ex, on_progress)
    if chosen is None:
        methods = [one for one in wanted if one.name in job.method.among]
        theirs = {one.name: _on(found[one.name], choosers) for one in methods}
        chosen = choose(region, methods, theirs, periods)
        write_json(chosen_path(job.inputs), chosen.to_dict())
    told = {name: _on(answers, held_out) for name, answers in found.items()}
    return chosen, {AUTO: of_auto(chosen, told), **told}, errors


def _on(answers: Answered, those: Sequence[Target]) -> Answered:
    wanted = {(one.hide, one.key) for one in those}
    return [pair for pair in answers if (pair[0].hide, pair[0].key) in wanted]
