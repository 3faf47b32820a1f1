"""JSON from a web server that is busy, slow or half broken: asked again until it is whole."""

import json
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout, make_headers, parse_url

from catalogs.items import redact
from catalogs.spec import CatalogError

WEB = ("http://", "https://")
"""How the address of a catalogue starts that strangers may have written."""

TRIES = 8
"""At three bad answers in ten, one request in fifteen thousand fails for good."""

FEW = 5
"""Tries of the first page of a catalogue, which may simply be down."""

BACKOFF_S = 0.25
LONGEST_WAIT_S = 60.0
"""Between two tries; a server that asks for more by Retry-After is given this much."""

TIMEOUT = Timeout(connect=10.0, read=60.0)
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one next time."""

TOO_MUCH = frozenset({500, 502, 503, 504})
"""Answers by which servers say that a page was too large for them."""

# Redirects are followed; all else is ours, so that POST and cut-off bodies are asked again too.
_ONCE = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5)


class WebError(CatalogError):
    """No usable answer; ``status`` is the server's last one, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message, again=status == 0 or status in AGAIN)
        self.status = status


def fetch(url: str, body: Mapping[str, Any] | None = None, *, tries: int = TRIES) -> dict[str, Any]:
    """The JSON object at ``url``; by POST where there is a ``body``.

    Asked up to ``tries`` times where the server is busy or ill, cannot be reached, breaks off or
    sends what is no JSON, with growing waits, or those of its Retry-After.  WebError otherwise.
    """
    plain, headers = _without_user(url)
    status, said = 0, ""
    for number in range(tries):
        wait = BACKOFF_S * 2**number * random.uniform(0.5, 1.0)
        try:
            answer = _pool(_proxy(plain)).request(
                "GET" if body is None else "POST",
                plain,
                json=None if body is None else dict(body),
                headers={"Accept": "application/geo+json, application/json", **headers},
                timeout=TIMEOUT,
            )
        except (HTTPError, OSError, ValueError) as error:
            status, said = 0, told(error)
        else:
            status, said = answer.status, f"status {answer.status}"
            if status < 300:
                try:
                    known = json.loads(answer.data)
                except (ValueError, RecursionError):
                    said = "an answer that is no JSON"
                else:
                    if isinstance(known, dict):
                        return known
                    said = "JSON that is no object"
            elif status not in AGAIN:
                raise WebError(f"{redact(url)} answers with status {status}", status)
            wait = max(wait, _retry_after(answer.headers.get("Retry-After", "")))
        if number + 1 < tries:
            time.sleep(min(wait, LONGEST_WAIT_S))
    # ``from None``: the chain would show the whole address, with what is secret in it.
    raise WebError(
        f"{redact(url)} gives no usable answer in {tries} tries, last {said}", status
    ) from None


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address, as images are read through it too."""
    parts = parse_url(url)
    if parts.host is None or proxy_bypass(parts.host):
        return None
    return getproxies().get(parts.scheme or "http")


@lru_cache
def _pool(proxy: str | None) -> urllib3.PoolManager:
    if proxy is None:
        return urllib3.PoolManager(retries=_ONCE)
    plain, headers = _without_user(proxy)
    told = {f"proxy-{key}": value for key, value in headers.items()}
    return urllib3.ProxyManager(plain, proxy_headers=told, retries=_ONCE)


def told(error: Exception) -> str:
    """What an error says, without users, passwords and query strings of URLs."""
    return re.sub(r"\?[^\s'\")>]+", "", re.sub(r"//[^/\s]*@", "//", str(error)))


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 where there is none."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = parse_url(url)
    except HTTPError:
        raise WebError(f"{redact(url)} is no address of the web") from None
    if parts.auth is None:
        return url, {}
    return parts._replace(auth=None).url, make_headers(basic_auth=parts.auth)
