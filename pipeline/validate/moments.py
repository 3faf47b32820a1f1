"""Sums over pixels from which scores follow, and which add up over tiles and dates."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.proper_scores import covered
from pipeline.additive import Additive


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments(Additive):
    """Sums over pixels, from which every score follows; they add up over tiles and dates."""

    pixels: int = 0
    fused: float = 0.0
    seen: float = 0.0
    fused_squared: float = 0.0
    seen_squared: float = 0.0
    product: float = 0.0
    error_squared: float = 0.0

    stated: int = 0
    """Pixels whose uncertainty the method states,"""
    covered: int = 0
    """and of them, those seen within its 90 % interval."""

    @classmethod
    def of(
        cls,
        fused: NDArray[np.float32],
        seen: NDArray[np.float32],
        sigma: NDArray[np.float32] | None = None,
    ) -> Self:
        """Of two images' pixels, each (pixel,) without NaN."""
        a, b = fused.astype(np.float64), seen.astype(np.float64)
        within = None if sigma is None else covered(fused - seen, sigma)
        return cls(
            pixels=a.size,
            fused=float(a.sum()),
            seen=float(b.sum()),
            fused_squared=float((a * a).sum()),
            seen_squared=float((b * b).sum()),
            product=float((a * b).sum()),
            error_squared=float(((a - b) ** 2).sum()),
            stated=0 if within is None else within.size,
            covered=0 if within is None else int(within.sum()),
        )

    @property
    def rmse(self) -> float:
        """Root mean square error, reflectance."""
        return (self.error_squared / self.pixels) ** 0.5 if self.pixels else float("nan")

    @property
    def coverage(self) -> float:
        """Share of the pixels seen within the 90 % interval; NaN if the method states none."""
        return self.covered / self.stated if self.stated else float("nan")

    @property
    def bias(self) -> float:
        """Mean of fused minus seen, reflectance."""
        return (self.fused - self.seen) / self.pixels if self.pixels else float("nan")

    @property
    def cc(self) -> float:
        """Pearson's correlation; NaN where an image is flat."""
        if not self.pixels:
            return float("nan")
        covariance = self.product - self.fused * self.seen / self.pixels
        variances = (self.fused_squared - self.fused**2 / self.pixels) * (
            self.seen_squared - self.seen**2 / self.pixels
        )
        return covariance / variances**0.5 if variances > 0 else float("nan")
