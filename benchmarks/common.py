"""What every benchmark prints first, and how it takes time."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from model.block import COARSE_PAD, Array, Block
from model.worlds.spectra import BANDS

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
"""Where the real sets lie beside a checkout; they are no part of it."""


def print_machine(device: str = "cpu") -> None:
    """Machine, torch, threads and commit: a figure without them says nothing."""
    print(f"machine   {_processor()}, {_cores()} cores, {platform.system()} {platform.machine()}")
    if device == "cuda":
        print(f"gpu       {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    print(f"torch     {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"commit    {_commit()}\n", flush=True)


def fastest(call: Callable[[], object], *, repeats: int = 5, device: str = "cpu") -> float:
    """Least seconds of ``repeats`` calls after one that is not counted.

    On a CPU with one thread the time the process was running, so that others on the machine
    count less; with more threads, and on a GPU, the time that passed.
    """
    clock = time.perf_counter
    if device == "cpu" and torch.get_num_threads() == 1:
        clock = time.process_time

    def once() -> float:
        start = clock()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        return clock() - start

    once()
    return min(once() for _ in range(repeats))


def convolution(device: str) -> float:
    """Seconds of a 64 -> 64 convolution, 3 x 3, at 256 x 256 in float32."""
    layer = nn.Conv2d(64, 64, 3, padding=1).to(device)
    x = torch.rand(1, 64, 256, 256, device=device)
    with torch.inference_mode():
        return fastest(lambda: layer(x), device=device)


def random_block(y: int, x: int, *, ratio: int = 16, days: int = 1) -> Block:
    """A block of random six-band reflectance, for timing only."""
    rng = np.random.default_rng(0)

    def image(*shape: int) -> Array:
        return rng.uniform(0.02, 0.5, (*shape,)).astype(np.float32)

    cells = (6, y // ratio + 2 * COARSE_PAD, x // ratio + 2 * COARSE_PAD)
    return Block(
        bands=BANDS,
        fine_before=image(6, y, x),
        fine_after=image(6, y, x),
        coarse_before=image(*cells),
        coarse_after=image(*cells),
        coarse=image(days, *cells),
        day_before=0,
        day_after=days + 1,
        days=tuple(range(1, days + 1)),
        ratio=ratio,
        origin=(0, 0),
        centre=np.full(6, 0.2, np.float32),
        spread=np.full(6, 0.1, np.float32),
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = [line.split() for line in lines if line.startswith("flags")]
    bf16 = [flag for flag in ("avx512_bf16", "amx_bf16") if flags and flag in flags[0]]
    return ", ".join([*names[:1], *bf16]) or platform.processor() or "unknown processor"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{commit} with changes" if git("status", "--porcelain", "--", "model") else commit
