"""The jump across window and block borders, relative to the jump inside.

    python -m benchmarks.windows                          the default weights as their card says
    python -m benchmarks.windows --window 128 --overlap 32 --halo 16 --halo 64 --steps 1 --steps 5
    python -m benchmarks.windows --checkpoint random      random weights: large, true seams

The field is the network's own doing, prediction minus the ``anomaly`` baseline.  A jump is the
mean absolute difference of the pixels on both sides of a place, over bands, rows (columns) and
places.  Both ratios compare the same places with and without a border: nothing of the land is in
them, and 1 is no seam.

window   places where a window of the lattice begins or ends, in a scene fused as one block; against
         the same scene with the lattice shifted
middle   the same midway in the overlaps, where the weights change fastest
block    borders of tiles, each fused as a block of its own with its halo; against the scene fused
         as one block
shift    mean absolute difference of these two beside the tile borders, over the mean of the field
centre   the authors' way: windows of 256 at stride 128, each sampled alone, the middle 128 kept
         (tiles of 128 with a halo of 64); ``half`` the same with 128, 64 and 64

``computed / kept`` counts the pixels of all windows per pixel of a tile of 512 and of 256.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.common import DATA, print_machine
from model.block import COARSE_PAD, Array, Block
from model.frame import frame_of
from model.fuser import load_fuser
from model.network_fuser import NetworkFuser
from model.networks import network_of
from model.windows import plan_windows
from model.worlds import draw
from model.worlds.sensor import see_coarse
from model.worlds.spectra import BANDS
from model.worlds.world import World
from pipeline.real_sets import READERS

STRIDE = 16
SIDE = 384
SCENES = ("smooth", "world", "shenzhen", "tsstf")
REAL = {
    "shenzhen": ("shenzhen-etm-mod09", "one-sided, ratio 16"),
    "tsstf": ("tsstf-6band-simcoarse", "one-sided"),
}
"""Folder of a real set, and which of its scenes in ``pipeline.real_sets``."""

MICROMETRES = dict(zip(BANDS, (0.48, 0.56, 0.66, 0.86, 1.61, 2.2), strict=True))
BAND_FIRST = (
    "fine_before",
    "fine_after",
    "coarse_before",
    "coarse_after",
    "centre",
    "spread",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a scene is cut."""

    name: str
    window: int
    overlap: int
    halo: int
    tile: int


