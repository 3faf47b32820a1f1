"""Train the default network on simulated worlds.

    python -m model.training.pool POOL --worlds 400 --seed 1
    python -m model.training.pool OTHER --worlds 40 --seed 2 --generator other
    python -m model.training.train POOL OTHER OUT --hours 1 --seed 1

Predicts the correction to ``anomaly`` (model.frame), from a head that starts at zero: before the
first step it already equals that baseline.  Stops by the clock; the learning rate follows it.
"""

import argparse
import json
import math
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model import checkpoint
from model.card import read_card
from model.diffusion import Schedule, degrade, rddm, sampling_steps, step_back
from model.frame import Images, View, frame_of
from model.sastf.conditions import condition_vector
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.training.pool import RATIO
from model.training.triplets import Triplet, triplets

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
CONFIG = NetworkConfig(bands=6, width=16, groups=16, contrast=True, conditions=("dates",))
FRAME = "anomaly"
LEVELS, SUM_SCALE = 100, 0.01
SAMPLING = {
    "schedule": "rddm",
    "levels": LEVELS,
    "sum_scale": SUM_SCALE,
    "steps": 1,
    "kappa": 1.0,
    "window_px": 128,
    "overlap_px": 32,
    "halo_px": 16,
}
BATCH = 8
EMA = 0.998
EVENTFUL = 0.7
"""Share of the examples that are the more surprising one of two."""
KNEE = 0.5
"""Charbonnier: squares below half of the spread, absolute values above.  At 0.1 the first stage
gained on quiet pixels and hardly under floods, where errors are large."""
LOG_EVERY, CHECK_EVERY = 50, 250
CHECKED = 48
"""Examples of the other generator that a model is chosen on."""


def batches(source: Iterator[Triplet]) -> Iterator[list[Triplet]]:
    """Examples in lists of ``BATCH``."""
    while True:
        yield list(islice(source, BATCH))


def to_view(batch: list[Triplet]) -> tuple[View, Tensor, Tensor, Tensor]:
    """The network's view of a batch, its dates, the truth and the spread."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(t, name) for t in batch]))

    t0, t1, t2 = torch.tensor([t.days for t in batch]).T
    weight = (t1 - t0) / (t2 - t0)
    images = Images(
        stack("fine_before"),
        stack("coarse_before"),
        stack("fine_after"),
        stack("coarse_after"),
        stack("coarse"),
    )
    spread = stack("spread")
    ratio, present = torch.full((len(batch),), RATIO), torch.ones(spread.shape)
    frame = frame_of(FRAME, contrast=CONFIG.contrast)
    view = frame.view(images, None, weight, stack("centre"), spread, RATIO, present)
    told = condition_vector(CONFIG, weight, t1 - t0, t2 - t1, ratio, present)
    assert told is not None
    return view, told, stack("truth"), spread[:, :, None, None]


def predict(
    network: Network, view: View, x: Tensor, t: Tensor, dates: Tensor, s: Schedule
) -> Tensor:
    """The network's clean image in its own space."""
    known = view.known
    references = network.encode_references(
        known.fine_before, known.coarse_before, known.fine_after, known.coarse_after
    )
    return network.denoise(x, network.encode(known.coarse, references), s.levels(t), dates)


def loss_of(network: Network, batch: list[Triplet], schedule: Schedule) -> Tensor:
    """Charbonnier loss of the reflectance, in units of each band's spread."""
    view, dates, truth, spread = to_view(batch)
    # Half of the samples at the last level, where every sampling starts.
    t = torch.randint(1, LEVELS + 1, (len(batch),))
    t[torch.rand(len(batch)) < 0.5] = LEVELS
    x = degrade(view.to_network(truth), view.start, torch.randn_like(truth), t, schedule)
    with torch.autocast("cpu", torch.bfloat16):
        answer = predict(network, view, x, t, dates, schedule)
    fine = view.to_reflectance(answer.float())
    return (((fine - truth) / spread).square() + KNEE**2).sqrt().mean() - KNEE


