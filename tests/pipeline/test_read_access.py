"""Tokens: got where they are needed, sent nowhere else, and found in nothing that is left."""

import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pystac
import pytest

from catalogs.landsat import LANDSAT_C2_L2
from pipeline.ingest import ingest_block, open_inputs
from pipeline.read import ReadError, access, native_geobox, read_layers, retry
from pipeline.read.access import pass_for
from pipeline.read.secrets import scrub
from tests.pipeline.internet import Answer, Internet, Request, files, running
from tests.pipeline.scenes import box, landsat_item
from tests.pipeline.test_ingest import lay_out, make_grid, make_inputs, tasks_of

BLOB = "landsateuwest.blob.core.windows.net"
TOKENS = "planetarycomputer.microsoft.com"
EARTHDATA = "data.lpdaac.earthdatacloud.nasa.gov"
CLOUD = "d1nklfio7vscoe.cloudfront.net"
SCENE = box((80, 96), 400005.0, 5100015.0)
SECRETS = {"EARTHDATA_TOKEN": "eyJ-earthdata-secret", "PC_SDK_SUBSCRIPTION_KEY": "pc-key-secret"}


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Iterator[Internet]:
    hosts = (BLOB, TOKENS, EARTHDATA, CLOUD)
    with (
        running(tmp_path_factory.mktemp("tls"), hosts) as (internet, env),
        pytest.MonkeyPatch.context() as patch,
    ):
        for key, value in (env | SECRETS | {"GDAL_HTTP_MAX_RETRY": "0"}).items():
            patch.setenv(key, value)
        yield internet


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, net) -> None:
    monkeypatch.setattr(retry, "PAUSE_S", 0.02)
    monkeypatch.setattr(retry, "AT_ONCE", 1)  # see test_read.py
    access._KEPT.clear()
    net.sites.clear()
    net.log.clear()


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> pystac.Item:
    dn = np.random.default_rng(0).integers(8000, 30000, (6, *SCENE.shape.yx))
    return landsat_item(tmp_path_factory.mktemp("scene"), dn * 2.75e-5 - 0.2, SCENE)


def at(item: pystac.Item, base: str) -> pystac.Item:
    there = item.full_copy()
    for name, asset in there.assets.items():
        asset.href = f"{base}/{name}.tif"
    return there


def read(item: pystac.Item):
    window = native_geobox(item, "red", LANDSAT_C2_L2)
    layers = read_layers(item, LANDSAT_C2_L2, ("red",), window)
    return layers[LANDSAT_C2_L2.bands["red"]]


class Azure:
    """A token server and a blob store that takes its newest tokens only."""

    def __init__(self, net: Internet, folder: Path, *, minutes: float = 45, clock_h: float = 0):
        self.given: list[str] = []
        self.taken: set[str] = set()
        self.minutes, self.clock = minutes, timedelta(hours=clock_h)
        self.store = files(folder)
        net.sites[TOKENS], net.sites[BLOB] = self.tokens, self.blobs

    def tokens(self, request: Request) -> Answer:
        assert request.path == "/api/sas/v1/token/landsateuwest/landsat-c2"
        assert request.headers["ocp-apim-subscription-key"] == SECRETS["PC_SDK_SUBSCRIPTION_KEY"]
        token = f"st=2026&sig=azure-secret-{len(self.given)}"
        self.given.append(token)
        self.taken = {token}
        now = datetime.now(UTC) + self.clock
        told = {
            "token": token,
            "msft:expiry": f"{now + timedelta(minutes=self.minutes):%Y-%m-%dT%H:%M:%SZ}",
        }
        return Answer(body=json.dumps(told).encode(), headers={"Date": format_datetime(now)})

    def blobs(self, request: Request) -> Answer:
        if request.query not in self.taken:
            return Answer(status=403)
        return self.store(request)


def folder_of(item: pystac.Item) -> Path:
    return Path(item.assets["red"].href).parent


