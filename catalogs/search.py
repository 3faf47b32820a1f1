"""Find the items of a region and period, in the first of several catalogues that has them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

import pystac

from catalogs.api import Api, OnMonth, months
from catalogs.days import nominal_day
from catalogs.files import Node, collections, items, open_root
from catalogs.generic import spec_from_collection
from catalogs.items import acquisition, processed, redact
from catalogs.normalise import normalise
from catalogs.place import BBox, Place
from catalogs.products import forms
from catalogs.providers import address, provider_of
from catalogs.spec import CatalogError, CollectionSpec, Role
from catalogs.web import WEB, told

MARGIN = timedelta(days=16)
"""How far an item's times may lie from its nominal day: intervals (MCD43A4: 16 days), and a day
where the local solar day is not the UTC one.
"""

STALE = timedelta(days=32)
"""How much older than another catalogue's its newest item may be: two passes of one Landsat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one catalogue has of a collection."""

    specs: tuple[CollectionSpec, ...]
    """The tables its items carry as ``collection``; several where it holds two craft."""

    items: tuple[pystac.Item, ...]
    """Each acquisition once, in its newest processing, sorted by (day, id)."""

    catalog: str
    """Provider or address, without what is secret in it."""

    skipped: tuple[str, ...] = ()
    """Items that cannot be used, each with the reason."""

    passed: tuple[str, ...] = ()
    """Why the catalogues before this one were passed over."""

    @property
    def newest(self) -> date:
        """Day of the last item."""
        return nominal_day(self.items[-1])

    def lines(self) -> Iterator[str]:
        """What was found where, for people."""
        names = " and ".join(spec.name for spec in self.specs)
        first = nominal_day(self.items[0])
        yield (f"{names}: {len(self.items)} items from {self.catalog}, {first} to {self.newest}")
        yield from (f"passed over: {reason}" for reason in self.passed)
        yield from (f"left out: {reason}" for reason in self.skipped)


def find(
    catalogs: Sequence[str],
    collection: str,
    role: Role,
    place: Place | BBox,
    start: date,
    end: date,
    on_month: OnMonth | None = None,
    *,
    skip: Collection[str] = (),
) -> Found:
    """The items of a collection from the first catalogue that is up, has any, and is not stale.

    ``catalogs`` are providers by name, URLs and paths.  One is stale where its newest item is
    ``STALE`` older than what is asked for and that much older than another's.  ``skip``: ids of
    items that are left out.  ``on_month`` is told how many months of how many are searched; the
    next catalogue starts anew.  CatalogError with what each said where none has any.
    """
    best: Found | None = None
    passed: list[str] = []
    again = False
    wanted = min(end, datetime.now(UTC).date())
    for catalog in catalogs:
        try:
            found = look(catalog, collection, role, place, start, end, on_month, skip=skip)
        except CatalogError as error:
            passed.append(str(error))
            again |= error.again
            continue
        if best is None or found.newest - best.newest > STALE:
            older, best = best, found
            if older:
                passed.append(
                    f"{older.catalog} is stale: its newest item of {collection} is of "
                    f"{older.newest}, {found.catalog} has one of {found.newest}"
                )
        if wanted - best.newest <= STALE:
            break
    if best is None:
        raise CatalogError("; ".join(passed), again=again)
    return replace(best, passed=tuple(passed))


def search(
    href: str, collection: str, place: Place | BBox, start: date, end: date
) -> list[pystac.Item]:
    """The items that ``look`` finds."""
    return list(look(href, collection, None, place, start, end).items)


def look(
    catalog: str,
    collection: str,
    role: Role | None,
    place: Place | BBox,
    start: date,
    end: date,
    on_month: OnMonth | None = None,
    *,
    skip: Collection[str] = (),
) -> Found:
    """The items of a collection that touch ``place`` on the days ``start`` to ``end``, both in.

    ``catalog`` is a provider, the URL of a STAC API, or a ``catalog.json`` on disk or the web;
    ``collection`` any name of the product, or of a collection there.  ``place`` may be a box west,
    south, east, north in degrees, west > east across the antimeridian.  Items are in normal form
    (``normalise``); those that cannot be used, or are asked to be left out by ``skip``, are named
    in ``skipped``.  CatalogError where nothing is left, or the product cannot play ``role``.
    """
    if not isinstance(place, Place):
        place = Place(bbox=place)
    source = _open(catalog)
    there = source.collection(collection)
    specs = forms(collection) or (_own_spec(there, catalog),)
    _check_role(specs, collection, role)
    found: list[pystac.Item] = []
    skipped: list[str] = []
    for features in source.features(str(there["id"]), place, start, end, on_month):
        name = features.known.get("id") if features.known else None
        if name in skip:  # before reprocessings are told apart: an older one may serve
            skipped.append(f"item {name}: the region file skips it")
            continue
        try:
            if features.error:
                raise CatalogError(features.error)
            item = normalise(features.known, specs, base=features.base, web=features.web)
            if item is None or not start <= nominal_day(item) <= end:
                continue
            if not place.touched_by(item.geometry, item.bbox):
                continue
        except CatalogError as error:
            skipped.append(f"item {name}: {error}" if name else str(error))
            continue
        found.append(item)
    shown = catalog if provider_of(catalog) else redact(catalog)
    if not found:
        raise CatalogError(_nothing(shown, collection, place, start, end, there, skipped))
    kept = newest(found)
    used = {item.collection_id for item in kept}
    return Found(
        specs=tuple(spec for spec in specs if spec.name in used),
        items=tuple(kept),
        catalog=shown,
        skipped=tuple(dict.fromkeys(skipped)),
    )


