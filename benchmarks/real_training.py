"""Networks of one, three and six bands trained on real images, tested on what they never saw.

    python -m benchmarks.real_training --out real-training                  start: weights of ours
    python -m benchmarks.real_training --out real-training --start DIR --steps 200 --sets tsstf

Writes a scene set of each real set (pipeline.real_training_sets tells the split) to ``--out`` and
trains on its ``train`` part twice for as many steps: a network of its own bands from random
weights, and one that goes on from ``--start``, whose slots take the bands by name.  One table a set
on the ``test`` part, all methods on the same pixels: naive methods, ``guided``, both networks, and
the weights of ``--start`` as they are.  The last weights are scored; nothing is chosen, and nothing
was tuned on the test parts.  Sets that a card of ``--start`` names are not scored with it.

The sets are small and the minutes few: this shows that training on real images works with any
number of bands, not how good a network can be.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.common import DATA, print_machine
from flows.region_training import OWN, region_config
from flows.train_config import read_training
from model.card import locate, read_card
from model.classical.naive import NAIVE
from model.fuser import Fuser, load_fuser
from model.sastf.config import NetworkConfig
from model.training.config import SamplingConfig, ScheduleConfig, TrainConfig, ValidationConfig
from model.training.distributed import ranks
from model.training.scenes import SceneSet
from model.training.sources import describe, training_source
from model.training.train import train
from pipeline.evaluate.direct import score
from pipeline.evaluate.rows import Row
from pipeline.evaluate.tables import by_rmse, gain_text
from pipeline.real_sets import Scene, named_in
from pipeline.real_training_sets import RULES, read_splits, write_training_set

RATES = {"scratch": 8e-4, "start": 2e-4}


def main() -> None:
    """Command line."""
    args = _arguments()
    torch.set_num_threads(1)
    print_machine(args.device)
    for name in args.sets:
        splits = read_splits(name, args.data)
        folder = args.out / name
        made = write_training_set(name, splits, folder)
        fusers: dict[str, Fuser] = {method: load_fuser(method) for method in (*NAIVE, "guided")}
        config = scratch_config(made, folder, steps=args.steps)
        fusers["sa-stf, from random weights"] = trained(config, args.out, args.device)
        start = locate(args.start)
        card = read_card(start)
        if named_in(card, name):
            print(f"\n{args.start} is not used: its card names {name} in its training")
        elif made.bands == tuple(card["bands"]) or card.get("slots"):
            config = start_config(made, folder, start, steps=args.steps)
            fusers[f"sa-stf, from {args.start}"] = trained(config, args.out, args.device)
            fusers[f"{args.start} itself"] = load_fuser("sa-stf", start, device=args.device)
        else:
            print(f"\n{args.start} is not used: it takes all of {', '.join(card['bands'])} only")
        for line in report(made, score(_in_one_group(splits["test"]), fusers)):
            print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train on real images.")
    parser.add_argument("--out", type=Path, required=True, help="folder for sets and checkpoints")
    parser.add_argument("--sets", nargs="+", choices=tuple(RULES), default=tuple(RULES))
    parser.add_argument("--start", default="default", help="checkpoint folder, or default")
    parser.add_argument("--steps", type=int, default=200, help="of 4 patches, in each training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


def scratch_config(made: SceneSet, folder: Path, *, steps: int) -> TrainConfig:
    """A small network of the set's own bands."""
    config = region_config(_recipe(), folder, made, start=None)
    return _for_steps(
        replace(
            config,
            name=f"{made.name}-scratch",
            network=NetworkConfig(
                bands=len(made.bands),
                width=16,
                groups=16,
                contrast=True,
                filled=True,
                conditions=("dates",),
            ),
            frame="guided",
            schedule=ScheduleConfig(sum_scale=0.01),
            sampling=SamplingConfig(
                window_px=made.patch_px, overlap_px=made.patch_px // 4, halo_px=16
            ),
            optimiser=replace(config.optimiser, rate=RATES["scratch"], ema=0.98),
        ),
        made,
        steps,
    )


def start_config(made: SceneSet, folder: Path, start: Path, *, steps: int) -> TrainConfig:
    """The network of a checkpoint, which goes on with the set."""
    config = region_config(_recipe(), folder, made, start=start)
    return _for_steps(
        replace(
            config,
            name=f"{made.name}-from-{start.name}",
            optimiser=replace(config.optimiser, rate=RATES["start"], ema=0.98),
        ),
        made,
        steps,
    )


def _recipe() -> TrainConfig:
    """That of ``daily30 train-region``, without a validation to choose by."""
    config = read_training(Path(OWN))
    return replace(config, validation=ValidationConfig())


def _for_steps(config: TrainConfig, made: SceneSet, steps: int) -> TrainConfig:
    config = replace(config, patch_px=made.patch_px)
    in_epoch = min(len(training_source(config)) // config.batch, steps)
    return replace(
        config,
        examples_per_epoch=in_epoch * config.batch,
        epochs=max(1, round(steps / in_epoch)),
        optimiser=replace(config.optimiser, warmup_steps=min(50, steps // 5)),
    )


def trained(config: TrainConfig, out: Path, device: str) -> Fuser:
    """Trained, or read where the folder holds the same run."""
    folder = out / config.name
    with ranks(device) as where:
        summary = train(
            config,
            folder,
            data=training_source(config),
            validation={},
            ranks=where,
            command="python -m benchmarks.real_training",
            about={"data": describe(config.data)},
        )
    if not summary.finished:
        raise KeyboardInterrupt
    return load_fuser("sa-stf", folder / "last", device=device)


def _in_one_group(scenes: Sequence[Scene]) -> list[Scene]:
    return [replace(scene, group="test") for scene in scenes]


def report(made: SceneSet, rows: Sequence[Row]) -> Iterator[str]:
    """A table, the best method first."""
    counts = {split: len(made.split(split)) for split in ("train", "test")}
    yield f"\n## {made.name}: {', '.join(made.bands)}\n"
    yield f"{made.origin}; scenes: {counts}, {rows[0].pixels} pixels a band tested\n"
    yield "| method | RMSE | of anomaly | CC | changed | gain over anomaly, 95 % |"
    yield "|---|---|---|---|---|---|"
    floor = _rmse_of("anomaly", rows)
    for row in by_rmse(rows):
        rmse, cc, changed = (row.values[name] for name in ("rmse", "cc", "changed"))
        yield (
            f"| {row.method} | {rmse:.4f} | {rmse / floor:.3f} | {cc:.3f} | {changed:.4f} | "
            f"{gain_text(row)} |"
        )


def _rmse_of(method: str, rows: Sequence[Row]) -> float:
    by: Mapping[str, float] = {row.method: row.values["rmse"] for row in rows}
    return by[method]


if __name__ == "__main__":
    main()