def mounted(tmp_path: Path, item: pystac.Item) -> Path:
    """A folder in which the item's files are the blobs of a container."""
    (tmp_path / "landsat-c2").symlink_to(folder_of(item))
    return tmp_path


def test_a_signed_read_asks_once_for_a_token_of_the_container(scene, net, tmp_path) -> None:
    azure = Azure(net, mounted(tmp_path, scene))
    item = at(scene, f"https://{BLOB}/landsat-c2")
    np.testing.assert_array_equal(read(item), read(scene))
    read(item)
    assert len(azure.given) == 1
    assert all("?" not in asset.href for asset in item.assets.values())


def test_a_token_with_less_than_ten_minutes_left_is_not_used_again(
    scene, net, tmp_path, monkeypatch
) -> None:
    azure = Azure(net, mounted(tmp_path, scene))
    item = at(scene, f"https://{BLOB}/landsat-c2")
    read(item)
    now = time.monotonic()
    monkeypatch.setattr(access.time, "monotonic", lambda: now + 34 * 60)
    read(item)
    assert len(azure.given) == 1
    monkeypatch.setattr(access.time, "monotonic", lambda: now + 36 * 60)
    read(item)
    assert len(azure.given) == 2


@pytest.mark.parametrize("clock_h", [-24, 24])
def test_a_clock_a_day_off_neither_renews_every_time_nor_never(
    scene, net, tmp_path, clock_h: float
) -> None:
    azure = Azure(net, mounted(tmp_path, scene), clock_h=clock_h)
    item = at(scene, f"https://{BLOB}/landsat-c2")
    read(item)
    read(item)
    assert len(azure.given) == 1
    (kept,) = access._KEPT.values()
    assert kept.until - time.monotonic() == pytest.approx(35 * 60, abs=30)


def test_a_refused_token_is_renewed_once_and_then_told(scene, net, tmp_path) -> None:
    azure = Azure(net, mounted(tmp_path, scene))
    item = at(scene, f"https://{BLOB}/landsat-c2")
    read(item)
    azure.taken.clear()  # as a token that ended
    np.testing.assert_array_equal(read(item), read(scene))
    assert len(azure.given) == 2
    net.sites[BLOB] = lambda _: Answer(status=403)
    with pytest.raises(ReadError, match=r"403.*PC_SDK_SUBSCRIPTION_KEY") as caught:
        read(item)
    assert len(azure.given) == 3
    assert "azure-secret" not in str(caught.value)


