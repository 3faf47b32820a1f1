"""Every real item we have, behind a real STAC API, is found again by collection and month."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pystac
import pytest

from catalogs import CatalogError, nominal_day, search
from tests.services.postgres import Postgres
from tests.services.stac_api import stac_api

NO_REFLECTANCE = {"modis-13Q1-061", "landsat-c2l2-st"}
"""Vegetation indices and temperatures: refused by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """The items that pgstac took, and where they are served."""

    url: str
    items: dict[tuple[str, str], dict[str, Any]]
    """By collection and id; of several providers the last in the order of files."""

    refused: dict[str, str]
    """What pgstac said of those that it did not take, by file and id."""


def _items(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        known = json.loads(path.read_text())
        for one in known if isinstance(known, list) else known.get("features", [known]):
            if one.get("type") == "Feature":
                yield path, one


@pytest.fixture(scope="module")
def real(
    shared_data: Path, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    folder = shared_data / "stac-json"
    given = {
        (one.setdefault("collection", path.parent.name), one["id"]): (path, one)
        for path, one in _items(folder)
    }
    names = sorted({collection for collection, _ in given})
    postgres.catalogue("real", [_collection(name) for name in names], [])
    refused = {}
    for (collection, name), (path, one) in list(given.items()):
        if said := postgres.add("real", one):
            refused[f"{path.name} {name}"] = said
            del given[collection, name]
    with stac_api(postgres, "real", tmp_path_factory.mktemp("real") / "log") as url:
        items = {key: one for key, (_, one) in given.items()}
        yield Real(url=url, items=items, refused=refused)


def _collection(name: str) -> dict[str, Any]:
    everywhere = pystac.Extent(
        pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]])
    )
    return pystac.Collection(name, name, everywhere).to_dict()


def test_pgstac_takes_every_real_item(real: Real) -> None:
    assert real.refused == {}
    assert len(real.items) >= 20


def test_every_real_item_is_found_by_its_collection_month_and_place(real: Real) -> None:
    wrong = {}
    for (collection, name), known in real.items.items():
        item = pystac.Item.from_dict(known, migrate=True)
        first = nominal_day(item).replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        assert item.bbox is not None
        west, south, east, north = item.bbox
        # MODIS tiles across the antimeridian have boxes that end at 180.1, which the API refuses.
        box = (max(west, -180.0), south, min(east, 180.0), north)
        try:
            found = {one.id for one in search(real.url, collection, box, first, last)}
        except CatalogError as error:
            found = {str(error)}
        tier_2 = item.properties.get("landsat:collection_category") == "T2"
        if (name in found) == (tier_2 or collection in NO_REFLECTANCE):
            wrong[name] = sorted(found)
    assert wrong == {}, json.dumps(wrong, indent=1)
