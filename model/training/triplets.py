"""Training examples: two references and a target cut out of a pool of worlds.

What the pipeline does to real inputs is done here too, by the same rules: clouded coarse cells
are filled in time, holes of a reference from another date shifted by the coarse change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.training.pool import RATIO
from model.upsample import bilinear, smooth
from model.worlds.sensor import cloud_mask

MAX_SPAN_DAYS = 120
FILL_DAYS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Triplet:
    """One example, on the fine grid; (band, y, x) reflectance."""

    fine_before: Array
    fine_after: Array
    coarse_before: Array
    coarse_after: Array
    coarse: Array
    truth: Array
    centre: Array
    spread: Array
    days: tuple[int, int, int]
    """Earlier reference, target, later reference."""


def triplets(
    pool: Path, *, patch: int, seed: int, augment: bool, eventful: float = 0.0
) -> Iterator[Triplet]:
    """Draw examples for ever, worlds in random order; the same seed gives the same ones.

    A share ``eventful`` of them is the more surprising one of two: floods and harvests between
    the references are rare, and without this the network learns to distrust what they show.
    """
    files = sorted(pool.glob("*.npz"))
    if not files:
        raise FileNotFoundError(
            f"no worlds in {pool}; make some with python -m model.training.pool"
        )
    rng = np.random.default_rng(seed)
    while True:
        with np.load(files[rng.integers(len(files))]) as world:
            world = dict(world)
        for _ in range(6):  # reading a world costs about as much as six examples
            drawn = [
                draw_triplet(world, rng, patch=patch, augment=augment)
                for _ in range(2 if rng.random() < eventful else 1)
            ]
            yield max(drawn, key=surprise)


def surprise(triplet: Triplet) -> float:
    """How far the target day is from what time alone predicts, in units of the spread."""
    t0, t1, t2 = triplet.days
    w = (t1 - t0) / (t2 - t0)
    linear = (1 - w) * triplet.fine_before + w * triplet.fine_after
    return float(np.mean(((triplet.truth - linear) / triplet.spread[:, None, None]) ** 2))


def draw_triplet(
    world: dict[str, NDArray[Any]], rng: np.random.Generator, *, patch: int, augment: bool
) -> Triplet:
    """One example out of one world."""
    days = world["days"]
    i, j, k = _dates(days, rng)
    y, x = RATIO * rng.integers(0, (np.array(world["truth"].shape[2:]) - patch) // RATIO + 1)
    at = (slice(None), slice(y, y + patch), slice(x, x + patch))
    truth = world["truth"].astype(np.float32) / 1e4
    coarse = {day: _clouded(world, day, rng) for day in (i, j, k)}
    cells = {day: _padded(image, (y, x), patch) for day, image in coarse.items()}
    fine = {}
    for reference in (i, k):
        fine[reference] = _seen(world, truth[reference][at], rng)
        other = reference - 1 if reference == i else reference + 1
        if 0 <= other < len(days) and other != j and rng.random() < 0.4:
            elsewhere = _padded(world["coarse"][other], (y, x), patch)
            filling = _seen(world, truth[other][at], rng) + bilinear(
                cells[reference] - elsewhere, RATIO
            )
            hole = cloud_mask(rng, (patch, patch), rng.uniform(0.3, 1), 20)
            fine[reference] = np.where(hole, filling, fine[reference])
    low, middle, high = np.percentile(truth[::4, :, ::3, ::3], (25, 50, 75), axis=(0, 2, 3))
    triplet = Triplet(
        fine_before=fine[i],
        fine_after=fine[k],
        coarse_before=smooth(cells[i], RATIO),
        coarse_after=smooth(cells[k], RATIO),
        coarse=smooth(cells[j], RATIO),
        truth=truth[j][at],
        centre=middle.astype(np.float32),
        spread=np.maximum(high - low, 0.01).astype(np.float32),
        days=(int(days[i]), int(days[j]), int(days[k])),
    )
    return _augmented(triplet, rng) if augment else triplet


def _dates(days: NDArray[Any], rng: np.random.Generator) -> tuple[int, int, int]:
    """Target in the middle, both spans about log-uniform from 1 to 60 days."""
    j = int(rng.integers(1, len(days) - 1))
    spans = np.exp(rng.uniform(0, np.log(MAX_SPAN_DAYS / 2), 2))
    i = min(int(np.abs(days[j] - spans[0] - days).argmin()), j - 1)
    k = max(int(np.abs(days[j] + spans[1] - days).argmin()), j + 1)
    return i, j, k


def _clouded(world: dict[str, NDArray[Any]], day: int, rng: np.random.Generator) -> Array:
    """A coarse day, part of it filled from the days around it as the pipeline fills clouds."""
    image, days = world["coarse"][day], world["days"]
    if rng.random() < 0.3:
        return image
    sides = []
    for step in (-1, 1):
        near = day + step * int(rng.integers(1, 3))
        inside = 0 <= near < len(days) and abs(days[near] - days[day]) <= FILL_DAYS
        sides.append(near if inside else None)
    before, after = sides
    if before is None and after is None:
        return image
    if before is None or after is None:
        filled = world["coarse"][before if after is None else after]
    else:
        w = (days[day] - days[before]) / (days[after] - days[before])
        filled = (1 - w) * world["coarse"][before] + w * world["coarse"][after]
    cloud = cloud_mask(rng, image.shape[1:], rng.uniform(0, 1), 6)
    return np.where(cloud, filled, image).astype(np.float32)


def _padded(image: Array, at: tuple[int, int], patch: int) -> Array:
    rows, cols = (
        np.clip(
            np.arange(start // RATIO - COARSE_PAD, (start + patch) // RATIO + COARSE_PAD), 0, n - 1
        )
        for start, n in zip(at, image.shape[1:], strict=True)
    )
    return image[:, rows][:, :, cols]


def _seen(world: dict[str, NDArray[Any]], truth: Array, rng: np.random.Generator) -> Array:
    gain = 1 + float(world["path_gain"]) * (
        0.8 * rng.standard_normal() + 0.6 * rng.standard_normal(6)
    )
    haze = world["haze"] * rng.standard_normal()
    noise = float(world["noise"]) * rng.standard_normal(truth.shape)
    return (truth * gain[:, None, None] + haze[:, None, None] + noise).astype(np.float32)


def _augmented(triplet: Triplet, rng: np.random.Generator) -> Triplet:
    """Eight flips and turns, time reversed in half, brighter or darker, another colour."""
    gain = rng.uniform(0.8, 1.25) * rng.uniform(0.9, 1.1, (6, 1, 1)).astype(np.float32)
    turn, flip, backwards = int(rng.integers(4)), rng.random() < 0.5, rng.random() < 0.5

    def changed(image: Array) -> Array:
        turned = np.rot90(image, turn, (1, 2))
        return ((turned[:, :, ::-1] if flip else turned) * gain).astype(np.float32)

    before, after = changed(triplet.fine_before), changed(triplet.fine_after)
    coarse_before, coarse_after = changed(triplet.coarse_before), changed(triplet.coarse_after)
    t0, t1, t2 = triplet.days
    if backwards:
        before, after = after, before
        coarse_before, coarse_after = coarse_after, coarse_before
        t0, t2 = 2 * t1 - t2, 2 * t1 - t0
    return Triplet(
        fine_before=before,
        fine_after=after,
        coarse_before=coarse_before,
        coarse_after=coarse_after,
        coarse=changed(triplet.coarse),
        truth=changed(triplet.truth),
        centre=triplet.centre * gain[:, 0, 0],
        spread=np.maximum(triplet.spread * gain[:, 0, 0], 0.01),
        days=(t0, t1, t2),
    )
