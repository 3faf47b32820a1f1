"""What all tests share: services a machine may lack, and quiet, private settings."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.prefect_room import Room, prefect_room
from tests.services import postgres as pg
from tests.services.s3 import S3, private_s3

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def _loopback() -> str | None:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return None
    except OSError as error:
        return f"no server can listen on 127.0.0.1 ({error})"


def _shared_data() -> str | None:
    return None if SHARED_DATA.is_dir() else f"{SHARED_DATA} does not exist"


def _gpu() -> str | None:
    import torch  # not by every test

    return None if torch.cuda.is_available() else "torch finds no CUDA device"


SERVICES: dict[str, Callable[[], str | None]] = {
    "gpu": _gpu,
    "loopback": _loopback,
    "postgres": pg.absent,
    "shared-data": _shared_data,
}
"""What a machine may lack, and how to see it; None means it is there."""

MAY_ALWAYS_SKIP = {"gpu", "shared-data"}
"""A device, and real scenes that are not part of the repository: no build can install them."""


def require(service: str) -> None:
    """Skip the calling test, with the reason, where ``service`` is absent.

    With ``DAILY30_REQUIRE=all`` (set by ``.ci/run``, which installs the services) the absence is
    a failure instead, so that no test can drop out of the build unseen.
    """
    if (reason := SERVICES[service]()) is None:
        return
    if os.environ.get("DAILY30_REQUIRE") == "all" and service not in MAY_ALWAYS_SKIP:
        pytest.fail(f"{service} is required (DAILY30_REQUIRE=all), but {reason}", pytrace=False)
    pytest.skip(f"needs {service}: {reason}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked ``gpu`` skips without one."""
    if item.get_closest_marker("gpu"):
        require("gpu")


@pytest.fixture(name="require")
def _require() -> Callable[[str], None]:
    return require


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real scenes beside the checkout; skips where it is absent."""
    require("shared-data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres() -> Iterator[pg.Postgres]:
    """A private PostgreSQL with pgstac."""
    require("loopback")
    require("postgres")
    with pg.private_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A private Prefect with a worker, to which our flow is deployed."""
    require("loopback")
    with prefect_room(tmp_path_factory.mktemp("prefect")) as room:
        room.deploy()
        yield room


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A private S3 server."""
    require("loopback")
    with private_s3(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _one_thread_each() -> Iterator[None]:
    # Several processes share the cores of a small machine; OpenMP pools would fight over them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        yield
