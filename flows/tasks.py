"""The steps of a run as Prefect tasks: one or two calls into the pipeline each.

Between tasks go paths, numbers and small reports, never arrays: pixels stay in the cubes.  What is
done stands in the cubes too, so Prefect's cache and stored results are switched off; a retried or
repeated task finds out by itself what is left.
"""

import re
from pathlib import Path
from typing import Any, TypedDict

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from catalogs import CatalogError
from flows.config import region_job
from flows.show import markdown
from pipeline.executor import executor
from pipeline.plan import Plan
from pipeline.progress import FuseSummary, IngestSummary, RunSummary
from pipeline.run import fuse, ingest, plan, prepare, publish, validate

NOT_THE_NETWORK = (FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError)


class _Idempotent(TypedDict):
    cache_policy: Any
    persist_result: bool


IDEMPOTENT: _Idempotent = {"cache_policy": NO_CACHE, "persist_result": False}


async def network_is_to_blame(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again later may help: a connection, a time-out, a server's bad moment."""
    error: BaseException | None = await state.aresult(raise_on_failure=False)
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, NOT_THE_NETWORK):
            return True
        if isinstance(error, CatalogError) and error.again:
            return True
        error = error.__cause__ or error.__context__
    return False


@task(
    retries=4,
    retry_delay_seconds=exponential_backoff(10),
    retry_jitter_factor=0.5,
    retry_condition_fn=network_is_to_blame,
    tags=["stac"],
    **IDEMPOTENT,
)
def find_images(region: str, refresh: bool) -> dict[str, int]:
    """Search both collections, check them, and freeze the item list beside the cube."""
    found = prepare(region_job(Path(region)), refresh=refresh)
    return {"fine_items": found.fine_items, "coarse_items": found.coarse_items}


@task(
    retries=4,
    retry_delay_seconds=exponential_backoff(10),
    retry_jitter_factor=0.5,
    retry_condition_fn=network_is_to_blame,
    **IDEMPOTENT,
)
def read_images(region: str, scheduler: str) -> IngestSummary:
    """Read, mask and regrid the images that are not in the input cubes yet."""
    with executor(scheduler=scheduler) as ex:
        return ingest(region_job(Path(region)), ex)


@task(retries=1, retry_delay_seconds=5, **IDEMPOTENT)
def validate_methods(region: str, scheduler: str, refresh: bool) -> None:
    """Hide fine dates, fuse them blind, and keep the scores; those of earlier runs are kept."""
    with executor(scheduler=scheduler) as ex:
        validate(region_job(Path(region)), ex, refresh=refresh)


@task(**IDEMPOTENT)
def plan_days(region: str) -> tuple[str, int]:
    """Plan what is missing; the path of the plan and the number of its fusion tasks."""
    planned = plan(region_job(Path(region)))
    return str(planned.path), len(planned.tasks)


@task(retries=1, retry_delay_seconds=5, **IDEMPOTENT)
def fuse_group(plan_path: str, first: int, last: int, scheduler: str, refresh: bool) -> FuseSummary:
    """Fuse the plan's tasks ``first`` to ``last - 1`` on the dask cluster of this run."""
    planned = Plan.load(Path(plan_path))
    with executor(scheduler=scheduler) as ex:
        return fuse(planned, ex, refresh=refresh, tasks=planned.tasks[first:last])


@task(retries=3, retry_delay_seconds=5, **IDEMPOTENT)
def publish_cube(region: str, ingested: IngestSummary, fused: FuseSummary) -> RunSummary:
    """Finish the cube's metadata, and leave a summary of the run in Prefect."""
    job = region_job(Path(region))
    summary = publish(job, ingested, fused)
    create_markdown_artifact(key=artifact_key(job.name), markdown=markdown(summary))
    return summary


def artifact_key(region: str) -> str:
    """Prefect allows small letters, digits and dashes: "Salton Sea" is ``fuse-salton-sea``."""
    return f"fuse-{re.sub(r'[^a-z0-9]+', '-', region.lower())}".strip("-")
