"""Whether a catalogue is what we take it for: there, fresh, with the assets of our tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from catalogs.api import Api
from catalogs.days import nominal_day
from catalogs.normalise import normalise
from catalogs.products import forms
from catalogs.providers import address, provider_of
from catalogs.spec import CatalogError

FRESH_DAYS = 40
"""Age of a newest item from which something is wrong with a catalogue that goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was seen of a collection."""

    collection: str
    newest: date | None = None
    faults: tuple[str, ...] = ()

    def line(self, today: date) -> str:
        """For people."""
        age = (
            f"newest item {self.newest} ({(today - self.newest).days} days old)"
            if self.newest
            else ""
        )
        return f"{self.collection}: {'; '.join(filter(None, (age, *self.faults))) or 'ok'}"


def check(catalog: str, collections: Sequence[str] = ()) -> list[Finding]:
    """Probe a STAC API: its ``collections``, or all that we have a table of.

    CatalogError where it cannot be reached, or has none of them.
    """
    provider = provider_of(catalog)
    api = Api(url=address(catalog))
    api.landing()
    names = list(collections or (provider.collections if provider else ()))
    names = names or [name for name in api.collections() if forms(name)]
    if not names:
        raise CatalogError(f"{catalog} has no collection that daily30 has a table of")
    return [_look(api, name) for name in names]


def _look(api: Api, name: str) -> Finding:
    specs = forms(name)
    try:
        there = api.collection(
            dict.fromkeys([name, *(n for s in specs for n in (s.name, *s.aliases))])
        )
        if there is None:
            return Finding(collection=name, faults=("is not there",))
        known = api.newest(str(there["id"]))
    except CatalogError as error:
        return Finding(collection=name, faults=(str(error),))
    renamed = (f"is called {there['id']} there",) if there["id"] != name else ()
    if known is None:
        return Finding(collection=name, faults=(*renamed, "is empty"))
    if not specs:
        return Finding(collection=name, faults=(*renamed, "has no table here"))
    try:
        item = normalise(known, specs, base=api.url)
    except CatalogError as error:
        return Finding(collection=name, faults=(*renamed, f"item {known.get('id')}: {error}"))
    if item is None:
        return Finding(collection=name, faults=renamed)  # Tier 2, or another craft
    spec = next(spec for spec in specs if spec.name == item.collection_id)
    wanted = (*spec.bands.values(), *(word for word in spec.qa.values()))
    missing = sorted({band.asset for band in wanted if band.required} - item.assets.keys())
    lacks = (f"item {item.id} lacks {', '.join(missing)}",) if missing else ()
    newest = nominal_day(item)
    old = (datetime.now(UTC).date() - newest).days > FRESH_DAYS
    stale = (f"nothing for more than {FRESH_DAYS} days",) if old else ()
    return Finding(collection=name, newest=newest, faults=(*renamed, *lacks, *stale))
