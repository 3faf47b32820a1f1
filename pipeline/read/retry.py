"""What is tried again, for how long, and what is not.

There are two rings.  GDAL asks again for one range; here a whole file is read again, for GDAL
gives up on what a server says in a bad moment: a page of HTML in place of a TIFF, a body cut
short.  It also remembers such a failure for the life of the process, unless told not to.
"""

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import rasterio
import requests
from rasterio.errors import RasterioError

from catalogs import local_path
from catalogs.access import access_of
from pipeline.read.access import Pass, pass_for
from pipeline.read.errors import ReadError, chain, said, unreadable
from pipeline.read.headers import whole_headers
from pipeline.read.secrets import keep_logs_clean

T = TypeVar("T")

_LIMITS = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",  # bytes a second ...
    "GDAL_HTTP_LOW_SPEED_TIME": "20",  # ... for so many seconds
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
}
"""For one request; the user's environment goes before."""

_ALWAYS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # Several decoding threads have given corrupt pixels without an error (GDAL 12426).
    "GDAL_NUM_THREADS": "1",
    # Nothing is kept beyond a file's closing, failures least of all.  It costs one HEAD a file;
    # rasterio knows no VSICurlPartialClearCache, which would drop the failures alone.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/",
}

ATTEMPTS = 5
"""Times that a file is read before it counts as failed."""

PAUSE_S = 0.5
"""Before the second attempt; twice as long before each further one, give or take a half."""

DEADLINE_S = 600.0
"""For all files of an item; ``DAILY30_READ_SECONDS`` in the environment goes before."""

AT_ONCE = 4
"""Remote files of an item that are read at the same time: most of it is waiting."""


def gdal_env(extra: Mapping[str, str] | None = None) -> Any:
    """GDAL as we want it, as a context."""
    own = {key: value for key, value in _LIMITS.items() if key not in os.environ}
    return rasterio.Env(**own, **_ALWAYS, **(extra or {}))


def patiently(
    read: Callable[[Pass], T], over: threading.Event, *, item: str, asset: str, href: str
) -> T:
    """``read`` a file, again where that may help, until ``over`` is set.

    A server's bad moment heals (time-outs, 429, 5xx, cut bodies, a remote file that is no TIFF);
    404, a refusal to the fresh token too, and a broken file on this machine do not.  ReadError
    with item, asset, address and cure.
    """
    keep_logs_clean()
    renew = renewed = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ticket = pass_for(href, renew=renew)
            with gdal_env(ticket.gdal), whole_headers():
                return read(ticket)
        except ReadError as error:  # told already what it is
            raise unreadable(item, asset, href, str(error), "then run again") from None
        except Exception as error:
            reason, cure = said(error), _cure(error, href, renewed=renewed)
            renew = cure is None and _REFUSED.search(_words(reason)) is not None
            if cure is None and attempt == ATTEMPTS:
                cure = f"it was tried {ATTEMPTS} times; run again later"
            if cure is not None:
                raise unreadable(item, asset, href, reason, cure) from None
        renewed |= renew
        if over.wait(0 if renew else PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)):
            break
    raise unreadable(item, asset, href, "out of time", "run again later")


# Of what S3 answers GDAL tells the words, not the code.
_GONE = re.compile(r"\b(404|410)\b|(key|bucket) does not exist|Not Found")
_REFUSED = re.compile(
    r"\b(401|403)\b|Access ?Denied|Access Key Id you provided|signature we calculated|"
    r"token (has expired|you provided|is malformed)"
)
_NO_ACCOUNT = re.compile(r"AWS_SECRET_ACCESS_KEY|InvalidCredentials|AWS_NO_SIGN_REQUEST")


def _words(reason: str) -> str:
    """Without addresses and paths, whose parts may be the number of an answer."""
    return re.sub(r"\S*/\S*", "", reason)


def _cure(error: Exception, href: str, *, renewed: bool) -> str | None:
    """What the user can do; None where another attempt may do it."""
    restore = "restore the file, or name the item under `skip` in the region file, and run again"
    if local_path(href) is not None:
        return restore
    kinds = (RasterioError, requests.RequestException, OSError)
    if not any(isinstance(one, kinds) for one in chain(error)):
        return restore
    reason, access = _words(said(error)), access_of(href)
    if _GONE.search(reason):
        return (
            "the server does not have it: run again later or, should it be gone for good, name the "
            "item under `skip` in the region file"
        )
    if _NO_ACCOUNT.search(reason):
        return (
            access.cure
            if access
            else (
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for a "
                "public bucket"
            )
        )
    if _REFUSED.search(reason):
        if access is not None and access.how == "sas" and not renewed:
            return None
        return access.cure if access else "the server refuses to give it; check your rights there"
    return None


def in_time(
    jobs: Mapping[str, Callable[[threading.Event], T]], late: str, *, remote: bool
) -> dict[str, T]:
    """Run the jobs, each told when all is over; their results by name.

    On files of this machine one after the other, here.  ``remote`` ones in threads of their own,
    some at once; what is set for GDAL there, a token among it, holds for that thread alone.

    The first error ends it.  So does the deadline, with ``late`` and the names of what is not
    there: a server that says nothing cannot hold a run.  The threads it holds are left to GDAL's
    own limits.
    """
    if not remote:
        return {name: job(threading.Event()) for name, job in jobs.items()}
    seconds = float(os.environ.get("DAILY30_READ_SECONDS", DEADLINE_S))
    end, over = time.monotonic() + seconds, threading.Event()
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in jobs:
        waiting.put(name)
    done: SimpleQueue[tuple[str, T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while not over.is_set():
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            try:
                done.put((name, jobs[name](over), None))
            except BaseException as error:  # raised again below, where it is awaited
                done.put((name, None, error))
                over.set()

    # Daemons, as an executor's threads would be waited for at the end of the process.
    for _ in range(min(AT_ONCE, len(jobs))):
        threading.Thread(target=work, name="read", daemon=True).start()
    results: dict[str, T] = {}
    try:
        while len(results) < len(jobs):
            try:
                name, result, error = done.get(timeout=max(end - time.monotonic(), 0.001))
            except Empty:
                missing = ", ".join(repr(name) for name in jobs if name not in results)
                raise ReadError(
                    f"{late}: no answer within {seconds:g} s for {missing}; run again later, or "
                    f"with a larger DAILY30_READ_SECONDS"
                ) from None
            if error is not None:
                raise error
            results[name] = result  # type: ignore[assignment]
    finally:
        over.set()
    return results
