"""``daily30 demo``: the embedded sample, the normal run, and the comparison with the truth."""

from pathlib import Path

from rich.console import Console

from flows.config import region_job
from flows.show import lines, progress
from pipeline.run import run_job
from pipeline.sample import write_sample


def run_demo(folder: Path, *, workers: int | None, out: Console, log: Console) -> bool:
    """Write the sample into ``folder``, fuse its region, and print how near it is to the truth.

    Nothing of the run knows that the images are simulated.  Returns whether every tile-day that
    could be fused was.
    """
    region = folder / "region.yaml"
    if not region.exists():
        write_sample(folder, seed=0, days=90)
    with progress(log) as on_progress:
        summary = run_job(region_job(region), workers=workers, on_progress=on_progress)
    lines(out, summary.lines())
    return summary.ok