def test_the_bearer_goes_to_earthdata_and_not_where_it_leads(scene, net) -> None:
    def gate(request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {SECRETS['EARTHDATA_TOKEN']}":
            return Answer(status=401)
        where = f"https://{CLOUD}{request.path}?Expires=99&Signature=cloud-secret"
        return Answer(status=303, headers={"Location": where})

    net.sites[EARTHDATA], net.sites[CLOUD] = gate, files(folder_of(scene))
    item = at(scene, f"https://{EARTHDATA}")
    # One item of two providers: the token of one file is not sent for another.
    item.assets["qa_pixel"].href = f"https://{CLOUD}/qa_pixel.tif"
    np.testing.assert_array_equal(read(item), read(scene))
    assert net.asked(EARTHDATA)
    assert net.asked(CLOUD)
    for request in net.log:
        sent = "authorization" in request.headers
        assert sent == (request.host == EARTHDATA)


def test_without_a_token_nothing_is_asked_and_the_cure_is_told(scene, net, monkeypatch) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN")
    with pytest.raises(ReadError, match=r"'red' of item LC08.*set EARTHDATA_TOKEN to a token"):
        read(at(scene, f"https://{EARTHDATA}"))
    assert not net.log


def test_the_reader_pays_where_the_bucket_says_so_and_nowhere_else() -> None:
    assert pass_for("s3://usgs-landsat/x.TIF").gdal == {"AWS_REQUEST_PAYER": "requester"}
    assert pass_for("s3://elsewhere/x.TIF").gdal == {}
    with pytest.raises(ReadError, match="take the item's s3:// address"):
        pass_for("https://landsatlook.usgs.gov/data/x.TIF")


@pytest.mark.parametrize(("bucket", "pays"), [("usgs-landsat", True), ("elsewhere", False)])
def test_what_the_reader_pays_for_is_said_to_s3(
    scene, net, monkeypatch, tmp_path, bucket: str, pays: bool
) -> None:
    (tmp_path / bucket).symlink_to(folder_of(scene))
    net.sites["s3.example.com"] = files(tmp_path)
    account = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "aws-secret"}
    there = {"AWS_S3_ENDPOINT": "s3.example.com", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    for key, value in (account | there | {"AWS_DEFAULT_REGION": "us-west-2"}).items():
        monkeypatch.setenv(key, value)
    item = at(scene, f"s3://{bucket}")
    np.testing.assert_array_equal(read(item), read(scene))
    asked = net.asked("s3.example.com")
    assert asked
    for request in asked:
        assert request.headers.get("x-amz-request-payer") == ("requester" if pays else None)
        assert "AWS4-HMAC-SHA256" in request.headers["authorization"]


def test_a_bucket_without_an_account_names_what_to_set(scene, net, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "404"  # is told in the message, and is no answer of a server
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CPL_AWS_AUTODETECT_EC2", "NO")
    with pytest.raises(ReadError, match=r"the reader pays there: set AWS_ACCESS_KEY_ID and AWS_S"):
        read(at(scene, "s3://usgs-landsat/collection02"))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("x https://a.b/c.tif?sig=1&x=2: no", "x https://a.b/c.tif: no"),
        ("'/vsicurl/https://u:p@a.b/c?sig=1' bad", "'/vsicurl/https://a.b/c' bad"),
        ("why? nobody knows", "why? nobody knows"),
        (f"Bearer {SECRETS['EARTHDATA_TOKEN']}", "Bearer ***"),
    ],
)
def test_texts_are_scrubbed(net, text: str, clean: str) -> None:
    assert scrub(text) == clean


def test_nothing_that_a_run_leaves_holds_a_secret(net, tmp_path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    inputs = make_inputs(tmp_path, make_grid())
    first, second, third = inputs.fine.items
    azure = Azure(net, tmp_path / "blobs")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "landsat-c2").symlink_to(folder_of(first))
    archive = files(folder_of(second))
    net.sites[EARTHDATA] = lambda r: (
        archive(r) if "authorization" in r.headers else Answer(status=401)
    )
    net.sites[CLOUD] = lambda _: Answer(status=500)
    for item, base in ((first, f"https://{BLOB}/landsat-c2"), (second, f"https://{EARTHDATA}")):
        for name, asset in item.assets.items():
            asset.href = f"{base}/{name}.tif"
    for name, asset in third.assets.items():  # signed by its catalogue, and failing
        asset.href = f"https://user:url-secret@{CLOUD}/{name}.tif?Signature=url-secret"
    folder = lay_out(tmp_path, inputs)
    reports = [ingest_block(task) for role in ("fine", "coarse") for task in tasks_of(folder, role)]
    errors = [report.error for report in reports if report.error]
    assert len(errors) == 1
    assert f"https://{CLOUD}/blue.tif (" in errors[0]
    assert all(report.clear_pixels for report in reports)  # one day from one of its two scenes
    assert azure.given
    assert len(open_inputs(folder).fine.items) == 3
    shown = "\n".join([*errors, caplog.text])
    assert len(caplog.records) > 100  # GDAL's and ours: there was something to hide
    secret = re.compile(rb"azure-secret|earthdata-secret|pc-key-secret|url-secret")
    assert not secret.search(shown.encode())
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 10
    for path in written:
        assert not secret.search(path.read_bytes()), path
