"""The shape of an SA-STF network."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from model.shape import NetworkShape

Mask = Literal["element", "pixel"]
Attention = Literal["column", "row"]
Stable = Literal["earlier", "nearest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(NetworkShape):
    """Hyper-parameters; the defaults are Table 2 of the supplement and the authors' code."""

    method: ClassVar[str] = "sa-stf"

    groups: int = 32

    alignment_groups: int | None = None
    """Groups of TFA's GroupNorm; None: ``groups``.  In the authors' code always 32."""

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
        NetworkShape.__post_init__(self)  # super() does not find its way in a class with slots
        choices = [("mask", Mask), ("attention", Attention), ("stable", Stable)]
        for name, known in choices:
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"no {name} {getattr(self, name)!r}; there are {', '.join(get_args(known))}"
                )
        if self.channels[-1] % (self.alignment_groups or self.groups):
            raise ValueError(
                f"the {self.channels[-1]} channels of level 5 are not a multiple of "
                f"alignment_groups={self.alignment_groups}; use None for groups={self.groups}"
            )

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five levels."""
        w = self.width
        return (w, 2 * w, 4 * w, 8 * w, 8 * w)

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        return {
            "image_encoder.stem.weight": self.image_channels,
            "conditions.0.weight": self.condition_inputs,
        }

    @property
    def stride(self) -> int:
        return 16

    @property
    def aligns(self) -> bool:
        return self.align
