"""What an evaluation came to: all that a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.evaluate.choices import Evaluation, SetChoice
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.groups import Group
from pipeline.evaluate.roughness import Roughness, SeasonTask


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
