"""Several sources as one, each with its share; and sources with fewer bands than a network."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.training.example import Example, Source


class Mixed:
    """Draws from ``sources`` by their ``shares``; each goes through its own epochs at its pace.

    An epoch has ``examples`` examples (None: as many as all sources together), of which every
    source has its share to within one.  A source gives all its examples, in an order of its own
    epoch, before it repeats any.  ``bands``: those of the examples, None for all bands of the
    sources in the order they are met.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        shares: Sequence[float],
        *,
        seed: int,
        examples: int | None = None,
        bands: Sequence[str] | None = None,
    ) -> None:
        if len(sources) != len(shares) or not sources or min(shares) <= 0:
            raise ValueError(
                f"{len(sources)} sources with shares {list(shares)}; each source has one above 0"
            )
        every = (band for source in sources for band in source.bands)
        self.bands = tuple(dict.fromkeys(every) if bands is None else bands)
        self.seed = seed
        self._sources = [InSlots(source, self.bands) for source in sources]
        self._examples = sum(map(len, sources)) if examples is None else examples
        self._shares = tuple(shares)
        self._counts = _counts(self._examples, shares)
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def __len__(self) -> int:
        return self._examples

    def example(self, epoch: int, index: int) -> Example:
        """The example of one of the sources."""
        which, before = (int(part[index]) for part in self._order(epoch))
        source = self._sources[which]
        number = epoch * int(self._counts[which]) + before
        own_epoch, place = divmod(number, len(source))
        order = _permutation(self.seed, which, own_epoch, len(source))
        return source.example(own_epoch, int(order[place]))

    def _draw_order(self, epoch: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For each index the source, and how often it had its turn before in the epoch."""
        which = np.repeat(np.arange(len(self._sources)), self._counts)
        which = np.random.default_rng([self.seed, epoch]).permutation(which)
        before = np.zeros_like(which)
        for source, count in enumerate(self._counts):
            before[which == source] = np.arange(count)
        return which, before

    def __reduce__(self) -> tuple[object, ...]:  # a cache does not go to another process
        made = [source.source for source in self._sources], self._shares
        return _again, (*made, self.seed, self._examples, self.bands)


def _again(
    sources: list[Source],
    shares: tuple[float, ...],
    seed: int,
    examples: int,
    bands: tuple[str, ...],
) -> Mixed:
    return Mixed(sources, shares, seed=seed, examples=examples, bands=bands)


class InSlots:
    """A source whose examples are laid out in the ``bands`` of a network, by name.

    A band that the source lacks is 0 in all images, not ``present``, and its truth is NaN.
    """

    def __init__(self, source: Source, bands: Sequence[str]) -> None:
        if strange := [band for band in source.bands if band not in bands]:
            raise ValueError(
                f"a source has the bands {', '.join(strange)}, which are not among "
                f"{', '.join(bands)}; name them in the training configuration"
            )
        self.source, self.bands = source, tuple(bands)
        self._places = [self.bands.index(band) for band in source.bands]

    def __len__(self) -> int:
        return len(self.source)

    def example(self, epoch: int, index: int) -> Example:
        """The source's own example, laid out."""
        own = self.source.example(epoch, index)
        if self.source.bands == self.bands:
            return own

        def laid(values: Array, absent: float = 0.0) -> Array:
            slots = np.full((len(self.bands), *values.shape[1:]), absent, values.dtype)
            slots[self._places] = values
            return slots

        present = np.zeros(len(self.bands), np.bool_)
        present[self._places] = own.present
        return replace(
            own,
            fine_before=laid(own.fine_before),
            coarse_before=laid(own.coarse_before),
            fine_after=laid(own.fine_after),
            coarse_after=laid(own.coarse_after),
            coarse=laid(own.coarse),
            truth=laid(own.truth, np.nan),
            centre=laid(own.centre),
            spread=laid(own.spread, 1.0),
            present=present,
        )


def _counts(examples: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Whole numbers of the given sum, each its share to within one."""
    wanted = np.asarray(shares, np.float64) * examples / sum(shares)
    counts = np.floor(wanted).astype(np.int64)
    rest = examples - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:rest]] += 1
    return counts


@lru_cache(maxsize=64)
def _permutation(seed: int, source: int, epoch: int, length: int) -> NDArray[np.intp]:
    return np.random.default_rng([seed, source, epoch]).permutation(length)
