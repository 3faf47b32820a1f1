"""Days, fingerprints, frozen forms and CRS of items, also of real ones."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pystac
import pytest

from catalogs import (
    CatalogError,
    check_items,
    difference,
    fingerprint,
    freeze,
    local_path,
    native_crs,
    nominal_day,
    redact,
    thaw,
)
from catalogs.items import acquisition, plain_href
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MCD43A4, MOD09GA, SINUSOIDAL
from catalogs.search import newest


def make_item(name: str = "a", when: datetime | None = None, **properties) -> pystac.Item:
    when = when or datetime(2023, 5, 1, 10, tzinfo=UTC)
    return pystac.Item(name, None, None, when, properties, collection="mine")


def _real(folder: Path) -> list[dict]:
    found = []
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        some = content if isinstance(content, list) else content.get("features", [content])
        found += [one for one in some if isinstance(one, dict) and one.get("type") == "Feature"]
    return found


def test_real_items_have_the_day_their_ids_name(shared_data) -> None:
    seen = lates = 0
    for known in _real(shared_data / "stac-json"):
        item = pystac.Item.from_dict(known, migrate=True)
        parts = item.id.replace(".", "_").split("_")
        modis = [p for p in parts if len(p) == 8 and p[0] == "A" and p[1:].isdigit()]
        landsat = item.id.split("_")[3] if item.id.startswith(("LC0", "LE0", "LT0")) else ""
        if modis:
            expected = datetime.strptime(modis[0], "A%Y%j").date()
        elif len(landsat) == 8:
            expected = datetime.strptime(landsat, "%Y%m%d").date()
        else:
            continue
        # Seen at 23:50 UTC over eastern Australia: 9:50 in the morning of the day after.
        late = bool(landsat) and item.datetime.hour >= 22
        assert not late or item.bbox[0] > 140
        assert nominal_day(item) == expected + timedelta(days=late), item.id
        lates += late
        seen += 1
    assert seen > 20
    assert lates


def test_real_items_survive_freezing_and_have_one_fingerprint(shared_data) -> None:
    for known in _real(shared_data / "stac-json"):
        item = pystac.Item.from_dict(known, migrate=True)
        again = thaw(json.loads(json.dumps(freeze(item))))
        assert fingerprint(again) == fingerprint(item)
        assert again.id == item.id
        assert nominal_day(again) == nominal_day(item)


def test_real_modis_items_have_the_crs_of_the_sphere(shared_data) -> None:
    seen = 0
    for known in _real(shared_data / "stac-json" / "planetary-computer"):
        item = pystac.Item.from_dict(known)
        if "modis-43A4" in (item.collection_id or ""):
            crs = native_crs(item, "Nadir_Reflectance_Band1", MCD43A4)
            assert crs is not None
            assert "6371007.181" in crs
            seen += 1
    assert seen


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"proj:code": "EPSG:32633"}, "EPSG:32633"),
        ({"proj:epsg": 32633}, "EPSG:32633"),
        ({"proj:code": "EPSG:None", "proj:wkt2": "W"}, "W"),
        ({"proj:epsg": None, "proj:wkt2": "W"}, "W"),
        ({"proj:code": "EPSG:None"}, SINUSOIDAL),
        ({}, SINUSOIDAL),
    ],
)
def test_a_broken_code_gives_way_to_wkt_and_then_to_the_table(properties, expected) -> None:
    item = make_item(**properties)
    item.add_asset("a", pystac.Asset("/x.tif"))
    assert native_crs(item, "a", MOD09GA) == expected


def test_reprocessings_are_one_acquisition_and_the_newest_is_kept() -> None:
    def landsat(name: str, **properties) -> pystac.Item:
        known = {"landsat:wrs_path": "190", "landsat:wrs_row": "028"}
        return make_item(name, **(known | properties))

    real_time = landsat("LC08_L2SP_190028_20230501_02_RT", created="2023-05-02T00:00:00Z")
    tier_1 = landsat("LC08_L2SP_190028_20230501_02_T1", created="2023-05-20T00:00:00Z")
    other_row = landsat("LC08_L2SP_190029_20230501_02_T1", **{"landsat:wrs_row": "029"})
    landsat_9 = landsat("LC09_L2SP_190028_20230501_02_T1")
    kept = newest([tier_1, other_row, real_time, tier_1, landsat_9])
    assert [item.id for item in kept] == [tier_1.id, other_row.id, landsat_9.id]


def test_terra_aqua_and_tiles_are_different_acquisitions() -> None:
    names = [
        "MOD09GA.A2023121.h18v04.061.2023123040000",
        "MYD09GA.A2023121.h18v04.061.2023123040000",
        "MOD09GA.A2023121.h19v04.061.2023123040000",
    ]
    again = "MOD09GA.A2023121.h18v04.061.2023200000000"
    assert len({acquisition(make_item(name)) for name in names}) == 3
    kept = newest([make_item(name) for name in (*names, again)])
    assert [item.id for item in kept] == [again, names[2], names[1]]


def test_a_fingerprint_tells_changed_files_and_not_moved_ones(tmp_path) -> None:
    def item(folder: Path) -> pystac.Item:
        one = make_item()
        one.add_asset("red", pystac.Asset(str(folder / "red.tif")))
        return one

    first, moved = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    (first / "red.tif").write_bytes(b"1234")
    before = fingerprint(item(first))
    assert fingerprint(item(first)) == before
    first.rename(moved)
    assert fingerprint(item(moved)) == before
    (moved / "red.tif").write_bytes(b"12345")
    longer = fingerprint(item(moved))
    assert longer != before
    (moved / "red.tif").write_bytes(b"54321")
    os.utime(moved / "red.tif", (1, 1))
    assert fingerprint(item(moved)) not in (before, longer)


@pytest.mark.parametrize("key", ["updated", "created", "landsat:product_generated"])
def test_a_fingerprint_tells_reprocessed_items(key: str) -> None:
    assert fingerprint(make_item(**{key: "2023-01-01"})) != fingerprint(make_item(**{key: "2024"}))


def test_tokens_are_neither_frozen_nor_in_the_fingerprint() -> None:
    one, two = make_item(), make_item()
    one.add_asset("red", pystac.Asset("https://secret:secret@host/red.tif?sig=secret"))
    two.add_asset("red", pystac.Asset("https://host/red.tif?sig=other"))
    assert fingerprint(one) == fingerprint(two)
    assert "secret" not in json.dumps(freeze(one))
    assert one.assets["red"].href.endswith("secret")


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://user:pw@host:80/a/b.tif?api_key=k&x=a/b@c", "https://host:80/a/b.tif"),
        ("https://token@host?api_key=k", "https://host"),
        ("HTTPS://user:p@w@host/a@b.json", "HTTPS://host/a@b.json"),
        ("https://host/catalog.json", "https://host/catalog.json"),
        ("s3://key:pw@bucket/a.tif", "s3://bucket/a.tif"),
        ("/data/what?/me@home/catalog.json", "/data/what?/me@home/catalog.json"),
        ("file:///me@home/a?.json", "file:///me@home/a?.json"),
    ],
)
def test_a_shown_href_has_no_user_password_or_query(href: str, shown: str) -> None:
    assert redact(href) == shown
    assert redact(shown) == shown


def test_only_web_hrefs_are_made_plain() -> None:
    assert plain_href("https://user:pw@host/red.tif?sig=x") == "https://host/red.tif"
    assert plain_href("s3://bucket/what?.tif") == "s3://bucket/what?.tif"


@pytest.mark.parametrize("scheme", ["file://", "FILE://"])
def test_the_file_of_a_quoted_href_is_found(tmp_path, scheme: str) -> None:
    path = tmp_path / "a b%.tif"
    path.touch()
    assert local_path(f"{scheme}{tmp_path}/a%20b%25.tif") == path
    assert local_path(str(path)) == path  # a plain path is not quoted
    assert local_path("https://host/a%20b") is None


def test_missing_assets_and_files_are_told_before_a_run(tmp_path) -> None:
    item = make_item("LC08")
    for name in ("red", "qa_pixel"):
        path = tmp_path / f"{name}.tif"
        path.touch()
        item.add_asset(name, pystac.Asset(str(path)))
    specs = {"mine": LANDSAT_C2_L2}
    check_items([item], specs, ("red",))  # qa_radsat and qa_aerosol may be absent
    with pytest.raises(CatalogError, match=r"LC08 .* no asset 'blue' \(has: qa_pixel, red\)"):
        check_items([item], specs, ("red", "blue"))
    path.unlink()
    with pytest.raises(CatalogError, match=r"'qa_pixel' of item LC08 .* not on disk: .*qa_pixel"):
        check_items([item], specs, ("red",))
    with pytest.raises(CatalogError, match=r"not on disk.* so it is with all 2 items"):
        check_items([item, item.clone()], specs, ("red",))


def test_one_bad_item_among_good_ones_is_left_to_reading(tmp_path) -> None:
    good, bad = make_item("LC08"), make_item("LC09")
    for name in ("red", "qa_pixel"):
        (tmp_path / f"{name}.tif").touch()
        good.add_asset(name, pystac.Asset(str(tmp_path / f"{name}.tif")))
    check_items([bad, good], {"mine": LANDSAT_C2_L2}, ("red",))


def test_a_changed_item_is_told_with_what_changed() -> None:
    def item(created: str, size: int) -> pystac.Item:
        one = make_item(created=created)
        fields = {"file:size": size}
        one.add_asset("red", pystac.Asset("https://h/red.tif?sig=1", extra_fields=fields))
        return one

    assert difference(item("2023-01-01", 5), item("2023-01-01", 5)) == ""
    told = difference(item("2023-01-01", 5), item("2024-01-01", 6))
    assert "created 2023-01-01 -> 2024-01-01" in told
    assert "red https://h/red.tif None 5 -> https://h/red.tif None 6" in told
