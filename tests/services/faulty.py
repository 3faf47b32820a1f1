"""A front before a server that, while it is bad, spoils a share of the answers.

Which answers is decided by the seed, the request and how often it was asked, so that a run meets
the same faults whatever the order of its workers; a request that is asked again has another fate.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from benchmarks.file_server import QuietHandler, serving

FAULTS = ("429", "500", "502", "cut", "slow", "twice")
"""What becomes of a spoiled answer; ``twice``, a page served two times, only of pages of items."""

SLOW_S = 1.0
AGAIN = "again"
"""Query parameter of the link from a page to its own copy."""

Answer = tuple[int, dict[str, str], bytes]


@dataclass(kw_only=True)
class Front:
    """A running front; ``share`` may be changed at any time."""

    upstream: str
    seed: int = 0
    share: float = 0.0
    """Of all answers that are spoiled."""

    url: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    """What was done so far, by kind; "none" counts the answers that were let through."""

    _asked: Counter[bytes] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self, request: bytes, *, pages: bool) -> str | None:
        """The fault that this request meets this time, None for an honest answer."""
        with self._lock:
            self._asked[request] += 1
            key = b"%d %d " % (self.seed, self._asked[request]) + request
            draw = hashlib.sha256(key).digest()
            kinds = FAULTS if pages else FAULTS[:-1]
            spoiled = int.from_bytes(draw[:8], "big") < self.share * 2**64
            fault = kinds[draw[8] % len(kinds)] if spoiled else None
            self.faults[fault or "none"] += 1
        return fault


@contextmanager
def faulty(upstream: str, *, seed: int = 0, share: float = 0.0) -> Iterator[Front]:
    """A front before the server at ``upstream``, at its ``url``, until the block ends."""
    own = Front(upstream=upstream, seed=seed, share=share)

    class Handler(_Handler):
        front = own

    with serving(Handler) as own.url:
        yield own


class _Handler(QuietHandler):
    front: Front

    def do_GET(self) -> None:  # noqa: N802
        self._answer(b"")

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(b"")

    def do_POST(self) -> None:  # noqa: N802
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        path, again = _without_again(self.path)
        asked = f"{self.command} {self.path} {self.headers.get('Range', '')} ".encode() + body
        pages = path.split("?")[0].endswith(("/search", "/items"))
        fault = self.front.fate(asked, pages=pages)
        if fault in ("429", "500", "502"):
            self._send(int(fault), {"Retry-After": "1"} if fault == "429" else {}, b"not now\n")
            return
        if fault == "slow":
            time.sleep(SLOW_S)
        status, headers, answer = self._ask(path, body)
        if fault == "twice" and not again and status == 200:
            answer = _with_link_to_itself(answer, f"{self.front.url}{path}", body)
        self._send(status, headers, answer, cut=fault == "cut")

    def _ask(self, path: str, body: bytes) -> Answer:
        upstream = HTTPConnection(urlsplit(self.front.upstream).netloc, timeout=60)
        # The Host is the client's, so that links in the answers lead back through this front.
        wanted = {key: text for key, text in self.headers.items() if key != "Accept-Encoding"}
        try:
            upstream.request(self.command, path, body or None, wanted)
            answer = upstream.getresponse()
            kept = ("Content-Type", "Content-Range", "Accept-Ranges", "Content-Length")
            headers = {key: answer.headers[key] for key in kept if key in answer.headers}
            return answer.status, headers, answer.read()
        finally:
            upstream.close()

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False
    ) -> None:
        if self.command != "HEAD":
            headers = headers | {"Content-Length": str(len(body))}
            body = body[: len(body) // 2] if cut else body
        else:
            body = b""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        # What was promised and does not come: the connection ends in the middle of the body.
        self.close_connection = self.close_connection or cut


def _without_again(path: str) -> tuple[str, bool]:
    before, _, query = path.partition("?")
    words = parse_qsl(query, keep_blank_values=True)
    kept = [(key, text) for key, text in words if key != AGAIN]
    return (f"{before}?{urlencode(kept)}" if kept else before), len(kept) < len(words)


def _with_link_to_itself(answer: bytes, url: str, body: bytes) -> bytes:
    """A page whose ``next`` is the page itself, once, and which names its last item twice."""
    page: dict[str, Any] = json.loads(answer)
    if not page.get("features"):
        return answer
    page["features"].append(page["features"][-1])
    links = [link for link in page.get("links", []) if link["rel"] != "next"]
    href = f"{url}{'&' if '?' in url else '?'}{AGAIN}=1"
    link: dict[str, Any] = {"rel": "next", "type": "application/geo+json", "href": href}
    if body:
        link |= {"method": "POST", "body": json.loads(body)}
    return json.dumps(page | {"links": [*links, link]}).encode()