def main() -> None:
    """Measure every scene, layout and number of steps that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.windows",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", default="default", help="folder, default or random")
    parser.add_argument("--window", type=int, help="pixels, the card's unless given")
    parser.add_argument("--overlap", type=int, action="append", help="pixels, again for more")
    parser.add_argument("--halo", type=int, action="append", help="pixels, again for more")
    parser.add_argument("--steps", type=int, action="append", help="again for more")
    parser.add_argument("--tile", type=int, default=192, help="side of a block without its halo")
    parser.add_argument("--scene", action="append", choices=SCENES, help="all unless given")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real sets")
    parser.add_argument("--no-centre", action="store_true", help="leave the authors' way out")
    args = parser.parse_args()

    fuser = load(args.checkpoint)
    window = args.window or fuser.window
    layouts = [
        Layout(name="", window=window, overlap=overlap, halo=halo, tile=args.tile)
        for overlap, halo in product(args.overlap or [fuser.overlap], args.halo or [fuser.halo])
    ]
    if wrong := [one.overlap for one in layouts if window - one.overlap <= STRIDE]:
        parser.error(f"--overlap {wrong[0]}: windows of {window} must lie over {STRIDE} apart")
    if not args.no_centre:
        for name, size in (("centre", 256), ("half", 128)):
            half = size // 2
            layouts.append(Layout(name=name, window=size, overlap=half, halo=half // 2, tile=half))
    print_machine()
    print(f"weights   {args.checkpoint}, identity {fuser.sha[:12]}; tiles of {args.tile} pixels")
    print(f"{'':30}size overlap halo  |  jump: window middle  block   shift  |  computed / kept")
    for name in args.scene or SCENES:
        region = read_scene(name, args.data, fuser.bands)
        if region is None:
            print(f"{name:12}left out: no {REAL[name][0]} in {args.data}")
            continue
        whole_of = cache(partial(fuse_whole, fuser, region))
        for steps, layout in product(args.steps or [fuser.sampler.steps], layouts):
            made = measure(with_steps(fuser, steps), region, layout, whole_of)
            cost = "  ".join(f"{computed_per_kept(layout, tile):.2f}" for tile in (512, 256))
            print(
                f"{name:12}{steps:3} steps {layout.name:8}{layout.window:6}{layout.overlap:8}"
                f"{layout.halo:5}  |  {made.window:12.3f}{made.middle:7.3f}{made.block:7.3f}"
                f"{made.shift:8.4f}  |  {cost}",
                flush=True,
            )


def load(checkpoint: str) -> NetworkFuser:
    """The fuser of a checkpoint; ``random`` has the default's shape and random weights.

    Its frame is ``anomaly``, which looks no further than three cells: ``guided`` weighs all cells
    of a block together, so blocks do not agree to the bit, and random weights make any
    difference large.
    """
    folder = None if checkpoint == "random" else checkpoint
    fuser = NetworkFuser.load(folder, device="cpu", steps=None, seed=0, samples=0)
    if checkpoint == "random":
        fuser = replace(
            fuser,
            network=network_of(fuser.network.config).eval(),
            frame=frame_of("anomaly", contrast=fuser.network.config.contrast),
            upsample="smooth",
            sha="random",
        )
    return fuser


def with_steps(fuser: NetworkFuser, steps: int) -> NetworkFuser:
    return replace(fuser, sampler=replace(fuser.sampler, steps=steps))


def read_scene(name: str, data: Path, bands: tuple[str, ...]) -> Block | None:
    """A scene as one block of a whole region in ``bands``; None where a real set is missing."""
    if name == "smooth":
        return smooth_scene()
    if name == "world":
        return world_scene()
    folder, group = REAL[name]
    if not (data / folder).is_dir():
        return None
    scene = next(scene for scene in READERS[name](data) if scene.group == group)
    return in_bands(between(scene.block, scene.truth[0]), bands)


def smooth_scene() -> Block:
    """Two dates and a day between that differ by hills of about 2 km; no texture at all."""
    rng = np.random.default_rng(0)

    def hills(*leading: int) -> Array:
        white = rng.standard_normal((*leading, SIDE, SIDE))
        hill = gaussian_filter(white, (*[0] * len(leading), 64, 64), mode="wrap")
        return np.asarray(0.2 + 0.05 * hill / hill.std(), np.float32)

    before, change, day = hills(6), hills(6) - 0.2, hills(6) - 0.2
    return region_block(before, before + change, before + 0.5 * change + 0.5 * day, 16)


def world_scene() -> Block:
    """A simulated world of the ``other`` generator, which no shipped network was trained on."""
    rng = np.random.default_rng(11)
    recipe = draw.recipe(rng, "other")
    world = World.make(recipe, (SIDE, SIDE), 11)
    fine = {day: np.asarray(world.reflectance(day), np.float32) for day in (40, 60, 80)}
    coarse = {day: see_coarse(image, recipe.coarse, 16, rng) for day, image in fine.items()}
    return region_block(fine[40], fine[80], None, 16, coarse=[coarse[day] for day in (40, 80, 60)])


def between(block: Block, later: Array) -> Block:
    """Both dates of a real pair as references, and a day between that drifts from one to the other.

    The mixture of the two real coarse images changes over the scene by hills of 2 km.
    """
    white = np.random.default_rng(1).standard_normal(block.coarse.shape[2:])
    hill = gaussian_filter(white, 4, mode="wrap")
    share = 0.5 + 0.4 * hill / hill.std()
    return replace(
        block,
        fine_after=later,
        coarse_after=block.coarse[0],
        coarse=(block.coarse_before + share * (block.coarse[0] - block.coarse_before)).astype(
            np.float32
        )[None],
        day_after=block.day_before + 64,
        days=(block.day_before + 32,),
        series=None,  # of other dates than these; no network asks for one
    )


def in_bands(block: Block, bands: tuple[str, ...]) -> Block:
    """``block`` with the nearest band it has in the place of each of ``bands``."""
    have = [MICROMETRES[band] for band in block.bands]
    at = [int(np.argmin([abs(MICROMETRES[band] - one) for one in have])) for band in bands]
    return replace(
        block,
        bands=bands,
        **{name: getattr(block, name)[at] for name in BAND_FIRST},
        coarse=block.coarse[:, at],
    )


def region_block(
    before: Array, after: Array, day: Array | None, ratio: int, coarse: Sequence[Array] = ()
) -> Block:
    """A region as one block; the coarse images are cell means unless given."""
    if day is not None:
        cells = (SIDE // ratio, ratio)
        coarse = [one.reshape(6, *cells, *cells).mean((2, 4)) for one in (before, after, day)]
    pad = (COARSE_PAD, COARSE_PAD)
    c0, c2, c1 = (np.pad(one, ((0, 0), pad, pad), mode="edge") for one in coarse)
    low, centre, high = np.percentile(before, (25, 50, 75), axis=(1, 2))
    return Block(
        bands=BANDS,
        fine_before=before,
        fine_after=after,
        coarse_before=c0.astype(np.float32),
        coarse_after=c2.astype(np.float32),
        coarse=c1.astype(np.float32)[None],
        day_before=40,
        day_after=80,
        days=(60,),
        ratio=ratio,
        origin=(-176, 3056),
        centre=centre.astype(np.float32),
        spread=np.maximum(high - low, 0.01).astype(np.float32),
    )


def part(block: Block, y: slice, x: slice) -> Block:
    """A part of a region that starts and ends on coarse cells; around it the region goes on."""
    cells = (
        ...,
        slice(y.start // block.ratio, y.stop // block.ratio + 2 * COARSE_PAD),
        slice(x.start // block.ratio, x.stop // block.ratio + 2 * COARSE_PAD),
    )
    return replace(
        block,
        fine_before=block.fine_before[:, y, x],
        fine_after=block.fine_after[:, y, x],
        coarse_before=block.coarse_before[cells],
        coarse_after=block.coarse_after[cells],
        coarse=block.coarse[cells],
        origin=(block.origin[0] + y.start, block.origin[1] + x.start),
    )


def fuse_whole(
    fuser: NetworkFuser, region: Block, window: int, overlap: int, steps: int, move: int
) -> Array:
    """A region as one block, the lattice moved against it along both axes."""
    row, col = region.origin
    moved = replace(region, origin=(row + move, col + move))
    fuser = replace(with_steps(fuser, steps), window=window, overlap=overlap)
    return fuser.fuse(moved).reflectance[0]


def fuse_tiled(fuser: NetworkFuser, region: Block, tile: int, halo: int) -> Array:
    """The region tile by tile, each with its halo in whole cells clipped to the region."""
    margin = -(-halo // region.ratio) * region.ratio
    answer = np.empty_like(region.fine_before)
    _, height, width = answer.shape

    def around(at: slice, length: int) -> tuple[slice, slice]:
        """The block along one axis, and the tile in it."""
        start = max(at.start - margin, 0)
        inner = slice(at.start - start, at.stop - start)
        return slice(start, min(at.stop + margin, length)), inner

    for rows, cols in product(edges(height, tile), edges(width, tile)):
        (y, inner_y), (x, inner_x) = around(rows, height), around(cols, width)
        block = replace(part(region, y, x), core=(inner_y, inner_x))
        answer[:, rows, cols] = fuser.fuse(block).reflectance[0][:, inner_y, inner_x]
    return answer


def edges(length: int, tile: int) -> list[slice]:
    return [slice(start, min(start + tile, length)) for start in range(0, length, tile)]


@dataclass(frozen=True, slots=True)
class Jumps:
    """What one layout does to one scene."""

    window: float
    middle: float
    block: float
    shift: float


def measure(
    fuser: NetworkFuser, region: Block, layout: Layout, whole_of: Callable[..., Array]
) -> Jumps:
    """All borders of a scene together; ``whole_of`` remembers ``fuse_whole`` of it."""
    fuser = replace(fuser, window=layout.window, overlap=layout.overlap)
    tile, move = max(layout.tile // region.ratio, 1) * region.ratio, lattice_shift(layout)
    start = load_fuser("anomaly").fuse(region).reflectance[0]
    whole, moved = (
        whole_of(layout.window, layout.overlap, fuser.sampler.steps, by) - start for by in (0, move)
    )
    tiled = fuse_tiled(fuser, region, tile, layout.halo) - start
    sums = np.zeros((4, 2))  # (window, middle, block, shift) x (with a border, without)
    for axis, length in ((1, start.shape[1]), (2, start.shape[2])):
        at = region.origin[axis - 1]
        here, there = (window_borders(layout, at + by, length) for by in (0, move))
        for kind in (0, 1):
            one, other = here[kind].difference(*there), there[kind].difference(*here)
            sums[kind, 0] += jump(whole, one, axis) + jump(moved, other, axis)
            sums[kind, 1] += jump(moved, one, axis) + jump(whole, other, axis)
        tiles = {at.start for at in edges(length, tile)[1:]}
        sums[2] += jump(tiled, tiles, axis), jump(whole, tiles, axis)
        rows = [at + side for at in tiles for side in (-1, 0)]
        sums[3, 0] += np.nanmean(np.abs((tiled - whole).take(rows, axis)))
        sums[3, 1] += np.nanmean(np.abs(whole))
    return Jumps(*(sums[:, 0] / sums[:, 1]).tolist())


def window_borders(layout: Layout, origin: int, length: int) -> tuple[set[int], set[int]]:
    """Where windows begin or end along one axis of a region in one block, and where they meet."""
    plan = plan_windows((layout.window, length), layout.window, layout.overlap, origin=(0, origin))
    ends = {at for window in plan for at in (window.x.start, window.x.stop)} - {0, length}
    return ends, {window.x.stop - layout.overlap // 2 for window in plan[:-1]} - ends


def lattice_shift(layout: Layout) -> int:
    """Whole strides (the network's own pattern repeats with them) that part the borders most."""
    pitch = layout.window - layout.overlap
    borders = {at % pitch for at in (0, layout.overlap, layout.overlap // 2)}
    return max(
        range(STRIDE, pitch, STRIDE),
        key=lambda by: len(borders - {(at - by) % pitch for at in borders}),
    )


def jump(field: Array, borders: set[int], axis: int) -> float:
    """Sum over the borders of the mean absolute difference of the pixels on both sides."""
    before = np.asarray(sorted(borders), np.int64) - 1
    across = np.abs(field.take(before + 1, axis) - field.take(before, axis))
    return float(np.nanmean(across)) * len(before) if len(before) else 0.0


def computed_per_kept(layout: Layout, tile: int) -> float:
    """Pixels of windows per pixel of a tile inside its region, mean over places on the lattice."""
    if layout.name:  # one window a tile, whatever the tile of the product
        return (layout.window / layout.tile) ** 2
    window, overlap, side = layout.window, layout.overlap, tile + 2 * layout.halo
    core = (slice(0, window), slice(layout.halo, layout.halo + tile))
    counts = [
        len(plan_windows((window, side), window, overlap, origin=(0, origin), core=core))
        for origin in range(0, window - overlap, STRIDE)
    ]
    return (float(np.mean(counts)) * min(window, side) / tile) ** 2


if __name__ == "__main__":
    main()
