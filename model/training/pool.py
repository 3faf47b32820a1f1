"""A folder of simulated worlds, so that training never waits for one.

    python -m model.training.pool OUT --worlds 400 --seed 1 [--generator other]

Each world is one ``.npz``: ``truth`` (day, band, y, x) int16 in 1e-4, ``coarse``
(day, band, row, col) float32, ``days``, and the scalars that stand for its 30 m sensor.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from model.worlds import draw
from model.worlds.sensor import see_coarse
from model.worlds.world import World

SIZE_PX = 192
RATIO = 16
DAYS = 20
GENERATORS = {"train": 5, "other": 6}
"""A number for each, so that equal seeds give other worlds."""
GAPS = (1, 1, 2, 2, 3, 4, 6, 9)
"""Days between one stored day and the next."""


def make(index: int, *, out: Path, seed: int, generator: str) -> None:
    """Simulate one world and write it; a file that exists is left alone."""
    path = out / f"{generator}-{seed}-{index:05d}.npz"
    if path.exists():
        return
    rng = np.random.default_rng([seed, index, GENERATORS[generator]])
    recipe = draw.recipe(rng, generator)
    world = World.make(recipe, (SIZE_PX, SIZE_PX), int(rng.integers(2**31)))
    days = np.cumsum(rng.choice(GAPS, DAYS)) + int(rng.integers(0, 50))
    truth = np.stack([world.reflectance(int(day)) for day in days])
    coarse = np.stack([see_coarse(image, recipe.coarse, RATIO, rng) for image in truth])
    partial_path = path.with_suffix(f".{os.getpid()}.tmp")
    with partial_path.open("wb") as file:
        np.savez(
            file,
            truth=np.round(truth * 1e4).astype(np.int16),
            coarse=coarse,
            days=days.astype(np.int32),
            path_gain=recipe.fine.path_gain,
            haze=np.array(recipe.fine.aerosol),
            noise=recipe.fine.noise,
        )
    partial_path.rename(path)


def main() -> None:
    """Fill a pool on all cores; start it again and it goes on."""
    parser = argparse.ArgumentParser(description="Simulate worlds for training.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generator", choices=tuple(GENERATORS), default="train")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    work = partial(make, out=args.out, seed=args.seed, generator=args.generator)
    with ProcessPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(work, range(args.worlds)), 1):
            if done % 50 == 0 or done == args.worlds:
                print(f"{done} of {args.worlds} worlds", flush=True)


if __name__ == "__main__":
    main()
