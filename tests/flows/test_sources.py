"""``daily30 sources``: the tables for people, and a catalogue that is probed."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from catalogs.check import check
from flows.cli import app
from tests.catalogs.distilled import landsat

NAME = "landsat-c2-l2"


@pytest.fixture
def api(require) -> Iterator[tuple[str, dict]]:
    """An API whose newest item may be changed by the test; its collection has USGS's name."""
    require("loopback")
    item = landsat()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, content: dict, status: int = 200) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            search = {"rel": "search", "href": "/search", "method": "POST"}
            if self.path == "/":
                self._answer({"links": [search]})
            elif self.path == "/collections/landsat-c2l2-sr":
                self._answer({"id": "landsat-c2l2-sr"})
            elif self.path == "/collections":
                self._answer({"collections": [{"id": "landsat-c2l2-sr"}, {"id": "other"}]})
            else:
                self._answer({}, 404)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer({"features": [item]})

        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", item
        server.shutdown()


def renew(item: dict) -> None:
    day = datetime.now(UTC) - timedelta(days=3)
    text = json.dumps(item).replace("_20231008_", f"_{day:%Y%m%d}_")
    item.update(json.loads(text))
    item["properties"]["datetime"] = f"{day:%Y-%m-%d}T17:37:26Z"


def test_a_catalogue_as_expected_is_well(api) -> None:
    address, item = api
    renew(item)
    (finding,) = check(address)
    assert finding.faults == ()
    assert finding.newest is not None


def test_a_renamed_stale_and_incomplete_collection_is_told_and_ends_with_1(api) -> None:
    address, item = api
    del item["assets"]["red"]
    done = CliRunner().invoke(app, ["sources", "check", address, "--collection", NAME])
    assert done.exit_code == 1
    for word in ("is called landsat-c2l2-sr there", "lacks red", "nothing for more than"):
        assert word in done.output


def test_the_tables_name_every_product_and_number() -> None:
    listed = CliRunner().invoke(app, ["sources"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    for word in ("VNP09GA", "planetary-computer", "lpcloud: MOD09GA_061", "EARTHDATA_TOKEN"):
        assert word in listed.output
    facts = CliRunner().invoke(app, ["sources", "--facts", "MOD09GA"], env={"COLUMNS": "200"})
    for word in ("sur_refl_b01_1", "-28672", "state_1km bits 0-1 in [1, 2]", "MOD09 user guide"):
        assert word in facts.output
    assert CliRunner().invoke(app, ["sources", "--facts", "none"]).exit_code == 2
