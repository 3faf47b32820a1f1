"""Many values as a box plot shows them, such as the scores of the patches of an image."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a box plot shows of many values, as Tukey draws it; NaN where there are none."""

    count: int
    mean: float
    low: float
    """Smallest value within 1.5 times the interquartile range below the box."""

    lower_quartile: float
    median: float
    upper_quartile: float
    high: float
    outliers: tuple[float, ...]
    """Values beyond ``low`` and ``high``, ascending."""

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Of the defined values, such as ``[one.rmse for one in patch_scores(...)]``."""
        every = np.asarray(values, np.float64)
        defined = np.sort(every[np.isfinite(every)])
        if not defined.size:
            nan = float("nan")
            return cls(
                count=0, mean=nan, low=nan, lower_quartile=nan, median=nan, upper_quartile=nan,
                high=nan, outliers=(),
            )  # fmt: skip
        first, median, third = (float(one) for one in np.percentile(defined, (25, 50, 75)))
        reach = 1.5 * (third - first)
        within = defined[(defined >= first - reach) & (defined <= third + reach)]
        outside = defined[(defined < within[0]) | (defined > within[-1])]
        return cls(
            count=defined.size,
            mean=float(defined.mean()),
            # Of few values none may lie between a quartile and its reach: no whisker on that side.
            low=min(float(within[0]), first),
            lower_quartile=first,
            median=median,
            upper_quartile=third,
            high=max(float(within[-1]), third),
            outliers=tuple(map(float, outside)),
        )
