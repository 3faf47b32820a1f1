"""How fast training examples come, and how long a step would wait for them.

    export OPENBLAS_NUM_THREADS=1                          as the daily30 command does
    python -m benchmarks.loading                           a made-up scene set
    python -m benchmarks.loading --scenes SET --worlds POOL --patch 128 --batch 8

``cpu ms`` is the time of the CPU an example takes, which others on the machine change little.
``wait`` is the share of a training that passes between asking for a batch and having it, beside
steps that take the given time and none of the CPU, as on a GPU.  The loader is the trainer's own.
The files are in the page cache here, as they are from the second epoch on if the memory holds
them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import print_machine
from model.block import COARSE_PAD
from model.training.batches import Order, batches
from model.training.distributed import Ranks
from model.training.example import Source
from model.training.patches import PatchSource
from model.training.scenes import (
    COARSE,
    FINE,
    Scene,
    SceneSet,
    SceneSetError,
    open_set,
    written_whole,
)
from model.training.world_source import WorldSource
from model.worlds.spectra import BANDS

HERE = Ranks(0, 1, torch.device("cpu"))


def make_scenes(folder: Path, *, side: int = 1024, scenes: int = 4, ratio: int = 16) -> None:
    """Random images of the size and kind of a region's."""
    rng = np.random.default_rng(0)
    cells = side // ratio + 2 * COARSE_PAD
    with written_whole(folder) as new:
        named = []
        for number in range(scenes):
            files = {role: f"{role}-{number}" for role in (*FINE, *COARSE, "filled_before")}
            for role in (*FINE, *COARSE):
                length = side if role in FINE else cells
                image = rng.integers(0, 6000, (len(BANDS), length, length)).astype(np.int16)
                np.save(new / files[role], image)
            np.save(new / files["filled_before"], rng.integers(0, 2, (side, side)).astype(np.uint8))
            named.append(Scene(name=str(number), split="train", days=(0, 8, 16), files=files))
        SceneSet(
            name="random",
            bands=BANDS,
            ratio=ratio,
            coarse="cells",
            patch_px=256,
            stride_px=128,
            min_known=0.0,
            centre=(0.3,) * len(BANDS),
            spread=(0.2,) * len(BANDS),
            origin="random numbers",
            licence="none",
            scenes=tuple(named),
        ).save(new)


def cpu_ms(source: Source, count: int = 40) -> float:
    """Milliseconds of the CPU an example."""
    for index in range(count):
        source.example(0, index % len(source))
    start = time.process_time()
    for index in range(count):
        source.example(1, index % len(source))
    return (time.process_time() - start) / count * 1e3


def rate(source: Source, batch: int, workers: int, seconds: float) -> float:
    """Examples a second, from the first batch on: the start of workers is not counted."""
    made = _endless(source, batch, workers)
    next(made)
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        next(made)
        count += batch
    return count / passed


def wait(source: Source, batch: int, workers: int, step: float, seconds: float) -> float:
    """Share of the time that steps of ``step`` seconds wait for their batches."""
    made = _endless(source, batch, workers)
    next(made)
    waited, start = 0.0, time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        next(made)
        waited += time.perf_counter() - now
        time.sleep(step)
    return waited / (time.perf_counter() - start)


def _endless(source: Source, batch: int, workers: int) -> Iterator[object]:
    order = Order(seed=0, examples=len(source), batch=batch, steps=len(source) // batch)
    return batches(source, order, first=0, last=10**6 // batch, ranks=HERE, workers=workers)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=Path, help="scene set; default: a made-up one")
    parser.add_argument("--worlds", type=Path, help="pool of simulated worlds; default: none")
    parser.add_argument("--patch", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--step-ms", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    args = parser.parse_args()
    if args.scenes:
        try:
            open_set(args.scenes)
        except SceneSetError as error:
            parser.error(f"--scenes: {error}")
    torch.set_num_threads(1)
    print_machine()
    steps = "".join(f"  wait at {ms} ms" for ms in args.step_ms)
    print(f"source   patch  cpu ms  workers  examples/s{steps}")
    with tempfile.TemporaryDirectory() as made:
        folder = args.scenes or Path(made) / "set"
        if args.scenes is None:
            make_scenes(folder)
        for patch in args.patch:
            sources: dict[str, Source] = {
                "scenes": PatchSource(folder, split="train", patch=patch, augment="flip")
            }
            if args.worlds:
                sources["worlds"] = WorldSource(
                    args.worlds, seed=0, examples=4096, patch=patch, augment="eight"
                )
            for name, source in sources.items():
                try:
                    ms_each = cpu_ms(source)
                except ValueError as error:
                    print(f"{name:<8} {patch:5d}  {error}")
                    continue
                for workers in args.workers:
                    fast = rate(source, args.batch, workers, args.seconds)
                    waits = [
                        wait(source, args.batch, workers, ms / 1e3, args.seconds)
                        for ms in args.step_ms
                    ]
                    shares = "".join(
                        f"{share:>{len(f'  wait at {ms} ms')}.1%}"
                        for share, ms in zip(waits, args.step_ms, strict=True)
                    )
                    print(
                        f"{name:<8} {patch:5d}  {ms_each:6.1f}  {workers:7d}  {fast:10.1f}{shares}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
