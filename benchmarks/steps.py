"""What more sampling steps bring, and what the network makes of x_t at all.

    python -m benchmarks.steps CHECKPOINT --worlds POOL
    python -m benchmarks.steps CHECKPOINT --worlds POOL --examples 16 --windows 4 --steps 1 2 5

``CHECKPOINT``: a folder, or default.  ``POOL``: worlds that it was neither trained nor chosen on
(python -m model.training.pool ... --generator other); the real sets are read where they lie beside
the checkout and the card does not name them.

For each number of steps: RMSE (mean over bands), its change against the most steps, RMSE of the
pixels that are .05 or more from linear in some band, power of the prediction over that of the truth
at 60-120, 120-240 and 240-480 m (model.spectra), and the time a window.  Power: 1 is as much detail
as the truth has; it can exceed 1 on the worlds, whose truth is free of the references' noise.

Then, at each number of steps, what changes when

    other noise   the noise is that of another example
    other x_t     the network is given the x_t of another example, at every step
    no x_t        the diffusion is dropped: one pass at t = T from the start without any noise

as RMSE, and as the root mean square of the change of the prediction over that RMSE.  A network that
uses x_t gets worse by the second; one that ignores it stays the same under all three.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.common import DATA, print_machine
from model import checkpoint
from model.block import Array
from model.card import locate
from model.diffusion import Denoiser, Noise
from model.network import FusionNetwork
from model.sampler import Sampler
from model.spectra import WAVELENGTHS_M, octave_power
from model.training.batch import Batch, collate, conditions_of, draw, view_of
from model.training.example import Example
from model.training.validation import CHANGED, naive_images
from model.training.world_source import WorldSource
from model.upsample import fill_nearest, smooth
from pipeline.real_sets import READERS, Scene, named_in, read_set

WORLD_PIXEL_M = 30.0
WINDOW = 128
AT_ONCE = 8
LEAST_KNOWN = 0.9
"""Least share of known pixels of a window whose power is taken."""
TURN = 1
"""Examples of a batch are turned by one place to get another's noise or x_t."""

Sums = NDArray[np.float64]


@dataclass(slots=True)
class Quality:
    """Sums over examples of one way to sample; bands in the network's slots."""

    bands: int
    squared: Sums = field(init=False)
    changed: Sums = field(init=False)
    moved: Sums = field(init=False)
    """Of the difference to the plain sampler."""
    pixels: Sums = field(init=False)
    changed_pixels: Sums = field(init=False)
    power: Sums = field(init=False)
    true_power: Sums = field(init=False)
    seconds: float = 0.0
    windows: int = 0

    def __post_init__(self) -> None:
        for name in ("squared", "changed", "moved", "pixels", "changed_pixels"):
            setattr(self, name, np.zeros(self.bands))
        for name in ("power", "true_power"):
            setattr(self, name, np.zeros((self.bands, len(WAVELENGTHS_M))))

    @property
    def rmse(self) -> float:
        return _root_mean(self.squared, self.pixels)

    @property
    def rmse_changed(self) -> float:
        return _root_mean(self.changed, self.changed_pixels)

    @property
    def shift(self) -> float:
        """Change of the prediction over its error."""
        return _root_mean(self.moved, self.pixels) / self.rmse

    @property
    def detail(self) -> list[float]:
        """Power over that of the truth, mean of the bands; empty without a window that is
        ``LEAST_KNOWN``."""
        seen = np.nansum(self.true_power, 1) > 0
        if not seen.any():
            return []
        return [float(one) for one in (self.power[seen] / self.true_power[seen]).mean(0)]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint's network and sampler, with the two things a benchmark changes in it."""

    network: FusionNetwork
    card: dict[str, Any]
    device: torch.device

    @classmethod
    def load(cls, folder: str, device: str) -> "Checkpoint":
        network, card = checkpoint.load(locate(folder))
        return cls(network=network.to(device), card=card, device=torch.device(device))

    @torch.inference_mode()
    def answers(
        self, examples: Sequence[Example], pixel_m: float, results: dict[tuple[int, str], Quality]
    ) -> None:
        """Sample a batch by every way in ``results`` and add its errors there."""
        draws = [draw(0, 0, index, one.truth.shape) for index, one in enumerate(examples)]
        batch = collate(examples, draws).to(self.device)
        network = self.network
        sampler = Sampler.of_card(self.card["sampling"])
        view = view_of(batch, self.card["frame"], network.config)
        denoise = sampler.denoiser(network, view, conditions_of(batch, network.config))
        noise = batch.noise_of
        ways: dict[str, tuple[Denoiser, Noise]] = {
            "plain": (denoise, noise),
            "other noise": (denoise, lambda step: noise(step).roll(TURN, 0)),
            "other x_t": (lambda x, t: denoise(view.hide(x.roll(TURN, 0)), t), noise),
            "no x_t": (denoise, lambda step: torch.zeros_like(batch.noise)),
        }
        linear = naive_images(batch)["linear"]
        scored = batch.scored
        changed = ((batch.truth - linear).abs() > CHANGED).any(1, keepdim=True) & scored
        plain: dict[int, Tensor] = {}
        for (steps, way), quality in results.items():
            began = time.perf_counter()
            image = replace(sampler, steps=steps).image(ways[way][0], view, ways[way][1]).cpu()
            quality.seconds += time.perf_counter() - began
            quality.windows += len(examples)
            if way == "plain":
                plain[steps] = image
            _add(quality, image, plain[steps], batch, scored.cpu(), changed.cpu())
            for one, own in zip(examples, image.numpy(), strict=True):
                _add_power(quality, one, own, pixel_m)


