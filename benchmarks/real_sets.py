"""How good the methods are on five small public sets of real images.

    python -m benchmarks.real_sets                                    naive methods and our weights
    python -m benchmarks.real_sets --checkpoint DIR --checkpoint DIR2 --methods linear anomaly
    python -m benchmarks.real_sets --sets salton-sea --out real_sets.md

One table a group of scenes, all methods on the same pixels.  RMSE, CC and bias are means over
bands of all pixels of the group's scenes; ``changed`` is the RMSE of the pixels in the top tenth of
|truth - linear| that also exceed .05 there; ``gain`` is the RMSE less that of ``anomaly`` with its
95 % interval (paired bootstrap over blocks of 1.5 km), negative is better; ``better`` counts the
scenes with an RMSE below that of ``anomaly``.  The sets lie beside the checkout and are no part of
it (pipeline.real_sets).  Weights whose card names a set, or one of the same scene, are not scored
on it; all others never saw it (zero-shot).
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.common import DATA, print_machine
from model.card import METHODS, NETWORKS, locate, method_of, read_card
from model.classical.naive import NAIVE
from model.fuser import Fuser, load_fuser
from model.network_fuser import NetworkFuser
from pipeline.bootstrap import Interval
from pipeline.real_sets import READERS, Scene, named_in, read_set
from pipeline.scene_scores import Row, score


def main() -> None:
    """Command line."""
    args = _arguments()
    print_machine()
    fusers: dict[str, Fuser] = {name: load_fuser(name) for name in args.methods}
    cards = {}
    for folder in dict.fromkeys(args.checkpoint):
        card = read_card(locate(folder))
        loaded = load_fuser(method_of(card), folder, device=args.device, steps=args.steps)
        assert isinstance(loaded, NetworkFuser)
        name = f"{loaded.name} {folder}, {loaded.sampler.steps} steps"
        if args.kappa is not None:
            loaded = replace(loaded, sampler=replace(loaded.sampler, kappa=args.kappa))
        fusers[name] = loaded
        cards[name] = card
    lines = []
    for name in args.sets:
        for line in _report(name, read_set(name, args.data), fusers, cards, by_band=args.by_band):
            print(line, flush=True)
            lines.append(line)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score methods on real sets.")
    parser.add_argument("--sets", nargs="+", choices=tuple(READERS), default=tuple(READERS))
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS[len(NETWORKS) :], default=tuple(NAIVE)
    )
    parser.add_argument("--checkpoint", action="append", default=[], help="folder, or default")
    parser.add_argument("--steps", type=int, help="sampling steps; by default the card's")
    parser.add_argument("--kappa", type=float, help="share of the answer; by default the card's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--by-band", action="store_true", help="RMSE of each band besides")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    args = parser.parse_args()
    args.checkpoint = args.checkpoint or ["default"]
    return args


def _report(
    name: str,
    scenes: Sequence[Scene],
    fusers: Mapping[str, Fuser],
    cards: Mapping[str, Mapping[str, object]],
    *,
    by_band: bool,
) -> Iterator[str]:
    bands = scenes[0].bands
    yield f"\n## {name}: {', '.join(bands)}"
    for note in dict.fromkeys(scene.note for scene in scenes if scene.note):
        yield f"\n{note}"
    refused = {
        method: _refusal(fusers[method], name, bands, card) for method, card in cards.items()
    }
    for method, reason in refused.items():
        if reason:
            yield f"\n{method} is not scored: {reason}"
    usable = {method: fuser for method, fuser in fusers.items() if not refused.get(method)}
    rows = score(scenes, usable)
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        yield from _table(of_group, trained=set(cards))
        if by_band:
            yield from _band_table(of_group)


def _refusal(
    fuser: Fuser, name: str, bands: tuple[str, ...], card: Mapping[str, object]
) -> str | None:
    assert isinstance(fuser, NetworkFuser)
    if named_in(card, name):
        return f"its card names {name}, or a set of the same scene, in its training"
    fits = set(bands) <= set(fuser.bands) if fuser.slots else bands == fuser.bands
    return None if fits else f"it is made for all of {', '.join(fuser.bands)}"


def _table(rows: Sequence[Row], *, trained: set[str]) -> Iterator[str]:
    first = rows[0]
    yield f"\n### {first.group}: {first.scenes} scenes, {first.pixels} pixels a band\n"
    yield "| method | training | RMSE | CC | changed | bias | gain over anomaly, 95 % | better |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in sorted(rows, key=lambda row: row.rmse):
        yield (
            f"| {row.method} | {'zero-shot' if row.method in trained else '-'} | {row.rmse:.4f} | "
            f"{row.cc:.4f} | {row.changed:.4f} | {row.bias:+.4f} | {interval(row.gain)} | "
            f"{row.scenes_better}/{row.scenes} |"
        )


def _band_table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"\n| RMSE | {' | '.join(rows[0].bands)} |"
    yield "|---" * (len(rows[0].bands) + 1) + "|"
    for row in sorted(rows, key=lambda row: row.rmse):
        yield f"| {row.method} | {' | '.join(f'{rmse:.4f}' for rmse in row.by_band.rmse)} |"


def interval(gain: Interval | None) -> str:
    if gain is None:
        return "too few blocks"
    return f"{gain.value:+.5f} [{gain.low:+.5f}, {gain.high:+.5f}]"


if __name__ == "__main__":
    main()
