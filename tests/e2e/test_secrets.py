"""Nothing secret in anything that a run leaves: files, output, the logs of all processes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pystac
import pytest

from tests.pipeline.bad_season import BadSeason, make_bad_season
from tests.pipeline.internet import Answer, Internet, Request, files, running

API = "stac.example.com"
TOKENS = "planetarycomputer.microsoft.com"
BLOB = "landsateuwest.blob.core.windows.net"
EARTHDATA = "data.lpdaac.earthdatacloud.nasa.gov"
ARCHIVE = "archive.example.com"

SECRETS = {
    "EARTHDATA_TOKEN": "eyJ-env-secret",
    "PC_SDK_SUBSCRIPTION_KEY": "pc-env-secret",
    "AWS_SECRET_ACCESS_KEY": "aws-env-secret",
    "AWS_SESSION_TOKEN": "session-env-secret",
}
CATALOG = f"https://reader:password-secret@{API}/stac?api_key=key-secret"
SECRET = re.compile(rb"[a-z]+-secret|reader:|cmVhZGVy")  # the last: reader in a header
LOUD = """
import logging, os
logging.basicConfig(level=logging.DEBUG, filename=os.path.join({folder!r}, f"{{os.getpid()}}.log"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A season behind an API and archives that each ask for something."""

    net: Internet
    env: dict[str, str]
    season: BadSeason
    logs: Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    season = make_bad_season(tmp_path / "season")
    published = Path(season.folder).rename(tmp_path / "published")
    season.folder.mkdir()
    region = (published / "region.yaml").rename(season.region)
    season.edit_region(catalog=CATALOG)
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "loud").mkdir()
    (tmp_path / "loud" / "sitecustomize.py").write_text(LOUD.format(folder=str(logs)))
    hosts = (API, TOKENS, BLOB, EARTHDATA, ARCHIVE)
    with running(tmp_path / "tls", hosts) as (net, proxies):
        store = files(published)
        net.sites |= {
            API: api(published),
            TOKENS: tokens,
            BLOB: lambda r: store(r) if "sig=sas-secret" in r.query else Answer(status=403),
            EARTHDATA: lambda r: (
                store(r)
                if r.headers.get("authorization") == f"Bearer {SECRETS['EARTHDATA_TOKEN']}"
                else Answer(status=401)
            ),
            ARCHIVE: store,
        }
        env = os.environ | SECRETS | proxies
        env |= {"SSL_CERT_FILE": proxies["CURL_CA_BUNDLE"], "GDAL_HTTP_MAX_RETRY": "0"}
        env |= {"PYTHONPATH": str(tmp_path / "loud"), "CPL_DEBUG": "ON", "TMPDIR": str(logs)}
        yield World(net=net, env=env, season=BadSeason(folder=region.parent), logs=logs)


def tokens(_: Request) -> Answer:
    until = datetime.now(UTC) + timedelta(minutes=45)
    told = {"token": "st=2026&sig=sas-secret", "msft:expiry": until.isoformat()}
    return Answer(body=json.dumps(told).encode())


def api(folder: Path):
    """The season as an API that wants a key and a password, and whose hrefs are signed."""
    found: dict[str, list[dict]] = {}
    catalog = pystac.Catalog.from_file(str(folder / "catalog.json"))
    for number, item in enumerate(catalog.get_items(recursive=True)):
        item.make_asset_hrefs_absolute()
        known = item.to_dict(include_self_link=False) | {"links": []}
        for asset in known["assets"].values():
            path = Path(asset["href"]).relative_to(folder)
            asset["href"] = (
                f"https://{EARTHDATA}/{path}",
                f"https://someone:user-secret@{ARCHIVE}/{path}?Signature=url-secret",
                f"https://{BLOB}/{path}",
            )[number % 3]
            asset["alternate"] = {"s3": {"href": f"s3://a/{path}?X-Amz-Signature=url-secret"}}
        found.setdefault(str(item.collection_id), []).append(known)
    links = [{"rel": "search", "href": f"https://{API}/stac/search", "method": "GET"}]

    def site(request: Request) -> Answer:
        query = parse_qs(request.query)
        if query.get("api_key") != ["key-secret"] or "authorization" not in request.headers:
            return Answer(status=401)
        *_, last = request.path.split("/")
        told = {"id": last, "links": links}
        if last == "search":
            told = {"type": "FeatureCollection", "features": found[query["collections"][0]]}
        elif last != "stac" and last not in found:
            return Answer(status=404)
        return Answer(body=json.dumps(told).encode())

    return site


def left_behind(world: World) -> dict[str, bytes]:
    """What is in the files beside the region, but for the region itself, and in the logs."""
    return {
        str(path): path.read_bytes()
        for folder in (world.season.folder, world.logs)
        for path in folder.rglob("*")
        if path.is_file() and path != world.season.region
    }


def test_the_command_leaves_nothing_secret(world: World) -> None:
    broken = next(
        path
        for path in (world.season.folder.parent / "published").rglob("red.tif")
        if "190029" in str(path)
    )
    broken.unlink()
    command = [sys.executable, "-m", "flows.cli", "fuse", str(world.season.region)]
    done = subprocess.run(
        [*command, "--workers", "2"], env=world.env, capture_output=True, timeout=120, check=False
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 1, shown.decode()  # a file was gone, and that was told
    assert b"'red' of item LC09_L2SP_190029_20230504_02_T1 cannot be read" in shown
    assert f"https://{BLOB}/".encode() in shown  # by the signed address that it was asked for
    for host in (API, TOKENS, BLOB, EARTHDATA, ARCHIVE):
        assert world.net.asked(host), host
    left = left_behind(world)
    names = " ".join(left)
    for name in ("items.json", "plan.json", "bad.zarr/zarr.json", "expected.csv", ".stac.json"):
        assert name in names
    assert "bad.zarr.lock" in names
    logs = [text for name, text in left.items() if name.endswith(".log")]
    assert sum(b"rasterio" in text for text in logs) >= 2  # both workers, and loud
    assert any(b"urllib3" in text and API.encode() in text for text in logs)
    for name, text in {**left, "output": shown}.items():
        found = SECRET.search(text)
        assert not found, f"{name}: {text[max(0, found.start() - 200) : found.end() + 40]!r}"
