import os
import signal
import subprocess
import sys

import pytest

from pipeline.lock import CubeBusyError, CubeLock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.lock import CubeLock
with CubeLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a.zarr")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_and_told_who_holds_the_cube(tmp_path, holder) -> None:
    with (
        pytest.raises(CubeBusyError, match=f"process {holder.pid} on .*, started 20.*wait until"),
        CubeLock(tmp_path / "a.zarr"),
    ):
        pass
    with CubeLock(tmp_path / "b.zarr"):
        pass  # another cube is free


def test_a_killed_run_frees_the_cube_at_once(tmp_path, holder) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with CubeLock(tmp_path / "a.zarr") as lock:
        assert str(os.getpid()) in lock.path.read_text()


def test_a_cube_is_locked_within_one_process_too_and_free_after_an_error(tmp_path) -> None:
    cube = tmp_path / "a.zarr"
    with CubeLock(cube), pytest.raises(CubeBusyError, match=str(os.getpid())), CubeLock(cube):
        pass
    with pytest.raises(KeyError), CubeLock(cube):
        raise KeyError
    with CubeLock(cube):
        pass
