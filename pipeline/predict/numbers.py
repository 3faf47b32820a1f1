"""The numbers of a prediction on disk: those of the fine image it was made from.

Same type, scale, offset and nodata, so that both files can be compared as they are; and the scale
is told in the file, also where it was only stated.  Types too narrow for reflectance become
float32.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.predict.image import Float, PlainImage

FILL = -9999
"""Nodata of a signed integer type whose file tells none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How reflectance is stored, (band,) scales and offsets."""

    dtype: str
    nodata: float
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @classmethod
    def like(cls, image: PlainImage) -> Self:
        scales, offsets = zip(*image.scales, strict=True)
        dtype = np.dtype(image.dtype)
        if dtype.kind in "iu" and dtype.itemsize >= 2:
            told = image.nodata
            limits = np.iinfo(dtype)
            fits = told is not None and np.isfinite(told) and limits.min <= told <= limits.max
            free = FILL if dtype.kind == "i" else limits.max
            nodata = told if fits and told is not None else free
        else:
            dtype, nodata = np.dtype("float32"), float("nan")
        return cls(dtype=dtype.name, nodata=nodata, scales=scales, offsets=offsets)

    def pack(self, values: Float) -> NDArray[Any]:
        """Reflectance (band, y, x) as stored; NaN becomes nodata, and no value does."""
        scale, offset = (np.array(v).reshape(-1, 1, 1) for v in (self.scales, self.offsets))
        stored = (values.astype(np.float64) - offset) / scale
        if np.dtype(self.dtype).kind == "f":
            return stored.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        known = np.isfinite(stored)
        number = np.clip(np.rint(np.where(known, stored, 0)), limits.min, limits.max)
        beside = self.nodata + (1 if self.nodata < limits.max else -1)
        number = np.where(number == self.nodata, beside, number)
        return np.where(known, number, self.nodata).astype(self.dtype)
