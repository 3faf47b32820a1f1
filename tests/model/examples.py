"""Training examples that need no files."""

from dataclasses import dataclass, replace

import numpy as np

from model.sastf.config import NetworkConfig
from model.training.batch import Batch, collate, draw
from model.training.example import Example

SMALL = NetworkConfig(bands=2, width=8, groups=4, contrast=True, conditions=("dates",))
"""A network that takes them."""


def make_example(
    *, bands: int = 2, px: int = 32, ratio: int = 16, seed: int = 0, change: float = 0.1
) -> Example:
    """Random fine images; half of the patch changes between the references, as the coarse see."""
    rng = np.random.default_rng(seed)

    def coarse(fine: np.ndarray) -> np.ndarray:
        cells = fine.reshape(bands, px // ratio, ratio, px // ratio, ratio).mean((2, 4))
        return cells.repeat(ratio, 1).repeat(ratio, 2).astype(np.float32)

    before = rng.uniform(0.05, 0.4, (bands, px, px)).astype(np.float32)
    moved = (change * (np.arange(px) > px // 3)).astype(np.float32)
    after, truth = before + moved, before + np.float32(0.8) * moved[:, None]
    return Example(
        fine_before=before,
        coarse_before=coarse(before),
        fine_after=after,
        coarse_after=coarse(after),
        coarse=coarse(truth),
        truth=truth,
        filled=np.zeros((5, px, px), np.bool_),
        centre=np.full(bands, 0.2, np.float32),
        spread=np.full(bands, 0.1, np.float32),
        present=np.ones(bands, np.bool_),
        days=(0, 5, 16),
        ratio=ratio,
    )


@dataclass(frozen=True)
class Random:
    """A ``Source`` whose examples all differ; with ``only`` they are all the same one."""

    examples: int
    px: int = 16
    only: int | None = None
    bands: tuple[str, ...] = ("red", "nir08")

    def __len__(self) -> int:
        return self.examples

    def example(self, epoch: int, index: int) -> Example:
        seed = epoch * self.examples + index if self.only is None else self.only
        return make_example(bands=len(self.bands), px=self.px, seed=seed)


def with_unknown(example: Example) -> Example:
    """The same with unknown truth in a corner and the last band absent."""
    truth, present = example.truth.copy(), example.present.copy()
    truth[:, :8, :8], present[-1] = np.nan, False
    return replace(example, truth=truth, present=present)


def batch_of(*examples: Example) -> Batch:
    draws = [draw(0, 0, i, one.truth.shape) for i, one in enumerate(examples)]
    return collate(examples, draws)
