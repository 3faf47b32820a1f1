"""Search, on disk and through an API on loopback: the same items, once each, in order."""

import json
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pystac
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import CatalogError, nominal_day, search
from catalogs.api import months

BBOX = (14.0, 46.0, 14.1, 46.1)
NAME = "landsat-c2-l2"


def make_item(name: str, day: date, west: float = 13.0, **properties) -> pystac.Item:
    box = [west, 45.0, west + 2, 47.0]
    ring = [[box[0], 45.0], [box[2], 45.0], [box[2], 47.0], [box[0], 47.0], [box[0], 45.0]]
    item = pystac.Item(
        name,
        {"type": "Polygon", "coordinates": [ring]},
        box,
        datetime(day.year, day.month, day.day, 9, 30, tzinfo=UTC),
        properties,
        collection=NAME,
    )
    item.add_asset("red", pystac.Asset("./red.tif"))
    return item


def make_items() -> list[pystac.Item]:
    start = date(2023, 4, 20)
    items = [
        make_item(
            f"LC08_L2SP_19{k % 2}028_{start + timedelta(days=8 * k):%Y%m%d}_02_T1",
            start + timedelta(days=8 * k),
        )
        for k in range(6)
    ]
    items.append(make_item("far_away", date(2023, 5, 6), west=100.0))
    items.append(make_item("tier_2", date(2023, 5, 7), **{"landsat:collection_category": "T2"}))
    return items


def make_catalog(folder: Path, items: list[pystac.Item]) -> Path:
    extent = pystac.Extent(
        pystac.SpatialExtent([[13.0, 45.0, 15.0, 47.0]]),
        pystac.TemporalExtent(
            [[datetime(2023, 4, 20, tzinfo=UTC), datetime(2023, 5, 30, tzinfo=UTC)]]
        ),
    )
    collection = pystac.Collection(NAME, "scenes", extent)
    collection.add_items([item.clone() for item in items])
    catalog = pystac.Catalog("root", "a catalogue")
    catalog.add_child(collection)
    catalog.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


@pytest.fixture
def api(require) -> Iterator[str]:
    """A STAC API with two items a page that repeats an item on each page and fails once."""
    require("loopback")
    state = {"failures": 1, "queries": []}

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, content: dict, status: int = 200) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            root = f"http://127.0.0.1:{self.server.server_port}"
            core = ["core", "collections", "item-search"]
            search = {"rel": "search", "href": f"{root}/search", "type": "application/geo+json"}
            if self.path.startswith("/collections"):
                extent = {
                    "spatial": {"bbox": [[13.0, 45.0, 15.0, 47.0]]},
                    "temporal": {"interval": [["2023-04-20T00:00:00Z", "2023-05-30T00:00:00Z"]]},
                }
                one = {
                    "type": "Collection",
                    "id": NAME,
                    "stac_version": "1.0.0",
                    "description": "d",
                    "license": "other",
                    "extent": extent,
                    "links": [],
                }
                if self.path.startswith(f"/collections/{NAME}"):
                    self._answer(one)
                elif self.path.startswith("/collections/"):
                    self._answer({"code": "NotFound"}, 404)
                else:
                    self._answer({"collections": [one], "links": []})
                return
            self._answer(
                {
                    "type": "Catalog",
                    "id": "api",
                    "stac_version": "1.0.0",
                    "description": "d",
                    "conformsTo": [f"https://api.stacspec.org/v1.0.0/{c}" for c in core],
                    "links": [
                        {"rel": "self", "href": root},
                        {"rel": "data", "href": f"{root}/collections"},
                        search | {"method": "POST"},
                    ],
                }
            )

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if state["failures"]:
                state["failures"] -= 1
                self._answer({"error": "busy"}, 502)
                return
            state["queries"].append(body)
            first, last = (
                datetime.fromisoformat(t.replace("Z", "+00:00"))
                for t in body["datetime"].split("/")
            )
            west, _, east, _ = body["bbox"]
            found = [
                item
                for item in make_items()
                if first <= item.datetime <= last and item.bbox[0] <= east and west <= item.bbox[2]
            ]
            page = int(body.get("page", 0))
            some = found[max(0, 2 * page - 1) : 2 * page + 2]  # the last one is repeated
            links = []
            if 2 * page + 2 < len(found):
                root = f"http://127.0.0.1:{self.server.server_port}/search"
                following = {"rel": "next", "href": root, "method": "POST"}
                links = [following | {"body": body | {"page": page + 1}}]
            features = [item.to_dict(include_self_link=False) for item in some]
            for feature in features:
                feature["assets"]["red"]["href"] = "https://host/red.tif?sig=token"
            self._answer({"type": "FeatureCollection", "features": features, "links": links})

        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_items_on_disk_are_found_by_day_and_place(tmp_path) -> None:
    href = str(make_catalog(tmp_path, make_items()))
    items = search(href, NAME, BBOX, date(2023, 4, 28), date(2023, 5, 22))
    days = [nominal_day(item) for item in items]
    assert days == [date(2023, 4, 28) + timedelta(days=8 * k) for k in range(4)]
    for item in items:
        href = item.assets["red"].href
        assert Path(href).is_absolute()
        assert item.collection_id == NAME
        assert not item.links


