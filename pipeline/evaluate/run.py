"""An evaluation from its choices to its rows: what is missing is computed, the rest is kept."""

# Strategy.  A task is a method on a scene; it reads the scene, fuses, and leaves the answer on
# disk.  When a set's answers are there its scenes are scored, a task a scene, for all methods
# stand on the pixels that all of them answered.  Nothing large crosses the scheduler, one scene
# and one answer are in memory at a time, and the report is made of what lies on disk: so it is
# the same whatever was computed in which run, by how many workers.

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.evaluate.answers import AnswerTask, fuse_scene
from pipeline.evaluate.choices import Evaluation
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.plan import SetPlan
from pipeline.evaluate.result import Result
from pipeline.evaluate.roughness import SeasonTask, score_season
from pipeline.evaluate.scored import ScoreTask, score_scene
from pipeline.executor import Executor
from pipeline.progress import OnProgress, Progress, Stage


def evaluate(
    evaluation: Evaluation, folder: Path, ex: Executor, on_progress: OnProgress | None = None
) -> Result:
    """Compute what ``folder`` lacks, set by set, and gather all.

    A method that fails on a scene is left out of its group and told in ``errors``; the rest goes
    on.  Raises CheckpointError, SceneSetError, ValueError and OSError for what cannot be begun.
    """
    contenders = tuple(Contender.of(choice) for choice in evaluation.methods)
    plans = [SetPlan.of(choice, contenders) for choice in evaluation.sets]
    answers = _apart(task for plan in plans for task in (*plan.answers, *plan.season))
    failed = _work(
        ex,
        partial(fuse_scene, folder=folder, device=ex.device),
        [task for task in answers if task.cost(folder) is None],
        "answer",
        len(answers),
        on_progress,
    )
    scoring = [plan.scoring(set(failed)) for plan in plans]
    seasons = [plan.roughness(set(failed)) for plan in plans]
    scores: list[ScoreTask | SeasonTask] = []
    for tasks, season in zip(scoring, seasons, strict=True):
        scores += [*tasks, *([season] if season else [])]
    unscored = _work(
        ex,
        partial(_score, folder=folder),
        [task for task in scores if task.known(folder) is None],
        "score",
        len(scores),
        on_progress,
    )
    for error in unscored.values():
        raise RuntimeError(error)  # a method may fail, arithmetic may not
    return Result(
        evaluation=evaluation,
        contenders=contenders,
        sets=tuple(
            plan.result(tasks, season, folder)
            for plan, tasks, season in zip(plans, scoring, seasons, strict=True)
        ),
        errors=tuple(failed[task] for task in answers if task in failed),
    )


def _apart(tasks: Iterable[AnswerTask]) -> list[AnswerTask]:
    """Each task once.  Raises ValueError for two that would leave their answers in one place."""
    places: dict[Path, AnswerTask] = {}
    for task in tasks:
        if places.setdefault(task.path(Path()), task) != task:
            raise ValueError(
                f"sets: two of them are {task.set} with a scene {task.scene!r}; evaluate them apart"
            )
    return list(places.values())


def _score(task: ScoreTask | SeasonTask, *, folder: Path) -> None:
    if isinstance(task, SeasonTask):
        score_season(task, folder=folder)
    else:
        score_scene(task, folder=folder)


def _work(
    ex: Executor,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    stage: Stage,
    total: int,
    on_progress: OnProgress | None,
) -> dict[Any, str]:
    """Run the tasks; the errors of those that failed."""
    failed = {}
    done = total - len(tasks)
    for outcome in ex.map(function, tasks, gpu=stage == "answer"):
        done += 1
        if outcome.error is not None:
            failed[outcome.task] = outcome.error
        if on_progress is not None:
            what = str(outcome.task)
            on_progress(
                Progress(stage=stage, done=done, total=total, what=what, error=outcome.error)
            )
    return failed
