"""A private Prefect on loopback: its own server, worker, database and home, gone afterwards."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.process import background, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
PREFECT = (sys.executable, "-m", "prefect")


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

    def deploy(self) -> None:
        """The third command of the README."""
        deployed = self.run("--no-prompt", "deploy", "--all")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    def fuse(self, region: Path, **environment: str) -> None:
        """The fourth command, for ``region``; fails unless the run finished."""
        run = json.dumps({"region": str(region), "workers": 1})
        finished = self.run(
            *("deployment", "run", "fuse-region/daily", "--watch", "--watch-timeout", "300"),
            *("--param", f"run={run}", "--job-variable", f"env={json.dumps(environment)}"),
            timeout=330,
        )
        said = finished.stdout + finished.stderr + self.log("worker").read_text(errors="replace")
        assert finished.returncode == 0, said

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    @contextmanager
    def background(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        command = (*PREFECT, *arguments)
        with background(*command, log=self.log(name), cwd=ROOT, env=self.environment) as process:
            yield process

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.environment['PREFECT_API_URL']}/health") as answer:
                return bool(answer.status == 200)
        except OSError:  # urllib's URLError is one
            return False

    def works(self) -> bool:
        return b"started!" in self.log("worker").read_bytes()


@contextmanager
def prefect_room(home: Path) -> Iterator[Room]:
    """The first two commands of the README: a server, and a worker on the pool ``daily30``."""
    room = Room(home=home)
    serve = ("server", "start", "--host", "127.0.0.1", "--port", f"{room.port}")
    work = ("worker", "start", "--pool", "daily30", "--type", "process")
    with room.background("server", *serve) as server:
        wait_until(room.is_up, server, room.log("server"))
        with room.background("worker", *work) as worker:
            wait_until(room.works, worker, room.log("worker"))
            yield room
