"""Nothing secret in errors and logs: tokens, keys, and the query strings of addresses.

GDAL, odc-stac and stackstac name the address they were given in their messages, and a signed
address is a secret for as long as it holds.
"""

import logging
import os
import re
from typing import Any

SECRET = (
    "EARTHDATA_TOKEN",
    "PC_SDK_SUBSCRIPTION_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""Environment variables whose values are shown nowhere."""

_QUERY = re.compile(r"(?<=[\w/.%~-])\?[^\s'\"<>)\]]*[^\s'\"<>)\].:;,]")
_USER = re.compile(r"(?<=//)[^/\s'\"]*@")


def scrub(text: str) -> str:
    """A text without the query strings and users of its addresses, and without our secrets."""
    for name in SECRET:
        if value := os.environ.get(name):
            text = text.replace(value, "***")
    return _USER.sub("", _QUERY.sub("", text))


def keep_logs_clean() -> None:
    """From now on no record of this process holds a secret, whoever logs it.

    A filter would have to sit on every logger of every library that may name an address; all
    records come from the one factory.
    """
    before = logging.getLogRecordFactory()
    if getattr(before, "scrubs", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the record's own fault, told where it is shown
            return record
        clean = scrub(text)
        if clean != text:
            record.msg, record.args = clean, None
        return record

    factory.scrubs = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
