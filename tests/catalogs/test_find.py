"""Catalogues in order, polygons, and servers that fail: the same items, or why not."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from urllib3.util import Timeout

from catalogs import CatalogError, Place, find, place_of
from catalogs import web as the_web
from catalogs.api import Api
from catalogs.web import WebError, fetch
from tests.catalogs.test_search import BBOX, NAME, make_catalog, make_item
from tests.pipeline.internet import Answer, running

START, END = date(2023, 4, 1), date(2023, 8, 31)


def make(folder, first: date, count: int) -> str:
    days = [first + timedelta(days=16 * k) for k in range(count)]
    items = [make_item(f"LC08_L2SP_190028_{day:%Y%m%d}_02_T1", day) for day in days]
    return str(make_catalog(folder, items))


def test_the_first_catalogue_that_is_up_and_has_items_is_used(tmp_path) -> None:
    good = make(tmp_path / "good", date(2023, 4, 20), 8)
    found = find([str(tmp_path / "none.json"), good], NAME, "fine", BBOX, START, END)
    assert found.catalog == good
    assert "there is no catalogue" in found.passed[0]
    assert any(line.startswith("passed over: ") for line in found.lines())


def test_a_stale_catalogue_gives_way_to_a_newer_one_and_only_then(tmp_path) -> None:
    stale = make(tmp_path / "stale", date(2023, 4, 20), 2)
    fresh = make(tmp_path / "fresh", date(2023, 4, 20), 8)
    found = find([stale, fresh], NAME, "fine", BBOX, START, END)
    assert found.catalog == fresh
    assert "is stale: its newest item" in found.passed[0]
    assert find([stale, stale], NAME, "fine", BBOX, START, END).catalog == stale
    assert find([fresh, stale], NAME, "fine", BBOX, START, END).passed == ()


def test_a_skipped_item_leaves_its_day_to_an_older_processing(tmp_path) -> None:
    day = date(2023, 4, 20)
    names = [f"LC08_L2SP_190028_20230420_2023050{made}_02_T1" for made in (1, 2)]
    href = str(make_catalog(tmp_path, [make_item(name, day) for name in names]))
    assert [item.id for item in find([href], NAME, "fine", BBOX, START, END).items] == names[1:]
    found = find([href], NAME, "fine", BBOX, START, END, skip=names[1:])
    assert [item.id for item in found.items] == names[:1]
    assert list(found.lines())[1:] == [f"left out: item {names[1]}: the region file skips it"]
    with pytest.raises(CatalogError, match=r"2 cannot be used: item .* the region file skips it"):
        find([href], NAME, "fine", BBOX, START, END, skip=names)


def test_a_catalogue_without_an_image_of_the_place_is_passed_over(tmp_path) -> None:
    far = make_item("LC08_L2SP_100028_20230506_02_T1", date(2023, 5, 6), west=100.0)
    empty = str(make_catalog(tmp_path / "empty", [far]))
    good = make(tmp_path / "good", date(2023, 4, 20), 8)
    found = find([empty, good], NAME, "fine", BBOX, START, END)
    assert found.catalog == good
    assert f"{empty} has no usable item of {NAME}" in found.passed[0]


def test_one_broken_item_is_left_out_by_name_and_the_rest_goes_on(tmp_path) -> None:
    href = make(tmp_path, date(2023, 4, 20), 3)
    broken, unread = sorted(tmp_path.rglob("LC08*.json"))[:2]
    broken.write_text(json.dumps(json.loads(broken.read_text()) | {"assets": {}}))
    unread.write_text("{")
    found = find([href], NAME, "fine", BBOX, START, END)
    assert len(found.items) == 1
    assert any("LC08" in reason and "has no asset" in reason for reason in found.skipped)
    assert any("cannot be read" in reason for reason in found.skipped)


def test_a_polygon_leaves_out_what_only_touches_its_box(tmp_path) -> None:
    day = date(2023, 5, 1)
    items = [make_item("here", day, west=13.0), make_item("corner", day, west=17.5)]
    href = str(make_catalog(tmp_path, items))
    triangle = [[14.0, 45.5], [18.0, 45.5 - 8], [14.0, 45.5 - 8], [14.0, 45.5]]
    place = place_of({"type": "Polygon", "coordinates": [triangle]})
    boxed = find([href], NAME, "fine", Place(bbox=place.bbox), day, day)
    cut = find([href], NAME, "fine", place, day, day)
    assert [item.id for item in boxed.items] == ["corner", "here"]
    assert [item.id for item in cut.items] == ["here"]


def test_a_polygon_across_the_antimeridian_is_one_small_place() -> None:
    ring = [[179.0, -17.0], [-179.0, -17.0], [-179.0, -16.0], [179.0, -16.0], [179.0, -17.0]]
    split = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[179.0, -17.0], [180.0, -17.0], [180.0, -16.0], [179.0, -16.0], [179.0, -17.0]]],
            [[[-180.0, -17.0], [-179.0, -17.0], [-179.0, -16.0], [-180.0, -16.0], [-180.0, -17.0]]],
        ],
    }
    for geometry in ({"type": "Polygon", "coordinates": [ring]}, split):
        place = place_of(geometry)
        assert place.bbox == (179.0, -17.0, -179.0, -16.0)
        assert place.boxes() == ((179.0, -17.0, 180.0, -16.0), (-180.0, -17.0, -179.0, -16.0))
        for west in (178.5, -180.5, -179.5):
            assert place.touched_by(None, [west, -16.5, west + 1, -16.4])
        assert not place.touched_by(None, [0.0, -16.5, 1.0, -16.4])


@pytest.mark.parametrize(
    "coordinates", [[[0, 0], [1, 1], [2, 2], [0, 0]], [[0, 0], [1, 1]], [["a", 0], [1, 1], [2, 2]]]
)
def test_a_polygon_without_area_is_refused(coordinates) -> None:
    with pytest.raises(CatalogError, match=r"the polygon .* (no area|not made of corners)"):
        place_of({"type": "Polygon", "coordinates": [coordinates]})


@pytest.fixture
def faulty(require, monkeypatch) -> Iterator[tuple[str, dict]]:
    """40 items in pages, from a server that fails as the test says."""
    require("loopback")
    monkeypatch.setattr(the_web, "BACKOFF_S", 0.001)
    state: dict = {"faults": [], "limits": [], "circle": False, "too_much": 1000}
    state |= {
        "retry_after": "0",
        "over": threading.Event(),
        "landing": "",
        "get_only": False,
        "asked": [],
    }

    class Handler(BaseHTTPRequestHandler):
        def _send(self, status: int, text: bytes, length: int | None = None, **headers) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text) if length is None else length))
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            if state["landing"] == "hang":
                state["over"].wait(20)
                return
            if self.path == "/":
                search = {"rel": "search", "href": "/search"}
                post = {} if state["get_only"] else {"method": "POST"}
                self._send(200, json.dumps({"links": [search | post]}).encode())
                return
            words = dict(parse_qsl(urlsplit(self.path).query))
            limit, at = int(words["limit"]), int(words.get("at", 0))
            state["asked"].append(words)
            features = [{"id": f"i{k}"} for k in range(at, min(40, at + limit))]
            link = {"rel": "next", "href": f"/search?{urlencode(words | {'at': at + limit})}"}
            links = [link] if at + limit < 40 else []
            self._send(200, json.dumps({"features": features, "links": links}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = state["faults"].pop(0) if state["faults"] else None
            limit, at = body["limit"], body.get("at", 0)
            state["limits"].append(limit)
            if limit > state["too_much"]:
                fault = 502
            if isinstance(fault, int):
                told = {"Retry_After": state["retry_after"]} if fault == 429 else {}
                self._send(fault, b"no", **told)
                return
            if fault == "hang":
                state["over"].wait(20)
                return
            features = [{"id": f"i{k}"} for k in range(at, min(40, at + limit))]
            following = 0 if state["circle"] else at + limit
            link = {"rel": "next", "method": "POST", "href": "/search", "merge": True}
            # As CMR: a link even after the last page.
            page = {"features": features, "links": [link | {"body": {"at": following}}]}
            text = json.dumps(page).encode()
            self.close_connection = fault == "cut"
            cut = text[: len(text) // 2] if fault in ("cut", "broken") else text
            self._send(200, cut, len(text) if fault == "cut" else None)

        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", state
        state["over"].set()
        server.shutdown()


def ask(url: str, page: int = 10) -> list[str]:
    api = Api(url=url, page=page)
    return [str(one["id"]) for one in api.items("x", [BBOX], date(2023, 5, 1), date(2023, 5, 9))]


@pytest.mark.parametrize("faults", [[429, 500, "cut"], [503, "broken", 502, 429, 429]])
def test_a_failing_server_gives_the_items_of_a_healthy_one(faulty, faults) -> None:
    url, state = faulty
    state["faults"] = list(faults)
    assert ask(url) == [f"i{k}" for k in range(40)]
    assert not state["faults"]


def test_pages_too_large_for_a_server_become_smaller(faulty) -> None:
    url, state = faulty
    state["too_much"] = 25
    assert ask(url, 100) == [f"i{k}" for k in range(40)]
    assert sorted(set(state["limits"]), reverse=True) == [100, 50, 25]


def test_pages_in_a_circle_end_with_a_message(faulty) -> None:
    url, state = faulty
    state["circle"] = True
    with pytest.raises(CatalogError, match="go round in a circle after 10 items"):
        ask(url)


def test_a_server_that_hangs_is_asked_again_and_the_items_are_all_there(
    faulty, monkeypatch
) -> None:
    url, state = faulty
    monkeypatch.setattr(the_web, "TIMEOUT", Timeout(connect=1.0, read=0.2))
    state["faults"] = ["hang", None, "hang", "hang"]
    assert ask(url) == [f"i{k}" for k in range(40)]
    assert not state["faults"]


def test_a_server_that_only_hangs_is_passed_over_soon(faulty, monkeypatch, tmp_path) -> None:
    url, state = faulty
    monkeypatch.setattr(the_web, "TIMEOUT", Timeout(connect=1.0, read=0.2))
    state["landing"] = "hang"
    good = make(tmp_path, date(2023, 4, 20), 8)
    started = time.monotonic()
    found = find([url, good], NAME, "fine", BBOX, START, END)
    assert time.monotonic() - started < 10
    assert found.catalog == good
    assert "no STAC API answers" in found.passed[0]
    with pytest.raises(CatalogError, match="timed out") as refused:
        find([url], NAME, "fine", BBOX, START, END)
    assert refused.value.again


def in_a_second() -> str:
    """As HTTP writes dates, which have whole seconds: one to two seconds from now."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize("told", [lambda: "1", in_a_second], ids=["seconds", "date"])
