"""A STAC API: its collections, and the items of a search, page by page.

Our own loop instead of pystac-client's, whose generator ends at the first error that outlasts its
retries and cannot go on (pystac-client 712), and never makes a page smaller.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from catalogs.items import redact
from catalogs.place import BBox
from catalogs.spec import CatalogError
from catalogs.web import FEW, TOO_MUCH, WEB, WebError, fetch

PAGE = 100
"""Items a page: large pages run into the servers' time limits."""

SMALLEST_PAGE = 10

TRIES_A_SIZE = 3
"""Tries of a page before it is asked for at half the size; the smallest has all of them."""

TURNS = 5
"""How often a link or a page of nothing new is followed before it is a circle."""

OnMonth = Callable[[int, int], None]
"""Told how many months of how many are searched."""

Feature = Mapping[str, Any]


@dataclass(kw_only=True)
class Api:
    """A STAC API by the URL of its landing page."""

    url: str
    page: int = PAGE

    _landing: dict[str, Any] = field(default_factory=dict)

    def landing(self) -> dict[str, Any]:
        """The landing page.  CatalogError where no STAC API answers."""
        if not self._landing:
            try:
                known = fetch(self.url, tries=FEW)
            except WebError as error:
                raise CatalogError(
                    f"no STAC API answers at {redact(self.url)}: {error}", again=error.again
                ) from None
            if not isinstance(known.get("links"), list):
                raise CatalogError(
                    f"no STAC API answers at {redact(self.url)}: what is there has no links"
                )
            self._landing = known
        return self._landing

    def collection(self, ids: Iterable[str]) -> dict[str, Any] | None:
        """The first of ``ids`` that is there; None where none is."""
        self.landing()
        for name in ids:
            try:
                known = fetch(self._under(f"collections/{name}"))
            except WebError as error:
                if error.status in (400, 403, 404):  # CMR says 400 or 403 to an id it lacks
                    continue
                raise
            if known.get("id") == name:
                return known
        return None

    def collections(self) -> list[str]:
        """All collection ids, sorted."""
        names: set[str] = set()
        url: str | None = self._under("collections")
        for _ in range(100):
            if url is None:
                break
            known = fetch(url)
            names |= {str(one["id"]) for one in _dicts(known.get("collections")) if "id" in one}
            found = _link(known, "next")
            url = urljoin(url, str(found["href"])) if found and "href" in found else None
        return sorted(names)

    def items(
        self,
        collection: str,
        boxes: Iterable[BBox],
        start: date,
        end: date,
        on_month: OnMonth | None = None,
    ) -> Iterator[Feature]:
        """The items whose times touch the days ``start`` to ``end`` and whose boxes the ``boxes``.

        Asked month by month, so that no query grows beyond what a server answers in time; each
        item once a month.  CatalogError where a page cannot be had after all retries.
        """
        spans, boxes = list(months(start, end)), list(boxes)
        for number, (first, last) in enumerate(spans):
            if on_month:
                on_month(number, len(spans))
            for box in boxes:
                yield from self._window(
                    {
                        "collections": [collection],
                        "bbox": list(box),
                        "datetime": f"{first}T00:00:00Z/{last}T23:59:59Z",
                    }
                )
        if on_month:
            on_month(len(spans), len(spans))

    def newest(self, collection: str) -> Feature | None:
        """An item of the last days that the collection has, as far as it can sort; None: empty."""
        body = {
            "collections": [collection],
            "limit": 1,
            "sortby": [{"field": "properties.datetime", "direction": "desc"}],
        }
        url, method = self._search()
        asked = _Request(url, body) if method == "POST" else _get(url, body)
        try:
            known = fetch(asked.url, asked.body, tries=TRIES_A_SIZE)
        except WebError:  # servers without the sort extension
            asked = _get(url, {"collections": [collection], "limit": 1})
            known = fetch(asked.url)
        return next(iter(_dicts(known.get("features"))), None)

    def _window(self, query: Mapping[str, Any]) -> Iterator[Feature]:
        """A query, asked once more where the server counts more than it gave."""
        seen: set[str] = set()
        for _ in range(2):
            matched = -1
            for known in self._pages(query, seen):
                told = known.get("numberMatched", known.get("context", {}).get("matched", -1))
                matched = told if isinstance(told, int) else -1
                for feature in _dicts(known.get("features")):
                    name = str(feature.get("id"))
                    if name not in seen:
                        seen.add(name)
                        yield feature
            if len(seen) >= matched:
                break

    def _pages(self, query: Mapping[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
        url, method = self._search()
        body = {**query, "limit": self.page}
        asked: _Request | None = _Request(url, body) if method == "POST" else _get(url, body)
        turns: dict[str, int] = {}
        stale = 0
        while asked is not None:
            known, asked = self._page(asked)
            features = list(_dicts(known.get("features")))
            new = any(str(one.get("id")) not in seen for one in features)
            stale = 0 if new else stale + 1
            yield known
            if not features:  # CMR links on from its last page, to an empty one
                return
            following = _next(asked, known)
            key = json.dumps([following.url, following.body]) if following else ""
            turns[key] = turns.get(key, 0) + 1
            if following and max(turns[key], stale) > TURNS:
                matched = known.get("numberMatched")
                if isinstance(matched, int) and len(seen) >= matched:
                    return
                raise CatalogError(
                    f"the pages of {redact(self.url)} go round in a circle after {len(seen)} items "
                    f"of {', '.join(query['collections'])}; report it there, or use another "
                    f"catalogue"
                )
            asked = following

    def _page(self, asked: "_Request") -> tuple[dict[str, Any], "_Request"]:
        """A page, and the request that gave it: smaller ones where the server gives up."""
        while asked.limit > SMALLEST_PAGE:
            try:
                return fetch(asked.url, asked.body, tries=TRIES_A_SIZE), asked
            except WebError as error:
                if error.status and error.status not in TOO_MUCH:
                    raise
                # With the same token or number a smaller page starts no later: nothing is lost.
                asked = asked.smaller()
        return fetch(asked.url, asked.body), asked

    def _search(self) -> tuple[str, str]:
        links = [one for one in _dicts(self.landing()["links"]) if one.get("rel") == "search"]
        best = next((one for one in links if one.get("method") == "POST"), None)
        if best is None and (best := next(iter(links), None)) is None:
            raise CatalogError(
                f"{redact(self.url)} offers no item search; give the catalogue's catalog.json"
            )
        return self._here(str(best.get("href", ""))), str(best.get("method", "GET"))

    def _under(self, path: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))

    def _here(self, href: str) -> str:
        """A link of the landing page, with the user and query string that the user's URL has."""
        own, parts = urlsplit(self.url), urlsplit(urljoin(self._under(""), href))
        if parts.scheme not in ("http", "https"):
            raise CatalogError(f"{redact(self.url)} links to {redact(href)[:80]}, which is no URL")
        if parts.hostname == own.hostname:
            query = "&".join(filter(None, (own.query, parts.query)))
            parts = parts._replace(netloc=own.netloc if parts.port == own.port else parts.netloc)
            parts = parts._replace(query=query)
        return urlunsplit(parts)


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    body: dict[str, Any] | None

    @property
    def limit(self) -> int:
        told = (self.body or dict(parse_qsl(urlsplit(self.url).query))).get("limit", 0)
        try:
            return int(told)
        except (TypeError, ValueError):
            return 0

    def smaller(self) -> "_Request":
        half = max(SMALLEST_PAGE, self.limit // 2)
        if self.body is not None:
            return _Request(self.url, {**self.body, "limit": half})
        parts = urlsplit(self.url)
        words = [
            (key, str(half) if key == "limit" else text)
            for key, text in parse_qsl(parts.query, keep_blank_values=True)
        ]
        return _Request(urlunsplit(parts._replace(query=urlencode(words))), None)


def months(start: date, end: date) -> Iterator[tuple[date, date]]:
    """First and last day of each month of a period, the first and last cut to it."""
    while start <= end:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(following - timedelta(days=1), end)
        start = following


def _get(url: str, query: Mapping[str, Any]) -> _Request:
    words = {
        key: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in query.items()
        if key != "sortby"
    }
    if "sortby" in query:
        words["sortby"] = "-properties.datetime"
    return _Request(f"{url}{'&' if '?' in url else '?'}{urlencode(words)}", None)


def _next(asked: _Request, known: Mapping[str, Any]) -> _Request | None:
    link = _link(known, "next")
    if link is None or not isinstance(link.get("href"), str):
        return None
    url = urljoin(asked.url, link["href"])
    if not url.lower().startswith(WEB):
        return None
    if str(link.get("method", "GET")).upper() != "POST":
        return _Request(url, None)
    body = link.get("body") if isinstance(link.get("body"), dict) else {}
    assert isinstance(body, dict)
    if link.get("merge"):
        body = {**(asked.body or {}), **body}
    elif "limit" not in body and asked.body and "limit" in asked.body:
        body = {**body, "limit": asked.body["limit"]}
    return _Request(url, body)


def _link(known: Mapping[str, Any], rel: str) -> dict[str, Any] | None:
    return next((one for one in _dicts(known.get("links")) if one.get("rel") == rel), None)


def _dicts(some: Any) -> Iterator[dict[str, Any]]:
    """The objects of what should be a list of objects."""
    yield from (one for one in some if isinstance(one, dict)) if isinstance(some, list) else ()
