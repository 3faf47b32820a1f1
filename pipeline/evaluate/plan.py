"""What is to be done for a set: tasks, in three steps that each need the one before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluate.answers import AnswerTask
from pipeline.evaluate.choices import SetChoice, WorldChoice
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.groups import Group
from pipeline.evaluate.result import SetResult
from pipeline.evaluate.roughness import Roughness, SeasonTask, read_roughness
from pipeline.evaluate.scored import ScoreTask
from pipeline.evaluate.sets import open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPlan:
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
    def of(cls, choice: SetChoice, contenders: Sequence[Contender]) -> "SetPlan":
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
        """What it came to, all tasks done."""
        groups: dict[str, list[tuple[ScoreTask, dict[str, Any]]]] = {}
        for task in tasks:
            known = task.known(folder)
            assert known is not None
            groups.setdefault(known["group"], []).append((task, known))
        return SetResult(
            name=self.name,
            choice=self.choice,
            sha=self.sha,
            groups=tuple(Group.of(name, scenes, folder) for name, scenes in groups.items()),
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


def _roughness(season: SeasonTask | None, folder: Path) -> Roughness | None:
    if season is None:
        return None
    known = season.known(folder)
    assert known is not None
    return read_roughness(known)
