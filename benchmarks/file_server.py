"""A folder over HTTP with byte ranges, which remembers every request and the bytes it sent.

    with file_server(folder) as server:
        ...  # read server.url + "/some/file.tif"
        print(server.total())

Tests read through it too.  Only the standard library: a benchmark must not need a web framework.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request and what was sent for it."""

    method: str
    path: str
    """Without the leading slash: relative to the served folder."""

    status: int
    first: int
    """Offset of the first byte sent."""

    sent: int
    """Bytes of the body."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests and bytes of some requests together."""

    requests: int
    sent: int

    @classmethod
    def of(cls, requests: list[Request]) -> Self:
        """Count them."""
        return cls(len(requests), sum(request.sent for request in requests))


class FileServer:
    """What a running server has seen so far."""

    def __init__(self, folder: Path, latency_s: float) -> None:
        self.folder = folder.resolve()
        self.latency_s = latency_s
        """Waited before each answer, as a far server would make one wait."""

        self.url = ""
        self._requests: list[Request] = []
        self._lock = threading.Lock()

    def log(self, request: Request) -> None:
        """Remember a request."""
        with self._lock:
            self._requests.append(request)

    @property
    def requests(self) -> list[Request]:
        """All requests, in the order of their answers."""
        with self._lock:
            return list(self._requests)

    def forget(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._requests.clear()

    def total(self) -> Traffic:
        """Of all files."""
        return Traffic.of(self.requests)

    def by_path(self) -> dict[str, Traffic]:
        """Of each file that was asked for."""
        requests = self.requests
        return {
            path: Traffic.of([request for request in requests if request.path == path])
            for path in Counter(request.path for request in requests)
        }


@contextmanager
def file_server(folder: Path, *, latency_s: float = 0.0) -> Iterator[FileServer]:
    """Serve ``folder`` on a free loopback port until the block ends."""
    server = FileServer(folder, latency_s)

    class Handler(_Handler):
        files = server

    with serving(Handler) as server.url:
        yield server


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL at which a thread answers with ``handler`` until the block ends."""
    web = _Web(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{web.server_port}"
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


class _Web(ThreadingHTTPServer):
    # A kept-alive connection of a client that is gone would hold up the end of the server.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up in the middle are none of our business."""


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with kept-alive connections and no log."""

    protocol_version = "HTTP/1.1"
    # Headers and body in one packet each way: else each answer waits 40 ms for the client's ACK.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Handler(QuietHandler):
    files: FileServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        time.sleep(self.files.latency_s)
        name = unquote(urlsplit(self.path).path).lstrip("/")
        path = (self.files.folder / name).resolve()
        if not (path.is_relative_to(self.files.folder) and path.is_file()):
            self._send(404, name, b"", 0, with_body=with_body)
            return
        size = path.stat().st_size
        asked = _RANGE.match(self.headers.get("Range", ""))
        if asked is None:
            first, last, status = 0, size - 1, 200
        else:
            first, last, status = int(asked[1]), min(int(asked[2] or size), size - 1), 206
        if first >= size:
            self._send(416, name, b"", 0, {"Content-Range": f"bytes */{size}"}, with_body=with_body)
            return
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        headers = {"Accept-Ranges": "bytes"}
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send(status, name, body, first, headers, with_body=with_body)

    def _send(
        self,
        status: int,
        name: str,
        body: bytes,
        first: int,
        headers: dict[str, str] | None = None,
        *,
        with_body: bool,
    ) -> None:
        sent = len(body) if with_body else 0
        self.files.log(
            Request(method=self.command, path=name, status=status, first=first, sent=sent)
        )
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)
