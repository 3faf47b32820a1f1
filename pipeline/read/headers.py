"""Whether the header of a TIFF came whole.

A body that is cut off is no error to GDAL: it opens the file from what it has, and of tags beyond
the end it only warns.  Without its grid tags such a file lies somewhere else, or nowhere; without
others its numbers mean something else.  So the warning is made the error that it is.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_IN_PART = re.compile(r"IO error during reading of .*; tag ignored")


class _Ear(logging.Handler):
    """Hears what GDAL warns of in each thread, by rasterio's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if _IN_PART.search(text := record.getMessage()):
            self.heard.text = text


_EAR = _Ear()


@contextmanager
def whole_headers() -> Iterator[None]:
    """OSError at the end of the block where a file was opened of whose header a part was missing.

    In place of any other error, for that is what the part is missed by.
    """
    log = logging.getLogger("rasterio")
    log.addHandler(_EAR)  # again and again: once
    if not log.isEnabledFor(logging.WARNING):
        log.setLevel(logging.WARNING)
    _EAR.heard.text = ""
    try:
        yield
    finally:
        if _EAR.heard.text:
            raise OSError(f"its header came in part ({_EAR.heard.text})")
