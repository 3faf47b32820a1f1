"""Temporal honesty: does a fused season flicker, and does it jump where its images change?

    python -m benchmarks.roughness                       naive methods and our weights
    python -m benchmarks.roughness --methods guided linear --picture season.png

Each simulated season (model.worlds.timeline) is fused day by day as a region is: from the nearest
references, pixels that were seen clear on the day itself kept as they were.  ``bends``: RMS of the
second differences in time over that of the truth, mean of bands; 1 is the truth's own.  ``steps``:
RMSE of the change from one day to the next.  ``observed`` and ``pair``: how much larger the error
of a step is into and out of a day with an image of its own, and where the references change, than
in the steps beside it; the goal is at most 1.5.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import print_machine
from model.block import COARSE_PAD, Array
from model.card import METHODS
from model.fuser import Fuser, load_fuser
from model.metrics.roughness import jump, roughness
from model.worlds.timeline import Timeline
from pipeline.pixel_series import PixelSeries, draw, some_pixels

WORLDS = (("train", 101), ("train", 102), ("other", 103))
"""Those of docs/evaluation.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """A fused season: consecutive days."""

    days: range
    fused: Array
    """(time, band, y, x)"""
    observed: frozenset[int]
    pair_changes: frozenset[int]
    """Steps, by the place of the day they start from: into or out of a day with an image, and from
    one pair of references to another (mostly there too)."""


def fuse_season(world: Timeline, fuser: Fuser) -> Season:
    """All days from the first that has references on both sides to the last."""
    blocks = list(world.runs())
    days = range(blocks[0].days[0], blocks[-1].days[-1] + 1)
    fused = np.full((len(days), *world.truth.shape[1:]), np.nan, np.float32)
    pairs = {}
    for block in blocks:
        at = [day - days.start for day in block.days]
        fused[at] = fuser.fuse(block).reflectance
        pairs |= dict.fromkeys(block.days, (block.day_before, block.day_after))
    observed, changes = set(), set()
    for day, image, clear in zip(world.fine.days, world.fine.images, world.fine.clear, strict=True):
        if day in days:
            np.copyto(fused[day - days.start], image, where=clear)
            observed |= {day - days.start - 1, day - days.start}
    for day in days[:-1]:
        if pairs.get(day) != pairs.get(day + 1):
            changes.add(day - days.start)
    return Season(
        days=days,
        fused=fused,
        observed=frozenset(observed),
        pair_changes=frozenset(changes),
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Roughness in time of fused seasons.")
    names = ("sa-stf", "guided", "anomaly", "delta", "linear", "linear-series", "whittaker")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=names)
    parser.add_argument(
        "--picture", type=Path, help="pixels of the last world, by the first method"
    )
    args = parser.parse_args()
    print_machine()
    for generator, seed in WORLDS:
        world = Timeline.make(generator, seed)
        print(f"### {generator} {seed}, ratio {world.ratio}\n", flush=True)
        print("| method | bends | steps | observed | pair |\n|---|---|---|---|---|")
        for name in args.methods:
            season = fuse_season(world, load_fuser(name))
            print(f"| {name} | {' | '.join(_scores(season, world))} |", flush=True)
            if args.picture and name == args.methods[0]:
                draw(_pixels(season, world), args.picture, name)
        print()


def _scores(season: Season, world: Timeline) -> Iterator[str]:
    truth = world.truth[season.days.start : season.days.stop]
    rough = roughness(season.fused, truth)
    yield f"{np.mean(rough.bends):.2f}"
    yield f"{np.mean(rough.steps):.4f}"
    for steps in (season.observed, season.pair_changes):
        yield f"{np.mean(jump(season.fused, truth, steps)):.2f}"


def _pixels(season: Season, world: Timeline) -> Iterator[PixelSeries]:
    band = world.bands.index("nir08")
    inside = slice(season.days.start, season.days.stop)
    truth, fused = world.truth[inside, band], season.fused[:, band]

    def dated(days: range | tuple[int, ...]) -> np.ndarray:
        return np.array(days, "datetime64[D]")

    for words, (y, x) in some_pixels(fused):
        row, col = (place // world.ratio + COARSE_PAD for place in (y, x))
        yield PixelSeries(
            title=f"near infrared, {words}: row {y}, column {x}",
            fused=(dated(season.days), fused[:, y, x]),
            truth=(dated(season.days), truth[:, y, x]),
            fine=(dated(world.fine.days), world.fine.images[:, band, y, x]),
            coarse=(dated(season.days), world.coarse[inside, band, row, col]),
        )


if __name__ == "__main__":
    main()
