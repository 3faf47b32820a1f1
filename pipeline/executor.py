"""Where tasks run: here, on processes of this machine, or on a dask cluster somewhere else."""

import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, Literal, TypeVar

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster, as_completed

from pipeline.fuse import error_text
from pipeline.memory import MALLOC

_LOG = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 3
"""Tasks in the scheduler's hands per worker, so that a worker that is done never waits."""

_SACRIFICED = 2
"""Workers that may die over a task before another death makes it an error."""

WORKERS_A_GPU = 4
"""Most workers that share a GPU.  Preparing a tile's images takes a core longer than a GPU takes to
fuse it: on an H200 one process took 1.5 s for a tile of 2048 pixels, four took 12.7 s for 14 such
tiles (``benchmarks.scene``); six gained nothing."""

_PATIENCE = 120
"""Seconds for the workers to start."""

_PULSE = 2.0
"""Seconds between looks whether all workers are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Task, Result]):
    """What a task came to: its result, or an error in one line."""

    task: Task
    result: Result | None
    error: str | None


class Executor:
    """Runs a function over tasks; made by ``executor``.

    Workers start at the first task, so a run with nothing to do needs none.
    """

    def __init__(self, device: str, connect: "Callable[[], _Crew] | None") -> None:
        self.device = device
        """Device for fusing: "cpu", "cuda", or "auto", a GPU if the worker has one."""
        self._connect = connect
        self._crew: _Crew | None = None

    @property
    def scheduler_address(self) -> str | None:
        """Where another process can join, ``executor(scheduler=address)``; None in-process."""
        crew = self._started()
        return None if crew is None else crew.address

    def _started(self) -> "_Crew | None":
        if self._crew is None and self._connect is not None:
            self._crew = self._connect()
        return self._crew

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], *, gpu: bool = False
    ) -> Iterator[Outcome[Task, Result]]:
        """Run ``function`` on every task, yield outcomes as they come, in no fixed order.

        ``tasks`` is drawn from as workers become free, so what its iteration does happens just
        before a task may start.  ``gpu``: only on workers that have one, if there are any.  A
        task whose worker dies is run again elsewhere; one that kills several workers is an
        error of its own and the others go on.
        """
        waiting = iter(tasks)
        for first in islice(waiting, 1):
            crew = self._started()
            together = chain([first], waiting)
            if crew is None:
                yield from (_here(function, task) for task in together)
            else:
                yield from _there(crew, function, together, gpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crew:
    """The workers of an executor."""

    client: Client
    address: str
    workers: int
    gpus: int
    """Workers that have a GPU of their own."""


def _there(
    crew: _Crew, function: Callable[[Task], Result], tasks: Iterable[Task], gpu: bool
) -> Iterator[Outcome[Task, Result]]:
    resources = {"GPU": 1} if gpu and crew.gpus else None
    # Tasks that ask for a resource are not queued but given to a worker at once.
    slots = crew.gpus if resources else crew.workers * _AHEAD
    waiting = iter(tasks)
    at_work: dict[Any, Task] = {}

    def submit(task: Task) -> Any:
        # Resources are given here because dask loses annotations of collections (dask
        # issue 7036).  Not pure: a task that is run again must not get an old answer.
        future = crew.client.submit(function, task, resources=resources, pure=False)
        at_work[future] = task
        return future

    futures = as_completed([submit(task) for task in islice(waiting, slots)])
    try:
        for future in futures:
            if future.status not in ("finished", "error", "cancelled"):
                futures.add(future)  # its worker died with the answer: it is computed again
                continue
            task = at_work.pop(future)
            yield _outcome(task, future)
            future.release()
            for following in islice(waiting, 1):
                futures.add(submit(following))
    finally:
        # A cancellation of nothing is told to all clients too; one that is just joining takes it
        # for an answer to itself and fails (distributed 2026, Client._ensure_connected).
        if at_work:
            crew.client.cancel(list(at_work))


@contextmanager
def executor(
    workers: int | None = None,
    scheduler: str = "processes",
    device: Device = "auto",
) -> Iterator[Executor]:
    """Workers for the time of the ``with`` block.

    ``scheduler``: "processes" on this machine, one thread each (``WORKERS_A_GPU`` of them share a
    GPU when ``device`` is "cuda", or "auto" where there are any), "synchronous" in this process,
    or the address of a dask scheduler, whose workers may have the resource ``GPU``.
    ``workers``: number of processes; None for one a core.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}: at least one is needed")
    with ExitStack() as stack:
        if scheduler == "synchronous":
            yield Executor(device, None)
        elif scheduler == "processes":
            cards = [] if device == "cpu" else gpu_ids()
            if device == "cuda" and not cards:
                raise ValueError("device 'cuda' was asked for, but there is no GPU; use 'cpu'")
            count = max(workers or cores(), len(cards))
            yield Executor(device if cards else "cpu", lambda: _processes(stack, count, cards))
        elif "://" in scheduler:
            yield Executor(device, lambda: _joined(stack, scheduler))
        else:
            raise ValueError(
                f"scheduler {scheduler!r} is none of 'processes', 'synchronous' and an address "
                "such as tcp://10.0.0.1:8786"
            )


