"""The shape of an SA-STF network."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Hyper-parameters; the defaults are Table 2 of the supplement."""

    bands: int = 6
    """Spectral bands in and out, in the order of the card's ``bands``."""

    width: int = 64
    """Channels of the first level."""

    groups: int = 32
    """Groups of every GroupNorm; divides ``width``."""

    contrast: bool = False
    """Each known image comes with its contrast to the other date as ``bands`` more channels."""

    dated: bool = False
    """The levels also carry w and both spans; the paper's network knows no dates."""

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise ValueError(
                f"width={self.width} is not a multiple of groups={self.groups}; "
                f"use groups={min(self.groups, self.width)} or a width of "
                f"{-(-self.width // self.groups) * self.groups}"
            )

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five levels."""
        w = self.width
        return (w, 2 * w, 4 * w, 8 * w, 8 * w)

    @property
    def image_channels(self) -> int:
        """Channels of a known image."""
        return self.bands * (2 if self.contrast else 1)

    @property
    def stride(self) -> int:
        """Fine pixels per pixel of level 5; y and x of a window are multiples of it."""
        return 16
