"""Networks that differ in one thing, trained alike and scored on the same held-out examples.

The six rows of the paper's ablation table are ``PAPER_ROWS``; any other comparison is a mapping of
the same form, from a name to what it changes in the training configuration.  Every row sees the
same examples in the same order for as many steps, and its last weights are scored, so that none
profits from having been picked.  A row that differs from an earlier one only in how it is sampled
(steps, kappa) or scored takes that one's weights.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import checkpoint
from model.classical.naive import NAIVE
from model.diffusion import schedule_of
from model.metrics import score
from model.network import FusionNetwork
from model.training.batch import collate, draw
from model.training.config import TrainConfig
from model.training.distributed import Ranks
from model.training.example import Source
from model.training.run import OnProgress
from model.training.sources import training_source, validation_sources
from model.training.train import train
from model.training.validation import AT_ONCE, CHANGED, naive_images, sampled

_NO_TIME_LOSS = {"loss.time_weight": 0.0}

PAPER_ROWS: Mapping[str, Mapping[str, Any]] = {
    # Our reading of the table (the paper shows no wiring): each part alone on the Taylor decoder.
    # RDDM is that decoder without TE-Block1, so that only De-Res differs from the next row.
    "RDDM": {
        "network.align": False,
        "network.select": False,
        "network.residual": False,
        **_NO_TIME_LOSS,
    },
    "Taylor": {"network.align": False, "network.select": False, **_NO_TIME_LOSS},
    "Taylor + TFA": {"network.select": False},
    "Taylor + SAF": {"network.align": False, **_NO_TIME_LOSS},
    "full": {},
    # One pass from the known images: nothing to walk back, no x_t to roll out.
    "TFA + SAF, no diffusion": {"network.diffusion": False, "sampling.steps": 1, "rollout": 0.0},
}

METRICS = ("cc", "ssim", "ergas", "rmse", "sam")
"""In the order of the paper's table."""

PAPER_LGC: Mapping[str, tuple[float, ...]] = {
    "RDDM": (0.9194, 0.9319, 0.8504, 0.0191, 0.0683),
    "Taylor": (0.9194, 0.9387, 0.8486, 0.0180, 0.0652),
    "Taylor + TFA": (0.9262, 0.9386, 0.8083, 0.0177, 0.0621),
    "Taylor + SAF": (0.9271, 0.9432, 0.7230, 0.0172, 0.0562),
    "full": (0.9360, 0.9440, 0.6751, 0.0169, 0.0531),
    "TFA + SAF, no diffusion": (0.9306, 0.9437, 0.7045, 0.0178, 0.0545),
}
"""What the paper prints for LGC, in the order of ``METRICS``: other data, not to be compared."""

SCORES = "scores.json"
AFTER_TRAINING = frozenset({"name", "sampling", "validation", "log_every", "save_every"})
"""Options that change no weight."""


class AblationError(ValueError):
    """A comparison that cannot be made, or gone on with, as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One row on one validation set; metrics are means over its examples (model.metrics)."""

    set: str
    row: str
    cc: float
    ssim: float
    ergas: float
    """With the factor 1/16 of the published tables, whatever the ratio."""
    rmse: float
    sam: float
    rmse_changed: float
    """Over all pixels that lie 0.05 or more from ``linear`` in some band, all bands of them."""
    anomaly: float
    """RMSE of ``anomaly`` on the same examples."""
    parameters: int | None = None
    """Of the network; None for a naive method."""
    minutes: float | None = None
    """It was trained."""


def compare(
    rows: Mapping[str, TrainConfig],
    out: Path,
    *,
    ranks: Ranks,
    workers: int = 0,
    data: Callable[[TrainConfig], Source] = training_source,
    held_out: Callable[[TrainConfig, tuple[str, ...]], Mapping[str, Source]] = validation_sources,
    on_row: Callable[[str, bool], None] = lambda name, done: None,
    on_progress: OnProgress = lambda progress: None,
) -> list[Score]:
    """Train and score each of ``rows`` in a folder of its own under ``out``; naive methods last.

    A row that is finished is read, not trained again; one that was interrupted goes on.
    ``on_row`` is told the name of each and whether it was done before.  Raises AblationError for
    rows without validation data or with a folder that holds another configuration, and
    KeyboardInterrupt, after the state is saved, where it was asked to stop.
    """
    folders = _folders(rows, out)
    scores: list[Score] = []
    weights: dict[str, Path] = {}
    for name, config in rows.items():
        if not config.validation.data:
            raise AblationError(f"row {name!r} has no validation data to be scored on")
        before = _finished(folders[name], config)
        on_row(name, before is not None)
        of = weights.setdefault(_trained_as(config), folders[name])
        if before is None:
            before = _trained_and_scored(
                name, config, folders[name], of, ranks, workers, data, held_out, on_progress
            )
        scores += before
    return list(_in_order(scores, list(rows)))


def _folders(rows: Mapping[str, TrainConfig], out: Path) -> dict[str, Path]:
    if not rows:
        raise AblationError("there is no row to train; name at least one under `variants`")
    folders = {name: out / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in rows}
    for name, folder in folders.items():
        if same := [other for other in folders if other != name and folders[other] == folder]:
            raise AblationError(f"rows {name!r} and {same[0]!r} share the folder {folder.name}")
        if folder == out:
            raise AblationError(f"row {name!r} needs a name with a letter or a digit")
    return folders


