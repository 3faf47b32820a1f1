"""Is the stated uncertainty true, and is it worth more than simpler ones?

    python -m model.training.pool CALIBRATION --worlds 48 --seed 9
    python -m model.training.pool OTHER --worlds 48 --seed 7 --generator other
    daily30 weights calibrate DIR --worlds CALIBRATION
    python -m benchmarks.uncertainty --checkpoint DIR --fit CALIBRATION --worlds OTHER

Every table has the card's sigma beside three that are fitted to examples of CALIBRATION:
one constant for all bands, a constant a band (both cover 90 % there), and one by the days to both
references.  ``covers`` is the share of pixels in the 90 % interval, ``deciles`` the smallest and
largest such share over tenths of sigma, from small to large; CRPS and interval score (IS) are
proper scores (model.proper_scores) in 1e-4 reflectance, smaller is better.  OTHER are
worlds that neither the network nor the calibration saw, here of another generator as well; the card
says what it was calibrated on.  Truth is the surface there; on the real sets it is what the fine
sensor saw, with its own noise, haze and calibration.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import DATA, print_machine
from model.block import Array
from model.card import CheckpointError, locate, read_card
from model.network_fuser import NetworkFuser
from model.proper_scores import SHARE, Z90, coverage_by_decile, covered, crps, interval_score
from model.training.calibrate import Errors, Part, measure
from model.training.mixed import InSlots
from model.training.world_source import WorldSource
from model.uncertainty import FEATURES, KnownDay, features, fit
from pipeline.real_sets import READERS, Scene, named_in, read_set

DAYS = tuple(name for name in FEATURES if name.startswith("days to"))

Sigmas = Mapping[str, Callable[[Array, Sequence[str]], Array]]
"""Ways to state sigma from (feature, band, pixel) for bands by name."""


def main() -> None:
    """Command line."""
    args = _arguments()
    print_machine()
    folder = locate(args.checkpoint)
    try:
        card = read_card(folder)
        fuser = NetworkFuser.load(
            folder, device=args.device, steps=None, seed=args.seed, samples=args.samples
        )
    except CheckpointError as error:
        raise SystemExit(f"{error}") from error
    if fuser.calibration is None:
        raise SystemExit(f"{folder} is not calibrated: daily30 weights calibrate {folder}")

    def errors(pools: Sequence[Path], seed: int) -> Errors:
        source = WorldSource(pools, seed=seed, examples=args.examples, patch=args.patch)
        part = Part(source=InSlots(source, fuser.bands), indices=range(args.examples))
        return measure(fuser, card["frame"], [part])

    ways = {"card": fuser.calibration.sigma, **_simple(errors(args.fit, 0), fuser.bands)}
    found = errors(args.worlds, args.seed + 1)
    print(f"\n## worlds: {', '.join(map(str, args.worlds))}, {args.examples} examples")
    _print(_rows(found.values, found.error, fuser.bands, ways))
    for name in args.sets:
        if named_in(card, name):
            print(f"\n## {name}: the card names it, so nothing is scored here")
            continue
        for line in _real(fuser, read_set(name, args.data), ways):
            print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score the stated uncertainty.")
    parser.add_argument("--checkpoint", default="default")
    parser.add_argument("--fit", nargs="+", type=Path, required=True, help="pools of the card")
    parser.add_argument("--worlds", nargs="+", type=Path, required=True, help="pools to score")
    parser.add_argument("--sets", nargs="*", choices=tuple(READERS), default=tuple(READERS))
    parser.add_argument("--examples", type=int, default=320)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


def _simple(found: Errors, bands: tuple[str, ...]) -> Sigmas:
    size = np.abs(found.error)
    one = float(np.nanquantile(size, SHARE)) / Z90
    each = dict(zip(bands, np.nanquantile(size, SHARE, axis=1) / Z90, strict=True))
    by_days = fit(_only(found.values, DAYS), found.error, bands=bands)

    def constant(values: Array, _: Sequence[str]) -> Array:
        return np.full(values.shape[1:], one, np.float32)

    def by_band(values: Array, names: Sequence[str]) -> Array:
        sigma = np.array([each[name] for name in names], np.float32)
        return np.broadcast_to(sigma[:, None], values.shape[1:])

    def days(values: Array, names: Sequence[str]) -> Array:
        return by_days.sigma(_only(values, DAYS), names)

    return {"constant": constant, "constant a band": by_band, "by days": days}


def _only(values: Array, names: Sequence[str]) -> Array:
    """The same with all other features 0, so that they say nothing."""
    kept = np.zeros_like(values)
    for place in (FEATURES.index(name) for name in names):
        kept[place] = values[place]
    return kept


def _real(fuser: NetworkFuser, scenes: Sequence[Scene], ways: Sigmas) -> Iterator[str]:
    bands = scenes[0].bands
    fits = set(bands) <= set(fuser.bands) if fuser.slots else bands == fuser.bands
    yield f"\n## {scenes[0].set}: {', '.join(bands)}"
    if not fits:
        yield f"not scored: the weights take {', '.join(fuser.bands)} only"
        return
    plain = replace(fuser, samples=0, calibration=None)
    groups: dict[str, list[Scene]] = {}
    for scene in scenes:
        groups.setdefault(scene.group, []).append(scene)
    for group, listed in groups.items():
        parts = [_scene(plain, scene) for scene in listed]
        values, error = (np.concatenate(one, axis=-1) for one in zip(*parts, strict=True))
        yield f"\n{group}, {len(listed)} scenes"
        yield from _rows(values, error, bands, ways)


def _scene(fuser: NetworkFuser, scene: Scene) -> tuple[Array, Array]:
    """Features (feature, band, pixel) and errors (band, pixel) where all is known."""
    fused = fuser.fuse(scene.block).reflectance[0]
    nothing = replace(fuser, sampler=replace(fuser.sampler, kappa=0.0))  # of the correction
    start = np.nan_to_num(nothing.fuse(scene.block).reflectance[0])
    error = fused - scene.truth[0]
    known = np.isfinite(error).all(0)
    values = features(KnownDay.of(scene.block, 0), np.nan_to_num(fused), start)
    return values[:, :, known], error[:, known]


def _rows(values: Array, error: Array, bands: Sequence[str], ways: Sigmas) -> Iterator[str]:
    yield f"{'sigma':<16} {'covers':>7} {'deciles':>13} {'CRPS':>8} {'IS':>8}   by decile"
    known = np.isfinite(error)
    for name, way in ways.items():
        e, s = error[known], way(values, bands)[known]
        shares = coverage_by_decile(e, s)
        yield (
            f"{name:<16} {covered(e, s).mean():7.3f} {shares.min():6.3f}-{shares.max():.3f} "
            f"{1e4 * crps(e, s).mean():8.2f} {1e4 * interval_score(e, s).mean():8.1f}   "
            + " ".join(f"{share:.2f}" for share in shares)
        )


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
