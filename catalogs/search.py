"""Find the items of a region and period, in a catalogue on disk or behind a STAC API."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import pystac
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from catalogs.days import nominal_day
from catalogs.generic import spec_from_collection
from catalogs.items import acquisition, local_path, processed, redact
from catalogs.products import PRODUCTS
from catalogs.spec import CatalogError, CollectionSpec, Role

BBox = tuple[float, float, float, float]

KNOWN = {
    name: spec
    for product in PRODUCTS
    for spec in reversed(product.forms)
    for name in (spec.name, *spec.aliases)
} | {spec.name: spec for product in PRODUCTS for spec in product.forms[:1]}
"""Collection ids whose facts are in our tables."""

MARGIN = timedelta(days=16)
"""How far an item's times may lie from its nominal day: intervals (MCD43A4: 16 days), and a day
where the local solar day is not the UTC one.
"""

PAGE = 100
"""Items a page: large pages run into the servers' time limits."""

WEB = ("http://", "https://")
"""How the address of a catalogue starts that strangers may have written."""


def spec_for(href: str, collection: str, role: Role | None = None) -> CollectionSpec:
    """The facts of a collection: from our tables, else from its own ``item_assets``.

    ``href`` is opened only for a collection that is in no table.  CatalogError where the product
    cannot play ``role``.
    """
    spec = KNOWN.get(collection) or spec_from_collection(_collection(href, collection))
    if role and spec.role and spec.role != role:
        raise CatalogError(
            f"collection {collection} is a {spec.role} product and cannot be the {role} one; "
            f"are `fine` and `coarse` swapped in the region file?"
        )
    return spec


def search(href: str, collection: str, bbox: BBox, start: date, end: date) -> list[pystac.Item]:
    """The items of ``collection`` that touch ``bbox`` on the days ``start`` to ``end``.

    ``href`` is a ``catalog.json`` on disk (or its URL) or the URL of a STAC API; ``bbox`` is west,
    south, east, north in degrees, west > east across the antimeridian; both days are included.
    An acquisition found twice is kept in its newest processing.  Items come without links, with
    absolute hrefs, sorted by (day, id).  CatalogError where nothing is found, or where an asset
    of an item is no plain file: see ``_check_href``.
    """
    source = _collection(href, collection)
    if _is_api(href):
        found = _ask(href, collection, bbox, start - MARGIN, end + MARGIN)
    else:
        found = source.get_items(recursive=True)
    accept = KNOWN[collection].accept if collection in KNOWN else {}
    items = []
    for item in found:
        usable = all(
            item.properties.get(key, values[0]) in values for key, values in accept.items()
        )
        if usable and start <= nominal_day(item) <= end and _touches(item, bbox):
            items.append(_detached(item, collection, href))
    if not items:
        raise CatalogError(
            f"{redact(href)} has no usable item of {collection} that touches bbox {list(bbox)} "
            f"from {start} to {end}; {_extent(source)}"
        )
    return newest(items)


def find(
    hrefs: Sequence[str], collection: str, role: Role, bbox: BBox, start: date, end: date
) -> tuple[CollectionSpec, list[pystac.Item]]:
    """The facts of a collection and its items, from the first catalogue that has any.

    CatalogError with what each of ``hrefs`` said where none has.
    """
    said = []
    for href in hrefs:
        try:
            spec = spec_for(href, collection, role)
            items = search(href, collection, bbox, start, end)
        except CatalogError as error:
            said.append(str(error))
            continue
        for item in items:
            item.collection_id = spec.name  # known by an alias there
        return spec, items
    raise CatalogError("; ".join(said))


def newest(items: Iterable[pystac.Item]) -> list[pystac.Item]:
    """Each acquisition once, in its newest processing, sorted by (day, id)."""
    by_id = {item.id: item for item in sorted(items, key=processed)}
    kept = {acquisition(item) or item.id: item for item in by_id.values()}
    return sorted(kept.values(), key=lambda item: (nominal_day(item), item.id))


def _is_api(href: str) -> bool:
    return href.startswith(WEB) and not href.endswith(".json")


def _open(href: str) -> pystac.Catalog:
    if _is_api(href):
        # POST is not retried by default, and one failing page would lose the whole search.
        retry = Retry(
            total=5,
            connect=2,
            backoff_factor=0.5,
            status_forcelist=[429, 502, 503, 504],
            allowed_methods=None,
        )
        try:
            return Client.open(href, stac_io=StacApiIO(max_retries=retry, timeout=(10, 60)))
        except (APIError, pystac.errors.STACTypeError, ValueError) as error:
            raise CatalogError(f"no STAC API answers at {redact(href)}: {_text(error)}") from None
    path = Path(href)
    if "://" not in href and not path.is_file():
        raise CatalogError(
            f"there is no catalogue at {path.absolute()}; give the path of a catalog.json or the "
            f"URL of a STAC API"
        )
    try:
        return pystac.Catalog.from_file(href)
    except Exception as error:  # pystac raises bare ones for what a server refuses
        raise CatalogError(f"{redact(href)} is not a STAC catalogue: {_text(error)}") from None


