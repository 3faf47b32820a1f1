"""All metrics of an image at once, per band and as means, and of its patches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from numpy.typing import ArrayLike

from model.metrics.images import Pair, mean
from model.metrics.pixels import RATIO, bias_by_band, cc_by_band, ergas_of, rmse_by_band, sam_of
from model.metrics.ssim import ssim_by_band
from model.metrics.texture import edge_by_band, lbp_by_band

PATCH_PX, STRIDE_PX = 256, 128

NAMES = ("rmse", "cc", "bias", "ssim", "ssim_own_range", "edge", "lbp", "ergas", "sam")
"""Of the metrics of ``Scores``; all but the last two are means over bands."""


class BandScores(NamedTuple):
    """The metrics of one band."""

    rmse: float
    cc: float
    bias: float
    """Predicted minus truth."""

    ssim: float
    ssim_own_range: float
    """SSIM whose data range is the truth's own."""

    edge: float
    lbp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """All metrics of one image, or their means over patches or images."""

    mean: BandScores
    """Over bands."""

    bands: tuple[BandScores, ...]

    ergas: float
    """By the ratio that was asked for; it is proportional to it."""

    sam: float
    """Radians."""

    pixels: int
    """Scored pixels; of patches that overlap, a pixel counts in each."""

    def means(self) -> dict[str, float]:
        """Each metric of the whole image, by ``NAMES``."""
        return {**self.mean._asdict(), "ergas": self.ergas, "sam": self.sam}


def score(predicted: ArrayLike, truth: ArrayLike, *, ratio: float = RATIO) -> Scores:
    """Every metric of a whole image.  ``ratio``: fine over coarse pixel, of ERGAS."""
    return _scores(Pair.of(predicted, truth), ratio)


def score_patches(
    predicted: ArrayLike,
    truth: ArrayLike,
    *,
    patch_px: int = PATCH_PX,
    stride_px: int = STRIDE_PX,
    ratio: float = RATIO,
) -> Scores:
    """Mean over patches of every metric, as the papers report it."""
    return mean_scores(
        patch_scores(predicted, truth, patch_px=patch_px, stride_px=stride_px, ratio=ratio)
    )


def patch_scores(
    predicted: ArrayLike,
    truth: ArrayLike,
    *,
    patch_px: int = PATCH_PX,
    stride_px: int = STRIDE_PX,
    ratio: float = RATIO,
) -> list[Scores]:
    """The scores of each patch, by rows.

    Patches start every ``stride_px`` pixels, the last row and column are shifted inside; an image
    smaller than a patch is one patch.
    """
    pair = Pair.of(predicted, truth)
    y, x = pair.known.shape
    return [
        _scores(pair.cut(rows, columns), ratio)
        for rows in _cuts(y, patch_px, stride_px)
        for columns in _cuts(x, patch_px, stride_px)
    ]


def mean_scores(each: Sequence[Scores]) -> Scores:
    """The mean of each metric over images or patches, without those it is undefined for."""
    bands = zip(*(one.bands for one in each), strict=True)
    return Scores(
        mean=_mean_band([one.mean for one in each]),
        bands=tuple(map(_mean_band, bands)),
        ergas=mean([one.ergas for one in each]),
        sam=mean([one.sam for one in each]),
        pixels=sum(one.pixels for one in each),
    )


def _scores(pair: Pair, ratio: float) -> Scores:
    ssim, own = ssim_by_band(pair, 1.0, "truth")
    of_bands = (
        rmse_by_band(pair),
        cc_by_band(pair),
        bias_by_band(pair),
        ssim,
        own,
        edge_by_band(pair),
        lbp_by_band(pair),
    )
    bands = tuple(BandScores(*map(float, band)) for band in zip(*of_bands, strict=True))
    return Scores(
        mean=_mean_band(bands),
        bands=bands,
        ergas=ergas_of(pair, ratio),
        sam=sam_of(pair),
        pixels=int(pair.known.sum()),
    )


def _mean_band(bands: Sequence[BandScores]) -> BandScores:
    return BandScores(*(mean(values) for values in zip(*bands, strict=True)))


def _cuts(length: int, patch: int, stride: int) -> Iterator[slice]:
    if patch < 1 or stride < 1:
        raise ValueError(f"patch_px={patch} and stride_px={stride} must be 1 or more")
    last = max(length - patch, 0)
    for first in range(0, last + stride, stride):
        at = min(first, last)
        yield slice(at, at + patch)
