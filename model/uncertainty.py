"""How far a fused pixel may be from the truth: a calibrated standard deviation a pixel and band.

What makes an error likely is known before the error is: how much the references differ, how long
ago they were seen, what the coarse sensor saw beyond a straight line in time, how rough the ground
is, how much the network changed its guess, whether something was filled, and how far K samples of
the diffusion lie apart.  ``features`` says these in numbers; ``fit`` learns from errors on
simulated worlds, where the truth is known, what each is worth; ``Calibration.sigma`` applies it.

The model of a band is linear in the features and in the products of those of ``PAIRED`` (a change
weighs otherwise where the ground is rough, or where there is one reference only):

    log q = a + sum_j b_j z_j + sum_jk c_jk z_j z_k        sigma = q / 1.645
    z_j   = (clip(feature_j, low_j, high_j) - centre_j) / scale_j

Features and log q are held within the range they were fitted on, so that nothing runs away on
ground of another kind.
q is fitted as the 90 % quantile of the absolute error (quantile regression), so that the interval
of +- 1.645 sigma covers 90 % wherever the features tell places apart, whatever the shape of the
errors; on Gaussian errors sigma is their standard deviation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from model.block import Array, Block, Bool, Part
from model.proper_scores import SHARE, Z90
from model.upsample import fill_nearest, smooth

FEATURES = (
    "change",  # |F2 - F0| of the pixel and band
    "change, all bands",
    "change, around",  # root mean square over about a coarse cell
    "anomaly",  # |C1 - (1 - w) C0 - w C2|: the coarse change that time alone does not explain
    "anomaly, all bands",
    "disagreement",  # between the sensors about the change from t0 to t2, on a coarse cell
    "disagreement, all bands",
    "texture",  # standard deviation of the references around the pixel
    "edge",  # slope of the references at the pixel: what a shift of the grid would cost
    "correction",  # |fused - linear interpolation|
    "network",  # |fused - where the diffusion starts|: what the network itself changed
    "level",  # reflectance itself: gains and haze scale with it
    "spread",  # of the region
    "days to the nearer reference",
    "days to the farther reference",
    "one-sided",
    "fine filled",
    "coarse filled",
    "sample deviation",  # 0 weight where there is a single sample
)
"""Amplitudes are in units of the region's spread, and logarithms."""

Amplitude = NDArray[np.floating[Any]]

PAIRED = (
    "change, all bands",
    "texture",
    "edge",
    "correction",
    "network",
    "level",
    "spread",
    "one-sided",
    "fine filled",
)
_PAIRED = [FEATURES.index(name) for name in PAIRED]
_PAIRS = np.tril_indices(len(PAIRED))

FLOOR = 0.02
"""Amplitudes below this share of the spread are all the same."""
LEVEL_FLOOR = 0.005
DEVIATION_FLOOR = 1e-4
ERROR_FLOOR = 2e-4
"""Two counts: below, the size of an error is rounding."""


