"""STARFM pixel by pixel, from the steps of Gao et al. 2006 and nothing of ours."""

import math

import numpy as np

from model.block import Block
from tests.model.oracles import coarse_images, distance, interpolated, similar

HALF = 25
SLACK = math.hypot(0.005, 0.005)


def starfm_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions from both pairs."""
    before, day, after = (interpolated(cells, block.ratio) for cells in coarse_images(block, index))
    pairs = [(block.fine_before, before), (block.fine_after, after)]
    return np.array([_one(block, index, pairs, day, pixel) for pixel in pixels])


def _one(block, index, pairs, day, at) -> list[float]:
    alike = [similar([fine], block, index, *at, HALF) for fine, _ in pairs]
    answer = []
    for b in range(len(block.bands)):
        # The exact cases.
        still = [float(f[b][at]) for f, c in pairs if day[b][at] == c[b][at]]
        if still:
            answer.append(sum(still) / len(still))
            continue
        if any(f[b][at] == c[b][at] for f, c in pairs):
            answer.append(day[b][at])
            continue
        top = bottom = 0.0
        for (f, c), candidates in zip(pairs, alike, strict=True):
            s_centre, t_centre = abs(f[b][at] - c[b][at]), abs(day[b][at] - c[b][at])
            for i in candidates:
                s, t = abs(f[b][i] - c[b][i]), abs(day[b][i] - c[b][i])
                if s > s_centre + SLACK or t > t_centre + SLACK:
                    continue
                s, t = max(s, 1e-4), max(t, 1e-4)
                weight = 1 / (math.log(s * 1e4 + 1) * math.log(t * 1e4 + 1) * distance(i, at, HALF))
                top += weight * (f[b][i] + day[b][i] - c[b][i])
                bottom += weight
        answer.append(top / bottom)
    return answer
