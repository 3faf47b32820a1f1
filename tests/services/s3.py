"""An S3 server (moto's) with the files of a folder in a bucket."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from tests.services.process import answers, background, free_port, private_environment, wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """A running server."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """By which GDAL finds it instead of Amazon's."""
        return {
            "AWS_S3_ENDPOINT": f"127.0.0.1:{self.port}",
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def bucket(self, name: str, folder: Path) -> None:
        """Make the bucket ``name`` with the images of ``folder`` under their relative paths."""
        self._put(name, b"")
        for path in sorted(folder.rglob("*.*")):
            if path.suffix.lower() == ".tif":
                self._put(f"{name}/{path.relative_to(folder)}", path.read_bytes())

    def _put(self, key: str, body: bytes) -> None:
        # moto lets unsigned requests in; reading is signed, by GDAL.  Without a type urllib calls
        # the body a form, which moto then waits for in vain.
        url, binary = f"http://127.0.0.1:{self.port}/{key}", "application/octet-stream"
        put = Request(url, data=body, method="PUT", headers={"Content-Type": binary})
        with urlopen(put, timeout=60):
            pass


@contextmanager
def private_s3(log: Path) -> Iterator[S3]:
    """An empty server until the block ends."""
    port = free_port()
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", f"{port}")
    with background(*command, log=log, env=private_environment()) as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/moto-api/"), process, log)
        yield S3(port=port)
