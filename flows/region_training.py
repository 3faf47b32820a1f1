"""Training on a region's own images: the steps, the same for the command line and for Prefect.

They leave ``fields.triplets`` (a scene set) and ``fields-weights`` (a checkpoint) beside
``fields.zarr``; with ``checkpoint: fields-weights`` in the region file ``daily30 fuse`` uses them.
"""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from flows.show import OnProgress, lines, progress
from flows.train import run_config
from flows.train_config import read_training
from model.card import CARD, locate, read_card
from model.networks import shape_of
from model.training.config import DataConfig, SamplingConfig, ScheduleConfig, TrainConfig
from model.training.scenes import TABLE, SceneSet, open_set
from pipeline.executor import Executor, executor
from pipeline.job import Job, JobError, Method
from pipeline.run import ingest, locked, prepare
from pipeline.triplets import SEEN, TripletRules, cut_triplets

OWN = "region"
"""``scenes: region`` in a training file is the set of the region that is trained for."""

NOTHING = "none"
"""``start: none`` trains the network of the training file from random weights."""


def triplets_folder(job: Job) -> Path:
    """Where the region's scene set goes."""
    return job.cube.with_suffix(".triplets")


def weights_folder(job: Job) -> Path:
    """Where the region's checkpoint goes."""
    return job.cube.with_name(f"{job.cube.stem}-weights")


def runs_folder(job: Job) -> Path:
    """Where curves and states of training runs go: a folder for each set and configuration."""
    return job.cube.with_suffix(".training")


def run_train_region(
    job: Job,
    *,
    training: Path,
    start: str,
    hidden: Sequence[str],
    device: str,
    workers: int | None,
    out: Console,
    log: Console,
) -> Path:
    """All steps in this process; the folder of the new checkpoint.

    The lock on the cube is held while cubes are read, and free while the network trains.
    """
    try:
        away = [date.fromisoformat(day) for day in hidden]
    except ValueError as error:
        raise ValueError(f"{', '.join(hidden)}: {error}; write dates as 2023-05-24") from error
    with locked(job), executor(workers) as ex, progress(log) as on_progress:
        find_region_images(job)
        for problem in ingest(job, ex, on_progress).errors:
            lines(log, (problem,))
        made = cut_region(job, hidden=away, ex=ex, on_progress=on_progress)
    lines(log, (f"{len(made.scenes)} triplets: {made.origin}",))
    weights = train_on_region(
        job, training=training, start=start, device=device, workers=0, out=out, log=log
    )
    lines(out, (f"checkpoint: {weights}",))
    return weights


def find_region_images(job: Job) -> None:
    """Search, and lay out the input cubes; changes no finished day, and needs no checkpoint."""
    # The region file may name the checkpoint that is only now to be made.
    prepare(replace(job, method=Method(name="anomaly", checkpoint=None)), refresh=True)


def cut_region(
    job: Job,
    *,
    hidden: Collection[date] = (),
    ex: Executor | None = None,
    on_progress: OnProgress | None = None,
) -> SceneSet:
    """Cut the region's triplets from what was read into its cubes; ``hidden`` dates are used for
    nothing."""
    rules = TripletRules(hidden=frozenset(hidden))
    return cut_triplets(job, triplets_folder(job), rules=rules, ex=ex, on_progress=on_progress)


def train_on_region(
    job: Job,
    *,
    training: Path,
    start: str,
    device: str,
    workers: int,
    out: Console,
    log: Console,
) -> Path:
    """Train on the triplets of ``cut_region`` and return the folder of the new checkpoint.

    ``start``: "default", a checkpoint folder, or "none".  The same triplets and configuration go
    on where they were stopped.  Raises JobError for a checkpoint of other bands, and what
    ``flows.train.run_config`` raises.
    """
    triplets = triplets_folder(job)
    made = open_set(triplets)
    config = region_config(
        read_training(training),
        triplets,
        made,
        start=None if start == NOTHING else locate(start),
    )
    same = sha256((triplets / TABLE).read_bytes() + json.dumps(config.identity()).encode())
    run = runs_folder(job) / same.hexdigest()[:12]
    run_config(config, folder=run, device=device, workers=workers, out=out, log=log)
    return _published(run / "best", weights_folder(job), made, triplets / SEEN)


def region_config(
    config: TrainConfig, folder: Path, made: SceneSet, *, start: Path | None
) -> TrainConfig:
    """A training file made the region's own: its set, patches that fit, and the network, frame,
    schedule and sampling of the checkpoint it starts from."""

    def own(sources: tuple[DataConfig, ...]) -> tuple[DataConfig, ...]:
        return tuple(
            replace(one, scenes=folder) if one.scenes and one.scenes.name == OWN else one
            for one in sources
        )

    validation = replace(
        config.validation,
        data=own(config.validation.data),
        patch_px=min(config.validation.patch_px, made.patch_px),
    )
    config = replace(
        config,
        data=own(config.data),
        validation=validation,
        patch_px=min(config.patch_px, made.patch_px),
    )
    if all(one.scenes != folder for one in config.data):
        raise JobError(
            f"the training file names no `scenes: {OWN}` among its data, so the region's own "
            f"triplets would not be used; add {{scenes: {OWN}, split: train}}"
        )
    if start is None:
        network = replace(config.network, bands=len(made.bands))
        return replace(config, network=network, bands=made.bands, start=None)
    card = read_card(start)
    bands, sampling = tuple(card["bands"]), card["sampling"]
    if made.bands != bands and not (card.get("slots") and set(made.bands) <= set(bands)):
        raise JobError(
            f"the checkpoint {start} is made for the bands {', '.join(bands)}, the region has "
            f"{', '.join(made.bands)}; start from one made for these, or from nothing "
            f"(--start {NOTHING})"
        )
    schedule = {"name": sampling["schedule"], "levels": sampling["levels"]}
    return replace(
        config,
        network=shape_of(card),
        bands=bands,
        frame=card["frame"],
        schedule=ScheduleConfig(**schedule, sum_scale=sampling["sum_scale"]),
        sampling=SamplingConfig(
            steps=sampling["steps"],
            kappa=sampling["kappa"],
            eta=sampling.get("eta", 0.0),
            clamp=sampling.get("clamp", False),
            window_px=sampling["window_px"],
            overlap_px=sampling["overlap_px"],
            halo_px=sampling["halo_px"],
        ),
        start=start,
    )


def _published(best: Path, weights: Path, made: SceneSet, seen: Path) -> Path:
    """Put a checkpoint in its place as a whole, with the dates that it was trained on."""
    new, old = (weights.with_name(f"{weights.name}.{word}") for word in ("partial", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(best, new)
    card = json.loads((new / CARD).read_text())
    card["training"][-1] |= {"data": made.origin, "region": json.loads(seen.read_text())}
    (new / CARD).write_text(json.dumps(card, indent=2) + "\n")
    if weights.exists():
        weights.rename(old)
    new.rename(weights)
    shutil.rmtree(old, ignore_errors=True)
    return weights
