"""How fast the published methods are, against loops over pixels written from the papers.

    python -m benchmarks.classical                     400 x 400 pixels of three bands, ratio 16
    python -m benchmarks.classical --side 208 --bands 6 --methods estarfm fsdaf

The image is of fields that change together (tests/model/landscape.py); ``similar`` is the mean
number of similar pixels in a window of 51, on which the time of ESTARFM and STARFM depends: real
scenes of three bands have some 450.  ``first`` includes compilation, if there is nothing in the
cache; ``wall`` and ``CPU`` are the least of the calls after it.  ``loop`` is the oracle's CPU time
a pixel, over some pixels of a smaller image in this run; ``ratio`` that over ours, which answers
every pixel and shares what neighbours have in common; ``apart`` their largest difference.  The
load is the machine's over the last minute, its cores stand above: wall times beyond CPU times are
other people's work.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.common import print_machine
from model.block import Block
from model.card import CLASSICAL_HALO
from model.classical.estarfm import CLASSES, HALF
from model.classical.kernels import similar_pixels
from model.classical.pairs import Target
from model.fuser import load_fuser
from tests.model.landscape import make_landscape, some_pixels
from tests.model.oracles_estarfm import estarfm_at
from tests.model.oracles_fit_fc import fit_fc_at
from tests.model.oracles_fsdaf import fsdaf_at
from tests.model.oracles_starfm import starfm_at

ORACLES = {"starfm": starfm_at, "estarfm": estarfm_at, "fsdaf": fsdaf_at, "fit-fc": fit_fc_at}
SMALL = 96
"""Side of the oracle's image: in its middle a window of 51 is whole."""

PIXELS = 40


class Times(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.classical",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--side", type=int, default=400, help="pixels, a multiple of 16")
    parser.add_argument("--bands", type=int, default=3, choices=range(1, 7))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--methods", nargs="+", choices=tuple(CLASSICAL_HALO), default=tuple(CLASSICAL_HALO)
    )
    args = parser.parse_args()
    print_machine()
    block, small = (
        make_landscape(bands=args.bands, y=side, x=side, ratio=16) for side in (args.side, SMALL)
    )
    print(f"image     {args.side} x {args.side} x {args.bands}, similar {similar(block):.0f}")
    print(f"load      {os.getloadavg()[0]:.1f}\n")
    print(f"{'method':10}{'first s':>9}{'wall s':>9}{'CPU s':>9}{'us/pixel':>10}", end="")
    print(f"{'loop us/pixel':>15}{'ratio':>8}{'apart':>10}")
    for name in args.methods:
        print(measured(name, block, small, args.repeats), flush=True)
    print(f"\nload      {os.getloadavg()[0]:.1f}")


def measured(name: str, block: Block, small: Block, repeats: int) -> str:
    """A line of the table."""
    fuser = load_fuser(name)

    def fuse() -> None:
        fuser.fuse(block)

    first = timed(fuse)
    calls = [timed(fuse) for _ in range(repeats)]
    wall, cpu = (min(one[kind] for one in calls) for kind in (0, 1))
    pixels = some_pixels(small, PIXELS)
    rows, cols = np.transpose(pixels)
    answer = fuser.fuse(small).reflectance[0][:, rows, cols].T
    apart = 0.0

    def ask() -> None:
        nonlocal apart
        apart = float(np.abs(ORACLES[name](small, 0, pixels) - answer).max())

    ours = cpu / (block.shape[2] * block.shape[3]) * 1e6
    theirs = timed(ask).cpu / len(pixels) * 1e6
    return (
        f"{name:10}{first.wall:9.2f}{wall:9.2f}{cpu:9.2f}{ours:10.1f}"
        f"{theirs:15.0f}{theirs / ours:8.0f}{apart:10.1e}"
    )


def timed(call: Callable[[], object]) -> Times:
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def similar(block: Block, every: int = 13) -> float:
    """Mean number of similar pixels of some pixels, both dates asked."""
    target = Target.of(block, 0)
    fine = np.concatenate([block.fine_before, block.fine_after])
    limits = np.tile(target.std * np.float32(2 / CLASSES), 2)
    found = np.empty((2 * HALF + 1) ** 2, np.int64)
    _, y, x = fine.shape
    return float(
        np.mean(
            [
                similar_pixels(fine, limits, target.known, row, col, HALF, found)
                for row in range(0, y, every)
                for col in range(0, x, every)
            ]
        )
    )


if __name__ == "__main__":
    main()