class Known(Protocol):
    """The images of a target day on the fine grid, no NaN; ``model.training.Example`` is one."""

    @property
    def fine_before(self) -> Array: ...
    @property
    def coarse_before(self) -> Array: ...
    @property
    def fine_after(self) -> Array: ...
    @property
    def coarse_after(self) -> Array: ...
    @property
    def coarse(self) -> Array: ...
    @property
    def filled(self) -> Bool: ...
    @property
    def spread(self) -> Array: ...
    @property
    def days(self) -> tuple[int, int, int]: ...
    @property
    def ratio(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDay:
    """A target day of a block as ``Known``; arrays as in ``model.training.Example``."""

    fine_before: Array
    coarse_before: Array
    fine_after: Array
    coarse_after: Array
    coarse: Array
    filled: Bool
    spread: Array
    days: tuple[int, int, int]
    ratio: int

    @classmethod
    def of(
        cls,
        block: Block,
        index: int,
        *,
        fine: tuple[Array, Array] | None = None,
        at: Part = (slice(None), slice(None)),
    ) -> Self:
        """The part ``at`` (y, x) of a day of ``block``.

        Unknown pixels take their nearest known, as for a network; ``fine`` are both references
        so filled, for a caller that has them already.
        """
        before, after = fine or (fill_nearest(block.fine_before), fill_nearest(block.fine_after))

        def fine_like(cells: Array) -> Array:
            return smooth(cells, block.ratio)[..., *at]

        return cls(
            fine_before=before[..., *at],
            coarse_before=fine_like(block.coarse_before),
            fine_after=after[..., *at],
            coarse_after=fine_like(block.coarse_after),
            coarse=fine_like(block.coarse[index]),
            filled=block.filled(index)[..., *at],
            spread=block.spread,
            days=(block.day_before, block.days[index], block.day_after),
            ratio=block.ratio,
        )


def features(
    known: Known,
    fused: Array,
    start: Array,
    deviation: Array | None = None,
    bands: Sequence[int] | None = None,
) -> Array:
    """(feature, band, y, x) float32 in the order of ``FEATURES``.

    ``fused`` (band, y, x) reflectance; ``start`` the same where the diffusion starts, the guess
    that a network corrects; ``deviation`` the standard deviation over samples, None for one.
    ``bands``: which of the images' bands count, None for all.  A pixel's features depend on what
    lies within half a coarse cell of it and on no more.
    """
    at = slice(None) if bands is None else list(bands)
    f0, c0, f2, c2, c1 = (
        np.asarray(image[at], np.float32)
        for image in (
            known.fine_before,
            known.coarse_before,
            known.fine_after,
            known.coarse_after,
            known.coarse,
        )
    )
    fused, start, spread = fused[at], start[at], known.spread[at].astype(np.float32)
    t0, t1, t2 = known.days
    w = np.float32((t1 - t0) / (t2 - t0) if t2 != t0 else 0.0)
    unit = np.float32(1) / spread[:, None, None]
    change = (f2 - f0) * unit
    anomaly = (c1 - (1 - w) * c0 - w * c2) * unit
    disagreement = _around(change, known.ratio) - (c2 - c0) * unit
    middle = 0.5 * (f0 + f2) * unit
    variance = _around(middle**2, known.ratio) - _around(middle, known.ratio) ** 2
    along_y, along_x = np.gradient(middle, axis=(1, 2))
    spans = sorted((abs(t1 - t0), abs(t2 - t1)))
    f0_filled, c0_filled, f2_filled, c2_filled, c1_filled = known.filled
    found = (
        _log_size(change**2),
        _log_size((change**2).mean(0)),
        _log_size(_around(change**2, known.ratio)),
        _log_size(anomaly**2),
        _log_size((anomaly**2).mean(0)),
        _log_size(disagreement**2),
        _log_size((disagreement**2).mean(0)),
        _log_size(np.maximum(variance, 0)),
        _log_size(along_y**2 + along_x**2),
        _log_size(((fused - (1 - w) * f0 - w * f2) * unit) ** 2),
        _log_size(((fused - start) * unit) ** 2),
        np.log(np.maximum(fused, np.float32(LEVEL_FLOOR))),
        np.log(spread)[:, None, None],
        np.log1p(np.float32(spans[0])),
        np.log1p(np.float32(spans[1])),
        np.float32(t0 == t2),
        f0_filled | f2_filled,
        c0_filled | c2_filled | c1_filled,
        np.float32(0) if deviation is None else np.log(deviation[at] * unit + DEVIATION_FLOOR),
    )
    answer = np.empty((len(FEATURES), *fused.shape), np.float32)
    for place, values in enumerate(found):
        answer[place] = values
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What each feature is worth, by band: all that is needed to state sigma."""

    bands: tuple[str, ...]

    samples: int
    """Of the diffusion, from which the deviation came; 1: none."""

    intercept: Array
    """(band,)"""

    slope: Array
    """(band, feature)"""

    product: Array
    """(band, pair) of the products of ``PAIRED``, each of the nine with itself and those before
    it."""

    low: Array
    """(band, feature) smallest and"""

    high: Array
    """(band, feature) largest value that counts."""

    centre: Array
    """(band, feature)"""

    scale: Array
    """(band, feature), above 0."""

    least: Array
    """(band,) smallest and"""

    most: Array
    """(band,) largest log q."""

    def sigma(self, values: Array, bands: Sequence[str]) -> Array:
        """(band, y, x) or (band, pixel) standard deviation, reflectance.

        ``values`` (feature, band, ...) as ``features`` makes them, for ``bands`` by name.
        """
        answer = np.empty(values.shape[1:], np.float32)
        for place, band in enumerate(bands):
            own = self.bands.index(band)
            z = [
                (np.clip(one[place], low, high) - centre) / scale
                for one, low, high, centre, scale in zip(
                    values,
                    self.low[own],
                    self.high[own],
                    self.centre[own],
                    self.scale[own],
                    strict=True,
                )
            ]
            total = np.full(values.shape[2:], self.intercept[own], np.float32)
            for slope, one in zip(self.slope[own], z, strict=True):
                total += slope * one
            weights = np.zeros((len(PAIRED), len(PAIRED)), np.float32)
            weights[_PAIRS] = self.product[own]
            for row, at in enumerate(_PAIRED):
                total += z[at] * sum(weights[row, k] * z[_PAIRED[k]] for k in range(row + 1))
            answer[place] = np.exp(np.clip(total, self.least[own], self.most[own]))
        return answer / np.float32(Z90)

    def widened(self, factors: NDArray[np.float64]) -> Self:
        """The same with sigma times ``factors`` (band,)."""
        more = np.log(factors).astype(np.float32)
        return replace(
            self,
            intercept=self.intercept + more,
            least=self.least + more,
            most=self.most + more,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for the card; ``from_dict`` gives an equal one."""
        return {
            "bands": list(self.bands),
            "samples": self.samples,
            "features": list(FEATURES),
            "paired": list(PAIRED),
            **{name: np.round(getattr(self, name).astype(float), 5).tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Self:
        """Raises ValueError for coefficients of other features than this code computes."""
        if (tuple(known["features"]), tuple(known["paired"])) != (FEATURES, PAIRED):
            raise ValueError(
                "the card's uncertainty was calibrated on other features than this version "
                "computes; calibrate again: daily30 weights calibrate DIR --worlds POOL"
            )
        arrays = {name: np.array(known[name], np.float32) for name in _ARRAYS}
        return cls(bands=tuple(known["bands"]), samples=known["samples"], **arrays)


_ARRAYS = tuple(
    name for name in Calibration.__dataclass_fields__ if name not in ("bands", "samples")
)


def fit(
    values: Array, errors: Array, *, bands: Sequence[str], samples: int = 1, ridge: float = 1e-3
) -> Calibration:
    """Quantile regression of the absolute error on the features, each band by itself.

    ``values`` (feature, band, pixel), ``errors`` (band, pixel), NaN where the truth is unknown.
    ``ridge``: how strongly the coefficients are held near 0; it settles those that say the same.
    Raises ValueError for a band with too few pixels.
    """
    found = [
        _fit_band(values[:, place], errors[place], band, ridge) for place, band in enumerate(bands)
    ]
    arrays = {name: np.stack([one[name] for one in found]) for name in _ARRAYS}
    return Calibration(bands=tuple(bands), samples=samples, **arrays)


def _fit_band(values: Array, errors: Array, band: str, ridge: float) -> dict[str, Array]:
    """The arrays of a ``Calibration`` for one band."""
    count = len(FEATURES)
    known = np.isfinite(errors)
    if known.sum() < 100 * count:
        raise ValueError(
            f"{known.sum()} pixels of {band} have a known error, {100 * count} are needed to "
            "calibrate; take more examples, or larger patches"
        )
    x = values[:, known].astype(np.float64).T
    y = np.log(np.maximum(np.abs(errors[known].astype(np.float64)), ERROR_FLOOR))
    low, high = np.quantile(x, (0.005, 0.995), axis=0)
    # A mark that is rarely set lies outside both quantiles, and still counts.
    rare = low == high
    low[rare], high[rare] = x.min(0)[rare], x.max(0)[rare]
    x = np.clip(x, low, high)
    centre, scale = x.mean(0), x.std(0)
    scale[scale < 1e-6] = 1.0  # says nothing here, and gets no weight
    z = (x - centre) / scale
    paired = z[:, _PAIRED]
    products = [paired[:, a] * paired[:, b] for a, b in zip(*_PAIRS, strict=True)]
    design = np.column_stack([np.ones(len(z)), z, *products])
    found = _quantile_regression(design, y, ridge)
    least, most = np.quantile(design @ found, (0.001, 0.999))
    arrays = {
        "intercept": found[0],
        "slope": found[1 : 1 + count],
        "product": found[1 + count :],
        "low": low,
        "high": high,
        "centre": centre,
        "scale": scale,
        "least": least,
        "most": most,
    }
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def _quantile_regression(
    design: NDArray[np.float64], y: NDArray[np.float64], ridge: float, rounds: int = 25
) -> NDArray[np.float64]:
    """Coefficients of the 90 % quantile of ``y`` by iteratively reweighted least squares.

    The last step makes the first coefficient, the intercept, exact: 90 % of ``y`` lie below.
    """
    penalty = ridge * len(y) * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    found = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    for _ in range(rounds):
        left = y - design @ found
        weight = np.where(left > 0, SHARE, 1 - SHARE) / np.maximum(np.abs(left), 0.05)
        weighted = design * weight[:, None]
        found = np.linalg.solve(weighted.T @ design + penalty, weighted.T @ y)
    found[0] += np.quantile(y - design @ found, SHARE)
    return np.asarray(found)


def _around(image: Amplitude, ratio: int) -> Amplitude:
    """Mean over a square of about one coarse cell centred on each pixel of (band, y, x)."""
    size = 2 * (ratio // 2) + 1
    return np.asarray(uniform_filter(image, (0, size, size), mode="nearest"))


def _log_size(square: Amplitude) -> Array:
    return np.asarray(0.5 * np.log(square + np.float32(FLOOR**2)), np.float32)
