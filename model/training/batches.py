"""The batches of a run, in an order that is a function of seed and epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from model.training.batch import Batch, Draws, collate, draw
from model.training.distributed import Ranks
from model.training.example import Example, Source

Key = tuple[int, int]
"""Epoch and index of an example."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which examples the steps of a run see; every process takes its slice of each batch."""

    seed: int
    examples: int
    """In a source, an epoch."""
    batch: int
    steps: int
    """In an epoch."""
    alike: int = 1
    """Examples that stay together, in a run that starts at a multiple of it."""

    def of(self, epoch: int) -> list[list[int]]:
        """Indices of the batches of an epoch, over all processes."""
        runs = np.random.default_rng([self.seed, epoch]).permutation(self.examples // self.alike)
        shuffled = (runs[:, None] * self.alike + np.arange(self.alike)).ravel()
        used = shuffled[: self.steps * self.batch].reshape(self.steps, self.batch)
        batches: list[list[int]] = used.tolist()
        return batches

    def keys(self, first: int, last: int, ranks: Ranks) -> Iterator[list[Key]]:
        """The part of process ``ranks`` of the steps from ``first`` until before ``last``."""
        share = self.batch // ranks.size
        own = slice(ranks.rank * share, (ranks.rank + 1) * share)
        for epoch in range(first // self.steps, -(-last // self.steps)):
            for at, batch in enumerate(self.of(epoch), epoch * self.steps):
                if first <= at < last:
                    yield [(epoch, index) for index in batch[own]]


class _Examples(Dataset[tuple[Example, Draws]]):
    def __init__(self, source: Source, seed: int) -> None:
        self.source, self.seed = source, seed

    def __getitem__(self, key: Key) -> tuple[Example, Draws]:
        example = self.source.example(*key)
        return example, draw(self.seed, *key, example.truth.shape)


def batches(
    source: Source, order: Order, *, first: int, last: int, ranks: Ranks, workers: int
) -> Iterator[Batch]:
    """Batches of this process from step ``first`` until before ``last``.

    ``workers`` processes make them ahead of time, 0 makes them here: the same ones.
    """
    loader: DataLoader[Any] = DataLoader(
        _Examples(source, order.seed),
        # A list, so that DataLoader hands each key over whole.
        batch_sampler=list(order.keys(first, last, ranks)),
        collate_fn=_collate,
        num_workers=workers,
        worker_init_fn=_worker if workers else None,
        pin_memory=ranks.device.type == "cuda",
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def _collate(drawn: list[tuple[Example, Draws]]) -> Batch:
    examples, draws = zip(*drawn, strict=True)
    return collate(examples, draws)


def _worker(index: int) -> None:
    """Ctrl-C and SIGTERM are the main process's to handle; it ends its workers itself."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
