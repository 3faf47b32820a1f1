"""All answers of a scene, scored on the same pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.answers import AnswerTask
from pipeline.evaluate.code import score_code
from pipeline.evaluate.scores import AnswerScores, Grounds
from pipeline.evaluate.sets import open_source
from pipeline.evaluate.store import fingerprint, read_if, slug, write_whole
from pipeline.real_sets import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTask:
    """The address of the scores of a scene."""

    answers: tuple[AnswerTask, ...]
    """At least one, each of which has been made."""

    def __str__(self) -> str:
        return f"scores of {self.answers[0].set}, {self.answers[0].scene}"

    @property
    def identity(self) -> str:
        # Of all answers together: a method that leaves a pixel out takes it from the others too.
        return fingerprint([(one.method.label, one.identity) for one in self.answers], score_code())

    def path(self, folder: Path) -> Path:
        first = self.answers[0]
        return folder / "scores" / slug(first.set) / f"{slug(first.scene)}.json"

    def known(self, folder: Path) -> dict[str, Any] | None:
        """The scores, if they are there."""
        return read_if(self.path(folder), self.identity)


def score_scene(task: ScoreTask, *, folder: Path) -> dict[str, Any]:
    """Score the answers, one at a time in memory, and keep the scores."""
    first = task.answers[0]
    scene = open_source(first.choice).read(first.scene)
    grounds = grounds_of(scene, task.answers, folder)
    scores = {}
    if grounds.days:
        for one in task.answers:
            answer = AnswerScores.of(scene, grounds, one.answer(folder))
            scores[one.method.label] = answer.to_json()
    known = {
        "identity": task.identity,
        "set": scene.set,
        "group": scene.group,
        "scene": scene.name,
        "bands": list(scene.bands),
        "ratio": scene.block.ratio,
        "pixel_m": scene.pixel_m,
        "note": scene.note,
        "scores": scores,
    }
    write_whole(task.path(folder), known)
    return known


def grounds_of(scene: Scene, answers: tuple[AnswerTask, ...], folder: Path) -> Grounds:
    """What all methods of a scene are scored on."""
    answered = np.ones(scene.truth[:, 0].shape, np.bool_)
    for one in answers:
        answered &= np.isfinite(one.answer(folder)).all(1)
    return Grounds.of(scene, answered)