def spec_for(href: str, collection: str, role: Role | None = None) -> CollectionSpec:
    """The facts of a collection: from our tables, else from its own ``item_assets``.

    ``href`` is opened only for a collection that is in no table.  CatalogError where the product
    cannot play ``role``.
    """
    specs = forms(collection) or (_own_spec(_open(href).collection(collection), href),)
    _check_role(specs, collection, role)
    return specs[0]


def newest(items: Iterable[pystac.Item]) -> list[pystac.Item]:
    """Each acquisition once, in its newest processing, sorted by (day, id)."""
    by_id = {item.id: item for item in sorted(items, key=processed)}
    kept = {acquisition(item) or item.id: item for item in by_id.values()}
    return sorted(kept.values(), key=lambda item: (nominal_day(item), item.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """An item as it came, or why it did not."""

    known: dict[str, Any] | None = None
    error: str = ""
    base: str = ""
    web: bool = True


class _ApiSource:
    def __init__(self, catalog: str) -> None:
        provider = provider_of(catalog)
        self.api = Api(url=address(catalog), page=provider.page if provider else 100)
        self.ids = provider.collections if provider else ()

    def collection(self, name: str) -> dict[str, Any]:
        specs = forms(name)
        ids = [name] if not self.ids or name in self.ids else []
        ids += [one for one in self.ids if set(forms(one)) & set(specs)]
        ids += [one for spec in specs for one in (spec.name, *spec.aliases)]
        known = self.api.collection(dict.fromkeys(ids or [name]))
        if known is None:
            _absent(self.api.url, name, self.api.collections())
        return known

    def features(
        self, name: str, place: Place, start: date, end: date, on_month: OnMonth | None
    ) -> Iterator[_Raw]:
        boxes = place.boxes()
        for known in self.api.items(name, boxes, start - MARGIN, end + MARGIN, on_month):
            links = known.get("links")
            base = next(
                (
                    one["href"]
                    for one in (links if isinstance(links, list) else ())
                    if isinstance(one, dict)
                    and one.get("rel") == "self"
                    and isinstance(one.get("href"), str)
                ),
                self.api.url,
            )
            yield _Raw(known=dict(known), base=base)


class _FileSource:
    def __init__(self, catalog: str) -> None:
        self.root = open_root(catalog)
        self.node: Node | None = None

    def collection(self, name: str) -> dict[str, Any]:
        specs = forms(name)
        names = [name, *(one for spec in specs for one in (spec.name, *spec.aliases))]
        there = {str(node.known.get("id")): node for node in collections(self.root)}
        found = next((there[one] for one in names if one in there), None)
        if found is None:
            _absent(self.root.href, name, sorted(there))
        self.node = found
        return found.known

    def features(
        self, name: str, place: Place, start: date, end: date, on_month: OnMonth | None
    ) -> Iterator[_Raw]:
        assert self.node is not None
        for one in items(self.node):
            if isinstance(one, str):
                yield _Raw(error=one)
            else:
                yield _Raw(known=one.known, base=one.href, web=one.web or self.root.web)
        if on_month:  # files are not in the order of time: all months end at once
            count = len(list(months(start - MARGIN, end + MARGIN)))
            on_month(count, count)


def _open(catalog: str) -> _ApiSource | _FileSource:
    href = address(catalog)
    path = href.partition("?")[0]
    if (
        href.lower().startswith(WEB)
        and not path.lower().endswith(".json")
        and not href.endswith(".json")
    ):
        return _ApiSource(catalog)
    return _FileSource(href)


def _absent(href: str, name: str, there: Sequence[str]) -> NoReturn:
    raise CatalogError(
        f"{redact(href)} has no collection {name!r}; it has {', '.join(there) or 'none'}"
    )


def _own_spec(known: dict[str, Any], catalog: str) -> CollectionSpec:
    try:
        return spec_from_collection(pystac.Collection.from_dict(known, migrate=True))
    except CatalogError:
        raise
    except Exception as error:  # pystac's many, for what strangers may write
        raise CatalogError(
            f"collection {known.get('id')} of {redact(catalog)} cannot be understood: {told(error)}"
        ) from None


def _check_role(specs: Sequence[CollectionSpec], collection: str, role: Role | None) -> None:
    for spec in specs:
        if role and spec.role and spec.role != role:
            raise CatalogError(
                f"collection {collection} is a {spec.role} product and cannot be the {role} one; "
                f"are `fine` and `coarse` swapped in the region file?"
            )


def _nothing(
    catalog: str,
    collection: str,
    place: Place,
    start: date,
    end: date,
    there: dict[str, Any],
    skipped: Sequence[str],
) -> str:
    reasons = f" {len(skipped)} cannot be used: {'; '.join(skipped[:3])};" if skipped else ""
    return (
        f"{catalog} has no usable item of {collection} that touches bbox {list(place.bbox)} "
        f"from {start} to {end};{reasons} {_extent(there)}"
    )


def _extent(known: dict[str, Any]) -> str:
    try:
        extent = pystac.Extent.from_dict(known["extent"])
        first, last = extent.temporal.intervals[0]
        span = f"{first.date() if first else '..'} to {last.date() if last else '..'}"
        return f"the collection covers {extent.spatial.bboxes[0]} from {span}"
    except Exception:  # whatever a stranger wrote there: it is only told
        return "the collection does not say what it covers"
