"""Methods on a few small scenes, at once and in memory: the rows of an evaluation without one.

For benchmarks that score what they have just made.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from model.fuser import Fuser, load_fuser
from pipeline.evaluate.rows import FLOOR, Row, row_of
from pipeline.evaluate.scores import AnswerScores, Grounds
from pipeline.real_sets import Scene


def score(scenes: Iterable[Scene], fusers: Mapping[str, Fuser]) -> list[Row]:
    """One row a group and method; ``anomaly`` is there even where ``fusers`` has it not."""
    fusers = fusers if FLOOR in fusers else {FLOOR: load_fuser(FLOOR), **fusers}
    groups: dict[tuple[str, str], list[dict[str, AnswerScores]]] = {}
    for scene in scenes:
        answers = {name: fuser.fuse(scene.block).reflectance for name, fuser in fusers.items()}
        answered = np.logical_and.reduce([np.isfinite(one).all(1) for one in answers.values()])
        grounds = Grounds.of(scene, answered)
        if grounds.days:
            groups.setdefault((scene.set, scene.group), []).append(
                {name: AnswerScores.of(scene, grounds, one) for name, one in answers.items()}
            )
    return [
        row_of(*group, name, [one[name] for one in scored], [one[FLOOR] for one in scored])
        for group, scored in groups.items()
        for name in fusers
    ]
