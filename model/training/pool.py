"""A folder of simulated worlds, so that training never waits for one.

    python -m model.training.pool OUT --worlds 400 --seed 1 [--generator other]
    python -m model.training.pool OUT --worlds 200 --seed 1 --textures FOLDER

The second kind has the textures of real images (``model.worlds.textured``); never commit it where
the images may not be.

Each world is a folder, ``GENERATOR-SEED-INDEX``, written whole:

    truth.npy   (day, band, y, x) int16 reflectance at 1e-4, what a perfect 30 m sensor sees
    coarse.npy  (day, band, row, col) the same, as the coarse sensor sees it, without clouds
    calmed.npy  (day, band, row, col) the same, out of a daily record with clouds, as the product
                fills and calms it (``model.coarse_fill``, ``model.coarse_calm``); UNKNOWN where
                no day near was clear
    filled.npy  (day, row, col) where that day itself was cloudy
    world.json  ``WorldCard``

A world is a function of generator, seed and index.  Ask for more worlds and those that are there
stay; stop it at any time and start it again.
"""

import argparse
import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.coarse_calm import calm_coarse
from model.coarse_fill import fill_coarse
from model.training.augment import CLEAR_COARSE, CLOUDED_COARSE, THIN, draw_sky
from model.training.textures import read_textures
from model.worlds import draw
from model.worlds.recipe import CoarseSensor, FineSensor
from model.worlds.sensor import see_coarse
from model.worlds.spectra import BANDS
from model.worlds.textured import TexturedGround, of_bands
from model.worlds.timeline import EVALUATION_SEEDS, FILL_DAYS
from model.worlds.world import World

SIZE_PX = 192
DAYS = 24
GENERATORS = {"train": 5, "other": 6, "textured": 7}
"""A number for each, so that equal seeds give other worlds."""
GAPS = (1, 1, 1, 2, 2, 3, 4, 6, 8, 12, 16)
"""Days between one stored day and the next: pairs from 1 to about 120 days apart."""
SCALE = 1e-4
UNKNOWN = -32768
CARD = "world.json"


class Ground(Protocol):
    """What a pool can store: a world, or a real texture with simulated change."""

    def reflectance(self, day: float) -> Array:
        """(band, y, x) what a perfect 30 m sensor sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldCard:
    """All of a world that its arrays do not say."""

    generator: str
    seed: int
    index: int
    bands: tuple[str, ...]
    ratio: int
    """Fine pixels along one side of a coarse cell."""
    days: tuple[int, ...]
    centre: tuple[float, ...]
    """(band,) median reflectance."""
    spread: tuple[float, ...]
    """(band,) interquartile range, 0.01 or more."""
    fine: FineSensor
    """The 30 m sensor; it looks when an example is read, anew each time."""
    texture: str | None = None
    """Name of the real image whose texture this is.  Weights trained on it have seen that image."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The card in a world's folder.  Raises ValueError for one that this code cannot read."""
        path = folder / CARD
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            for name in ("bands", "days", "centre", "spread"):
                known[name] = tuple(known[name])
            fine = known.pop("fine")
            fine["aerosol"] = tuple(fine["aerosol"])
            return cls(fine=FineSensor(**fine), **known)
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{folder} is no world that this version reads ({error}); make the pool again "
                "with python -m model.training.pool"
            ) from error


def make(index: int, *, out: Path, seed: int, generator: str) -> None:
    """Simulate one world and write it; one that exists is left alone."""
    folder = out / f"{generator}-{seed}-{index:05d}"
    if folder.exists():
        return
    _check(seed)
    rng = np.random.default_rng([seed, index, GENERATORS[generator]])
    recipe = draw.recipe(rng, generator)
    world = World.make(recipe, (SIZE_PX, SIZE_PX), int(rng.integers(2**31)))
    write(
        folder,
        world,
        recipe.coarse,
        rng,
        generator=generator,
        seed=seed,
        index=index,
        bands=BANDS,
        ratio=recipe.ratio,
        fine=recipe.fine,
    )


