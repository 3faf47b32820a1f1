"""How near a predicted image is to the truth.

Images are (band, y, x) surface reflectance, NaN unknown; all sums are float64.  A pixel that is
unknown in any band of either image is left out of every metric, so that all stand on the same
pixels; where a metric looks at a window, every window that holds such a pixel is.  What is
undefined (no pixel left, a band without variance) is NaN, never a guess.  To score a part of an
image, make the rest of either NaN (``only``).

    pixels.py    RMSE, CC, bias, ERGAS, SAM: of pixels, whatever their place
    ssim.py      structural similarity
    texture.py   edge strength and local binary patterns: is it smoother than the truth?
    classes.py   would a land cover map come out the same?
    change.py    where the truth is not what time alone predicts
    scores.py    all of them together, of an image and of its patches; box.py: their box plots

Definitions are those of SA-STF's tables and, for texture, of Zhu et al. 2022.  Numbers of other
papers do not compare: SAM is given in degrees there, ERGAS with another factor, SSIM with another
range (evaluation.md of the project's notes lists them).
"""

from model.metrics.box import Box
from model.metrics.change import changed
from model.metrics.classes import Classification, classification
from model.metrics.images import Image, only
from model.metrics.pixels import RATIO, bias, cc, ergas, rmse, sam
from model.metrics.scores import (
    NAMES,
    BandScores,
    Scores,
    mean_scores,
    patch_scores,
    score,
    score_patches,
)
from model.metrics.ssim import ssim
from model.metrics.texture import binary_patterns, edge, edge_strength, lbp

__all__ = [
    "NAMES",
    "RATIO",
    "BandScores",
    "Box",
    "Classification",
    "Image",
    "Scores",
    "bias",
    "binary_patterns",
    "cc",
    "changed",
    "classification",
    "edge",
    "edge_strength",
    "ergas",
    "lbp",
    "mean_scores",
    "only",
    "patch_scores",
    "rmse",
    "sam",
    "score",
    "score_patches",
    "ssim",
]