@torch.inference_mode()
def validate(network: Network, examples: list[Triplet], schedule: Schedule) -> dict[str, float]:
    """RMSE of the network by its number of steps, beside ``anomaly`` and ``linear``."""
    network.eval()
    errors: dict[str, list[Tensor]] = {"anomaly": [], "linear": [], "1 step": [], "2 steps": []}
    changed: dict[str, list[Tensor]] = {name: [] for name in errors}
    generator = torch.Generator().manual_seed(0)
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        view, dates, truth, _ = to_view(batch)
        w = (dates[:, 0] + 1)[:, None, None, None] / 2
        before, after = (
            torch.from_numpy(np.stack([getattr(t, n) for t in batch]))
            for n in ("fine_before", "fine_after")
        )
        linear = (1 - w) * before + w * after
        images = {"anomaly": view.base, "linear": linear}
        for steps, name in ((1, "1 step"), (2, "2 steps")):
            noise = torch.randn(truth.shape, generator=generator)
            x = view.start + schedule.start_noise * noise
            for t, t_prev in sampling_steps(LEVELS, steps):
                fine = predict(network, view, x, torch.full((len(batch),), t), dates, schedule)
                x = step_back(x, fine, view.start, t, t_prev, schedule)
            images[name] = view.to_reflectance(x)
        large = ((truth - linear).abs() > 0.05).any(1, keepdim=True).expand_as(truth)
        for name, image in images.items():
            error = (image - truth).square()
            errors[name].append(error.mean((0, 2, 3)))
            changed[name].append(error[large])
    scores = {name: float(torch.stack(e).mean(0).sqrt().mean()) for name, e in errors.items()}
    scores |= {f"{n}, changed": float(torch.cat(e).mean().sqrt()) for n, e in changed.items()}
    return {name: round(score, 5) for name, score in scores.items()}


def train(
    pool: Path,
    other: Path,
    out: Path,
    *,
    hours: float,
    patch: int,
    rate: float,
    seed: int,
    start: Path | None,
) -> None:
    """Train until the clock says so, keep the moving average with the best validation score."""
    torch.manual_seed(seed)
    schedule = rddm(LEVELS, SUM_SCALE)
    if start is None:
        network = Network(CONFIG)
        head = network.decoder.head[-1]
        assert isinstance(head, nn.Conv2d)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        history: list[dict[str, Any]] = []
    else:
        network, _ = checkpoint.load(start)
        history = read_card(start)["training"]
    average = deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    held = list(islice(triplets(other, patch=128, seed=0, augment=False), CHECKED))
    source = batches(triplets(pool, patch=patch, seed=seed, augment=True, eventful=EVENTFUL))
    began, step, best, running = time.monotonic(), 0, math.inf, 0.0
    log: list[dict[str, float]] = []
    commit = _commit()
    command = (
        f"python -m model.training.train {pool.name} {other.name} OUT --hours {hours} "
        f"--patch {patch} --rate {rate} --seed {seed}" + (" --start FIRST" if start else "")
    )
    share = 0.0
    while share < 1 or step % CHECK_EVERY:
        share = (time.monotonic() - began) / (3600 * hours)
        warm = min(1.0, (step + 1) / 200)
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * max(0.5 * (1 + math.cos(math.pi * min(share, 1))), 0.01)
        network.train()
        loss = loss_of(network, next(source), schedule)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        keep = min(EMA, step / (step + 100))
        with torch.no_grad():
            for a, b in zip(average.parameters(), network.parameters(), strict=True):
                a.lerp_(b, 1 - keep)
        running += loss.item()
        if step % LOG_EVERY == 0:
            print(
                f"step {step} loss {running / LOG_EVERY:.5f} {100 * share:.0f} % of the time",
                flush=True,
            )
            running = 0.0
        if step % CHECK_EVERY == 0:
            scores = validate(average, held, schedule)
            log.append({"step": step, **scores})
            print(json.dumps(log[-1]), flush=True)
            if scores["1 step"] < best:
                best = scores["1 step"]
                checkpoint.save(
                    out,
                    average,
                    {
                        "bands": BANDS,
                        "frame": FRAME,
                        "sampling": SAMPLING,
                        "training": [
                            *history,
                            {
                                "command": command,
                                "seed": seed,
                                "minutes": round((time.monotonic() - began) / 60, 1),
                                "steps": step,
                                "examples": step * BATCH,
                                "patch_px": patch,
                                "ratio": RATIO,
                                "data": f"simulated worlds: {_worlds(pool)}; "
                                f"chosen on {_worlds(other)}",
                                "machine": f"{platform.processor() or platform.machine()}, "
                                f"{torch.get_num_threads()} threads, torch {torch.__version__}",
                                "commit": commit,
                                "rmse_on_other_generator": scores,
                            },
                        ],
                    },
                )


def _commit() -> str:
    """The code that trains: its commit, and whether the tree differed from it."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


def _worlds(pool: Path) -> str:
    """How many worlds of which generator and seed a pool holds; its file names say."""
    names = Counter(path.stem.rpartition("-")[0] for path in pool.glob("*.npz"))
    return ", ".join(f"{count} of {kind} (generator-seed)" for kind, count in sorted(names.items()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train SA-STF on simulated worlds.")
    parser.add_argument("pool", type=Path)
    parser.add_argument("other", type=Path, help="pool of the other generator, for validation")
    parser.add_argument("out", type=Path)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--patch", type=int, default=64, help="pixels, a multiple of 16")
    parser.add_argument("--rate", type=float, default=8e-4, help="learning rate at its highest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train(
        args.pool,
        args.other,
        args.out,
        hours=args.hours,
        patch=args.patch,
        rate=args.rate,
        seed=args.seed,
        start=args.start,
    )


if __name__ == "__main__":
    main()
