"""The ``fuse-region`` flow: what ``daily30 fuse`` does, scheduled and watched by Prefect."""

from pathlib import Path

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.config import region_job
from flows.tasks import (
    find_images,
    fuse_group,
    plan_days,
    publish_cube,
    read_images,
    validate_methods,
)
from pipeline.executor import executor
from pipeline.progress import FuseSummary
from pipeline.run import locked

GROUP = 32
"""Fusion tasks in one Prefect task: minutes of work, so that a run has tens of them."""


class FuseRegion(BaseModel):
    """Parameters of the flow, and its form in Prefect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    """Region file, on the machine of the worker; relative to the checkout."""

    refresh: bool = False
    """Compute again what other settings, items or weights made."""

    workers: int | None = Field(default=None, ge=1)
    """Dask worker processes; None: one a core. Up to four share a GPU."""


@flow(name="fuse-region", persist_result=False)
def fuse_region(run: FuseRegion) -> str:
    """Add to a region's daily cube what is missing, and return its path.

    The lock on the cube and the dask cluster live as long as the flow; tasks join the cluster by
    its address.  Groups run one after the other: each fills all workers, and the small arrays of
    the cube have one writer.
    """
    job = region_job(Path(run.region))
    with locked(job):
        find_images(run.region, run.refresh)
        with executor(run.workers) as ex:
            cluster = ex.scheduler_address or "synchronous"
            ingested = read_images(run.region, cluster)
            validate_methods(run.region, cluster, run.refresh)
            path, count = plan_days(run.region)
            fused = FuseSummary()
            # At least one group: it also writes down the gaps of a plan without tasks.
            for first in range(0, max(count, 1), GROUP):
                fused += fuse_group(path, first, first + GROUP, cluster, run.refresh)
        summary = publish_cube(run.region, ingested, fused)
    if not summary.ok:
        raise RuntimeError(
            f"{summary.failed} tile-days of {summary.cube} failed; the next run tries them again. "
            + "; ".join(summary.errors[:5])
        )
    return str(summary.cube)
