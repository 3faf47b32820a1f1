"""A private Prefect on loopback: its own server, worker, database and home, gone afterwards."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds until a server or worker must have started, on a busy machine."""

PREFECT = (sys.executable, "-m", "prefect")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass
class Room:
    """Runs ``prefect ...`` against a server of its own, from the checkout."""

    home: Path
    port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        # Nothing of a Prefect the developer may use gets in, and nothing leaves the machine.
        mine = {key: text for key, text in os.environ.items() if not key.startswith("PREFECT_")}
        return mine | {
            "DO_NOT_TRACK": "1",
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_HOME": str(self.home),
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PWD": str(ROOT),
        }

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PREFECT, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @contextmanager
    def background(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of its own group, of which nothing is left when the block ends."""
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*PREFECT, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            _end(process)

    def wait(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError(f"no Prefect {name} after {PATIENCE} s:\n{self.log(name)}")
            time.sleep(0.3)

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.environment['PREFECT_API_URL']}/health") as answer:
                return bool(answer.status == 200)
        except OSError:  # urllib's URLError is one
            return False


@contextmanager
def prefect_room(home: Path) -> Iterator[Room]:
    """The first two commands of the README: a server, and a worker on the pool ``daily30``."""
    room = Room(home=home)
    serve = ("server", "start", "--host", "127.0.0.1", "--port", f"{room.port}")
    work = ("worker", "start", "--pool", "daily30", "--type", "process")
    with room.background("server", *serve) as server:
        room.wait("server", server, room.is_up)
        with room.background("worker", *work) as worker:
            room.wait("worker", worker, lambda: "started!" in room.log("worker"))
            yield room


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=10)
