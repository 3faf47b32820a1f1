"""How the uncertainty of a fused pixel is stored: ``sigma_<band>`` beside ``<band>``.

uint16 at 1e-4, chunks as the bands, made only for a method that states it.  0 is "none stated":
where nothing was fused, where the pixel is the fine sensor's own observation (how far Landsat may
be off is Landsat's to say), and where another method fused before.  A reader sees NaN there.

Nobody needs sigma to 1 %, and its last bits are noise that does not compress: values keep five
bits after their first, so they are at most 1.6 % off.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PREFIX = "sigma_"
SCALE = 1e-4
LARGEST = 63 << 10
_BITS = 5


def name_of(band: str) -> str:
    """The array that goes with ``band``."""
    return f"{PREFIX}{band}"


def attrs_of(band: str) -> dict[str, Any]:
    """CF attributes of a band's sigma."""
    return {
        "standard_name": "surface_bidirectional_reflectance standard_error",
        "long_name": f"standard deviation of the fused {band} about the truth: "
        "+- 1.645 of it holds 90 %; 0: none stated, not fused or observed",
        "comment": "as the method states it, times a factor for each class of days to the "
        "reference where daily30_run tells factors under uncertainty",
        "units": "1",
        "scale_factor": SCALE,
        "_FillValue": 0,
        "cell_methods": "time: point",
    }


def pack_sigma(sigma: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Reflectance to uint16 at 1e-4, 1 at least; NaN becomes 0."""
    known = np.isfinite(sigma)
    dn = np.clip(np.where(known, sigma, 1) / SCALE, 1, LARGEST)
    step = np.exp2(np.maximum(np.floor(np.log2(dn)) - _BITS, 0))
    return np.where(known, np.rint(dn / step) * step, 0).astype(np.uint16)
