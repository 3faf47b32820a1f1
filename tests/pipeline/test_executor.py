"""Where tasks run: which cores, threads and GPUs."""

import os
import time
from collections import Counter

import pytest

from pipeline.executor import WORKERS_A_GPU, cores, executor, shared


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


def _card(task: int) -> str:
    time.sleep(0.2)  # so that every worker gets one
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_workers_share_the_gpus_and_each_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,9")
    with executor(workers=3) as running:
        seen = Counter(one.result for one in running.map(_card, range(12), gpu=True))
    assert set(seen) == {"7", "9"}
    assert seen["7"] > seen["9"]  # two workers against one
    assert shared(["7", "9"], 3) == ["7", "9", "7"]
    assert Counter(shared(["7", "9"], 20)) == {"7": WORKERS_A_GPU, "9": WORKERS_A_GPU}