def _add(
    quality: Quality, image: Tensor, plain: Tensor, batch: Batch, scored: Tensor, changed: Tensor
) -> None:
    def total(values: Tensor, where: Tensor) -> Sums:
        return np.asarray(torch.where(where, values, 0.0).double().sum((0, 2, 3)).numpy())

    squared = (image - batch.truth.cpu()) ** 2
    quality.squared += total(squared, scored)
    quality.changed += total(squared, changed)
    quality.moved += total((image - plain) ** 2, scored)
    quality.pixels += total(torch.ones_like(image), scored)
    quality.changed_pixels += total(torch.ones_like(image), changed)


def _add_power(quality: Quality, example: Example, image: Array, pixel_m: float) -> None:
    """Unknown pixels take the nearest known of the truth in both, as waves need whole windows."""
    there = example.present
    known = np.isfinite(example.truth[there]).all(0)
    if known.mean() < LEAST_KNOWN:
        return
    truth = fill_nearest(np.where(known, example.truth[there], np.float32(np.nan)))
    quality.power[there] += octave_power(np.where(known, image[there], truth), pixel_m)
    quality.true_power[there] += octave_power(truth, pixel_m)


def _root_mean(sums: Sums, pixels: Sums) -> float:
    seen = pixels > 0
    return float(np.sqrt(sums[seen] / pixels[seen]).mean()) if seen.any() else float("nan")