def _joined(stack: ExitStack, address: str) -> _Crew:
    client = stack.enter_context(Client(address))
    known = client.scheduler_info(n_workers=-1)["workers"].values()
    gpus = sum(bool(worker["resources"].get("GPU")) for worker in known)
    return _Crew(client=client, address=address, workers=max(1, len(known)), gpus=gpus)


def _processes(stack: ExitStack, workers: int, cards: list[str]) -> _Crew:
    shares = shared(cards, workers)
    specs = {number: _worker(shares[number : number + 1]) for number in range(workers)}
    scheduler = {
        "cls": Scheduler,
        "options": {"dashboard_address": ":0", "host": "127.0.0.1", "protocol": "tcp://"},
    }
    settings = {
        "distributed.scheduler.allowed-failures": _SACRIFICED,
        # One task a worker at a time, the others wait in the scheduler: those that sat beside
        # a task that kills its worker would be taken for killers too.
        "distributed.scheduler.worker-saturation": 1.0,
        # A worker sets up its own logging as it starts, and would tell the terminal so.  What dask
        # itself sets stays: one thread for numpy, as one process a core does the work.
        "distributed.nanny.pre-spawn-environ": {
            **dask.config.get("distributed.nanny.pre-spawn-environ"),
            "DASK_LOGGING__DISTRIBUTED": "critical",
            **MALLOC,
        },
    }
    with dask.config.set(settings):
        cluster = stack.enter_context(_cluster(workers=specs, scheduler=scheduler))
    stack.enter_context(_revived(cluster, workers))
    client = stack.enter_context(Client(cluster))
    client.wait_for_workers(workers, timeout=_PATIENCE)
    address = str(cluster.scheduler_address)
    return _Crew(client=client, address=address, workers=workers, gpus=len(shares))


@contextmanager
def _cluster(**parts: Any) -> Iterator[SpecCluster]:
    """Processes that end with the ``with`` block.

    On a busy machine a worker may take longer to end than its nanny waits, and is killed; all
    answers are there by then, so that is no error of the run.
    """
    cluster = SpecCluster(**parts, silence_logs=logging.CRITICAL)
    try:
        yield cluster
    finally:
        try:
            cluster.close()
        except TimeoutError:
            _LOG.warning("workers were slow to end and were killed; nothing is lost")


def shared(cards: list[str], workers: int) -> list[str]:
    """The GPU of each worker that has one: every card once before any of them a second time."""
    return (cards * WORKERS_A_GPU)[:workers]


@contextmanager
def _revived(cluster: SpecCluster, workers: int) -> Iterator[None]:
    """Start workers anew that dask has given up.

    A nanny restarts its worker, save one that dies in the instant in which it starts: then the
    cluster drops it after a while, and with the last one a run would wait for ever.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PULSE):
            if len(cluster.workers) < workers:
                cluster.scale(workers)

    watcher = threading.Thread(target=watch, name="revive-workers", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _worker(cards: list[str]) -> dict[str, Any]:
    """One process, one thread; with a GPU it sees no other, without one it sees none."""
    return {
        "cls": Nanny,
        "options": {
            "nthreads": 1,
            "host": "127.0.0.1",
            "dashboard_address": ":0",
            "resources": {"GPU": 1} if cards else {},
            "env": {"CUDA_VISIBLE_DEVICES": ",".join(cards)},
            "memory_limit": 0,
        },
    }


def cores() -> int:
    """Cores this process may use: a batch system or a container may grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_ids() -> list[str]:
    """The GPUs this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name and name != "-1"]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()


def _here(function: Callable[[Task], Result], task: Task) -> Outcome[Task, Result]:
    try:
        return Outcome(task=task, result=function(task), error=None)
    except Exception as error:
        return Outcome(task=task, result=None, error=error_text(task, error))


def _outcome(task: Task, future: Any) -> Outcome[Task, Any]:
    if future.status == "finished":
        return Outcome(task=task, result=future.result(), error=None)
    error = future.exception() if future.status == "error" else RuntimeError(future.status)
    return Outcome(task=task, result=None, error=f"{task}: {type(error).__name__}: {error}")