def test_an_api_gives_the_same_items_as_the_catalogue_on_disk(tmp_path, api: str) -> None:
    period = date(2023, 4, 28), date(2023, 5, 22)
    from_disk = search(str(make_catalog(tmp_path, make_items())), NAME, BBOX, *period)
    from_api = search(api, NAME, BBOX, *period)
    assert [item.id for item in from_api] == [item.id for item in from_disk]


def test_both_days_are_included(tmp_path) -> None:
    href = str(make_catalog(tmp_path, make_items()))
    day = date(2023, 4, 28)
    assert len(search(href, NAME, BBOX, day, day)) == 1


def test_a_box_across_the_antimeridian_touches_both_sides(tmp_path) -> None:
    day = date(2023, 5, 1)
    items = [make_item("east", day, west=-181.0 + 2), make_item("west", day, west=178.5)]
    items.append(make_item("greenwich", day, west=0.0))
    href = str(make_catalog(tmp_path, items))
    found = search(href, NAME, (179.0, 45.0, -178.0, 46.0), date(2023, 4, 30), day)
    # 9:30 UTC is the evening before at 178 W.
    assert [item.id for item in found] == ["east", "west"]


INLINE = "<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>"


@pytest.mark.parametrize(
    "asset",
    ["/vsicurl/http://10.0.0.1/x", "/vsizip//etc/x.zip", "file:///vsis3/b/k", INLINE, f" {INLINE}"],
)
def test_names_by_which_gdal_opens_more_than_files_are_refused(tmp_path, asset: str) -> None:
    item = make_item("LC08", date(2023, 5, 1))
    item.assets["red"].href = asset
    href = str(make_catalog(tmp_path, [item]))
    with pytest.raises(CatalogError, match=r"item LC08: asset 'red' is neither a file nor a URL"):
        search(href, NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


def test_a_relative_href_cannot_climb_to_such_a_name(tmp_path) -> None:
    item = make_item("LC08", date(2023, 5, 1))
    item.assets["red"].href = "../" * 30 + "vsicurl/http/x"
    href = str(make_catalog(tmp_path, [item]))
    with pytest.raises(CatalogError, match=r"item LC08: asset 'red' is neither a file nor a URL"):
        search(href, NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


def test_a_quoted_file_url_becomes_the_path_that_can_be_opened(tmp_path) -> None:
    item = make_item("LC08", date(2023, 5, 1))
    item.assets["red"].href = f"file://{tmp_path}/a%20b.tif"
    (found,) = search(
        str(make_catalog(tmp_path, [item])), NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2)
    )
    assert found.assets["red"].href == str(tmp_path / "a b.tif")


@pytest.fixture
def web(require, tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a web server gives its files."""
    require("loopback")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "asset",
    ["/etc/x.tif", "file:///etc/x.tif", "vrt:///etc/x", "gs://b/x"],
)
def test_a_catalogue_from_the_web_names_no_file_of_this_machine(web, asset: str) -> None:
    folder, address = web
    item = make_item("LC08", date(2023, 5, 1))
    make_catalog(folder, [item])
    (file,) = folder.rglob("LC08.json")
    known = json.loads(file.read_text(encoding="utf-8"))
    known["assets"]["red"]["href"] = asset
    file.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(CatalogError, match=r"item LC08: asset 'red' is at .*from the web"):
        search(f"{address}/catalog.json", NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


@pytest.mark.parametrize("asset", ["./red.tif", "https://host/red.tif", "s3://bucket/red.tif"])
def test_a_catalogue_from_the_web_may_name_the_web_and_buckets(web, asset: str) -> None:
    folder, address = web
    item = make_item("LC08", date(2023, 5, 1))
    item.assets["red"].href = asset
    make_catalog(folder, [item])
    (found,) = search(f"{address}/catalog.json", NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))
    href = found.assets["red"].href
    assert href.startswith(address) if asset.startswith(".") else href == asset


def test_an_item_of_the_web_in_a_catalogue_on_disk_names_no_local_file(web) -> None:
    folder, address = web
    item = make_item("LC08", date(2023, 5, 1))
    item.assets["red"].href = "file:///etc/x.tif"
    make_catalog(folder, [item])
    (file,) = folder.rglob("collection.json")
    known = json.loads(file.read_text(encoding="utf-8"))
    for link in known["links"]:
        if link["rel"] == "item":
            link["href"] = f"{address}/{NAME}/{link['href']}"
    file.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(CatalogError, match=r"item LC08: asset 'red' .*from the web"):
        search(str(folder / "catalog.json"), NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


SECRET = "s3cr3t"


def test_no_error_tells_a_password_or_a_token(web, api: str) -> None:
    folder, address = web
    make_catalog(folder, make_items())
    period = date(2020, 1, 1), date(2020, 2, 1)
    hrefs = (
        f"{address}/catalog.json?api_key={SECRET}&f=.json",  # empty, and no such collection
        f"{address}/missing.json?api_key={SECRET}&f=.json",
        f"http://me:{SECRET}@127.0.0.1:9/catalog.json",
        f"http://me:{SECRET}@127.0.0.1:9/?api_key={SECRET}",
        f"{api}?api_key={SECRET}",
    )
    for href in hrefs:
        for name in (NAME, "other"):
            with pytest.raises(CatalogError, match=r"127\.0\.0\.1") as refused:
                search(href, name, BBOX, *period)
            shown = "".join(traceback.format_exception(refused.value))
            told = [line for line in shown.splitlines() if not line.startswith("    ")]
            assert SECRET not in "\n".join(told), href


def test_an_empty_search_says_what_there_is(tmp_path) -> None:
    href = str(make_catalog(tmp_path, make_items()))
    with pytest.raises(
        CatalogError,
        match=r"no usable item of landsat-c2-l2 .*bbox \[14\.0.* 2020-01-01 to 2020-02-01; the "
        r"collection covers \[13\.0, 45\.0, 15\.0, 47\.0\] from 2023-04-20 to 2023-05-30",
    ):
        search(href, NAME, BBOX, date(2020, 1, 1), date(2020, 2, 1))


def test_an_unknown_collection_lists_the_known_ones(tmp_path) -> None:
    href = str(make_catalog(tmp_path, make_items()))
    with pytest.raises(CatalogError, match=r"no collection 'landsat'; it has landsat-c2-l2"):
        search(href, "landsat", BBOX, date(2023, 5, 1), date(2023, 5, 2))


def test_a_catalogue_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(CatalogError, match=r"no catalogue at .*catalog\.json"):
        search(str(tmp_path / "catalog.json"), NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))
    (tmp_path / "catalog.json").write_text("not json", encoding="utf-8")
    with pytest.raises(CatalogError, match="is not a STAC catalogue"):
        search(str(tmp_path / "catalog.json"), NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


def test_an_api_that_does_not_answer_is_named() -> None:
    with pytest.raises(CatalogError, match=r"no STAC API answers at http://127\.0\.0\.1:9"):
        search("http://127.0.0.1:9", NAME, BBOX, date(2023, 5, 1), date(2023, 5, 2))


@settings(deadline=None)
@given(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 800))
def test_months_partition_a_period(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    spans = list(months(start, end))
    days = [
        first + timedelta(days=k) for first, last in spans for k in range((last - first).days + 1)
    ]
    assert days == [start + timedelta(days=k) for k in range(length + 1)]
    assert all((first.year, first.month) == (last.year, last.month) for first, last in spans)
