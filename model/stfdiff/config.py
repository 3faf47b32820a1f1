"""The shape of an STFDiff network."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from model.shape import NetworkShape

Pairs = Literal["both", "each"]

MOST_LEVELS = 5
"""So that the stride divides 16, as patches and windows do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StfdiffConfig(NetworkShape):
    """Hyper-parameters; the defaults are the authors' code."""

    method: ClassVar[str] = "stfdiff"

    groups: int = 8

    mults: tuple[int, ...] = (1, 2, 4)
    """Channels that each level hands down, in widths.  All levels but the last halve y and x."""

    pairs: Pairs = "both"
    """How the two reference pairs are seen: "both" at once by wider stems (the authors' variant
    "bi"), or "each" by itself as their main network does, the two answers averaged by
    1 / |C1 - Cr| in every reverse step (ours)."""

    def __post_init__(self) -> None:
        NetworkShape.__post_init__(self)  # super() does not find its way in a class with slots
        if not 1 <= len(self.mults) <= MOST_LEVELS or min(self.mults) < 1:
            raise ValueError(
                f"mults={list(self.mults)} must be 1 to {MOST_LEVELS} numbers of 1 or more; "
                "the authors' are [1, 2, 4]"
            )
        if self.pairs not in get_args(Pairs):
            raise ValueError(f"no pairs {self.pairs!r}; there are {', '.join(get_args(Pairs))}")

    @property
    def channels(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of each level: what its block works in, and what it hands down."""
        out = [self.width * mult for mult in self.mults]
        return tuple(zip([self.width, *out[:-1]], out, strict=True))

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        both = self.pairs == "both"
        seen = {
            "fine.weight": ("before", "after") if both else ("reference",),
            "coarse.weight": ("before", "day", "after") if both else ("reference", "day"),
        }
        stems = {
            name: tuple(f"{date} {channel}" for date in dates for channel in self.image_channels)
            for name, dates in seen.items()
        }
        return {**stems, "conditions.0.weight": self.condition_inputs}

    @property
    def stride(self) -> int:
        return 2 ** (len(self.mults) - 1)
