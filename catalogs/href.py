"""The address of a file that an item names: absolute, for programs, and none that harms."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from catalogs.access import access_of
from catalogs.items import local_path, redact
from catalogs.spec import CatalogError
from catalogs.web import WEB


def asset_href(asset: Mapping[str, Any], key: str, base: str, *, web: bool) -> str:
    """An asset's address, absolute.  CatalogError where it is none that may be read.

    GDAL opens more than files: ``/vsicurl/`` and its kin reach other hosts and unpack archives,
    and XML in place of a name is a VRT that names any files.  A catalogue from the ``web`` has
    no business with the files of this machine either.
    """
    told = asset.get("href")
    if not isinstance(told, str) or not told.strip() or any(ord(c) < 32 for c in told):
        raise CatalogError(f"asset {key!r} has no address")
    href = _programs(asset, told)
    absolute = re.match(r"/|[a-z][a-z0-9+.-]*:", href, re.IGNORECASE)
    _check_href(key, href, web=web and bool(absolute))
    if not absolute:
        try:
            href = urljoin(base, href) if base.startswith(WEB) else _beside(base, href)
        except ValueError:
            raise CatalogError(f"asset {key!r} is at no address: {redact(href)[:80]}") from None
        _check_href(key, href, web=web)  # ../../vsicurl/ may have become absolute
    if href.lower().startswith("file://"):  # GDAL does not unquote them
        return str(local_path(href))
    return href


def _programs(asset: Mapping[str, Any], href: str) -> str:
    """The address for programs, where the first is for people who log in (LandsatLook)."""
    try:
        access = access_of(href)
    except ValueError:
        return href
    alternate = asset.get("alternate")
    if access is None or access.how != "login" or not isinstance(alternate, dict):
        return href
    other = alternate.get("s3")
    found = other.get("href") if isinstance(other, dict) else None
    return found if isinstance(found, str) and found.startswith("s3://") else href


def _beside(base: str, href: str) -> str:
    path = local_path(base) or PurePosixPath(base)
    parts: list[str] = []
    for part in (path.parent / href).parts:
        if part == ".." and parts[-1:] not in ([], ["/"], [".."]):
            parts.pop()
        elif part != ".." or parts[-1:] != ["/"]:
            parts.append(part)
    return str(PurePosixPath(*parts))


def _check_href(key: str, href: str, *, web: bool) -> None:
    plain = str(local_path(href) or href).lstrip()
    cure = "correct the item, or use a catalogue you trust"
    if plain.startswith(("/vsi", "<")):
        raise CatalogError(
            f"asset {key!r} is neither a file nor a URL: {redact(href)[:80]}; {cure}"
        )
    if web and not href.lower().startswith((*WEB, "s3://")):
        raise CatalogError(
            f"asset {key!r} is at {redact(href)[:80]}, but a catalogue from the web may only name "
            f"http://, https:// and s3://; {cure}"
        )


def file_name(href: str) -> str:
    """The last part of an address's path, "" where there is none."""
    try:
        return unquote(urlsplit(href).path).rpartition("/")[2]
    except ValueError:
        return ""
