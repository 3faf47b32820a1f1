"""Files that are read whole: fetched once, kept for a while on this machine, never seen in part.

All processes of a user share the folder.  A file is held by a lock while it is written or read, so
that nobody takes it away from under a reader, and gets its name when it is whole.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import requests

from catalogs import local_path, redact
from pipeline.read.access import Pass, session
from pipeline.read.errors import ReadError

MOST_BYTES = 20 * 10**9
"""What the files may take together, the newest not counted; oldest go first."""

KEPT_S = 24 * 3600.0
"""Age at which a file goes."""

_CHUNK = 1 << 16


def cache_folder() -> Path:
    """``DAILY30_CACHE``, else a folder of this user among the temporary files."""
    given = os.environ.get("DAILY30_CACHE")
    folder = Path(given or Path(tempfile.gettempdir()) / f"daily30-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ReadError(f"{folder} belongs to somebody else; set DAILY30_CACHE to your own folder")
    return folder


@contextmanager
def fetched(href: str, ticket: Pass) -> Iterator[Path]:
    """The file of ``href`` on this machine, for the time of the block."""
    if (path := local_path(href)) is not None:
        yield path
        return
    if not href.lower().startswith(("http://", "https://")):
        raise ReadError(f"a file of this kind is fetched by http(s), not from {redact(href)}")
    path = cache_folder() / sha256(redact(href).encode()).hexdigest()[:32]
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not path.exists():
                _download(ticket, path.with_suffix(".partial"), path, handle)
                remove_old(path.parent, keep=path)
            # The lock is free for an instant here, and with it the file.
            fcntl.flock(handle, fcntl.LOCK_SH)
            if path.exists():
                break
        yield path
    finally:
        os.close(handle)


def _download(ticket: Pass, partial: Path, path: Path, note: int) -> None:
    """Fetch into ``partial``, from where an earlier attempt was cut off, and name it ``path``.

    What is there is gone on with only where the server knows it for the same file still, by the
    mark that is kept in the file ``note``: two halves of two versions would be of the right size.
    """
    have = partial.stat().st_size if partial.exists() else 0
    mark = os.pread(note, 1024, 0).decode(errors="replace")
    asked = {**ticket.headers, "Accept-Encoding": "identity"}
    if goes_on := bool(have and mark):
        asked |= {"Range": f"bytes={have}-", "If-Range": mark}
    with (
        session(retries=0) as http,
        http.get(ticket.address, headers=asked, stream=True, timeout=(10, 60)) as answer,
    ):
        if answer.status_code == 416:  # what is there is not the beginning of what is there now
            partial.unlink()
        answer.raise_for_status()
        goes_on &= answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if "html" in answer.headers.get("Content-Type", ""):
            # Where a token is no good, Earthdata answers 200 with its login page.
            raise requests.HTTPError("403, a page in place of the file")
        if not goes_on:
            partial.unlink(missing_ok=True)
            os.ftruncate(note, 0)
            os.pwrite(note, _mark(answer).encode(), 0)
        with partial.open("ab") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        size = _size(answer)
    if size is not None and partial.stat().st_size != size:
        got = partial.stat().st_size
        if got > size:
            partial.unlink()
        raise requests.ConnectionError(f"{got} of {size} bytes arrived")
    partial.replace(path)


def _mark(answer: requests.Response) -> str:
    """By what a server knows a version of a file; "" where it does not tell."""
    mark = answer.headers.get("ETag", "")
    if not mark.startswith('"'):  # a weak one (W/) is of the content, not of the bytes
        mark = answer.headers.get("Last-Modified", "")
    return mark if len(mark) < 1024 else ""


def _size(answer: requests.Response) -> int | None:
    """Bytes of the whole file, where the server tells."""
    whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status_code != 206:
        whole = answer.headers.get("Content-Length", "")
    return int(whole) if whole.isdigit() else None


def forget_files() -> None:
    """Remove what nobody is reading: at the end of a run the files have done their service."""
    remove_old(cache_folder(), age_s=0)


def remove_old(folder: Path, *, keep: Path | None = None, age_s: float = KEPT_S) -> None:
    """Remove what is older than ``age_s`` or beyond the room there is, but for what is in use."""
    files = []
    for lock in folder.glob("*.lock"):
        for path in (lock.with_suffix(""), lock.with_suffix(".partial")):
            with suppress(FileNotFoundError):
                stat = path.stat()
                files.append((stat.st_mtime, stat.st_size, path))
    room = MOST_BYTES
    for changed, size, path in sorted(files, reverse=True):
        room -= size
        if path != keep and (room < 0 or time.time() - changed >= age_s):
            _remove(path)


def _remove(path: Path) -> None:
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # being read or written
        return
    else:
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)
