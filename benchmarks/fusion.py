"""How fast the network fuses, and what each way of running it gains.

    python -m benchmarks.fusion                          width 16 and its window, one CPU thread
    python -m benchmarks.fusion --method stfdiff --width 64 --window 256 --steps 10
    python -m benchmarks.fusion --width 64 --window 256 --threads 2
    python -m benchmarks.fusion --width 64 --window 256 --device cuda --batch 1 --batch 16

Random weights; a day is one more coarse image between two references.  ``refs`` encodes both
reference pairs, ``day`` the coarse image and fuses it with them, ``step`` is one reverse step; ms a
window.  ``convolutions`` is a day of a window, references included, in 64 -> 64 convolutions of
3 x 3 at 256 x 256 in float32, timed in the same run.  ``of matrix rate`` is the share of the rate
of a large matrix product in the same precision, timed beside it, that the steps reach
(multiplications and additions counted by torch).  Times are the least of some repeats; on a CPU
with one thread the time the process ran.  How long a whole image takes says benchmarks.scene.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import convolution, fastest, print_machine
from model.card import NETWORKS
from model.compiled import compiled
from model.diffusion import Levels
from model.networks import network_of
from model.sastf.config import NetworkConfig
from model.shape import NetworkShape
from model.stfdiff.config import StfdiffConfig

PAPER_STEPS = 50
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
DAYS = 16
"""Most days a task of the pipeline fuses with the same references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run the network."""

    device: str
    dtype: torch.dtype
    channels_last: bool
    batch: int

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "plain layout"
        return f"{str(self.dtype).removeprefix('torch.'):9}{layout:14} batch {self.batch:<3}"

    @property
    def layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def tensor(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.dtype, memory_format=self.layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds a window."""

    refs: float
    day: float
    step: float

    def window(self, steps: int, days: int = 1) -> float:
        """A window's days with the references encoded once."""
        return self.refs + days * (self.day + steps * self.step)


class Runner:
    """A network of random weights with everything a window needs."""

    def __init__(self, config: NetworkShape, window: int, way: Way) -> None:
        torch.manual_seed(0)
        self.way = way
        self.network = network_of(config).eval().to(way.device, way.dtype)
        for parameter in self.network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=way.layout)
        channels = len(config.image_channels)
        images = torch.rand(5, way.batch, channels, window, window)
        self.known = [way.tensor(image) for image in images]
        self.x = way.tensor(torch.rand(way.batch, config.bands, window, window))
        one = torch.ones(way.batch, device=way.device, dtype=way.dtype)
        self.levels = Levels(12.5 * one, 40 * one, 39 * one)
        self.conditions = torch.rand(way.batch, 3, device=way.device, dtype=way.dtype)
        self.take = self.network.denoise
        self.references = self.refs()
        self.features = self.day(self.references)

    def refs(self) -> Any:
        return self.network.encode_references(*self.known[:4])

    def day(self, references: Any) -> Any:
        return self.network.encode(self.known[4], references)

    def step(self, features: Any) -> Tensor:
        return self.take(self.x, features, self.levels, self.conditions)

    def times(self, repeats: int) -> Times:
        take = partial(fastest, repeats=repeats, device=self.way.device)
        batch = self.way.batch
        return Times(
            refs=take(self.refs) / batch,
            day=take(lambda: self.day(self.references)) / batch,
            step=take(lambda: self.step(self.features)) / batch,
        )

    def sampled(self, steps: int, *, cached: bool) -> None:
        """All steps of one day; not cached, everything known is encoded again in each."""
        features = None
        for _ in range(steps):
            if features is None or not cached:
                features = self.day(self.refs())
            self.step(features)

    def operations(self) -> float:
        """Multiplications and additions of one step, a window."""
        with FlopCounterMode(display=False) as counter:
            self.step(self.features)
        return counter.get_total_flops() / self.way.batch


