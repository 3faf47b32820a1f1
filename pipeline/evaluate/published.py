"""Numbers of others on the same pixels, by the definitions of ``model.metrics``.

From the tables of the SA-STF paper, which scores all methods by its own program: ERGAS with 1/16,
SAM in radians, SSIM of data range 1, means over patches of 256 pixels every 128.  They are shown
for the test split in the paper's crop and nowhere else.  Left out are its scores of K-means maps,
for it does not say how many classes it takes, and all numbers of other papers: SAM in degrees or
ERGAS with another factor (SwinSTFM), SSIM of range 2 (MLFF-GAN), other formulas (EDCSTFN), angles
dropped where a cosine is rounded above 1 (STF).
"""

from collections.abc import Mapping

SOURCE = "SA-STF paper, test triplet, each method trained on this set's training split"

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "cia": {
        "SA-STF, published": {"ssim": 0.8924, "ergas": 0.8910, "sam": 0.0538},
        "ESTARFM, published": {"ssim": 0.8885, "ergas": 0.9293, "sam": 0.0611},
    },
    "lgc": {
        "SA-STF, published": {
            "cc": 0.9360,
            "ssim": 0.9440,
            "ergas": 0.6751,
            "rmse": 0.0169,
            "sam": 0.0531,
        },
        "STFMamba, published": {"cc": 0.9284, "rmse": 0.0174, "sam": 0.0565},
    },
    "ahb": {
        "SA-STF, published": {"cc": 0.8729, "ssim": 0.8962, "rmse": 0.0283},
    },
}
"""By set, row and metric.  A method whose numbers are known by half is given by that half; AHB's
second row of numbers names no method in our notes and is left out."""
