"""A bucket where the reader pays, on a real S3 server behind a gate that asks who pays."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request as Ask
from urllib.request import urlopen

import numpy as np
import pystac
import pytest

from catalogs.landsat import LANDSAT_C2_L2
from pipeline.read import ReadError, native_geobox, read_layers, retry
from tests.pipeline.internet import Answer, Internet, Request, running
from tests.pipeline.scenes import box, landsat_item
from tests.services.s3 import S3

ENDPOINT = "s3.us-west-2.amazonaws.com"
BUCKET = "usgs-landsat"
REFUSALS = {  # as S3 words them
    "AccessDenied": "Access Denied",
    "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you "
    "provided. Check your key and signing method.",
    "ExpiredToken": "The provided token has expired.",
}
ACCOUNT = {"AWS_ACCESS_KEY_ID": "AKIDREADER", "AWS_SECRET_ACCESS_KEY": "account-secret"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, s3: S3) -> pystac.Item:
    """A scene on disk, whose files are in the bucket too."""
    folder = tmp_path_factory.mktemp("scene")
    dn = np.random.default_rng(0).integers(8000, 30000, (6, 80, 96))
    item = landsat_item(folder, dn * 2.75e-5 - 0.2, box((80, 96), 400005.0, 5100015.0))
    s3.bucket(BUCKET, Path(item.assets["red"].href).parent)
    return item


def refusal(code: str) -> Answer:
    told = f"<Error><Code>{code}</Code><Message>{REFUSALS[code]}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{told}'.encode()
    return Answer(status=403, body=body, headers={"Content-Type": "application/xml"})


@pytest.fixture
def there(
    scene: pystac.Item, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[pystac.Item, Internet]]:
    """The scene in the bucket, at Amazon's own address."""

    def gate(request: Request) -> Answer:
        signed = "Credential=AKIDREADER/" in request.headers.get("authorization", "")
        if not signed or request.headers.get("x-amz-request-payer") != "requester":
            return refusal("AccessDenied")
        passed = ("range", "authorization", "x-amz-date", "x-amz-request-payer")
        headers = {name: request.headers[name] for name in passed if name in request.headers}
        asked = Ask(f"http://127.0.0.1:{s3.port}{request.path}", headers=headers)
        import traceback

        try:
            urlopen(asked, timeout=30)
        except Exception:
            traceback.print_exc()
        with urlopen(asked, timeout=30) as answer:
            told = {k: v for k, v in answer.headers.items() if k in ("Content-Range", "ETag")}
            return Answer(status=answer.status, body=answer.read(), headers=told)

    for name in ("AWS_PROFILE", "AWS_S3_ENDPOINT", *ACCOUNT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(retry, "PAUSE_S", 0.02)
    monkeypatch.setattr(retry, "AT_ONCE", 1)  # see tests/pipeline/test_read.py
    with running(tmp_path / "tls", (ENDPOINT,)) as (net, env):
        net.sites[ENDPOINT] = gate
        private = {"AWS_VIRTUAL_HOSTING": "FALSE", "AWS_REGION": "us-west-2", "HOME": str(tmp_path)}
        for name, value in (env | private | {"CPL_AWS_AUTODETECT_EC2": "NO"}).items():
            monkeypatch.setenv(name, value)
        item = scene.full_copy()
        for name, asset in item.assets.items():
            asset.href = f"s3://{BUCKET}/{name}.tif"
        yield item, net


def read(item: pystac.Item) -> np.ndarray:
    window = native_geobox(item, "red", LANDSAT_C2_L2)
    layers = read_layers(item, LANDSAT_C2_L2, ("red",), window)
    return layers[LANDSAT_C2_L2.bands["red"]]


def test_the_reader_says_that_he_pays_and_gets_the_pixels(scene, there, monkeypatch) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    item, net = there
    np.testing.assert_array_equal(read(item), read(scene))
    assert net.asked(ENDPOINT)
    # No other bucket hears it.
    for name, asset in item.assets.items():
        asset.href = f"s3://elsewhere/{name}.tif"
    with pytest.raises(ReadError, match=r"'red' of item LC08.*check your rights there") as refused:
        read(item)
    assert "account-secret" not in str(refused.value)


def test_without_an_account_one_message_says_what_to_set(there) -> None:
    item, net = there
    with pytest.raises(ReadError) as refused:
        read(item)
    assert str(refused.value).endswith(
        "the reader pays there: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) "
        "to those of an AWS account"
    )
    assert not net.asked(ENDPOINT)


@pytest.mark.parametrize("code", REFUSALS)
def test_an_account_that_is_refused_is_told_the_same_cure(there, monkeypatch, code: str) -> None:
    for name in ACCOUNT:
        monkeypatch.setenv(name, "other-secret")
    item, net = there
    net.sites[ENDPOINT] = lambda _: refusal(code)
    with pytest.raises(ReadError, match="the reader pays there: set AWS_ACCESS") as refused:
        read(item)
    assert "other-secret" not in str(refused.value)
