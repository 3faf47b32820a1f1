"""Processes that a test starts beside itself, and of which nothing is left when it ends."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds until a server must have started, on a busy machine."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def background(
    *command: str | Path, log: Path, end: signal.Signals = signal.SIGTERM, **popen: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` as a session of its own until the block ends; its output goes to ``log``.

    ``end`` is the signal that asks it to stop; if it does not within ten seconds it is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **popen,
        )
    try:
        yield process
    finally:
        _end(process, end)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once ``ready``; TimeoutError, with what the process said, if it ends or never is."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"{process.args} is not ready:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a web server is there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:  # urllib's URLError is one
        return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def private_environment(**own: str) -> Mapping[str, str]:
    """This process's environment and ``own``, without settings of services of the developer's."""
    foreign = ("PREFECT_", "PG", "AWS_", "POSTGRES_")
    return {key: text for key, text in os.environ.items() if not key.startswith(foreign)} | own


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    for each in (how, signal.SIGKILL):
        try:
            os.killpg(process.pid, each)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=10)