def main() -> None:
    """Print every table that fits the device."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fusion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--method", choices=NETWORKS, default=NETWORKS[0], help="which network")
    parser.add_argument("--width", type=int, default=16, help="channels of the first level")
    parser.add_argument("--window", type=int, default=64, help="pixels a side")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of one process, on a CPU")
    parser.add_argument("--batch", type=int, action="append", help="windows at once; 1 and 4")
    parser.add_argument(
        "--steps", type=int, default=1, help="of the pixels a second; the default's"
    )
    parser.add_argument("--direct", type=int, default=5, help="steps of the direct comparison")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print_machine(args.device)
    with torch.inference_mode():
        ways(args)


def ways(args: argparse.Namespace) -> None:
    """The network each way, and what the ways gain over the plain one."""
    rates = {dtype: matrix_rate(args.device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    print("matrix rate " + ", ".join(f"{name(d)} {r / 1e12:.2f} T/s" for d, r in rates.items()))
    one = convolution(args.device)
    print(f"64 -> 64 convolution 3x3 at 256 x 256: {1e3 * one:.2f} ms\n")
    shape = shape_of(args.method, args.width)
    print(
        f"{args.method}, width {args.width}, windows of {args.window}; ms a window, day of "
        f"{args.steps} steps"
    )
    print(f"{'':41}refs     day    step   pixels/s   convolutions   of matrix rate")
    measured: dict[Way, Times] = {}
    for dtype in rates:
        for channels_last in (False, True):
            for batch in args.batch or (1, 4):
                way = Way(device=args.device, dtype=dtype, channels_last=channels_last, batch=batch)
                runner = Runner(shape, args.window, way)
                times = measured[way] = runner.times(args.repeats)
                whole = times.window(args.steps)
                share = runner.operations() / times.step / rates[dtype]
                print(
                    f"{way!s:36}{1e3 * times.refs:9.1f}{1e3 * times.day:8.1f}"
                    f"{1e3 * times.step:8.1f}{args.window**2 / whole:11.0f}{whole / one:15.1f}"
                    f"{share:17.0%}",
                    flush=True,
                )
    gains(measured, args.steps)
    first = next(iter(measured))
    direct(Runner(shape, args.window, first), args.direct)
    if args.device == "cuda":
        last = list(measured)[-1]
        joined(shape, args.window, last, args.repeats, rates[last.dtype])


def shape_of(method: str, width: int) -> NetworkShape:
    """A network of a method that is given what ours is."""
    if method == StfdiffConfig.method:
        return StfdiffConfig(width=width, contrast=True, conditions=("dates",))
    return NetworkConfig(width=width, groups=min(width, 32), contrast=True, conditions=("dates",))


def gains(measured: dict[Way, Times], steps: int) -> None:
    """Ratios of the table above."""
    print("\ntimes faster, by the table above")
    plain = next(iter(measured.values()))
    again = PAPER_STEPS * plain.window(1)
    print(f"  encoded once, not in each of {PAPER_STEPS} steps   {again / plain.window(50):.2f}")
    together = plain.window(steps, DAYS)
    print(
        f"  references once for {DAYS} days, {steps} steps    "
        f"{DAYS * plain.window(steps) / together:.2f}"
    )
    for text, other in (
        ("channels last", {"channels_last": True}),
        ("bfloat16", {"dtype": torch.bfloat16}),
    ):
        for way, times in measured.items():
            if all(getattr(way, key) != value for key, value in other.items()):
                better = measured[replace(way, **other)]
                ratio = times.window(steps) / better.window(steps)
                print(f"  {text:16} than  {way}  {ratio:.2f}")


def direct(runner: Runner, steps: int) -> None:
    """Cached and uncached sampling, timed as a whole."""
    cached, again = (
        fastest(partial(runner.sampled, steps, cached=cached), repeats=2, device=runner.way.device)
        for cached in (True, False)
    )
    print(f"  encoded once, not in each of {steps} steps, timed as a whole   {again / cached:.2f}")


def joined(shape: NetworkShape, window: int, way: Way, repeats: int, rate: float) -> None:
    """A step through torch.compile, as many steps on a GPU take it (model.compiled)."""
    runner = Runner(shape, window, replace(way, channels_last=True))
    operations, exact = runner.operations(), runner.step(runner.features)
    plain = runner.times(repeats).step
    runner.take = compiled(runner.network)
    apart = (runner.step(runner.features) - exact).abs().max() / exact.abs().max()
    step = runner.times(repeats).step
    print(
        f"  torch.compile          than  {way}  {plain / step:.2f}: {1e3 * step:.2f} ms a step, "
        f"{operations / step / rate:.0%} of the matrix rate; differs by {apart:.1%} of the largest"
    )


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Multiplications and additions a second of a large square matrix product."""
    side = MATRIX_SIDE[device]
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / fastest(lambda: a @ b, device=device)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    main()
