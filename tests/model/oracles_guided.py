"""``guided`` pixel by pixel: kriging with every covariance as a number, in float64.

The features that stand for likeness and the noise of the cells are ours: tests/model/test_guided.py
and test_guided_noise.py hold those against what they stand for.
"""

import math

import numpy as np
import torch

from model import guided
from model.block import Block
from model.guided_noise import noise_of
from model.upsample import fill_nearest
from tests.model.oracles_naive import bilinear_at


def guided_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions of a two-sided day."""
    ratio, w = block.ratio, block.weight(block.days[index])
    _, _, y, x = block.shape
    coarse = [
        fill_nearest(one).astype(float)
        for one in (block.coarse_before, block.coarse[index], block.coarse_after)
    ]
    change = coarse[1] - (1 - w) * coarse[0] - w * coarse[2]
    looks = [
        (fill_nearest(one) - block.centre[:, None, None]) / block.spread[:, None, None]
        for one in (block.fine_before, block.fine_after)
    ]
    guide = np.concatenate(looks).astype(float)
    cells = [(row, col) for row in range(y // ratio) for col in range(x // ratio)]
    surprise = np.array([[_centre(one, ratio, *cell) for cell in cells] for one in change])
    means = [[_mean(guide, scale, ratio, *cell) for cell in cells] for scale in guided.SCALES]
    numbers = range(len(cells))
    between = [
        [_covariance(means, a, means, b, cells[a], cells[b]) for b in numbers] for a in numbers
    ]
    made = guided.guide_of(torch.from_numpy(guide).float()[None], torch.tensor([len(guide)]), ratio)
    image = torch.from_numpy(surprise).float().reshape(1, -1, y // ratio, x // ratio)
    noise = noise_of(image, made.windows)[0, 0].double().numpy()
    weights = np.linalg.solve(np.array(between) + np.diag(noise.ravel()), surprise.T)
    answer = np.zeros((len(pixels), len(block.bands)))
    for place, (row, col) in enumerate(pixels):
        here = [[_features(guide[:, row, col], scale)] for scale in guided.SCALES]
        at = (row + 0.5) / ratio - 0.5, (col + 0.5) / ratio - 0.5
        answer[place] = (1 - w) * block.fine_before[:, row, col] + w * block.fine_after[:, row, col]
        for number, cell in enumerate(cells):
            answer[place] += _covariance(here, 0, means, number, at, cell) * weights[number]
    return answer


def _centre(cells: np.ndarray, ratio: int, row: int, col: int) -> float:
    """The mean of the one, two or four interpolated pixels around a cell's centre."""
    middle = range((ratio - 1) // 2, ratio // 2 + 1)
    around = [(row * ratio + v, col * ratio + u) for v in middle for u in middle]
    return float(np.mean([bilinear_at(cells, ratio, *pixel) for pixel in around]))


def _covariance(left, a: int, right, b: int, here, there) -> float:
    """Between two places (row, col) in cells; ``left`` and ``right``: features by scale."""
    square = (here[0] - there[0]) ** 2 + (here[1] - there[1]) ** 2
    return sum(
        math.exp(-0.5 * square / scale.reach**2) * float(left[number][a] @ right[number][b])
        for number, scale in enumerate(guided.SCALES)
    )


def _features(look: np.ndarray, scale: guided.Scale) -> np.ndarray:
    """(feature,) of a spectrum (channel,)."""
    directions = guided._directions(len(look), scale.features).double().numpy()
    phase = directions @ look / (scale.alike * math.sqrt(len(look)))
    size = math.sqrt(2 * scale.variance / scale.features)
    common = [math.sqrt(scale.common)] if scale.common else []
    return np.array([*(size * np.cos(phase)), *(size * np.sin(phase)), *common])


def _mean(guide: np.ndarray, scale: guided.Scale, ratio: int, row: int, col: int) -> np.ndarray:
    total = 0.0
    for y in range(row * ratio, (row + 1) * ratio):
        for x in range(col * ratio, (col + 1) * ratio):
            total = total + _features(guide[:, y, x], scale)
    return np.asarray(total) / ratio**2
