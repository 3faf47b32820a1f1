"""The shape of an SA-STF network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

Condition = Literal["dates", "ratio", "bands"]
Mask = Literal["element", "pixel"]
Attention = Literal["column", "row"]
Stable = Literal["earlier", "nearest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Hyper-parameters; the defaults are Table 2 of the supplement and the authors' code."""

    bands: int = 6
    """Spectral bands in and out, in the order of the card's ``bands``."""

    width: int = 64
    """Channels of the first level."""

    groups: int = 32
    """Groups of every GroupNorm; divides ``width``."""

    contrast: bool = False
    """Each known image comes with its contrast to the other date as ``bands`` more channels."""

    filled: bool = False
    """Each known image comes with one more channel: 1 where it was filled, 0 where seen."""

    conditions: tuple[Condition, ...] = ()
    """What else the network is told (model.sastf.conditions): "dates", w and both spans; "ratio";
    "bands", which are present.  The paper's network is told nothing."""

    mask: Mask = "element"
    """Whether SAF compares each feature by itself (the authors' code) or whole pixels (the
    paper's text)."""

    attention: Attention = "column"
    """TFA's attention: "column" sums over the places it was normalised over (the authors' code),
    "row" is the usual A v."""

    stable: Stable = "earlier"
    """The reference that SAF takes where a place is stable: the earlier one (the authors' code),
    or the one whose features are nearer to the coarse image of the day."""

    align: bool = True
    """TFA.  Without it a reference stays as it is, and there is no time loss."""

    select: bool = True
    """SAF.  Without it a 1x1 convolution merges the two aligned references."""

    residual: bool = True
    """TE-Block1, which estimates the residual term.  Without it that term is 0."""

    diffusion: bool = True
    """Without it nothing is noisy: no x_t, no noise encoder, no De-Res, no levels; one pass."""

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise ValueError(
                f"width={self.width} is not a multiple of groups={self.groups}; "
                f"use groups={min(self.groups, self.width)} or a width of "
                f"{-(-self.width // self.groups) * self.groups}"
            )
        choices = [("mask", Mask), ("attention", Attention), ("stable", Stable)]
        for name, known in choices:
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"no {name} {getattr(self, name)!r}; there are {', '.join(get_args(known))}"
                )
        strangers = [name for name in self.conditions if name not in get_args(Condition)]
        if strangers or len(set(self.conditions)) != len(self.conditions):
            raise ValueError(
                f"conditions={list(self.conditions)} are not some of "
                f"{', '.join(get_args(Condition))}, each once"
            )

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """The configuration that a card holds as JSON; raises TypeError for unknown names."""
        return cls(**{**known, "conditions": tuple(known.get("conditions", ()))})

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five levels."""
        w = self.width
        return (w, 2 * w, 4 * w, 8 * w, 8 * w)

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
    def stride(self) -> int:
        """Fine pixels per pixel of level 5; y and x of a window are multiples of it."""
        return 16
