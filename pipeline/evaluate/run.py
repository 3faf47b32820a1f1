"""An evaluation from its choices to its rows: what is missing is computed, the rest is kept."""

# Strategy.  A task is a method on a scene; it reads the scene, fuses, and leaves the answer on
# disk.  When a set's answers are there its scenes are scored, a task a scene, for all methods
# stand on the pixels that all of them answered.  Nothing large crosses the scheduler, one scene
# and one answer are in memory at a time, and the report is made of what lies on disk: so it is
# the same whatever was computed in which run, by how many workers.

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.evaluate.answers import AnswerTask, fuse_scene
from pipeline.evaluate.choices import Evaluation, SetChoice, WorldChoice
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.roughness import Roughness, SeasonTask, read_roughness, score_season
from pipeline.evaluate.rows import FLOOR, Row, row_of
from pipeline.evaluate.scored import ScoreTask, score_scene
from pipeline.evaluate.scores import AnswerScores
from pipeline.evaluate.sets import open_source
from pipeline.executor import Executor
from pipeline.progress import OnProgress, Progress, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Scenes that are scored together."""

    set: str
    name: str
    bands: tuple[str, ...]
    ratio: int
    pixel_m: float
    note: str

    rows: tuple[Row, ...]
    """In the order of the methods; without those that could not be scored."""

    costs: Mapping[str, tuple[Mapping[str, Any], ...]]
    """By method: what each scene cost, ``cost.Cost`` and its ``pixels``."""

    tasks: tuple[ScoreTask, ...]
    """One a scene."""

    middle: ScoreTask
    """The scene of middling difficulty to ``anomaly``, for pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResult:
    """A set that was evaluated."""

    name: str
    choice: SetChoice
    sha: str
    groups: tuple[Group, ...]
    marks: Mapping[str, str]
    """By method: what its weights have seen of the set (``contenders.Mark``)."""

    refused: Mapping[str, str]
    """By method: why it was not scored."""

    as_published: bool
    """Whether it is the papers' test split in their crop."""

    season: SeasonTask | None
    """Consecutive days of a world; None where none were asked for or no method answered all."""

    roughness: Roughness | None
    """Of those days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that a report is made of."""

    evaluation: Evaluation
    contenders: tuple[Contender, ...]
    sets: tuple[SetResult, ...]
    errors: tuple[str, ...]
    """Methods that failed on scenes, a line each; they have no row there."""


def evaluate(
    evaluation: Evaluation, folder: Path, ex: Executor, on_progress: OnProgress | None = None
) -> Result:
    """Compute what ``folder`` lacks, set by set, and gather all.

    A method that fails on a scene is left out of its group and told in ``errors``; the rest goes
    on.  Raises CheckpointError, SceneSetError, ValueError and OSError for what cannot be begun.
    """
    contenders = tuple(Contender.of(choice) for choice in evaluation.methods)
    plans = [_Plan.of(choice, contenders) for choice in evaluation.sets]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to be done for a set."""

    choice: SetChoice
    name: str
    sha: str
    answers: tuple[AnswerTask, ...]
    season: tuple[AnswerTask, ...]
    marks: Mapping[str, str]
    refused: Mapping[str, str]
    as_published: bool

    @classmethod
    def of(cls, choice: SetChoice, contenders: Sequence[Contender]) -> "_Plan":
        source = open_source(choice)
        refused = {one.label: one.refusal(source) for one in contenders}
        admitted = [one for one in contenders if refused[one.label] is None]
        season = choice.season if isinstance(choice, WorldChoice) else None
        return cls(
            choice=choice,
            name=source.name,
            sha=source.sha,
            answers=tuple(_answers(choice, admitted)),
            season=() if season is None else tuple(_answers(season, admitted)),
            marks={one.label: one.mark(source) for one in admitted},
            refused={label: reason for label, reason in refused.items() if reason is not None},
            as_published=source.as_published,
        )

    def scoring(self, failed: set[AnswerTask]) -> list[ScoreTask]:
        """A task a scene, with the methods that answered."""
        by_scene: dict[str, list[AnswerTask]] = {}
        for task in self.answers:
            if task not in failed:
                by_scene.setdefault(task.scene, []).append(task)
        return [ScoreTask(answers=tuple(tasks)) for tasks in by_scene.values()]

    def roughness(self, failed: set[AnswerTask]) -> SeasonTask | None:
        """One task, with the methods that answered all days."""
        by_label: dict[str, list[AnswerTask]] = {}
        for task in self.season:
            by_label.setdefault(task.method.label, []).append(task)
        whole = tuple(tuple(each) for each in by_label.values() if not failed & set(each))
        return SeasonTask(answers=whole) if whole else None

    def result(
        self, tasks: Sequence[ScoreTask], season: SeasonTask | None, folder: Path
    ) -> SetResult:
        groups: dict[str, list[tuple[ScoreTask, dict[str, Any]]]] = {}
        for task in tasks:
            known = task.known(folder)
            assert known is not None
            groups.setdefault(known["group"], []).append((task, known))
        return SetResult(
            name=self.name,
            choice=self.choice,
            sha=self.sha,
            groups=tuple(_group(name, scenes, folder) for name, scenes in groups.items()),
            marks=self.marks,
            refused=self.refused,
            as_published=self.as_published,
            season=season,
            roughness=_roughness(season, folder),
        )


def _answers(choice: SetChoice, admitted: Sequence[Contender]) -> Iterator[AnswerTask]:
    source = open_source(choice)
    for scene in source.keys:
        for one in admitted:
            yield AnswerTask.of(choice, source, scene, one)


def _group(name: str, scenes: Sequence[tuple[ScoreTask, dict[str, Any]]], folder: Path) -> Group:
    first = scenes[0][1]
    return Group(
        set=first["set"],
        name=name,
        bands=tuple(first["bands"]),
        ratio=first["ratio"],
        pixel_m=first["pixel_m"],
        note="; ".join(dict.fromkeys(one["note"] for _, one in scenes if one["note"])),
        rows=tuple(_rows(first["set"], name, [known["scores"] for _, known in scenes])),
        costs=_costs([task for task, _ in scenes], folder),
        tasks=tuple(task for task, _ in scenes),
        middle=_middle(scenes),
    )


def _middle(scenes: Sequence[tuple[ScoreTask, dict[str, Any]]]) -> ScoreTask:
    hard = [
        (AnswerScores.from_json(known["scores"][FLOOR]).errors.rmse, at)
        for at, (_, known) in enumerate(scenes)
        if FLOOR in known["scores"]
    ]
    return scenes[sorted(hard)[len(hard) // 2][1] if hard else 0][0]


def _rows(name: str, group: str, scored: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Of the methods that answered on all scenes of the group that have a pixel to score.

    None where the floor did not: there is nothing to compare with, and the errors say why.
    """
    scored = [one for one in scored if one]
    if not scored or not all(FLOOR in one for one in scored):
        return
    everywhere = [label for label in scored[0] if all(label in one for one in scored)]
    read = {label: [AnswerScores.from_json(one[label]) for one in scored] for label in everywhere}
    for label, ours in read.items():
        yield row_of(name, group, label, ours, read[FLOOR])


def _roughness(season: SeasonTask | None, folder: Path) -> Roughness | None:
    if season is None:
        return None
    known = season.known(folder)
    assert known is not None
    return read_roughness(known)


def _costs(tasks: Sequence[ScoreTask], folder: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    costs: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks:
        for answer in task.answers:
            known = answer.cost(folder)
            assert known is not None
            costs.setdefault(answer.method.label, []).append(known)
    return {label: tuple(each) for label, each in costs.items()}
