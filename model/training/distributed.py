"""One training run in several processes, by torch's own launcher.

    torchrun --nproc-per-node=2 -m flows.cli train CONFIG.yaml

Every process takes its slice of each batch; gradients are averaged by DistributedDataParallel.
Without the launcher there is one process and nothing here does anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which process this is, of how many, and where it computes."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """The one that writes and speaks."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes."""
        if self.size == 1:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def gather(self, value: T) -> list[T]:
        """What each process holds, in order of rank, on all of them."""
        if self.size == 1:
            return [value]
        gathered: list[T] = [value] * self.size
        dist.all_gather_object(gathered, value)
        return gathered


@contextmanager
def ranks(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, by the variables it sets.

    ``device``: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:1".  Several processes
    on CUDA take one GPU each.
    """
    kind = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind.partition(":")[0] not in ("cpu", "cuda"):
        raise ValueError(f"--device {device}: use auto, cpu, cuda or cuda:1")
    if kind.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {device}: this machine has no CUDA device; use cpu or auto")
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks(0, 1, torch.device(kind))
        return
    cuda = kind.startswith("cuda")
    where = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(where)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Ranks(dist.get_rank(), size, where)
    finally:
        dist.destroy_process_group()
