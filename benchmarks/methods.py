"""How fast and how large every method is, against the obvious loop over pixels, in one run.

    python -m benchmarks.methods                      400 x 400 pixels of three bands, ratio 16
    python -m benchmarks.methods --side 208 --bands 6 --methods estarfm fsdaf sa-stf

The image is of fields that change together (tests/model/landscape.py), with a series of images
under clouds for the methods that take one; ``similar`` is the mean number of similar pixels in a
window of 51, on which the time of ESTARFM and STARFM depends: real scenes of three bands have some
450.  The columns, all of one thread:

  first      seconds of the first call, compilation included if there is nothing in the cache
  wall, CPU  least seconds of the calls after it; beyond CPU times, wall times are other people's
             work (the machine's load of the last minute stands above and below, its cores too)
  MB         the most memory a call takes beside image, loaded method and libraries, 10^6 bytes
  us/pixel   CPU time of ours a pixel, all bands; it answers every one and shares what neighbours
             have in common
  loop       the same of the loop: what it does once for a smaller image, shared among that image's
             pixels, and what it does for each of some of them
  ratio      loop over ours
  apart      the largest difference between the two answers

What the loop is: of the naive methods, ``linear-series`` and the four published ones the oracle of
the tests, which takes a pixel at a time from the formulas or the papers.  Of ``whittaker`` the
equations on the axis of all days, solved for each pixel, and for each value left out to choose the
smoothing, in an image of one cell.  Of ``guided`` kriging with every covariance worked out as a
number: on 36 cells, which is in the loop's favour, as its time a pixel grows with the cells and
ours does not.  Of a network nobody would write such a loop, and it would run for days: its last
convolution is made for some pixels, one multiplication after the other (``apart`` is of that), and
the time of one is taken as often as the network multiplies for a window of its own size, overlaps
not counted (torch counts).  What running a network in other ways gains says benchmarks.fusion.

sa-stf has the weights that come with it; stfdiff, of which none do, random ones in the shape of
flows/training/stfdiff-worlds.yaml, which is what docs/training.md trains.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import print_machine
from model import checkpoint
from model.block import Array, Block, Series
from model.card import METHODS, NETWORKS
from model.classical.estarfm import CLASSES, HALF
from model.classical.kernels import similar_pixels
from model.classical.naive import NAIVE
from model.classical.pairs import Target
from model.fuser import Fuser, load_fuser
from model.network_fuser import CPU_THREADS, NetworkFuser
from model.networks import network_of
from model.stfdiff.config import StfdiffConfig
from model.worlds.spectra import BANDS
from pipeline.evaluate.cost import Cost, measured
from tests.model.landscape import make_landscape, some_pixels
from tests.model.oracles_estarfm import estarfm_at
from tests.model.oracles_fit_fc import fit_fc_at
from tests.model.oracles_fsdaf import fsdaf_at
from tests.model.oracles_guided import guided_at
from tests.model.oracles_naive import naive_at
from tests.model.oracles_network import convolved_at
from tests.model.oracles_series import linear_series_at, whittaker_at
from tests.model.oracles_starfm import starfm_at

SMALL = 96
"""Side of the loop's image: in its middle a window of 51 is whole."""

PIXELS = 40
"""Of it that a loop is asked for; a convolution is asked for ``CONVOLVED``."""

CONVOLVED = 8
CELL = 16
"""Side of a coarse cell."""

DAYS = range(-24, 33, 8)
"""Of the series, around the references of days 0 and 8."""

CLEAR = 0.6
"""Share of its pixels that are clear."""

ENOUGH_S = 20.0
"""A method is not called again when it has been at work so long."""

STFDIFF = StfdiffConfig(
    width=32, contrast=True, filled=True, conditions=("dates", "ratio", "bands")
)
STFDIFF_CARD = {
    "bands": BANDS,
    "slots": True,
    "frame": "guided",
    "sampling": {
        "schedule": "cosine",
        "levels": 100,
        "sum_scale": None,
        "kappa": 1.0,
        "steps": 1,
        "window_px": 128,
        "overlap_px": 32,
        "halo_px": 144,
    },
}

LEAST_S = 0.02
"""A loop is asked for the same pixels until it takes so long, or a clock could not tell."""

Loop = Callable[[Block, int, list[tuple[int, int]]], np.ndarray]
"""(pixel, band) predictions of a block's day at some pixels."""

