"""A private PostgreSQL with PostGIS and pgstac, on loopback and without a password."""

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.process import background, free_port, listens, wait_until

DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the server's programs off the PATH, a folder a version."""

UNPRIVILEGED = "postgres"
"""Who runs the server where the tests run as root, which PostgreSQL refuses."""

FAST = {
    # Nothing in it outlives the tests.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
}


def _programs() -> Path | None:
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    elsewhere = shutil.which("initdb")
    return found[-1].parent if found else Path(elsewhere).parent if elsewhere else None


def absent() -> str | None:
    """Why no PostgreSQL can be started here, None if it can."""
    if (programs := _programs()) is None:
        return "there is no PostgreSQL server (Debian: postgresql-15-postgis-3)"
    told = subprocess.run(
        [programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
    )
    if not (Path(told.stdout.strip()) / "extension" / "postgis.control").exists():
        return f"the PostgreSQL in {programs} has no PostGIS (Debian: postgresql-15-postgis-3)"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server."""

    port: int
    user: str

    def environment(self, database: str) -> dict[str, str]:
        """The variables by which libpq and stac-fastapi find a database."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": "none",
            "PGDATABASE": database,
        }

    def catalogue(
        self,
        name: str,
        collections: list[Mapping[str, Any]],
        items: list[Mapping[str, Any]],
    ) -> None:
        """Make the database ``name``, which holds these STAC collections and items."""
        from pypgstac.load import Loader, Methods

        self._execute(f'CREATE DATABASE "{name}" TEMPLATE template_pgstac')
        with self._pgstac(name) as db:
            loader = Loader(db=db)
            loader.load_collections(iter(collections), Methods.insert)
            if items:
                loader.load_items(iter(items), Methods.insert)

    def add(self, name: str, item: Mapping[str, Any]) -> str | None:
        """Add an item to the database ``name``; what pgstac says if it refuses."""
        from pypgstac.load import Loader, Methods

        with self._pgstac(name) as db:
            try:
                Loader(db=db).load_items(iter([item]), Methods.insert)
            except Exception as error:  # psycopg's and its own, and KeyErrors
                return f"{type(error).__name__}: {error}"
        return None

    @contextmanager
    def _pgstac(self, database: str) -> Iterator[Any]:
        from pypgstac.db import PgstacDB

        # A connection of its own: pypgstac's pool would keep the template in use.
        with self._connect(database, options="-c search_path=pgstac,public") as connection:
            yield PgstacDB(connection=connection)

    def _execute(self, statement: str) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement)

    def _connect(self, database: str, **more: str) -> Any:
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            dbname=database,
            autocommit=True,
            **more,
        )

    def migrate(self) -> None:
        """Make the database that all catalogues are copies of."""
        from pypgstac.migrate import Migrate

        self._execute("CREATE DATABASE template_pgstac")
        with self._pgstac("template_pgstac") as db:
            Migrate(db).run_migration()


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """A server with an empty pgstac; folder and processes are gone when the block ends."""
    programs = _programs()
    assert programs is not None, absent()
    root = os.geteuid() == 0
    user = UNPRIVILEGED if root else getpass.getuser()
    other: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if root else {}
    # Not below pytest's own folder, which another user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="daily30-postgres-"))
    try:
        if root:
            shutil.chown(folder, user, user)
        data, log, port = folder / "data", folder / "log", free_port()
        how = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        initdb = [programs / "initdb", "-D", data, "-U", user, *how]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **other)
        settings = [word for key, text in FAST.items() for word in ("-c", f"{key}={text}")]
        command = (programs / "postgres", "-D", data, "-p", f"{port}", *settings)
        # SIGQUIT is PostgreSQL's "at once": it does not wait for its clients to leave.
        with background(*command, log=log, end=signal.SIGQUIT, cwd=folder, **other) as process:
            wait_until(lambda: listens(port), process, log)
            server = Postgres(port=port, user=user)
            server.migrate()
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
