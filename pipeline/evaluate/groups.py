"""The scenes of a group together: rows of its tables, costs, and which of them is shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluate.rows import FLOOR, Row, row_of
from pipeline.evaluate.scored import ScoreTask
from pipeline.evaluate.scores import AnswerScores


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

    @classmethod
    def of(
        cls, name: str, scenes: Sequence[tuple[ScoreTask, Mapping[str, Any]]], folder: Path
    ) -> "Group":
        """Of tasks and what ``score_scene`` kept of each."""
        first = scenes[0][1]
        return cls(
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


def _middle(scenes: Sequence[tuple[ScoreTask, Mapping[str, Any]]]) -> ScoreTask:
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


def _costs(tasks: Sequence[ScoreTask], folder: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    costs: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks:
        for answer in task.answers:
            known = answer.cost(folder)
            assert known is not None
            costs.setdefault(answer.method.label, []).append(known)
    return {label: tuple(each) for label, each in costs.items()}
