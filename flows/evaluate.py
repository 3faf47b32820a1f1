"""``daily30 evaluate``: an evaluation file in; tables, pictures and scores out."""

from pathlib import Path

import yaml
from rich.console import Console

from flows.evaluate_config import EvaluationError, Pinned, frozen, read_evaluation
from flows.show import lines, progress
from pipeline.evaluate.report import summary_lines, write_report
from pipeline.evaluate.result import Result
from pipeline.evaluate.run import evaluate
from pipeline.executor import executor
from pipeline.lock import CubeLock
from pipeline.version import software

CONFIG = "config.yaml"


def run_evaluate(
    path: Path, *, folder: Path | None, workers: int | None, out: Console, log: Console
) -> bool:
    """Evaluate as the file says; whether every method answered on every scene it was asked for."""
    config, base = read_evaluation(path)
    evaluation = config.evaluation(base)
    folder = folder or Path("evaluation") / config.name
    with CubeLock(folder), progress(log) as on_progress, executor(workers) as ex:
        result = evaluate(evaluation, folder, ex, on_progress)
        found = pinned(result)
        if config.pinned is not None:
            lines(log, check_pinned(path, config.pinned, found))
        text = yaml.safe_dump(frozen(config, base, evaluation, found), sort_keys=False)
        (folder / CONFIG).write_text(text, encoding="utf-8")
        written = write_report(result, folder, ex, on_progress)
    lines(out, summary_lines(result))
    lines(log, result.errors)
    lines(out, (str(one) for one in written))
    return not result.errors


def pinned(result: Result) -> Pinned:
    """What a report is made of."""
    return Pinned(
        code=software(),
        data={one.name: one.sha for one in result.sets},
        weights={
            one.label: one.card.weights for one in result.contenders if one.card.weights is not None
        },
    )


def check_pinned(path: Path, wanted: Pinned, found: Pinned) -> tuple[str, ...]:
    """Refuse to call another evaluation by the name of this one; what else is to be said.

    Raises EvaluationError where data or weights are not those of the report.
    """
    for what, ours, theirs in (
        ("data", found.data, wanted.data),
        ("weights", found.weights, wanted.weights),
    ):
        if changed := sorted(name for name in theirs if ours.get(name) != theirs[name]):
            raise EvaluationError(
                f"{path}: the {what} of {', '.join(changed)} are not those the report was made "
                "of; take `pinned` out of the file to evaluate what is there now"
            )
    if wanted.code == found.code:
        return ()
    return (f"The report was made by {wanted.code}, this is {found.code}.",)
