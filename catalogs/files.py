"""STAC catalogues as files, on this machine or behind a web server, walked link by link.

Not by pystac, which ends at the first file of many that it cannot read.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from catalogs.items import local_path, redact
from catalogs.spec import CatalogError
from catalogs.web import FEW, WEB, fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One JSON file of a catalogue."""

    href: str
    known: dict[str, Any]

    @property
    def web(self) -> bool:
        """Whether strangers may have written it."""
        return self.href.lower().startswith(WEB)


def open_root(href: str) -> Node:
    """The file a catalogue starts with.  CatalogError where it is none."""
    path = local_path(href)
    if path is not None and not path.is_file():
        raise CatalogError(
            f"there is no catalogue at {path.absolute()}; give the path of a catalog.json or the "
            f"URL of a STAC API"
        )
    try:
        return _read(str(path.absolute()) if path else href)
    except CatalogError as error:
        raise CatalogError(
            f"{redact(href)} is not a STAC catalogue: {error}", again=error.again
        ) from None


def collections(root: Node) -> Iterator[Node]:
    """All collections, at any depth; files that cannot be read are passed over."""
    for node in _walk(root):
        if isinstance(node, Node) and node.known.get("type") == "Collection":
            yield node


def items(collection: Node) -> Iterator[Node | str]:
    """The items under a collection, at any depth; for what cannot be read, why."""
    for node in _walk(collection, items=True):
        if isinstance(node, str) or node.known.get("type") not in ("Catalog", "Collection"):
            yield node


def _walk(root: Node, *, items: bool = False) -> Iterator[Node | str]:
    seen, todo = {root.href}, [root]
    while todo:
        node = todo.pop(0)
        yield node
        links = node.known.get("links")
        for link in links if isinstance(links, list) else ():
            told = link.get("href") if isinstance(link, dict) else None
            kinds = ("child", "item") if items else ("child",)
            if not isinstance(told, str) or link.get("rel") not in kinds:
                continue
            try:
                href = _absolute(node, told)
                if href in seen:
                    continue
                seen.add(href)
                found = _read(href)
            except CatalogError as error:
                yield str(error)
                continue
            if link["rel"] == "item":
                yield found
            else:
                todo.append(found)


def _absolute(node: Node, href: str) -> str:
    if node.web:
        try:
            found = urljoin(node.href, href)
        except ValueError:
            found = href
        if not found.lower().startswith(WEB):
            raise CatalogError(f"{redact(node.href)} links to {redact(href)[:80]}, a local file")
        return found
    path = local_path(href)
    if path is None:
        return href
    return str(path if path.is_absolute() else (Path(node.href).parent / path).resolve())


def _read(href: str) -> Node:
    if href.lower().startswith(WEB):
        return Node(href=href, known=fetch(href, tries=FEW))
    try:
        known = json.loads(Path(href).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CatalogError(f"{redact(href)} cannot be read: {error}") from None
    if not isinstance(known, dict):
        raise CatalogError(f"{redact(href)} holds no JSON object")
    return Node(href=href, known=known)
