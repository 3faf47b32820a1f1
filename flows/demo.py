"""``daily30 demo``: the embedded sample, the normal run, and the comparison with the truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from flows.config import region_job
from flows.show import lines, progress, table
from pipeline.report import picture
from pipeline.run import executor, run_job
from pipeline.sample import MARK, write_sample
from pipeline.score import score


def run_demo(folder: Path, *, workers: int | None, out: Console, log: Console) -> bool:
    """Write the sample into ``folder``, fuse its region, and print how near it is to the truth.

    Nothing of the run knows that the images are simulated.  Returns whether every tile-day that
    could be fused was.
    """
    region, truth = folder / "region.yaml", folder / "truth.zarr"
    if not (region.exists() and (folder / MARK).exists()):
        lines(log, ("simulating 90 days of Landsat and MODIS scenes",))
        write_sample(folder, seed=0, days=90, workers=workers)
    job = region_job(region)
    with progress(log) as on_progress:
        # Refreshed: the sample is ours, and so is a cube that older weights made of it.
        summary = run_job(job, workers=workers, refresh=True, on_progress=on_progress)
    lines(out, summary.lines())
    lines(log, ("comparing with the truth",))
    with executor(workers, device="cpu") as ex:
        rows = score(job, truth, ex)
    drawn = picture(job, truth, folder / "demo.png")
    table(
        out,
        mark_best(rows),
        title="Fused pixels against the truth, reflectance, mean of the bands (* best)",
    )
    lines(out, (f"cube: {job.cube}", f"picture: {drawn}"))
    return summary.ok


def mark_best(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Numbers as text of four digits, the smallest error of each column marked by a star."""
    marked = [dict(row) for row in rows]
    for column in (name for name in rows[0] if name.startswith("RMSE")):
        values = [float(str(row[column])) for row in rows]
        for row, value in zip(marked, values, strict=True):
            row[column] = f"{value:.4f}" + ("*" if value == min(values) else " ")
    return marked
