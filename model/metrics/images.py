"""Two images side by side: the pixels known in both, and the windows that lie in them."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import minimum_filter

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Pair(NamedTuple):
    """A prediction and the truth, (band, y, x) float64, 0 where not ``known``."""

    predicted: Image
    truth: Image

    known: Mask
    """(y, x): every band of both is."""

    @classmethod
    def of(cls, predicted: ArrayLike, truth: ArrayLike) -> Self:
        """Raises ValueError where they are not two images of one shape."""
        p, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
        if p.ndim != 3 or p.shape != t.shape:
            raise ValueError(
                f"predicted {p.shape} and truth {t.shape} must be two images (band, y, x) of one "
                "shape"
            )
        known = np.asarray(np.isfinite(p).all(0) & np.isfinite(t).all(0))
        return cls(np.where(known, p, 0.0), np.where(known, t, 0.0), known)

    def cut(self, y: slice, x: slice) -> "Pair":
        return Pair(self.predicted[:, y, x], self.truth[:, y, x], self.known[y, x])

    def pixels(self) -> tuple[Image, Image]:
        """Both at the known pixels, (band, pixel)."""
        return self.predicted[:, self.known], self.truth[:, self.known]

    def windows(self, size: int) -> Mask:
        """(y - size + 1, x - size + 1): whether all pixels of a window are known, by its corner."""
        y, x = self.known.shape
        if min(y, x) < size:
            return np.zeros((max(y - size + 1, 0), max(x - size + 1, 0)), bool)
        # A filter's window of even length lies half a pixel early; ``origin`` starts it at 0.
        least = minimum_filter(self.known.view(np.uint8), size, origin=-(size // 2), mode="nearest")
        return np.asarray(least[: y - size + 1, : x - size + 1] > 0)


def only(image: ArrayLike, where: Mask) -> Image:
    """The image (band, y, x) with NaN outside ``where`` (y, x): what a score is to leave out."""
    return np.where(where, np.asarray(image, np.float64), np.nan)


def mean(values: ArrayLike) -> float:
    """Mean of what is defined; NaN where nothing is."""
    every = np.asarray(values, np.float64)
    defined = every[np.isfinite(every)]
    return float(defined.mean()) if defined.size else float("nan")
