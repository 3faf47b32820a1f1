"""Which code this is, and when it is: what a cube and its files say about their making."""

import os
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

VERSION = version("daily30")

_ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def commit() -> str | None:
    """Commit of the checkout the code runs from, "-dirty" where files differ; None without git."""
    try:
        # The top level too: a copy of the code inside another project is not that project.
        top = _git("rev-parse", "--show-toplevel")
        name = _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None
    return name if Path(top).resolve() == _ROOT else None


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_ROOT), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def software() -> str:
    """Name, version and commit: "daily30 0.1.0 (1a2b3c4d)"."""
    known = commit()
    return f"daily30 {VERSION} ({known})" if known else f"daily30 {VERSION}"


def now() -> str:
    """This second in UTC, ISO 8601.

    ``SOURCE_DATE_EPOCH``, where set, is the time instead: the usual way to ask that files made
    twice be equal to the last byte (reproducible-builds.org).  Nothing else in a cube depends on
    the clock.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
