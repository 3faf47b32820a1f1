"""ESTARFM pixel by pixel, from the steps of Zhu et al. 2010 and nothing of ours."""

import warnings

import numpy as np
from scipy.stats import linregress

from model.block import Block
from tests.model.oracles import coarse_images, distance, interpolated, similar, time_shares, window

HALF = 25


def estarfm_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions."""
    coarse = [interpolated(cells, block.ratio) for cells in coarse_images(block, index)]
    return np.array([_one(block, index, coarse, pixel) for pixel in pixels])


def _one(block: Block, index: int, coarse: list[np.ndarray], at: tuple[int, int]) -> list[float]:
    f0, f2 = block.fine_before.astype(float), block.fine_after.astype(float)
    c0, c1, c2 = coarse
    bands = len(block.bands)
    near = window(block.known()[index], *at, HALF)
    alike = similar([block.fine_before, block.fine_after], block, index, *at, HALF)
    weights = []
    for v, u in alike:
        ours = [*f0[:, v, u], *f2[:, v, u]]
        theirs = [*c0[:, v, u], *c2[:, v, u]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            r = np.corrcoef(ours, theirs)[0, 1] if bands > 1 else 0.0
        r = 0.5 if np.isnan(r) else r
        weights.append(1 / ((1 - r) * distance((v, u), at, HALF) + 1e-7))
    total = sum(weights)
    answer = []
    for b in range(bands):
        share0, share2, mean0, mean2 = time_shares(coarse, near, b)
        if len(alike) < 6:
            first, second = f0[b][at] + mean0, f2[b][at] + mean2
            answer.append(share0 * first + share2 * second)
            continue
        x = [image[b, v, u] for image in (c0, c2) for v, u in alike]
        y = [image[b, v, u] for image in (f0, f2) for v, u in alike]
        slope = 1.0
        if abs(np.mean(x[: len(alike)]) - np.mean(x[len(alike) :])) >= 0.02:
            fit = linregress(x, y)
            if fit.pvalue <= 0.05 and 0 < fit.slope <= 5:
                slope = fit.slope
        first = f0[b][at] + sum(
            w / total * slope * (c1[b][i] - c0[b][i]) for w, i in zip(weights, alike, strict=True)
        )
        second = f2[b][at] + sum(
            w / total * slope * (c1[b][i] - c2[b][i]) for w, i in zip(weights, alike, strict=True)
        )
        value = share0 * first + share2 * second
        if not 0 < value < 1:
            first = sum(w / total * f0[b][i] for w, i in zip(weights, alike, strict=True))
            second = sum(w / total * f2[b][i] for w, i in zip(weights, alike, strict=True))
            value = share0 * first + share2 * second
        answer.append(value)
    return answer