def make_textured(index: int, *, out: Path, seed: int, textures: Path) -> None:
    """The same with a real image's texture, drawn from the folder ``textures``."""
    folder = out / f"textured-{seed}-{index:05d}"
    if folder.exists():
        return
    _check(seed)
    rng = np.random.default_rng([seed, index, GENERATORS["textured"]])
    found = read_textures(textures)
    texture = found[rng.integers(len(found))]
    recipe = draw.recipe(rng, str(rng.choice(draw.GENERATORS)))
    ground = TexturedGround.make(texture, SIZE_PX, recipe.flood, recipe.land.relief_m, rng)
    coarse, fine = of_bands(recipe.coarse, recipe.fine, texture.bands)
    write(
        folder,
        ground,
        coarse,
        rng,
        generator="textured",
        seed=seed,
        index=index,
        bands=texture.bands,
        ratio=recipe.ratio,
        fine=fine,
        texture=texture.name,
    )


def write(
    folder: Path, ground: Ground, coarse: CoarseSensor, rng: np.random.Generator, **known: Any
) -> None:
    """Look at ``ground`` on some days with both sensors; ``known`` is the rest of the card."""
    bands, ratio = known["bands"], known["ratio"]
    days = np.cumsum(rng.choice(GAPS, DAYS)) + int(rng.integers(0, 25))
    truth = np.stack([ground.reflectance(int(day)) for day in days])
    seen = np.stack([see_coarse(image, coarse, ratio, rng, bands) for image in truth])

    def look(day: int) -> Array:
        """What the coarse sensor sees on a day, clear."""
        if day in days:
            return np.asarray(seen[np.searchsorted(days, day)])
        return see_coarse(ground.reflectance(day), coarse, ratio, rng, bands)

    every = range(int(days[0]) - FILL_DAYS, int(days[-1]) + FILL_DAYS + 1)
    thin = np.array([THIN[band] for band in bands], np.float32)
    record = np.stack([_clouded(look(day), ratio, thin, rng) for day in every])
    calmed = calm_coarse(record, every, at=days.tolist(), window=FILL_DAYS)
    _, filled = fill_coarse(record, every, window=FILL_DAYS)
    low, middle, high = np.percentile(truth[::4, :, ::3, ::3], (25, 50, 75), axis=(0, 2, 3))
    card = WorldCard(
        **known,
        days=tuple(map(int, days)),
        centre=tuple(map(float, middle)),
        spread=tuple(map(float, np.maximum(high - low, 0.01))),
    )
    partial_folder = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    np.save(partial_folder / "truth.npy", _packed(truth))
    np.save(partial_folder / "coarse.npy", _packed(seen))
    np.save(partial_folder / "calmed.npy", _packed(calmed))
    np.save(partial_folder / "filled.npy", filled[days - every.start])
    (partial_folder / CARD).write_text(json.dumps(asdict(card), indent=1), encoding="utf-8")
    partial_folder.rename(folder)


def _check(seed: int) -> None:
    """Refuse a seed whose worlds no weights may see."""
    if seed in EVALUATION_SEEDS:
        raise ValueError(
            f"worlds of the seeds {EVALUATION_SEEDS.start} to {EVALUATION_SEEDS.stop - 1} are for "
            f"evaluation alone; take another seed than {seed}"
        )


def _clouded(image: Array, ratio: int, thin: Array, rng: np.random.Generator) -> Array:
    """A coarse image (band, row, col) through the clouds of its day, NaN under them."""
    share = 0.0 if rng.random() < CLEAR_COARSE else rng.uniform(*CLOUDED_COARSE)
    sky = draw_sky(rng, image.shape[1:], ratio)
    seen = sky.seen_through(image, share, thin, rng)
    return np.where(sky.cloud(share), np.float32(np.nan), seen)


def _packed(images: Array) -> NDArray[np.int16]:
    counts = np.round(images / SCALE).clip(UNKNOWN + 1, -UNKNOWN - 1)
    return np.where(np.isfinite(images), counts, UNKNOWN).astype(np.int16)


def main() -> None:
    """Fill a pool on all cores; start it again and it goes on."""
    parser = argparse.ArgumentParser(description="Simulate worlds for training.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--generator", choices=draw.GENERATORS, default="train")
    kind.add_argument("--textures", type=Path, help="folder of real images: .npy or a scene set")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    work = (
        partial(make, out=args.out, seed=args.seed, generator=args.generator)
        if args.textures is None
        else partial(make_textured, out=args.out, seed=args.seed, textures=args.textures)
    )
    with ProcessPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(work, range(args.worlds)), 1):
            if done % 50 == 0 or done == args.worlds:
                print(f"{done} of {args.worlds} worlds", flush=True)


if __name__ == "__main__":
    main()
