"""Remote files, read through servers that fail in every way: right pixels or a clear error."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio.shutil

from catalogs import BANDS
from catalogs.landsat import LANDSAT_C2_L2
from pipeline.read import ReadError, native_geobox, read_layers, retry, window_around
from tests.pipeline.internet import Answer, Internet, Request, Site, files, running
from tests.pipeline.scenes import box, landsat_item

HOST = "data.example.com"
SCENE = box((600, 520), 400005.0, 5100015.0)
TARGET = box((200, 200), 400005.0 + 30 * 250, 5100015.0 - 30 * 250)
QUICK = {"GDAL_HTTP_RETRY_DELAY": "0.02", "GDAL_HTTP_MAX_RETRY": "1"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> pystac.Item:
    folder = tmp_path_factory.mktemp("scene")
    dn = np.random.default_rng(0).integers(8000, 30000, (6, *SCENE.shape.yx))
    return landsat_item(folder, dn * 2.75e-5 - 0.2, SCENE)


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Iterator[Internet]:
    with (
        running(tmp_path_factory.mktemp("tls"), (HOST,)) as (internet, env),
        pytest.MonkeyPatch.context() as patch,
    ):
        for key, value in (env | QUICK).items():
            patch.setenv(key, value)
        yield internet


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch) -> None:
    monkeypatch.setattr(retry, "PAUSE_S", 0.02)
    # The servers are threads of this process: of several readers one may hold Python's lock and
    # wait for GDAL's, while another waits in GDAL for a server that needs Python's.
    monkeypatch.setattr(retry, "AT_ONCE", 1)


def served(item: pystac.Item, net: Internet, site: Callable[[Site], Site] = lambda s: s):
    """The item with its files on a host, and the host's answers as ``site`` makes them."""
    folder = Path(item.assets["red"].href).parent
    net.sites[HOST] = site(files(folder))
    net.log.clear()
    there = item.full_copy()
    for name, asset in there.assets.items():
        asset.href = f"http://{HOST}/{name}.tif"
    return there


def read(item: pystac.Item, bands=("red",)):
    whole = native_geobox(item, "red", LANDSAT_C2_L2)
    window = window_around(whole, TARGET, 5)
    assert window is not None
    layers = read_layers(item, LANDSAT_C2_L2, bands, window)
    return {band.asset: numbers for band, numbers in layers.items()}


@pytest.fixture(scope="module")
def truth(scene):
    return read(scene, BANDS)


def same(one, other) -> bool:
    return set(one) <= set(other) and all((one[k] == other[k]).all() for k in one)


def test_a_remote_item_is_read_as_a_local_one_and_each_file_opened_once(scene, net, truth) -> None:
    item = served(scene, net)
    assert same(read(item, BANDS), truth)
    assert {request.path for request in net.log} == {f"/{name}.tif" for name in item.assets}
    for name in item.assets:
        asked = [request for request in net.log if request.path == f"/{name}.tif"]
        # A HEAD to see that it is there and one to open it (what failed is not remembered, at the
        # price of this), the header once, and the blocks, each byte once.
        methods = [request.method for request in asked]
        assert methods[:3] == ["HEAD", "HEAD", "GET"]
        assert methods.count("HEAD") == 2
        spans = [request.span for request in asked if request.method == "GET"]
        assert spans[0] == (0, min(16383, Path(scene.assets[name].href).stat().st_size - 1))
        assert len(spans) <= 2
        whole = Path(scene.assets[name].href).stat().st_size
        assert sum(min(last, whole - 1) - first + 1 for first, last in spans) <= whole


