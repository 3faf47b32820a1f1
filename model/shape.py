"""The shape of a network, as far as trainer, sampler and card need to know it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

Condition = Literal["dates", "ratio", "bands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape(ABC):
    """What every network here is given; each has a subclass with what is its own."""

    method: ClassVar[str]
    """Name of the method, one of ``model.card.NETWORKS``."""

    bands: int = 6
    """Spectral bands in and out, in the order of the card's ``bands``."""

    width: int = 64
    """Channels of the first level."""

    groups: int
    """Groups of every GroupNorm; divides ``width``."""

    contrast: bool = False
    """Each known image comes with its contrast to the other date as ``bands`` more channels."""

    filled: bool = False
    """Each known image comes with one more channel: 1 where it was filled, 0 where seen."""

    conditions: tuple[Condition, ...] = ()
    """What else the network is told (model.conditions): "dates", w and both spans; "ratio";
    "bands", which are present.  The networks of the papers are told nothing."""

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise ValueError(
                f"width={self.width} is not a multiple of groups={self.groups}; "
                f"use groups={min(self.groups, self.width)} or a width of "
                f"{-(-self.width // self.groups) * self.groups}"
            )
        strangers = [name for name in self.conditions if name not in get_args(Condition)]
        if strangers or len(set(self.conditions)) != len(self.conditions):
            raise ValueError(
                f"conditions={list(self.conditions)} are not some of "
                f"{', '.join(get_args(Condition))}, each once"
            )

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """The shape that a card holds as JSON; raises TypeError for unknown names."""
        lists = {name: tuple(of) for name, of in known.items() if isinstance(of, list)}
        return cls(**{**known, **lists})

    @property
    def image_channels(self) -> tuple[str, ...]:
        """The channels of a known image, in order."""
        kinds = ["image", *(["contrast"] if self.contrast else [])]
        named = [f"{kind} {band}" for kind in kinds for band in range(self.bands)]
        return (*named, "filled") if self.filled else tuple(named)

    @property
    def condition_inputs(self) -> tuple[str, ...]:
        """The numbers that ``conditions`` come to, in order."""
        numbers = {
            "dates": ["weight", "days before", "days after"],
            "ratio": ["ratio"],
            "bands": [f"band {band}" for band in range(self.bands)],
        }
        return tuple(number for name in self.conditions for number in numbers[name])

    @property
    @abstractmethod
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Names of the input channels of each weight that grows with what the network is given."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Fine pixels per pixel of the deepest level; y and x of a window are multiples of it."""

    @property
    def aligns(self) -> bool:
        """Whether there is an alignment for the time loss to look at."""
        return False
