"""The ``train-region`` flow: what ``daily30 train-region`` does, scheduled by Prefect."""

from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.tasks import exponential_backoff
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from flows.config import region_job
from flows.region_training import cut_region, find_region_images, train_on_region
from flows.tasks import IDEMPOTENT, network_is_to_blame, read_images
from pipeline.executor import executor
from pipeline.run import locked


class TrainRegion(BaseModel):
    """Parameters of the flow, and its form in Prefect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    """Region file, on the machine of the worker; relative to the checkout."""

    training: str = "region"
    """Training file, or the name of one that comes with daily30."""

    start: str = "default"
    """Checkpoint folder to go on from; "default" is ours, "none" starts from nothing."""

    hidden: tuple[date, ...] = ()
    """Fine dates that are used for nothing, to score the weights on later."""

    device: str = "auto"
    """Where to train: auto, cpu, cuda or cuda:1."""

    workers: int | None = Field(default=None, ge=1)
    """Dask worker processes that read and cut; None: one a core."""


@flow(name="train-region", persist_result=False)
def train_region(run: TrainRegion) -> str:
    """Train weights for a region on its own images, and return their folder.

    The lock on the cube is held while cubes are read, and free while the network trains: days
    may be fused meanwhile.
    """
    job = region_job(Path(run.region))
    with locked(job), executor(run.workers) as ex:
        find_training_images(run.region)
        cluster = ex.scheduler_address or "synchronous"
        read_images(run.region, cluster)
        cut(run.region, run.hidden, cluster)
    return train(run)


@task(
    retries=4,
    retry_delay_seconds=exponential_backoff(10),
    retry_jitter_factor=0.5,
    retry_condition_fn=network_is_to_blame,
    tags=["stac"],
    **IDEMPOTENT,
)
def find_training_images(region: str) -> None:
    """Search both collections and lay out the input cubes; a checkpoint need not be there yet."""
    find_region_images(region_job(Path(region)))


@task(**IDEMPOTENT)
def cut(region: str, hidden: tuple[date, ...], scheduler: str) -> int:
    """Cut the region's triplets; how many."""
    with executor(scheduler=scheduler) as ex:
        return len(cut_region(region_job(Path(region)), hidden=hidden, ex=ex).scenes)


@task(retries=1, retry_delay_seconds=5, tags=["gpu"], **IDEMPOTENT)
def train(run: TrainRegion) -> str:
    """Train, from where an earlier attempt was stopped."""
    console = Console(stderr=True)
    folder = train_on_region(
        region_job(Path(run.region)),
        training=Path(run.training),
        start=run.start,
        device=run.device,
        workers=0,
        out=console,
        log=console,
    )
    return str(folder)