def test_the_wait_that_a_server_asks_for_is_kept(faulty, told) -> None:
    url, state = faulty
    state |= {"faults": [429], "retry_after": told()}
    started = time.monotonic()
    assert ask(url) == [f"i{k}" for k in range(40)]
    assert 0.9 < time.monotonic() - started < 5


def test_an_api_that_knows_only_get_gives_the_same_items(faulty) -> None:
    url, state = faulty
    state["get_only"] = True
    assert ask(url) == [f"i{k}" for k in range(40)]
    (first, *rest) = state["asked"]
    assert first == {
        "collections": "x",
        "bbox": ",".join(map(str, BBOX)),
        "datetime": "2023-05-01T00:00:00Z/2023-05-09T23:59:59Z",
        "limit": "10",
    }
    assert [words["at"] for words in rest] == ["10", "20", "30"]
    assert not state["limits"]


def test_a_search_by_api_tells_each_month(faulty) -> None:
    told: list[tuple[int, int]] = []
    api = Api(url=faulty[0], page=50)
    period = date(2023, 5, 20), date(2023, 8, 3)
    assert list(api.items("x", [BBOX], *period, lambda *step: told.append(step)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_catalogue_is_asked_through_the_proxy_that_the_environment_names(
    tmp_path, monkeypatch
) -> None:
    with running(tmp_path, ("stac.example.com",)) as (net, env):
        net.sites["stac.example.com"] = lambda _: Answer(body=b'{"id": "far"}')
        proxy = env["http_proxy"].replace("//", "//me:word@")
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert fetch("http://stac.example.com/stac") == {"id": "far"}
        assert net.log[0].headers["proxy-authorization"].startswith("Basic ")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, "127.0.0.1")
        with pytest.raises(WebError, match="gives no usable answer"):  # asked for by itself
            fetch("http://127.0.0.1:9/stac", tries=1)
        assert len(net.log) == 1
