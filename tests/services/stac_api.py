"""A real STAC API: stac-fastapi on pgstac, over a private PostgreSQL."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.postgres import Postgres
from tests.services.process import answers, background, free_port, private_environment, wait_until


@contextmanager
def stac_api(postgres: Postgres, database: str, log: Path) -> Iterator[str]:
    """The URL at which the catalogue in ``database`` is served until the block ends."""
    port = free_port()
    environment = private_environment(
        **postgres.environment(database),
        STAC_FASTAPI_TITLE="daily30 tests",
        STAC_FASTAPI_DESCRIPTION="a real API over a made-up region",
        STAC_FASTAPI_LANDING_ID="daily30",
        STAC_FASTAPI_VERSION="1",
    )
    command = (sys.executable, "-m", "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app")
    address = ("--host", "127.0.0.1", "--port", f"{port}", "--log-level", "warning")
    url = f"http://127.0.0.1:{port}"
    with background(*command, *address, log=log, env=environment) as process:
        wait_until(lambda: answers(url), process, log)
        yield url
