"""What a piece of work costs: time and the memory that it needs besides what is there already."""

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Cost:
    """Filled when the work has ended."""

    seconds: float = float("nan")
    """On the clock."""

    cpu_seconds: float = float("nan")
    """Of all threads of this process: on a busy machine the fairer number, without a GPU."""

    peak_mb: float = float("nan")
    """Highest resident memory less that at the beginning, 10^6 bytes; NaN where the system does
    not tell (it takes Linux)."""


# Measured inside the worker, not in a process for each method: what a process needs to start
# (numpy, torch, compiled kernels) is no cost of a method on an image.  Two things make the number
# an honest one.  The kernel's high-water mark is set back before the work, or it would be that of
# the most wasteful method before; and the allocator gives back what it holds, or a method would
# work in memory that another left behind and seem to need none.


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure the body of the ``with`` block."""
    cost = Cost()
    before = _start_afresh()
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.seconds, cost.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    if before is not None and (peak := _resident("VmHWM")) is not None:
        cost.peak_mb = max(peak - before, 0) / 1e6


def _start_afresh() -> int | None:
    """Resident bytes now, after the high-water mark was set to it."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _RESET.write_text("5")
    except (OSError, AttributeError):
        return None
    return _resident("VmRSS")


def _resident(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 if found else None
