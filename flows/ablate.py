"""``daily30 ablate``: a training file with variants in; networks trained alike and a table out."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.show import lines, table
from flows.train import training_progress
from flows.train_config import TrainFileError, shipped, training_of
from flows.yaml_file import read_yaml
from model.training.ablation import PAPER_LGC, PAPER_ROWS, compare
from model.training.ablation_table import by_set, notes, table_rows, write_tables
from model.training.config import TrainConfig
from model.training.distributed import ranks

SHIPPED = Path(__file__).parent / "ablations"
"""Files that come with daily30; a name such as ``options`` means one of them."""

VARIANTS = "variants"
PAPER = "paper"
"""``variants: paper``: the six rows of the paper's table."""


def run_ablation(
    path: Path, *, folder: Path | None, device: str, workers: int, out: Console, log: Console
) -> None:
    """Train and score every variant of the file; print the table and write it to ``folder``."""
    rows, is_paper = read_variants(path)
    base = next(iter(rows.values()))
    folder = folder or Path("ablation") / path.stem
    reference = PAPER_LGC if is_paper else {}

    def say(name: str, done: bool) -> None:
        lines(log, (f"{name}: " + ("done before" if done else "training"),))

    with ranks(device) as where:
        log.quiet = out.quiet = not where.first
        progress: AbstractContextManager[Any] = training_progress(log)
        with progress as on_progress:
            scores = compare(
                rows, folder, ranks=where, workers=workers, on_row=say, on_progress=on_progress
            )
        if not where.first:
            return
        write_tables(folder, scores, reference, title=path.stem, described=_described(base, rows))
    for name, part in by_set(scores).items():
        table(out, table_rows(part, reference), title=name)
    lines(out, notes(scores, reference))
    lines(out, (f"tables: {folder / 'ablation.md'}, {folder / 'ablation.csv'}",))


def read_variants(path: Path) -> tuple[dict[str, TrainConfig], bool]:
    """The configuration of each row of a file, and whether they are the paper's six.

    Raises TrainFileError for a variant that is no training configuration.
    """
    path = shipped(path, SHIPPED)
    there = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    content = read_yaml(
        path, TrainFileError, f"there is no file {path}; {SHIPPED} holds {there} to begin from"
    )
    wanted = content.pop(VARIANTS, PAPER)
    changes = PAPER_ROWS if wanted == PAPER else wanted
    if not isinstance(changes, Mapping) or not all(
        isinstance(one, Mapping) for one in changes.values()
    ):
        raise TrainFileError(
            f"{path}: `{VARIANTS}` must be `{PAPER}` or hold a name for each row and what it "
            "changes, such as `full: {}` and `row attention: {network.attention: row}`"
        )
    rows = {}
    for name, overrides in changes.items():
        changed = deepcopy(content) | {"name": f"{name}"}
        for key, value in overrides.items():
            _put(changed, f"{key}".split("."), value, f"{path}: variant {name!r}, {key}")
        try:
            rows[f"{name}"] = training_of(changed, path)
        except TrainFileError as error:
            raise TrainFileError(f"variant {name!r} of {error}") from error
    return rows, changes is PAPER_ROWS


def _put(section: Any, keys: list[str], value: Any, where: str) -> None:
    """Set a nested key; sections that are left out are made, entries of a list are numbers."""
    for above, key, below in zip(["it", *keys], keys, [*keys[1:], None], strict=False):
        at: Any = key
        if isinstance(section, list):
            at = int(key) if key.isdigit() else -1
            if not 0 <= at < len(section):
                raise TrainFileError(f"{where}: {above} has no entry {key}, it has {len(section)}")
        elif not isinstance(section, dict):
            raise TrainFileError(f"{where}: {above} is a value, it has nothing under it")
        if below is None:
            section[at] = value
        else:
            section = section[at] if isinstance(section, list) else section.setdefault(at, {})


def _described(base: TrainConfig, rows: Mapping[str, TrainConfig]) -> str:
    data = ", ".join(f"{one.folder}" for one in base.data)
    return (
        f"{len(rows)} networks, each trained with seed {base.seed} for {base.epochs} epochs of "
        f"{base.examples_per_epoch or 'all'} examples of {base.patch_px} px from {data}, batch "
        f"{base.batch}, and scored on {base.validation.examples} examples of "
        f"{base.validation.patch_px} px (values of the first row; a row may change any)."
    )