def _text(error: Exception) -> str:
    """What an error says, without users, passwords and query strings of URLs.

    These errors are raised ``from None`` for the same reason: a log shows the whole chain.
    """
    return re.sub(r"\?[^\s'\")>]+", "", re.sub(r"//[^/\s]*@", "//", str(error)))


def _collection(href: str, collection: str) -> pystac.Collection:
    catalog = _open(href)
    if isinstance(catalog, Client):
        ids = []
        for one in catalog.get_collections():
            if one.id == collection:
                return one
            ids.append(one.id)
    else:
        here = [catalog] if isinstance(catalog, pystac.Collection) else []
        ids = []
        for one in (*here, *catalog.get_all_collections()):
            if one.id == collection:
                return one
            ids.append(one.id)
    raise CatalogError(
        f"{redact(href)} has no collection {collection!r}; it has "
        f"{', '.join(sorted(ids)) or 'none'}"
    )


def _ask(href: str, collection: str, bbox: BBox, start: date, end: date) -> Iterator[pystac.Item]:
    """Ask an API month by month, so that no query grows beyond what a server answers in time."""
    client = _open(href)
    assert isinstance(client, Client)
    try:
        for first, last in _months(start, end):
            for box in _boxes(bbox):
                yield from client.search(
                    collections=[collection],
                    bbox=list(box),
                    datetime=f"{first}T00:00:00Z/{last}T23:59:59Z",
                    limit=PAGE,
                ).items()
    except APIError as error:
        raise CatalogError(
            f"the search of {collection} at {redact(href)} from {start} to {end} failed after "
            f"retries: {_text(error)}; run again, nothing was written"
        ) from None


def _months(start: date, end: date) -> Iterator[tuple[date, date]]:
    while start <= end:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(following - timedelta(days=1), end)
        start = following


def _boxes(bbox: BBox) -> tuple[BBox, ...]:
    """A box as boxes that do not cross the antimeridian."""
    west, south, east, north = bbox
    if west <= east:
        return (bbox,)
    return (west, south, 180.0, north), (-180.0, south, east, north)


def _touches(item: pystac.Item, bbox: BBox) -> bool:
    if item.bbox is None:
        return True  # unlocated: reading it will tell
    corners = item.bbox if len(item.bbox) == 4 else [*item.bbox[:2], *item.bbox[3:5]]
    return any(
        a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
        for a in _boxes((corners[0], corners[1], corners[2], corners[3]))
        for b in _boxes(bbox)
    )


def _detached(item: pystac.Item, collection: str, catalog: str) -> pystac.Item:
    # A catalogue on disk may link to items elsewhere.
    web = any(one.lower().startswith(WEB) for one in (catalog, item.get_self_href() or ""))
    for name, asset in item.assets.items():
        _check_href(item, name, asset.href, web=web)
    item.make_asset_hrefs_absolute()
    for name, asset in item.assets.items():
        _check_href(item, name, asset.href, web=web)  # ../../vsicurl/ may have become absolute
        if asset.href.lower().startswith("file://"):  # GDAL does not unquote them
            asset.href = str(local_path(asset.href))
    item.clear_links()
    item.collection_id = collection
    return item


def _check_href(item: pystac.Item, asset: str, href: str, *, web: bool) -> None:
    """Refuse hrefs by which a catalogue could have this machine read what it should not.

    GDAL opens more than files: ``/vsicurl/`` and its kin reach other hosts and unpack archives,
    and XML in place of a name is a VRT that names any files.  A catalogue from the ``web`` has
    no business with the files of this machine either.
    """
    plain = str(local_path(href) or href).lstrip()
    cure = "correct the item, or use a catalogue you trust"
    if plain.startswith(("/vsi", "<")):
        raise CatalogError(
            f"asset {asset!r} of item {item.id} is neither a file nor a URL: {redact(href)[:80]}; "
            f"{cure}"
        )
    absolute = re.match(r"/|[a-z][a-z0-9+.-]*:", href, re.IGNORECASE)
    if web and absolute and not href.lower().startswith((*WEB, "s3://")):
        raise CatalogError(
            f"asset {asset!r} of item {item.id} is at {redact(href)[:80]}, but a catalogue from "
            f"the web may only name http://, https:// and s3://; {cure}"
        )


def _extent(collection: pystac.Collection) -> str:
    spans = [
        f"{first.date() if first else '..'} to {last.date() if last else '..'}"
        for first, last in collection.extent.temporal.intervals[:1]
    ]
    boxes = collection.extent.spatial.bboxes[:1]
    return (
        f"the collection covers {', '.join(map(str, boxes)) or 'an unknown area'} "
        f"from {', '.join(spans) or 'unknown days'}"
    )
