"""Where tasks run: which cores, threads and GPUs; and what comes of a worker that dies."""

import os
import signal
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from distributed import Client, SpecCluster

from pipeline.executor import WORKERS_A_GPU, Executor, cores, executor, shared


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Executor]:
    with executor(2, device="cpu") as ex:
        yield ex


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_only_the_cores_this_process_may_use_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores() == len(allowed)


def test_where_that_cannot_be_told_all_cores_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def _blas_threads(_: int) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


def test_numpy_has_one_thread_in_a_worker_however_the_run_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with executor(1, device="cpu") as ex:
        assert [outcome.result for outcome in ex.map(_blas_threads, [0])] == ["1"]


def _card(folder: Path) -> tuple[int, str]:
    """Wait until three workers have come, so that each has one task."""
    (folder / str(os.getpid())).touch()
    until = time.monotonic() + 120
    while len(list(folder.iterdir())) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]


def test_workers_share_the_gpus_and_each_sees_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,9")
    with executor(workers=3) as running:
        seen = [one.result for one in running.map(_card, [tmp_path] * 3, gpu=True)]
    assert None not in seen
    assert Counter(card for _, card in set(filter(None, seen))) == {"7": 2, "9": 1}
    assert shared(["7", "9"], 3) == ["7", "9", "7"]
    assert Counter(shared(["7", "9"], 20)) == {"7": WORKERS_A_GPU, "9": WORKERS_A_GPU}


def die_once(task: Path) -> str:
    """Kills its worker the first time."""
    if not task.exists():
        task.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task.name


def test_a_task_whose_worker_dies_is_run_again(two_workers: Executor, tmp_path: Path) -> None:
    outcomes = list(two_workers.map(die_once, [tmp_path / "one"]))

    assert [(one.result, one.error) for one in outcomes] == [("one", None)]


def die_always(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


def test_a_task_that_kills_its_workers_is_an_error_and_the_others_go_on(
    two_workers: Executor,
) -> None:
    outcomes = {one.task: one for one in two_workers.map(die_always, range(5))}

    assert {task: one.result for task, one in outcomes.items() if task != 2} == {
        0: 0,
        1: 1,
        3: 9,
        4: 16,
    }
    assert outcomes[2].result is None
    assert "KilledWorker" in str(outcomes[2].error)


def raise_on_odd(task: int) -> int:
    if task % 2:
        raise ValueError(f"{task} is odd")
    return -task


@pytest.mark.parametrize("processes", [False, True])
def test_every_task_has_one_outcome_and_an_error_is_told(
    processes: bool, two_workers: Executor
) -> None:
    drawn: list[int] = []

    def draw() -> Iterator[int]:
        for task in range(9):
            drawn.append(task)
            yield task

    with executor(scheduler="synchronous") as here:
        ex = two_workers if processes else here
        outcomes = sorted(ex.map(raise_on_odd, draw()), key=lambda one: one.task)

    assert drawn == list(range(9))
    assert [one.task for one in outcomes] == drawn
    assert [one.result for one in outcomes] == [0, None, -2, None, -4, None, -6, None, -8]
    assert all("is odd" in str(one.error) for one in outcomes[1::2])


def test_another_process_may_join_by_the_address(two_workers: Executor) -> None:
    address = two_workers.scheduler_address
    assert address is not None
    with executor(scheduler=address) as joined:
        assert [one.result for one in joined.map(abs, [-3])] == [3]


def test_work_that_is_done_is_not_cancelled(
    two_workers: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[object] = []
    monkeypatch.setattr(Client, "cancel", lambda _, futures: cancelled.extend([futures]))
    assert sorted(one.result for one in two_workers.map(abs, [-3, -4])) == [3, 4]
    assert not cancelled
    left = two_workers.map(abs, [-3, -4, -5, -6])
    next(left)
    assert isinstance(left, Generator)
    left.close()
    assert cancelled


def test_workers_that_are_slow_to_end_spoil_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A nanny on a busy machine gives up waiting for its worker, after it has killed it."""
    close = SpecCluster.close

    def slow(cluster: SpecCluster) -> None:
        close(cluster)
        raise TimeoutError

    monkeypatch.setattr(SpecCluster, "close", slow)
    with executor(1, device="cpu") as ex:
        found = [one.result for one in ex.map(abs, [-3])]
    assert found == [3]
    assert "nothing is lost" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"workers": 0}, "workers=0"), ({"scheduler": "cloud"}, "'cloud' is none of")],
)
def test_an_executor_that_cannot_be_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message), executor(**arguments):
        pass
