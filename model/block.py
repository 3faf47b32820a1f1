"""What a method is given, the known images of one tile with its halo, and what it answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Bool = NDArray[np.bool_]
Part = tuple[slice, slice]
"""(y, x) of a block."""

COARSE_PAD = 3
"""Coarse cells around the block in every coarse array.

Three cells are 1.4 km: enough for the smoothest upsampling here (a Gaussian of half a
cell, cut at four sigma) to give the same pixel whatever block it is asked for in.
"""


class Fused(NamedTuple):
    """A method's answer for a block; NaN where ``Block.known()`` is false."""

    reflectance: Array
    """(time, band, y, x)"""

    sigma: Array | None
    """(time, band, y, x) standard deviation of ``reflectance`` about the truth, so that +- 1.645
    of it holds 90 %; None from a method that states none."""

    def widened(self, factor: float) -> "Fused":
        """The same with so many times the uncertainty."""
        if self.sigma is None or factor == 1:
            return self
        return self._replace(sigma=self.sigma * np.float32(factor))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The clear fine images around the target days, for methods that look at time alone.

    Whoever hides an image hides it here too; an image of a target day itself is in none.
    """

    days: tuple[int, ...]
    """Days since 1970-01-01, ascending."""

    images: Array
    """(time, band, y, x) reflectance, NaN unknown."""

    def __post_init__(self) -> None:
        if list(self.days) != sorted(set(self.days)):
            raise ValueError(f"the days of a series ascend, each once; these are {self.days}")
        if len(self.images) != len(self.days):
            raise ValueError(f"a series of {len(self.days)} days holds {len(self.images)} images")

    @classmethod
    def of(cls, dated: Iterable[tuple[int, Array]]) -> Self:
        """Of images (band, y, x) by their day, in any order; of one day the last."""
        images = dict(dated)
        return cls(
            days=tuple(sorted(images)), images=np.stack([images[day] for day in sorted(images)])
        )

    @property
    def clear(self) -> Bool:
        """(time, y, x) where all bands are known."""
        return np.asarray(np.isfinite(self.images).all(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The references and the coarse days of one block, surface reflectance, NaN unknown.

    A day with a single reference has it on both sides: the same images and ``day_before ==
    day_after``, and so the weight of the later one is 0 (``one_sided``).  Then time alone
    predicts F0, the coarse change is C1 - C0, and every method is its own one-pair form:
    ``linear`` is a copy, ``delta`` F0 + up(C1 - C0), ``guided`` spreads that change along one
    guide, and a network is told by the days (it is trained on such examples too).

    ``y`` and ``x`` are fine pixels, whole coarse cells; ``row`` and ``col`` are coarse
    cells with ``COARSE_PAD`` more on each side, repeated from the edge where the region
    ends.
    """

    bands: tuple[str, ...]
    """STAC names, in the order of every array's band axis."""

    fine_before: Array
    """(band, y, x) at ``day_before``."""

    fine_after: Array
    """(band, y, x) at ``day_after``."""

    coarse_before: Array
    """(band, row, col) at ``day_before``."""

    coarse_after: Array
    """(band, row, col) at ``day_after``."""

    coarse: Array
    """(time, band, row, col) at the target ``days``."""

    day_before: int
    """Days since 1970-01-01."""

    day_after: int
    days: tuple[int, ...]

    ratio: int
    """Fine pixels along one side of a coarse cell."""

    origin: tuple[int, int]
    """(row, col) of the first fine pixel on the absolute lattice; keys the noise."""

    centre: Array
    """(band,) median of the region's fine reflectance, fixed over tiles and days."""

    spread: Array
    """(band,) its interquartile range, 0.01 or more."""

    filled_before: Bool | None = None
    """(y, x) where ``fine_before`` was not seen that day but filled from other dates; None where
    nothing is known of it, as in the four below."""

    filled_after: Bool | None = None
    """(y, x)"""

    coarse_filled_before: Bool | None = None
    """(row, col) where ``coarse_before`` was not seen that day but filled in time."""

    coarse_filled_after: Bool | None = None
    """(row, col)"""

    coarse_filled: Bool | None = None
    """(time, row, col)"""

    core: Part | None = None
    """(y, x) of the tile inside the block, what is asked for: a method may answer NaN beyond it.
    None asks for all."""

    series: Series | None = None
    """None unless the method asks for it, ``model.card.MethodCard.series``."""

    def __post_init__(self) -> None:
        bands, y, x = self.fine_before.shape
        if not len(set(self.bands)) == len(self.bands) == bands:
            raise ValueError(
                f"a block of the bands {', '.join(self.bands)} holds {bands} of them in "
                "fine_before; name each band once"
            )
        if y % self.ratio or x % self.ratio:
            raise ValueError(
                f"a block of {y} x {x} fine pixels is not made of whole coarse cells of "
                f"{self.ratio}; cut it with Grid.block()"
            )
        coarse = (bands, y // self.ratio + 2 * COARSE_PAD, x // self.ratio + 2 * COARSE_PAD)
        wanted = {
            "fine_after": (bands, y, x),
            "coarse_before": coarse,
            "coarse_after": coarse,
            "coarse": (len(self.days), *coarse),
            "centre": (bands,),
            "spread": (bands,),
            "filled_before": (y, x),
            "filled_after": (y, x),
            "coarse_filled_before": coarse[1:],
            "coarse_filled_after": coarse[1:],
            "coarse_filled": (len(self.days), *coarse[1:]),
        }
        for name, shape in wanted.items():
            if getattr(self, name) is not None and getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}, but fine_before of "
                    f"{self.fine_before.shape} and {len(self.days)} days at ratio "
                    f"{self.ratio} ask for {shape}"
                )
        if self.series is not None and self.series.images.shape[1:] != self.fine_before.shape:
            raise ValueError(
                f"the series' images have shape {self.series.images.shape[1:]}, but fine_before "
                f"{self.fine_before.shape}"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time, band, y, x) of the answer."""
        return (len(self.days), *self.fine_before.shape)

    def around_core(self, margin: int) -> Part:
        """(y, x) of the core and ``margin`` fine pixels around it, where the block has them."""
        y, x = self.core or (slice(0, self.shape[2]), slice(0, self.shape[3]))
        return (
            slice(max(y.start - margin, 0), min(y.stop + margin, self.shape[2])),
            slice(max(x.start - margin, 0), min(x.stop + margin, self.shape[3])),
        )

    def in_core(self) -> Bool:
        """(y, x): whether an answer is asked for there."""
        inside = np.zeros(self.shape[2:], bool)
        inside[self.core or ...] = True
        return inside

    @property
    def first_cell(self) -> tuple[int, int]:
        """(row, col) of the first cell, without those of ``COARSE_PAD``, on the lattice of cells
        that all blocks of a region share."""
        return self.origin[0] // self.ratio, self.origin[1] // self.ratio

    @property
    def one_sided(self) -> bool:
        """Whether there is a single reference, given for both sides."""
        return self.day_before == self.day_after

    def weight(self, day: int) -> float:
        """Share of the later reference in a linear interpolation at ``day``."""
        span = self.day_after - self.day_before
        return (day - self.day_before) / span if span else 0.0

    def known(self) -> Bool:
        """(time, y, x): every band of both references and of the three coarse images is known.

        One rule for all methods, so that their scores stand on the same pixels.
        """
        fine = np.isfinite(self.fine_before).all(0) & np.isfinite(self.fine_after).all(0)
        references = np.isfinite(self.coarse_before).all(0) & np.isfinite(self.coarse_after).all(0)
        cells = np.asarray(np.isfinite(self.coarse).all(1) & references)
        return fine & self._on_pixels(cells)

    def filled(self, index: int) -> Bool:
        """(image, y, x): where an image of target day ``index`` was not seen but filled.

        Images are F0, C0, F2, C2, C1, as in ``model.frame.Images``.  What is unknown counts as
        filled: a network is given something there too.
        """
        cells = None if self.coarse_filled is None else self.coarse_filled[index]

        def mask(image: Array, said: Bool | None) -> Bool:
            unknown = np.asarray(~np.isfinite(image).all(0))
            return unknown if said is None else unknown | said

        return np.stack(
            [
                mask(self.fine_before, self.filled_before),
                self._on_pixels(mask(self.coarse_before, self.coarse_filled_before)),
                mask(self.fine_after, self.filled_after),
                self._on_pixels(mask(self.coarse_after, self.coarse_filled_after)),
                self._on_pixels(mask(self.coarse[index], cells)),
            ]
        )

    def in_bands(self, bands: Sequence[str]) -> Self:
        """The same block with ``bands``, by name: 0 in those it does not hold, spread 1."""
        if tuple(bands) == tuple(self.bands):
            return self
        at = [list(bands).index(band) for band in self.bands]

        def placed(values: Array, axis: int, fill: float = 0.0) -> Array:
            shape = (*values.shape[:axis], len(bands), *values.shape[axis + 1 :])
            wide = np.full(shape, fill, np.float32)
            wide[(slice(None),) * axis + (at,)] = values
            return wide

        return replace(
            self,
            bands=tuple(bands),
            fine_before=placed(self.fine_before, 0),
            fine_after=placed(self.fine_after, 0),
            coarse_before=placed(self.coarse_before, 0),
            coarse_after=placed(self.coarse_after, 0),
            coarse=placed(self.coarse, 1),
            centre=placed(self.centre, 0),
            spread=placed(self.spread, 0, 1.0),
            series=None
            if self.series is None
            else replace(self.series, images=placed(self.series.images, 1)),
        )

    def _on_pixels(self, cells: Bool) -> Bool:
        """(..., row, col) with ``COARSE_PAD`` cells around -> (..., y, x), each by its cell."""
        inner = cells[..., COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        return inner.repeat(self.ratio, -2).repeat(self.ratio, -1)