def windows_of(scene: Scene, slots: tuple[str, ...]) -> Iterator[Example]:
    """A scene cut into windows side by side, as examples in a network's slots.

    At most ``WINDOW`` pixels a side and a multiple of 16; what is left over is not used.
    """
    block = scene.block.in_bands(slots)
    present = np.array([band in scene.bands for band in slots])
    truth = np.zeros_like(block.fine_before)
    truth[[slots.index(band) for band in scene.bands]] = scene.truth[0]
    truth[:, ~scene.block.known()[0]] = np.nan
    coarse = [
        smooth(one, block.ratio)
        for one in (block.coarse_before, block.coarse_after, block.coarse[0])
    ]
    images = [fill_nearest(block.fine_before), fill_nearest(block.fine_after), *coarse]
    filled = block.filled(0)
    side = min(WINDOW, *(length // 16 * 16 for length in truth.shape[1:]))
    corners = product(*(range(0, length - side + 1, side) for length in truth.shape[1:]))
    for y, x in corners:
        at = (slice(None), slice(y, y + side), slice(x, x + side))
        if not np.isfinite(truth[at][present]).any():
            continue
        before, after, *cells = (np.ascontiguousarray(image[at]) for image in images)
        yield Example(
            fine_before=before,
            coarse_before=cells[0],
            fine_after=after,
            coarse_after=cells[1],
            coarse=cells[2],
            truth=truth[at],
            filled=filled[at],
            centre=block.centre,
            spread=block.spread,
            present=present,
            days=(block.day_before, block.days[0], block.day_after),
            ratio=block.ratio,
        )


def main() -> None:
    """Command line."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    print_machine(args.device)
    loaded = Checkpoint.load(args.checkpoint, args.device)
    slots = tuple(loaded.card["bands"])
    print(
        f"{args.checkpoint}: card's steps {loaded.card['sampling']['steps']}, "
        f"kappa {loaded.card['sampling']['kappa']}"
    )
    for title, pixel_m, examples in _sets(args, slots, loaded.card):
        results = {
            (steps, way): Quality(len(slots)) for steps in args.steps for way in _ways(steps, args)
        }
        for part in batches(examples):
            loaded.answers(part, pixel_m, results)
        _print(f"{title}, {results[args.steps[0], 'plain'].windows} windows", results, args.steps)


def batches(examples: Sequence[Example]) -> list[Sequence[Example]]:
    """``AT_ONCE`` at a time; a last one alone, which has no other to borrow x_t from, goes with
    those before it."""
    starts = list(range(0, len(examples), AT_ONCE))
    if len(starts) > 1 and len(examples) - starts[-1] == 1:
        starts.pop()
    return [examples[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def _ways(steps: int, args: argparse.Namespace) -> tuple[str, ...]:
    """Shuffled walks at few steps and at the most; a walk without x_t has one step."""
    few = ("plain", "other noise", "other x_t")
    if steps == 1:
        return (*few, "no x_t")
    return few if steps in (5, max(args.steps)) else ("plain",)


def _sets(
    args: argparse.Namespace, slots: tuple[str, ...], card: dict[str, Any]
) -> Iterator[tuple[str, float, list[Example]]]:
    source = WorldSource(args.worlds, seed=1, examples=args.examples, patch=WINDOW)
    if set(slots) == set(source.bands):
        yield "worlds", WORLD_PIXEL_M, [source.example(0, index) for index in range(args.examples)]
    for name in READERS if args.windows else ():
        scenes = [scene for scene in read_set(name, args.data) if "cloud" not in scene.group]
        fits = set(scenes[0].bands) <= set(slots)
        if not fits or named_in(card, name):
            continue
        if not card.get("slots", False) and scenes[0].bands != slots:
            continue
        cut = [window for scene in scenes for window in windows_of(scene, slots)]
        chosen = np.linspace(0, len(cut) - 1, min(args.windows, len(cut))).round().astype(int)
        yield name, scenes[0].pixel_m, [cut[at] for at in chosen]


def _print(title: str, results: dict[tuple[int, str], Quality], steps: Sequence[int]) -> None:
    last = results[max(steps), "plain"].rmse
    ranges = "  ".join(f"{low:.0f}-{high:.0f} m" for low, high in WAVELENGTHS_M)
    print(f"\n{title}\n  steps    RMSE  against most  changed   power {ranges}   ms a window")
    for count in steps:
        one = results[count, "plain"]
        detail = "  ".join(f"{ratio:8.2f}" for ratio in one.detail) or "no window known".rjust(28)
        print(
            f"  {count:5d}  {one.rmse:.4f}  {100 * (one.rmse / last - 1):+10.2f} %  "
            f"{one.rmse_changed:.4f}      {detail}   {1000 * one.seconds / one.windows:8.0f}"
        )
    print("  steps  what is changed    RMSE   change of the prediction over it")
    for (count, way), one in results.items():
        if way != "plain":
            print(f"  {count:5d}  {way:14}  {one.rmse:.4f}   {one.shift:.3f}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Quality by the number of sampling steps.")
    parser.add_argument("checkpoint")
    parser.add_argument("--worlds", type=Path, required=True, help="pool it never saw")
    parser.add_argument("--examples", type=int, default=16, help="of the worlds")
    parser.add_argument("--windows", type=int, default=8, help="of each real set; 0: none")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.examples < 2:
        parser.error(f"--examples {args.examples}: 2 or more, for one borrows the x_t of another")
    if args.windows < 0 or args.windows == 1:
        parser.error(
            f"--windows {args.windows}: 2 or more, for one borrows the x_t of another; 0 for none"
        )
    return args


if __name__ == "__main__":
    main()