LOOPS: Mapping[str, Loop] = {
    **{name: partial(naive_at, name) for name in NAIVE},
    "linear-series": linear_series_at,
    "whittaker": whittaker_at,
    "guided": guided_at,
    "starfm": starfm_at,
    "estarfm": estarfm_at,
    "fsdaf": fsdaf_at,
    "fit-fc": fit_fc_at,
}
ORDER = (*LOOPS, *NETWORKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looped:
    """What the obvious loop takes."""

    seconds: float
    """CPU time a pixel."""

    apart: float


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.methods",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--side", type=int, default=400, help="pixels, a multiple of 16")
    parser.add_argument("--bands", type=int, default=3, choices=range(1, 7))
    parser.add_argument(
        "--repeats", type=int, default=3, help=f"calls, fewer of what takes {ENOUGH_S:g} s"
    )
    parser.add_argument("--methods", nargs="+", choices=ORDER, default=ORDER, metavar="METHOD",
                        help=f"some of {', '.join(ORDER)}; all of them")  # fmt: skip
    args = parser.parse_args()
    assert set(ORDER) == set(METHODS)
    torch.set_num_threads(CPU_THREADS)
    print_machine()
    block = with_series(landscape(args.bands, args.side))
    print(f"image     {args.side} x {args.side} x {args.bands}, similar {similar(block):.0f}")
    print(f"load      {os.getloadavg()[0]:.1f}\n")
    print(f"{'method':14}{'first s':>9}{'wall s':>9}{'CPU s':>9}{'MB':>7}{'us/pixel':>10}", end="")
    print(f"{'loop us/pixel':>15}{'ratio':>10}{'apart':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.methods:
            print(line(name, block, Path(folder), args.repeats), flush=True)
    print(f"\nload      {os.getloadavg()[0]:.1f}")


def line(name: str, block: Block, folder: Path, repeats: int) -> str:
    """A line of the table."""
    fuser, pixels = load(name, folder), block.fine_before[0].size
    first, calls = cost_of(lambda: fuser.fuse(block)), []
    while len(calls) < repeats and (not calls or sum(one.seconds for one in calls) < ENOUGH_S):
        calls.append(cost_of(lambda: fuser.fuse(block)))
    wall, cpu = min(one.seconds for one in calls), min(one.cpu_seconds for one in calls)
    memory, loop = max(one.peak_mb for one in calls), looped(name, fuser, len(block.bands))
    return (
        f"{name:14}{first.seconds:9.2f}{wall:9.3f}{cpu:9.3f}{memory:7.0f}{cpu / pixels * 1e6:10.2f}"
        f"{loop.seconds * 1e6:15.0f}{loop.seconds * pixels / cpu:10.0f}{loop.apart:10.1e}"
    )


def load(name: str, folder: Path) -> Fuser:
    """The method, without sigma; stfdiff with random weights, which are written into ``folder``."""
    if name != StfdiffConfig.method:
        return load_fuser(name, device="cpu", samples=0)
    torch.manual_seed(0)
    checkpoint.save(folder, network_of(STFDIFF), STFDIFF_CARD)
    return load_fuser(name, folder, device="cpu", samples=0)


def looped(name: str, fuser: Fuser, bands: int) -> Looped:
    """What the loop of a method takes, and whether it says the same."""
    if isinstance(fuser, NetworkFuser):
        return looped_network(fuser, bands)
    if name == "whittaker":  # its loop knows one smoothing a band: that of a cell by itself
        small = with_series(landscape(bands, CELL))
        pixels = list(np.ndindex(CELL, CELL))
    else:
        small = with_series(landscape(bands, SMALL))
        pixels = some_pixels(small, PIXELS)
    rows, cols = np.transpose(pixels)
    answer = fuser.fuse(small).reflectance[0][:, rows, cols].T
    found: list[np.ndarray] = []

    def ask(some: list[tuple[int, int]]) -> float:
        return cost_of(lambda: found.append(LOOPS[name](small, 0, some))).cpu_seconds

    one, many = ask(pixels[:1]), pixels
    while (every := ask(many)) < LEAST_S:
        many = 4 * many
    each = max(every - one, 0) / (len(many) - 1)
    whole = max(one - each, 0) / small.fine_before[0].size
    apart = float(np.nanmax(np.abs(found[-1][: len(pixels)] - answer)))
    return Looped(seconds=whole + each, apart=apart)


def looped_network(fuser: NetworkFuser, bands: int) -> Looped:
    """From the time of one multiplication of a loop, and how many the network makes a pixel."""
    window = landscape(bands, fuser.window)
    with FlopCounterMode(display=False) as counter:
        fuser.fuse(window)
    layer, side = fuser.network.head, 2 * CONVOLVED
    image = np.random.default_rng(0).standard_normal((layer.in_channels, side, side))
    wanted = layer.double()(torch.from_numpy(image)[None])[0].detach().numpy()
    layer.float()
    pixels = [(at, at) for at in range(CONVOLVED // 2, CONVOLVED // 2 + CONVOLVED)]
    found: list[np.ndarray] = []
    cost = cost_of(lambda: found.append(convolved_at(layer, image, pixels)))
    each = cost.cpu_seconds / (len(pixels) * layer.weight.numel())
    rows, cols = np.transpose(pixels)
    return Looped(
        seconds=each * counter.get_total_flops() / 2 / window.fine_before[0].size,
        apart=float(np.abs(found[0] - wanted[:, rows, cols].T).max()),
    )


def cost_of(call: Callable[[], object]) -> Cost:
    """Time and memory of a call."""
    with measured() as cost:
        call()
    return cost


def landscape(bands: int, side: int) -> Block:
    """Fields and what a coarse sensor sees of them."""
    return make_landscape(bands=bands, y=side, x=side, ratio=CELL)


def with_series(block: Block) -> Block:
    """The block with images of other days, drifting from one reference to the other and on."""
    rng = np.random.default_rng(0)

    def seen(day: int) -> Array:
        later = np.float32(block.weight(day))
        image = (1 - later) * block.fine_before + later * block.fine_after
        image += rng.normal(0, 0.01, image.shape).astype(np.float32)
        return np.where(rng.random(image.shape[1:]) < CLEAR, image, np.float32(np.nan))

    return replace(block, series=Series.of((day, seen(day)) for day in DAYS))


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
