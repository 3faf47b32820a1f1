"""The model's public door: numpy in, numpy out.  Device, precision and batch live behind it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from model.block import Array, Block, Fused
from model.card import CLASSICAL_HALO, METHODS, NETWORKS, SERIES_HALO, CheckpointError
from model.classical.fuser import ClassicalFuser
from model.classical.naive import NAIVE, predict_naively


class Fuser(Protocol):
    """A method that predicts the fine image of each target day of a block."""

    @property
    def name(self) -> str: ...

    @property
    def bands(self) -> tuple[str, ...] | None:
        """The bands it was made for, in order; None takes any."""

    @property
    def halo(self) -> int:
        """Fine pixels around a tile that it wants to see."""

    @property
    def sha(self) -> str:
        """Identity of what computes; equal to ``model.card.describe(...).sha``."""

    def fuse(self, block: Block) -> Fused:
        """float32 reflectance and its sigma, NaN where ``block.known()`` is false."""


def load_fuser(
    method: str,
    checkpoint: str | Path | None = None,
    *,
    device: str = "auto",
    steps: int | None = None,
    seed: int = 0,
    samples: int = 1,
) -> Fuser:
    """A method by name; a network with a checkpoint folder (None or "default": ours, of sa-stf).

    ``device``: "cpu", "cuda" or "auto", a GPU when there is one.  ``steps``: sampling steps,
    None for the card's.  ``samples``: draws of the diffusion; reflectance is the first one's, sigma
    as ``model.card.describe`` says.  Raises CheckpointError for what cannot be loaded.
    """
    if (predict := _without_weights(method)) is not None:
        return ClassicalFuser(name=method, predict=predict)
    if method not in NETWORKS:
        raise CheckpointError(f"no method {method!r}; there are {', '.join(METHODS)}")
    from model.network_fuser import NetworkFuser  # torch takes two seconds to import

    return NetworkFuser.load(
        checkpoint, method=method, device=device, steps=steps, seed=seed, samples=samples
    )


def _without_weights(method: str) -> Callable[[Block], Array] | None:
    """What predicts a block by a method that needs no weights; None for any other name."""
    if method in NAIVE:
        return partial(predict_naively, method)
    if method in CLASSICAL_HALO:
        from model.classical.peers import predict_by_pairs  # numba takes half a second to import

        return partial(predict_by_pairs, method)
    if method in SERIES_HALO:
        from model.classical.series import predict_from_series

        return partial(predict_from_series, method)
    if method == "guided":
        from model.classical.guided import predict_guided  # torch takes two seconds to import

        return predict_guided
    return None
