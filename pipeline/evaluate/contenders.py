"""A method that takes part: its identity, what it was trained on, and where it may be scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from model.card import MethodCard, describe, locate, read_card
from pipeline.evaluate.choices import MethodChoice
from pipeline.evaluate.code import method_code
from pipeline.evaluate.sets import Source
from pipeline.evaluate.store import fingerprint

Mark = Literal["", "zero-shot", "adapted", "in-site"]
"""What a row's weights have seen of the set: nothing; its training split after other data; that
split from the start.  Empty: nothing is learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A method as it is asked for, and what its card says."""

    choice: MethodChoice
    card: MethodCard

    training: tuple[Mapping[str, Any], ...]
    """Stages of the training of its weights; none without weights."""

    @classmethod
    def of(cls, choice: MethodChoice) -> "Contender":
        """Raises CheckpointError for a method or checkpoint that there is not."""
        # Without sigma: it is not scored here, and takes a third of the time.
        card = describe(choice.method, choice.checkpoint, steps=choice.steps, samples=0)
        stages: Sequence[Mapping[str, Any]] = ()
        if card.weights is not None:
            stages = read_card(locate(choice.checkpoint, choice.method)).get("training", ())
        return cls(choice=choice, card=card, training=tuple(stages))

    @property
    def label(self) -> str:
        return self.choice.label

    @property
    def identity(self) -> str:
        """Of all that its answers depend on, beside the scene."""
        return fingerprint(self.card.sha, method_code(self.choice.method))

    def mark(self, source: Source) -> Mark:
        """What its weights have seen of a set that they may be scored on."""
        if self.card.weights is None:
            return ""
        named = [source.named_in(stage) for stage in self.training]
        if not any(named):
            return "zero-shot"
        return "in-site" if all(named) else "adapted"

    def refusal(self, source: Source) -> str | None:
        """Why it is not scored on a set; None if it is."""
        bands = self.card.bands
        if bands is not None:
            fits = set(source.bands) <= set(bands) if self.card.slots else source.bands == bands
            if not fits:
                return f"it is made for all of {', '.join(bands)}"
        for stage in self.training:
            if source.named_in(stage) and (reason := source.seen_in(stage)):
                return reason
        return None
