"""Spoiled items: refused by name, or read as the whole one is; never another day, scale or grid."""

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

import pystac
import pytest

from catalogs import CatalogError, Place, fingerprint, freeze, native_crs, nominal_day, platform_of
from catalogs.items import acquisition, processed
from catalogs.normalise import normalise
from catalogs.products import forms
from catalogs.spec import CollectionSpec
from tests.catalogs.distilled import SPHERE_WKT, cmr, landsat, modis, old_landsat
from tests.catalogs.test_real_items import ITEMS, one

BASE = "https://host/collections/x/items/1"
REGION = Place(bbox=(-105.0, 40.0, -104.9, 40.1))
MUTATIONS = 1000

WHOLE = [
    landsat(),
    landsat(craft="LE07"),
    old_landsat("0.7.0"),
    modis(**{"proj:epsg": None, "proj:wkt2": SPHERE_WKT}),
    cmr(),
]

STRANGE: list[Any] = [
    None, True, -1, 0, 1e308, -1e308, float("nan"), float("inf"), 10**400, "", " ", "\x00",
    "EPSG:None", "9999-99-99", "2023-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "ß\u202e漢\ud800",
    [], {}, [[[]]], [None], {"a": {"b": []}}, "file:///etc/passwd", "/vsicurl/http://10.0.0.1/x",
    "https://[::1", "javascript:alert(1)", "<VRTDataset/>", "s3://", "https://host/a b?sig=1#x",
    "LC08_L2SP_999999_99999999_02_T1", "MOD09GA.A2022999.h99v99.061.1", [1, 2], [0] * 6, [1e9] * 6,
]  # fmt: skip


def spots(node: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all that can be changed."""
    if isinstance(node, dict):
        inner = node.items()
    elif isinstance(node, list):
        inner = enumerate(node)
    else:
        return [path]
    return [*([path] if path else []), *(s for k, v in inner for s in spots(v, (*path, k)))]


def at(node: Any, path: tuple) -> Any:
    for key in path:
        node = node[key]
    return node


def mutate(known: dict, rng: random.Random) -> str:
    """Spoil an item in place; what was done."""
    path = rng.choice(spots(known))
    parent, key = at(known, path[:-1]), path[-1]
    kind = rng.choice(["drop", "strange", "rename", "swap", "wrap", "retype", "nudge"])
    value = parent[key]
    if kind == "drop":
        del parent[key]
    elif kind == "strange":
        parent[key] = copy.deepcopy(rng.choice(STRANGE))
    elif kind == "rename" and isinstance(parent, dict):
        parent[rng.choice(["x", key.upper() if isinstance(key, str) else "y", ""])] = parent.pop(
            key
        )
    elif kind == "swap":
        other = rng.choice(spots(known))
        if other[: len(path)] != path and path[: len(other)] != other:
            there = at(known, other[:-1])
            parent[key], there[other[-1]] = there[other[-1]], value
    elif kind == "wrap":
        parent[key] = [value] if rng.random() < 0.5 else {"value": value}
    elif kind == "retype":
        parent[key] = str(value) if not isinstance(value, str) else len(value)
    elif kind == "nudge" and isinstance(value, int | float) and not isinstance(value, bool):
        parent[key] = value * rng.choice([-1, 10, 1000]) if value else 7
    return f"{kind} {path}"


def numbers(item: pystac.Item, specs: Sequence[CollectionSpec]) -> dict[str, Any]:
    """All that decides where and when pixels lie and what they mean."""
    (spec,) = [one for one in specs if one.name == item.collection_id]
    return {
        "collection": item.collection_id,
        "day": nominal_day(item),
        "craft": platform_of(item),
        "assets": {
            key: (
                asset.href.rpartition("/")[2],
                native_crs(item, key, spec),
                asset.extra_fields.get("proj:shape"),
                asset.extra_fields.get("proj:transform"),
            )
            for key, asset in item.assets.items()
        },
    }


def same(spoiled: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    """What a spoiled item claims otherwise; what it leaves to the file is no claim."""
    claims = [key for key in ("collection", "day", "craft") if spoiled[key] != whole[key]]
    for key, told in spoiled["assets"].items():
        if key not in whole["assets"]:
            claims.append(key)
            continue
        true = whole["assets"][key]
        if told[0] != true[0]:
            claims.append(f"{key} file {told[0]}")
        claims += [
            f"{key} {a}" for a, b in zip(told[1:], true[1:], strict=True) if a not in (b, None)
        ]
    return claims


# A side of a scene or an edge of a tile moved by less than the footprint can tell is seen only
# when the file is opened: reading compares it with the header.
def spoil(bases: Sequence[dict], count: int, seed: int) -> dict[str, int]:
    """Spoil items ``count`` times; how many were read, refused, and left out."""
    rng = random.Random(seed)
    outcomes = {"read": 0, "refused": 0, "not ours": 0}
    for number in range(count):
        base = bases[number % len(bases)]
        known = json.loads(json.dumps(base))  # shares nothing
        specs = forms(base["collection"])
        done = [mutate(known, rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        try:
            item = normalise(known, specs, base=BASE)
            if item is None:
                outcomes["not ours"] += 1
                continue
            told = numbers(item, specs)
            REGION.touched_by(item.geometry, item.bbox)
            acquisition(item), processed(item)
            fingerprint(item), json.dumps(freeze(item))
        except CatalogError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        whole = normalise(copy.deepcopy(base), specs, base=BASE)
        assert whole is not None
        assert not (claims := same(told, numbers(whole, specs))), (seed, number, done, claims)
    return outcomes


@pytest.mark.parametrize("seed", range(4))
def test_a_spoiled_item_is_refused_or_read_as_it_is_whole(seed: int) -> None:
    outcomes = spoil(WHOLE, MUTATIONS // 4, seed)
    assert min(outcomes["read"], outcomes["refused"]) > 20, outcomes


def test_a_spoiled_real_item_is_refused_or_read_as_it_is_whole(shared_data) -> None:
    bases = [one(shared_data, file, starts) for file, starts, *_ in ITEMS]
    outcomes = spoil(bases, 500, seed=4)
    assert min(outcomes["read"], outcomes["refused"]) > 20, outcomes


def test_nothing_that_is_no_item_ends_in_a_traceback() -> None:
    for strange in STRANGE:
        for known in (strange, {"id": strange}, {"id": "a", "properties": strange, "assets": {}}):
            with pytest.raises(CatalogError):
                normalise(known, forms("landsat-c2-l2"), base=BASE)
