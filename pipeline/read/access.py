"""Tokens: what an address asks for is got from the environment, in the process that reads.

The facts are in ``catalogs.access``.  The package planetary-computer could sign too; it was left
out, as it refreshes at 60 s before the end (a read of ten minutes outlives that), knows no way to
drop a token that a server refuses, warns under pydantic 2, and signs in what is little more than
one request.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from catalogs.access import access_of
from pipeline.read.errors import ReadError, said

SAS_URL = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Tokens by account and container; ``PC_SDK_SAS_URL`` names another place."""

LEFT_S = 600.0
"""Least time a token must have left when it is handed out."""

LEAST_S = 60.0
"""A token is kept at least so long, whatever the clocks say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """How an address is asked so that it answers.  Not for any log."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """For our own requests; ``requests`` does not send Authorization on to another host."""

    gdal: Mapping[str, str] = field(default_factory=dict)
    """GDAL options, for this address alone."""


def pass_for(href: str, *, renew: bool = False) -> Pass:
    """What reading ``href`` needs now.  ``renew``: the server has refused what was given last.

    ReadError, naming what to set, where it cannot be had.
    """
    access = access_of(href)
    if access is None:
        return Pass(address=href)
    if access.how == "sas":
        account, container = _container(href)
        return Pass(address=f"{href}{'&' if '?' in href else '?'}{_sas(account, container, renew)}")
    if access.how == "bearer":
        token = os.environ.get("EARTHDATA_TOKEN", "").strip()
        if not token:
            raise ReadError(f"{access.name} wants a token; {access.cure}")
        # As a bearer, not as a header: curl keeps it from the hosts it is redirected to.
        return Pass(
            address=href,
            headers={"Authorization": f"Bearer {token}"},
            gdal={"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": token},
        )
    if access.how == "requester-pays":
        return Pass(address=href, gdal={"AWS_REQUEST_PAYER": "requester"})
    raise ReadError(f"{access.name}: {access.cure}")


def _container(href: str) -> tuple[str, str]:
    parts = urlsplit(href)
    return (parts.hostname or "").partition(".")[0], parts.path.lstrip("/").partition("/")[0]


@dataclass(slots=True)
class _Kept:
    """The token of a container; its lock lets one thread ask while the others wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = ""
    until: float = 0.0
    """On the monotonic clock."""

    given: float = 0.0


_KEPT: dict[tuple[str, str], _Kept] = {}
_KEPT_LOCK = threading.Lock()


def _sas(account: str, container: str, renew: bool) -> str:
    with _KEPT_LOCK:
        kept = _KEPT.setdefault((account, container), _Kept())
    asked = time.monotonic()
    with kept.lock:
        # Of several threads that were refused at once, the first gets a new token for all.
        stale = renew and kept.given < asked
        if stale or time.monotonic() >= kept.until:
            kept.token, lifetime = _ask(account, container)
            kept.given = time.monotonic()
            kept.until = kept.given + max(lifetime - LEFT_S, LEAST_S)
        return kept.token


def _ask(account: str, container: str) -> tuple[str, float]:
    """A token and the seconds it holds."""
    key = os.environ.get("PC_SDK_SUBSCRIPTION_KEY")
    base = os.environ.get("PC_SDK_SAS_URL", SAS_URL).rstrip("/")
    try:
        with session() as http:
            answer = http.get(
                f"{base}/{account}/{container}",
                headers={"Ocp-Apim-Subscription-Key": key} if key else {},
                timeout=(10, 30),
            )
            answer.raise_for_status()
            told = answer.json()
            token, expiry = str(told["token"]), datetime.fromisoformat(told["msft:expiry"])
            # By the server's clock: ours may be off by a day (pitfalls.md 10).
            date = answer.headers.get("Date")
            now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise ReadError(
            f"no token for container {container} of {account} from {base}: {said(error)}; "
            f"run again later"
        ) from None
    return token, (_aware(expiry) - _aware(now)).total_seconds()


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def session(*, retries: int = 5) -> requests.Session:
    """Requests that are made again after 429, 5xx and lost connections."""
    http = requests.Session()
    retry = Retry(
        total=retries,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        http.mount(scheme, HTTPAdapter(max_retries=retry))
    return http