FAULTS: dict[str, Callable[[Answer], Answer]] = {
    "500": lambda _: Answer(status=500),
    "429": lambda _: Answer(status=429, headers={"Retry-After": "0"}),
    "cut": lambda good: Answer(**vars(good) | {"cut": len(good.body) // 2}),
    "nothing": lambda good: Answer(**vars(good) | {"cut": 0}),
    "html": lambda _: Answer(body=b"<html>busy</html>", headers={"Content-Type": "text/html"}),
    # Fewer bytes than were asked for, and headers that agree with them.
    "short": lambda good: Answer(
        status=good.status, body=good.body[: len(good.body) // 2], headers=good.headers
    ),
    "zeros": lambda good: Answer(
        status=good.status, body=bytes(len(good.body)), headers=good.headers
    ),
}


def one_fault(place: int, fault: Callable[[Answer], Answer], times: int) -> Callable[[Site], Site]:
    """Requests ``place`` to ``place + times - 1`` for the red file go wrong."""

    def wrap(site: Site) -> Site:
        count = iter(range(10**6))

        def answer(request: Request) -> Answer:
            good = site(request)
            if request.path != "/red.tif":
                return good
            return fault(good) if place <= next(count) < place + times else good

        return answer

    return wrap


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("place", range(5))
def test_whatever_answer_goes_wrong_the_pixels_are_right(
    scene, net, truth, name: str, place: int
) -> None:
    # Twice: GDAL's own second request goes wrong too, so that it gives up and remembers.
    item = served(scene, net, one_fault(place, FAULTS[name], times=2))
    assert same(read(item), truth)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays_is_an_error_and_never_pixels(scene, net, name: str) -> None:
    for place in (0, 2, 3):
        item = served(scene, net, one_fault(place, FAULTS[name], times=10**6))
        with pytest.raises(ReadError, match=r"'red' of item LC08.*http://data\.example\.com/red"):
            read(item)


@pytest.mark.parametrize("status", [404, 403, 401])
def test_what_will_not_heal_is_not_asked_for_again(scene, net, status: int) -> None:
    item = served(scene, net, one_fault(0, lambda _: Answer(status=status), times=10**6))
    cure = "under `skip`" if status == 404 else "check your rights"
    with pytest.raises(ReadError, match=cure):
        read(item)
    assert len([request for request in net.log if request.path == "/red.tif"]) <= 2


def test_a_broken_file_on_this_machine_is_read_once(scene, tmp_path) -> None:
    item = scene.full_copy()
    broken = tmp_path / "red.tif"
    broken.write_bytes(Path(scene.assets["red"].href).read_bytes()[:3000])
    item.assets["red"].href = str(broken)
    started = time.monotonic()
    with pytest.raises(ReadError, match=r"'red' of item LC08.*red\.tif.*restore the file"):
        read(item)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("place", [1, 3])
def test_a_server_that_says_nothing_ends_in_an_error(scene, net, monkeypatch, place: int) -> None:
    monkeypatch.setenv("DAILY30_READ_SECONDS", "1")
    # Opening a file (place 1) rasterio lets no other thread run: GDAL's own limit ends that.
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "2")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    item = served(scene, net, one_fault(place, lambda _: Answer(silent=30), times=10**6))
    started = time.monotonic()
    with pytest.raises(ReadError, match=r"item LC08.*no answer within 1 s for 'red'"):
        read(item)
    assert time.monotonic() - started < (3 if place == 1 else 1.5)


def test_what_fails_is_not_tried_on_when_all_is_over() -> None:
    over, calls = threading.Event(), []

    def fail(_):
        calls.append(1)
        over.set()
        raise OSError("reset by peer")

    with pytest.raises(ReadError, match="out of time"):
        retry.patiently(fail, over, item="i", asset="a", href="http://x.example.com/a.tif")
    assert len(calls) == 1


def test_an_item_without_a_grid_is_located_by_its_remote_file(scene, net, truth) -> None:
    item = served(scene, net, one_fault(0, FAULTS["500"], times=2))
    for key in ("proj:shape", "proj:transform", "proj:wkt2"):
        item.properties.pop(key, None)
    assert same(read(item), truth)


@pytest.mark.parametrize("located", [True, False])
def test_a_served_file_that_names_files_of_this_machine_is_not_read(
    scene, net, tmp_path, located: bool
) -> None:
    mine = scene.assets["red"].href
    vrt = tmp_path / "red.vrt"
    rasterio.shutil.copy(mine, vrt, driver="VRT")
    local = scene.full_copy()
    local.assets["red"].href = str(vrt)
    assert mine in vrt.read_text() or Path(mine).name in vrt.read_text()
    np.testing.assert_array_equal(read(local)["red"], read(scene)["red"])  # one's own may be such

    def site(rest: Site) -> Site:
        return lambda r: Answer(body=vrt.read_bytes()) if r.path == "/red.tif" else rest(r)

    item = served(scene, net, site)
    if not located:
        item.properties.pop("proj:transform")
    with pytest.raises(ReadError, match=r"'red' of item LC08.*it is VRT, and of servers only"):
        read(item)
