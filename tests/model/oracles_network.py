"""A convolution of a network pixel by pixel, one multiplication after the other."""

import numpy as np
from torch import nn


def convolved_at(layer: nn.Conv2d, image: np.ndarray, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, out) of an odd kernel over ``image`` (in, y, x), 0 beyond its edges."""
    kernel = layer.weight.detach().double().numpy()
    outs, ins, height, width = kernel.shape
    bias = np.zeros(outs) if layer.bias is None else layer.bias.detach().double().numpy()
    answer = np.zeros((len(pixels), outs))
    for place, (row, col) in enumerate(pixels):
        for out in range(outs):
            total = bias[out]
            for channel in range(ins):
                for v in range(height):
                    for u in range(width):
                        y, x = row + v - height // 2, col + u - width // 2
                        if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                            total += kernel[out, channel, v, u] * image[channel, y, x]
            answer[place, out] = total
    return answer
