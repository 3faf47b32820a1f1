"""What ingest asks of a server, how long it waits for it, and what memory it takes.

    export OPENBLAS_NUM_THREADS=1                     as the daily30 command does
    python -m benchmarks.ingest
    python -m benchmarks.ingest --side 1024 4096 --days 2 --latency-ms 0 50 200

A region of noise is served on loopback by a server that counts and may answer late, and ingested
by one process.  ``needed`` are the internal blocks of the files under the windows that are read,
each once in the whole run; ``by group`` each once in every group of tiles, which are read apart;
``MB`` are of bodies.  ``waiting`` is the share of the time in which the process did not compute.
``start`` and ``peak`` are the resident memory before ingest and at its highest, in MB.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from benchmarks.common import print_machine
from benchmarks.file_server import FileServer, Request, file_server
from benchmarks.large_scenes import write_region
from catalogs import Role
from flows.config import region_job
from pipeline.ingest import Inputs, ingest_tasks, open_inputs
from pipeline.native import scene_window
from pipeline.run import executor, ingest, prepare

IMAGES = ".tif"

Blocks = dict[tuple[str, int, int], int]
"""Bytes of internal blocks by (path, row, column)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of the process that ingested."""

    seconds: float
    computing: float
    start_mb: float
    peak_mb: float


def ingest_alone(region: str) -> Measured:
    """Prepare and ingest a region in this process; to be called in a fresh one."""
    job = region_job(Path(region))
    prepare(job)
    start_mb = _peak_mb()
    began, computed = time.perf_counter(), time.process_time()
    with executor(scheduler="synchronous") as ex:
        summary = ingest(job, ex)
    if summary.errors:
        raise RuntimeError("; ".join(summary.errors))
    return Measured(
        seconds=time.perf_counter() - began,
        computing=time.process_time() - computed,
        start_mb=start_mb,
        peak_mb=_peak_mb(),
    )


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would tell the parent's, which lives on through exec
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, server: FileServer, *, latency_s: float) -> tuple[Measured, Inputs]:
    """Ingest the region in ``folder`` through ``server`` in a fresh process."""
    with tempfile.TemporaryDirectory() as own:
        region = Path(own) / "region.yaml"
        text = (folder / "region.yaml").read_text()
        region.write_text(text.replace("catalog: ", f"catalog: {server.url}/"))
        server.latency_s = latency_s
        server.forget()
        # Spawned, so that memory counts from the start of Python.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            measured = pool.submit(ingest_alone, str(region)).result()
        return measured, open_inputs(region_job(region).inputs)


def needed_blocks(folder: Path, inputs: Inputs, box: GeoBox, role: Role) -> Blocks:
    """The blocks of the files in ``folder`` that lie under what is read for ``box``."""
    collected = inputs.fine if role == "fine" else inputs.coarse
    found: Blocks = {}
    for item in collected.items:
        spec = collected.specs[str(item.collection_id)]
        window = scene_window(item, spec, inputs.bands, box)
        if window is None:
            continue
        own = {spec.bands[name].asset for name in inputs.bands}
        words = {band.asset for band in spec.qa.values() if band.asset in item.assets}
        for asset in sorted(own | words):
            path = "/".join(item.assets[asset].href.split("/")[3:])
            found |= _blocks_under(folder, path, window)
    return found


def _blocks_under(folder: Path, path: str, window: GeoBox) -> Blocks:
    with rasterio.open(folder / path) as file:
        (high, wide), box = file.block_shapes[0], window.boundingbox
        left, top = ~file.transform * (box.left, box.top)
        right, bottom = ~file.transform * (box.right, box.bottom)
        rows = range(
            max(0, int(top + 0.5)) // high, -(-min(file.height, int(bottom + 0.5)) // high)
        )
        cols = range(max(0, int(left + 0.5)) // wide, -(-min(file.width, int(right + 0.5)) // wide))
        return {
            (path, row, col): int(file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1) or 0)
            for row in rows
            for col in cols
        }


def groups(inputs: Inputs) -> Iterator[tuple[Role, GeoBox]]:
    """The boxes that are read one by one, with their role."""
    grid = inputs.grid
    undone = np.zeros((1, len(grid.tiles)), np.uint8)
    day = inputs.fine.days[:1]
    for task in ingest_tasks("", inputs, role="fine", days_on_axis=day, done=undone):
        own = [grid.tiles[index] for index in task.tiles]
        y = slice(min(tile.y.start for tile in own), max(tile.y.stop for tile in own))
        x = slice(min(tile.x.start for tile in own), max(tile.x.stop for tile in own))
        yield "fine", grid.fine[y, x]
    yield "coarse", grid.coarse


def report(folder: Path, server: FileServer, latency_ms: int) -> str:
    """Ingest the region in ``folder`` through ``server``: one row of the table."""
    measured, inputs = measure(folder, server, latency_s=latency_ms / 1e3)
    once: Blocks = {}
    by_group: list[Blocks] = []
    for role, box in groups(inputs):
        by_group.append(needed_blocks(folder, inputs, box, role))
        once |= by_group[-1]
    asked = [one for one in server.requests if one.path.lower().endswith(IMAGES)]
    files = len({path for path, _, _ in once})
    opened = sum(len({path for path, _, _ in blocks}) for blocks in by_group)
    tiles, scenes = len(inputs.grid.tiles), len(inputs.fine.items)
    sent = sum(one.sent for one in asked)
    return (
        f"{inputs.grid.shape[0]:6d} {tiles:5d} {files:5d} {latency_ms:8d}"
        f" {len(once):6d} {sum(once.values()) / 1e6:7.1f}"
        f" {sum(map(len, by_group)):7d} {sum(sum(b.values()) for b in by_group) / 1e6:7.1f}"
        f" {opened:6d} {len(asked):8d} {_count(asked, 'HEAD'):5d} {_heads(asked):7d}"
        f" {sent / 1e6:7.1f} {_twice(asked) / 1e6:7.1f} {sent / sum(once.values()):6.2f}"
        f" {measured.seconds:7.1f} {measured.seconds / tiles / scenes:8.3f}"
        f" {1 - measured.computing / measured.seconds:8.0%}"
        f" {measured.start_mb:6.0f} {measured.peak_mb:6.0f}"
    )


HEADER = (
    "  side tiles files  late ms  needed (MB)     by group (MB)  opens requests  HEAD headers"
    "   MB read  twice  ratio seconds per tile  waiting  start   peak"
)


def _count(asked: list[Request], method: str) -> int:
    return sum(one.method == method for one in asked)


def _heads(asked: list[Request]) -> int:
    return sum(one.method == "GET" and one.first == 0 for one in asked)


def _twice(asked: list[Request]) -> int:
    """Bytes that were sent before."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for one in asked:
        if one.sent:
            spans.setdefault(one.path, []).append((one.first, one.first + one.sent))
    twice = 0
    for of_path in spans.values():
        seen = np.zeros(max(last for _, last in of_path), bool)
        for first, last in of_path:
            twice += int(seen[first:last].sum())
            seen[first:last] = True
    return twice


def main(words: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, nargs="+", default=[1024, 2048], help="fine pixels")
    parser.add_argument("--days", type=int, default=2, help="scenes of each sensor")
    parser.add_argument("--tile", type=int, default=512, help="fine pixels a side of a tile")
    parser.add_argument("--latency-ms", type=int, nargs="+", default=[0, 50], help="an answer")
    args: Any = parser.parse_args(words)
    print_machine()
    print(HEADER, flush=True)
    for side in args.side:
        with tempfile.TemporaryDirectory() as made, file_server(Path(made)) as server:
            folder = Path(made)
            write_region(folder, side_px=side, days=args.days, tile_px=args.tile)
            for latency in args.latency_ms:
                print(report(folder, server, latency), flush=True)


if __name__ == "__main__":
    main()
