"""An internet on loopback: a proxy that answers for every host itself, over TLS too.

Through it the real addresses are read as they are, so nothing in the product knows of the tests:
``http_proxy`` and ``https_proxy`` lead there, and ``CURL_CA_BUNDLE`` names its own authority.
"""

import datetime
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, kw_only=True)
class Request:
    scheme: str
    host: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last byte asked for."""
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2] or 2**62)) if found else None


@dataclass(kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body, and hang up."""
    silent: float = 0.0
    """Seconds to say nothing before."""


Site = Callable[[Request], Answer]


class Internet:
    """``sites`` answer by host; ``log`` holds what was asked, in order."""

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.log: list[Request] = []
        self.over = threading.Event()

    def answer(self, request: Request) -> Answer:
        self.log.append(request)
        site = self.sites.get(request.host)
        return site(request) if site else Answer(status=404)

    def asked(self, host: str) -> list[Request]:
        return [request for request in self.log if request.host == host]


def files(folder: Path) -> Site:
    """The files under a folder, by byte ranges."""

    def site(request: Request) -> Answer:
        path = folder / request.path.lstrip("/")
        if not path.is_file():
            return Answer(status=404)
        whole = path.read_bytes()
        if request.span is None:
            return Answer(body=whole, headers={"Accept-Ranges": "bytes"})
        first, last = request.span
        if first >= len(whole):
            return Answer(status=416)
        part = whole[first : last + 1]
        told = f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
        return Answer(status=206, body=part, headers={"Content-Range": told})

    return site


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.tunnel: str | None = None

    def do_CONNECT(self) -> None:
        self.tunnel = self.path.partition(":")[0]
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            scheme="https" if self.tunnel else "http",
            host=self.tunnel or (parts.hostname or self.headers["Host"].partition(":")[0]),
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers={key.lower(): value for key, value in self.headers.items()},
        )
        answer = self.server.internet.answer(request)
        if answer.silent and self.server.internet.over.wait(answer.silent):
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        if answer.cut is not None:
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the one of TLS, which nobody else knows

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client has hung up
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    internet: Internet
    tls: ssl.SSLContext

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def running(folder: Path, hosts: tuple[str, ...]) -> Iterator[tuple[Internet, dict[str, str]]]:
    """The internet, and the environment variables that lead to it."""
    chain, bundle = _certificates(folder, hosts)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.internet = Internet()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(chain)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_port}"
    env = {"http_proxy": proxy, "https_proxy": proxy, "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    # The first is what the GDAL in rasterio's wheels goes by.
    authority = ("GDAL_CURL_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    env |= dict.fromkeys(authority, str(bundle))
    env |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    try:
        yield server.internet, env
    finally:
        server.internet.over.set()
        server.shutdown()
        server.server_close()


def _certificates(folder: Path, hosts: tuple[str, ...]) -> tuple[Path, Path]:
    """Key and certificate for ``hosts``, and the authority that has signed them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chain.pem").write_bytes(secret + pem)
    (folder / "bundle.pem").write_bytes(pem)
    return folder / "chain.pem", folder / "bundle.pem"