def _trained_as(config: TrainConfig) -> str:
    """Equal for configurations that train the same weights."""
    kept = {key: of for key, of in config.as_json().items() if key not in AFTER_TRAINING}
    return json.dumps(kept, sort_keys=True)


def _finished(folder: Path, config: TrainConfig) -> list[Score] | None:
    """The scores of a row that was trained and scored as ``config`` says; None where it was not."""
    path = folder / SCORES
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    now = config.identity()
    if changed := sorted(key for key in now if kept["config"].get(key) != now[key]):
        raise AblationError(
            f"{folder} was trained with another {', '.join(changed)}; give --out another folder, "
            "or remove this one to train the row again"
        )
    return [Score(**one) for one in kept["scores"]]


def _trained_and_scored(
    name: str,
    config: TrainConfig,
    folder: Path,
    weights: Path,
    ranks: Ranks,
    workers: int,
    data: Callable[[TrainConfig], Source],
    held_out: Callable[[TrainConfig, tuple[str, ...]], Mapping[str, Source]],
    on_progress: OnProgress,
) -> list[Score]:
    """``weights``: the folder of the row that is trained, this one's own or an earlier one's."""
    source = data(config)
    if weights == folder:
        # No validation on the way: nothing is chosen by it, and with many steps it takes longest.
        summary = train(
            config,
            folder,
            data=source,
            validation={},
            ranks=ranks,
            workers=workers,
            command=f"daily30 ablate, row {name}",
            on_progress=on_progress,
        )
        if not summary.finished:
            raise KeyboardInterrupt
    scores: list[Score] = []
    if ranks.first:
        folder.mkdir(parents=True, exist_ok=True)
        network, card = checkpoint.load(weights / "last")
        network = network.to(ranks.device)
        minutes = card["training"][-1]["minutes"]
        for set_name, held in held_out(config, tuple(source.bands)).items():
            found = score_examples(network, held, config, ranks.device)
            anomaly = found["anomaly"]["rmse"]
            own = {"row": name, "parameters": _size(network), "minutes": minutes, **found.pop("")}
            each = [own, *({"row": method, **of} for method, of in found.items())]
            scores += [Score(set=set_name, anomaly=anomaly, **one) for one in each]
        text = json.dumps({"config": config.identity(), "scores": [asdict(one) for one in scores]})
        beside = folder / f"{SCORES}.partial"
        beside.write_text(text)
        beside.rename(folder / SCORES)
    return ranks.gather(scores)[0]


@torch.inference_mode()
def score_examples(
    network: FusionNetwork, source: Source, config: TrainConfig, device: torch.device
) -> dict[str, dict[str, float]]:
    """Metrics of the network (under the name "") and of every naive method on held-out examples.

    The same examples, noise and sampler as ``model.training.validation``; bands that an example
    lacks are left out of its metrics.
    """
    network.eval()
    schedule = schedule_of(config.schedule.name, config.schedule.levels, config.schedule.sum_scale)
    count = min(len(source), config.validation.examples)
    indices = np.linspace(0, len(source) - 1, count).round().astype(int).tolist()
    sums: dict[str, list[list[float]]] = {}
    for at in range(0, count, AT_ONCE):
        part = indices[at : at + AT_ONCE]
        examples = [source.example(0, index) for index in part]
        draws = [
            draw(config.seed, 0, index, one.truth.shape)
            for index, one in zip(part, examples, strict=True)
        ]
        batch = collate(examples, draws).to(device)
        naive = naive_images(batch)
        images = {"": sampled(network, batch, config, schedule), **{n: naive[n] for n in NAIVE}}
        arrays = {name: image.double().cpu().numpy() for name, image in images.items()}
        for i, example in enumerate(examples):
            truth = example.truth[example.present].astype(np.float64)
            linear = arrays["linear"][i][example.present]
            changed = (np.abs(truth - linear) > CHANGED).any(0) & np.isfinite(truth).all(0)
            for name, image in arrays.items():
                one = _measured(image[i][example.present], truth, changed)
                sums.setdefault(name, []).append(one)
    return {name: _averaged(each) for name, each in sums.items()}


def _measured(
    image: NDArray[np.float64], truth: NDArray[np.float64], changed: NDArray[np.bool_]
) -> list[float]:
    """The metrics of an example, then squared error and number of its changed values."""
    found = score(image, truth).means()
    error = (image - truth)[:, changed]
    return [*(found[name] for name in METRICS), float((error**2).sum()), error.size]


def _averaged(each: Sequence[Sequence[float]]) -> dict[str, float]:
    """Means over examples, of what they define; the changed pixels of all examples are one set."""
    columns = [
        [value for value in column if not math.isnan(value)] for column in zip(*each, strict=True)
    ]
    means = [sum(column) / len(column) if column else math.nan for column in columns[:-2]]
    squares, count = sum(columns[-2]), sum(columns[-1])
    changed = math.sqrt(squares / count) if count else math.nan
    return {**dict(zip(METRICS, means, strict=True)), "rmse_changed": changed}


def _size(network: FusionNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _in_order(scores: Sequence[Score], rows: Sequence[str]) -> Iterator[Score]:
    """Set by set: the rows in their order, then each naive method once."""
    for name in dict.fromkeys(one.set for one in scores):
        ours = [one for one in scores if one.set == name]
        yield from (one for row in rows for one in ours if one.row == row)
        naive = {one.row: one for one in reversed(ours) if one.row not in rows}
        yield from (naive[method] for method in NAIVE if method in naive)
