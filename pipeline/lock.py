"""One run at a time on a cube."""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self


class CubeBusyError(RuntimeError, ValueError):
    """Another run is at work on the cube.  A ValueError too: the user can cure it."""


class CubeLock:
    """Hold ``<cube>.lock`` while a run writes the cube; a second run is refused.

    The lock is the operating system's (``flock``), so a run that dies, by SIGKILL too, frees
    it at once and nobody has to judge whether a left-over file is stale.  The file stays, for
    removing it would let a third run lock another file of the same name.  What is written in it
    only says who holds it.
    """

    def __init__(self, cube: Path) -> None:
        self.path = cube.with_name(cube.name + ".lock")
        self._cube = cube
        self._handle: int | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Workers are started by spawn, which does not inherit this descriptor: a worker that
        # outlives its driver does not keep the lock.
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 4096, 0)
            os.close(handle)
            raise CubeBusyError(self._busy(holder)) from error
        mine = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "start": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(mine).encode(), 0)
        self._handle = handle
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)  # closing frees the lock
            self._handle = None

    def _busy(self, holder: bytes) -> str:
        try:
            who = "process {pid} on {host}, started {start}".format(**json.loads(holder))
        except (ValueError, KeyError):  # caught in the instant between lock and note
            who = "another process"
        return (
            f"{self._cube} is being written by {who}; wait until that run has ended or stop it, "
            f"then run again (what is done is kept)"
        )
