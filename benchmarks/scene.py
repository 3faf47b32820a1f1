"""How long one day of a whole scene takes with the default checkpoint.

    python -m benchmarks.scene --side 512 --tile 256 512                  one tile, two processes
    python -m benchmarks.scene                                            1024 x 1024 on this CPU
    python -m benchmarks.scene --side 7700 --tile 1925 --device cuda --processes 4

The scene is cut into tiles, each fused with its halo as a task of the pipeline is: both reference
pairs and the coarse image of the day are on the CPU before, the fused reflectance is there after.
Reading and writing are not counted, nor are starting the processes and a first tile of each, which
warm everything up.  Several processes share the device; each takes the next tile when it is done.
The images are random: the network works as hard on them as on real ones.  ``convolutions`` are 64
-> 64 ones of 3 x 3 at 256 x 256 in float32 on the same device, timed in the same run before.
"""

import argparse
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.common import convolution, print_machine, random_block
from model.block import Block
from model.card import PRECISIONS
from model.network_fuser import NetworkFuser
from pipeline.memory import MALLOC

HOUR = 3600.0
"""Seconds before a process that does not answer is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every process is told."""

    device: str
    precision: str
    shapes: tuple[tuple[int, int], ...]
    """(y, x) of each tile, without its halo."""


def main() -> None:
    """Fuse all tiles of a scene once and print how long it took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scene",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--side", type=int, default=1024, help="pixels along the scene")
    parser.add_argument(
        "--tile", type=int, nargs="+", default=[512], help="pixels along a tile, or down and across"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="that share the device")
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    parser.add_argument(
        "--repeats", type=int, default=1, help="the scene so often; the best counts"
    )
    args = parser.parse_args()
    if len(args.tile) > 2:
        parser.error(f"--tile {args.tile}: one number, or two, down and across")
    asked = Asked(
        device=args.device,
        precision=args.precision,
        shapes=tuple(shapes_of(args.side, (args.tile[0], args.tile[-1]))),
    )
    print_machine(args.device)
    fuser = fuser_of(asked)
    tile = " x ".join(map(str, args.tile))
    print(
        f"{args.side} x {args.side} pixels, {len(fuser.bands)} bands, {len(asked.shapes)} tiles of "
        f"{tile}, halo {fuser.halo}, windows of {fuser.window} that share {fuser.overlap}, "
        f"{fuser.sampler.steps} step, {args.precision}, {args.processes} processes"
    )
    with torch.inference_mode():
        one = convolution(args.device)
    seconds, peak = fused(asked, args.processes, args.repeats)
    million, best = args.side**2 / 1e6, min(seconds)
    print(f"{best:.2f} s ({', '.join(f'{s:.2f}' for s in seconds)})", end="")
    print(f" = {million / best:.2f} million pixels a second", end="")
    print(f" = {best / one:.0f} convolutions of {1e3 * one:.2f} ms", end="")
    print(f"; {peak:.1f} GiB {'of the device' if args.device == 'cuda' else 'in all'} at most")


def shapes_of(side: int, tile: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """(y, x) of the tiles of a square scene; the last ones may be smaller."""
    rows, cols = ([min(one, side - start) for start in range(0, side, one)] for one in tile)
    return ((y, x) for y in rows for x in cols)


def fuser_of(asked: Asked) -> NetworkFuser:
    fuser = NetworkFuser.load(None, device=asked.device, steps=None, seed=0, samples=0)
    return replace(fuser, precision=asked.precision)


def block_of(shape: tuple[int, int], halo: int) -> Block:
    """A tile with its halo, of which the tile alone is asked for."""
    halo = -(-halo // 16) * 16  # whole cells
    y, x = shape
    core = (slice(halo, halo + y), slice(halo, halo + x))
    return replace(
        random_block(-(-(y + 2 * halo) // 16) * 16, -(-(x + 2 * halo) // 16) * 16), core=core
    )


def fused(asked: Asked, processes: int, repeats: int) -> tuple[list[float], float]:
    """Seconds of each repeat, and GiB that all processes hold together at most."""
    context = get_context("spawn")
    tiles, answers = context.Queue(), context.Queue()
    crew = [
        context.Process(target=work, args=(asked, tiles, answers), daemon=True)
        for _ in range(processes)
    ]
    os.environ.update(MALLOC)  # as the pipeline starts its workers
    for one in crew:
        one.start()
    for _ in crew:
        answers.get(timeout=HOUR)  # each is warm
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        # The largest first, so that no process is left with one at the end.
        for shape in sorted(asked.shapes, reverse=True):
            tiles.put(shape)
        for _ in asked.shapes:
            answers.get(timeout=HOUR)
        seconds.append(time.perf_counter() - start)
    for _ in crew:
        tiles.put(None)
    peak = sum(answers.get(timeout=HOUR) for _ in crew)
    for one in crew:
        one.join()
    return seconds, peak


def work(asked: Asked, tiles: Any, answers: Any) -> None:
    """Fuse tiles until told to stop."""
    fuser = fuser_of(asked)
    blocks = {shape: block_of(shape, fuser.halo) for shape in set(asked.shapes)}
    for block in blocks.values():
        fuser.fuse(block)
    answers.put("warm")
    while (shape := tiles.get()) is not None:
        fuser.fuse(blocks[shape])
        answers.put(shape)
    answers.put(most_memory(asked.device))


def most_memory(device: str) -> float:
    """GiB that this process held at most."""
    if device == "cuda":
        return torch.cuda.max_memory_reserved() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux


if __name__ == "__main__":
    main()
