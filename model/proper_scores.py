"""How good a stated uncertainty is: coverage, CRPS and interval score of a Gaussian forecast.

``error`` is forecast minus truth and ``sigma`` the stated standard deviation, any equal shapes.
The 90 % interval is the forecast +- ``Z90`` sigma.  Both scores are in the error's own unit, never
negative, and smaller is better; both are proper: no other sigma scores better than the true one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from model.block import Array

SHARE = 0.9
Z90 = 1.6448536269514722
"""Half the width of the 90 % interval of a standard normal."""

Values = NDArray[np.float64]


def covered(error: Array | Values, sigma: Array | Values) -> NDArray[np.bool_]:
    """Whether the truth lies in the 90 % interval."""
    return np.abs(error) <= Z90 * sigma


def crps(error: Array | Values, sigma: Array | Values) -> Values:
    """Continuous ranked probability score, the integral of (forecast CDF - truth's step)^2.

    Closed form of Gneiting et al. (2005), eq. 5.  ``sigma`` > 0.
    """
    s = np.asarray(sigma, np.float64)
    z = np.asarray(error, np.float64) / s
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(s * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi)))


def interval_score(error: Array | Values, sigma: Array | Values) -> Values:
    """Width of the 90 % interval plus 20 times how far the truth lies outside.

    Gneiting and Raftery (2007), eq. 43, with alpha = .1.
    """
    half = Z90 * np.asarray(sigma, np.float64)
    outside = np.maximum(np.abs(np.asarray(error, np.float64)) - half, 0.0)
    return np.asarray(2 * half + 2 / (1 - SHARE) * outside)


def coverage_by_decile(error: Array | Values, sigma: Array | Values) -> Values:
    """(10,) share covered in each tenth of the values, from the smallest sigma to the largest.

    A constant sigma covers 90 % as well; that the small ones and the large ones do is what makes
    a sigma worth storing.  Equal sigmas are told apart by their place, evenly over the array.
    """
    flat = np.ravel(sigma)
    order = np.argsort(flat, kind="stable")
    hit = np.ravel(covered(error, sigma))[order]
    return np.array([part.mean() for part in np.array_split(hit, 10)])
