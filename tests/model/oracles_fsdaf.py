"""FSDAF pixel by pixel, from the steps of Zhu et al. 2016 in a block around each cell."""

import math

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.optimize import lsq_linear

from model.block import COARSE_PAD, Block
from model.upsample import fill_nearest
from tests.model.oracles import coarse_images, combined, distance, limits, similar

CLASSES, HALF, COUNT, REACH = 4, 20, 20, 80


def fsdaf_at(block: Block, index: int, pixels: list[tuple[int, int]]) -> np.ndarray:
    """(pixel, band) predictions from both pairs, as ``combined`` weighs them."""
    before, day, after = coarse_images(block, index)
    one = [
        _OnePair(block, index, fine, cells, day).predict(pixels)
        for fine, cells in ((block.fine_before, before), (block.fine_after, after))
    ]
    return combined(block, index, pixels, *one)


class _OnePair:
    def __init__(self, block, index, fine, reference, day) -> None:
        self.block, self.index, self.ratio = block, index, block.ratio
        self.fine = fine.astype(float)
        self.known = block.known()[index]
        inner = slice(COARSE_PAD, -COARSE_PAD)
        self.change = (day - reference)[:, inner, inner].astype(float)
        self.day = fill_nearest(day).astype(float)
        self.of_cell: dict[tuple[int, int], np.ndarray] = {}

    def predict(self, pixels) -> list[list[float]]:
        answer = []
        for at in pixels:

            def unlike(i, at=at):
                parts = [abs(f[i] - f[at]) / (f[at] + 1e-8) for f in self.fine]
                return sum(parts), math.hypot(i[0] - at[0], i[1] - at[1]), i

            near = similar([self.fine], self.block, self.index, *at, HALF)
            alike = sorted(near, key=unlike)[:COUNT]
            weights = [1 / distance(i, at, HALF) for i in alike]
            changes = [self.change_at(i) for i in alike]
            mean = sum(w * c for w, c in zip(weights, changes, strict=True)) / sum(weights)
            answer.append([f[at] + m for f, m in zip(self.fine, mean, strict=True)])
        return answer

    def change_at(self, at: tuple[int, int]) -> np.ndarray:
        cell = (at[0] // self.ratio, at[1] // self.ratio)
        if cell not in self.of_cell:
            self.of_cell[cell] = self.change_of(*cell)
        return self.of_cell[cell][:, at[0] % self.ratio, at[1] % self.ratio]

    def change_of(self, row: int, col: int) -> np.ndarray:
        """(band, y, x) of a cell."""
        ratio, reach = self.ratio, REACH // self.ratio
        bands, rows, cols = self.change.shape
        cells = [
            (i, j)
            for i in range(max(0, row - reach), min(rows, row + reach + 1))
            for j in range(max(0, col - reach), min(cols, col + reach + 1))
        ]
        classes = self.classify(cells)
        share = {}
        for i, j in cells:
            found = [classes[at] for at in self.inside(i, j) if at in classes]
            if len(found) >= 0.5 * ratio**2 and np.isfinite(self.change[:, i, j]).all():
                share[i, j] = [found.count(k) / len(found) for k in range(CLASSES)]
        answer = np.full((bands, ratio, ratio), np.nan)
        spatial = self.spline(row, col)
        members = [at for at in self.inside(row, col) if at in classes]
        for b in range(bands):
            rate = self.rates(share, {cell: self.change[b][cell] for cell in share})
            rest = self.change[b, row, col] - np.mean([rate[classes[at]] for at in members])
            weights = []
            for v, u in members:
                apart = spatial[b, v % ratio, u % ratio] - self.fine[b, v, u] - rate[classes[v, u]]
                apart = apart if np.sign(apart) == np.sign(rest) else 0
                near = [
                    classes[i, j] == classes[v, u]
                    for i in range(v - ratio // 2, v + ratio // 2 + 1)
                    for j in range(u - ratio // 2, u + ratio // 2 + 1)
                    if (i, j) in classes
                ]
                same = np.mean(near)
                weights.append(abs(apart) * same + abs(rest) * (1 - same) + 1e-10)
            weights = np.array(weights) / np.mean(weights)
            weights[weights > 10] = 1
            weights /= weights.mean()
            for (v, u), w in zip(members, weights, strict=True):
                answer[b, v % ratio, u % ratio] = rate[classes[v, u]] + rest * w
        return answer

    def inside(self, i: int, j: int) -> list[tuple[int, int]]:
        ratio = self.ratio
        return [
            (v, u)
            for v in range(i * ratio, (i + 1) * ratio)
            for u in range(j * ratio, (j + 1) * ratio)
        ]

    def classify(self, cells) -> dict[tuple[int, int], int]:
        """The class of each known pixel of the cells."""
        step, ratio = self.ratio // 4, self.ratio
        scale = limits(self.block) * CLASSES / 2
        top, left = cells[0][0] * ratio, cells[0][1] * ratio
        pixels = sorted(at for cell in cells for at in self.inside(*cell) if self.known[at])
        spectra = {at: self.fine[:, at[0], at[1]] / scale for at in pixels}
        seen = [
            spectra[v, u] for v, u in pixels if (v - top) % step == 0 and (u - left) % step == 0
        ]
        ranked = sorted(seen, key=sum)
        centres = [ranked[(2 * k + 1) * len(ranked) // (2 * CLASSES)] for k in range(CLASSES)]

        def closest(all_spectra) -> list[int]:
            away = ((np.array(all_spectra)[:, None] - np.array(centres)) ** 2).sum(-1)
            return [int(k) for k in away.argmin(1)]

        for _ in range(10):
            of = closest(seen)
            for k in range(CLASSES):
                members = [s for s, c in zip(seen, of, strict=True) if c == k]
                if members:
                    centres[k] = np.mean(members, axis=0)
        return dict(zip(pixels, closest([spectra[at] for at in pixels]), strict=True))

    @staticmethod
    def rates(share, change) -> np.ndarray:
        """Least squares over the purest quarter of each class's cells, trimmed and bounded."""
        values = np.array(list(change.values()))
        mean, spread = values.mean(), values.std()
        left = [0.1 * np.eye(CLASSES)[k] for k in range(CLASSES)]
        right = [0.1 * mean] * CLASSES
        for k in range(CLASSES):
            ranked = sorted((shares[k] for shares in share.values()), reverse=True)
            least = ranked[max(len(share) // 4, 1) - 1]
            purest = [cell for cell in share if share[cell][k] >= least and share[cell][k] > 0.01]
            if not purest:
                continue
            ranked = sorted(change[cell] for cell in purest)
            drop = len(ranked) // 10
            for cell in purest:
                if ranked[drop] <= change[cell] <= ranked[len(ranked) - 1 - drop]:
                    left.append(np.array(share[cell]))
                    right.append(change[cell])
        bounds = (values.min() - spread, values.max() + spread)
        return lsq_linear(np.array(left), np.array(right), bounds, tol=1e-14).x

    def spline(self, row: int, col: int) -> np.ndarray:
        """(band, y, x) of a cell: the thin-plate spline through the 7 x 7 cells around."""
        at = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)], float)
        inside = (np.arange(self.ratio) + 0.5) / self.ratio - 0.5
        points = np.array([(i, j) for i in inside for j in inside])
        around = self.day[:, row : row + 7, col : col + 7].reshape(len(self.day), -1)
        spline = RBFInterpolator(at, around.T, kernel="thin_plate_spline", degree=1)
        return spline(points).T.reshape(len(self.day), self.ratio, self.ratio)
