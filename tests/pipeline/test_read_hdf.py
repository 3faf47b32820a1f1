"""Files of named data sets: the real MOD09GA, a small VIIRS, and their way through the cache."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pystac
import pytest
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs import BANDS, by_name
from catalogs.modis import MOD09GA_HDF, SINUSOIDAL
from catalogs.viirs import VNP09GA
from pipeline.load import load_coarse
from pipeline.read import ReadError, fetch, native_geobox, read_layers, retry
from pipeline.read.access import Pass
from tests.pipeline.internet import Answer, Internet, Request, files, running

HOST = "data.example.com"
DAY = datetime(2023, 5, 1, tzinfo=UTC)
TILE = "h18v04"


def item_of(path: str | Path, name: str, key: str, collection: str) -> pystac.Item:
    item = pystac.Item(name, None, None, DAY, {}, collection=collection)
    item.add_asset(key, pystac.Asset(str(path)))
    return item


def part(whole: GeoBox, row: int, col: int, rows: int, cols: int) -> GeoBox:
    a = whole.affine
    return GeoBox((rows, cols), Affine(a.a, 0, a.c + col * a.a, 0, a.e, a.f + row * a.e), whole.crs)


@pytest.fixture(scope="module")
def granule(shared_data) -> pystac.Item:
    (path,) = (shared_data / "qa" / "mod09ga-full-hdf").glob("*.hdf")
    return item_of(path, path.stem, "hdf", MOD09GA_HDF.name)


def test_the_real_mod09ga_lies_where_its_own_metadata_say(granule) -> None:
    from pyhdf.SD import SD

    file = SD(granule.assets["hdf"].href)
    told = file.attributes()["StructMetadata.0"]
    file.end()
    corners = re.findall(r"(UpperLeftPointMtrs|LowerRightMtrs)=\(([-\d.]+),([-\d.]+)\)", told)
    sizes = {int(size) for size in re.findall(r"[XY]Dim=(\d+)", told)}
    assert sizes == {1200, 2400}
    box = native_geobox(granule, "hdf", MOD09GA_HDF)
    assert box.shape.yx == (2400, 2400)
    bounds = box.boundingbox
    for name, x, y in corners:
        mine = (
            (bounds.left, bounds.top) if name.startswith("Upper") else (bounds.right, bounds.bottom)
        )
        assert (float(x), float(y)) == pytest.approx(mine, abs=0.01)
    assert box.crs == SINUSOIDAL


def test_the_real_mod09ga_holds_what_an_independent_reading_finds(granule) -> None:
    from pyhdf.SD import SD

    whole = native_geobox(granule, "hdf", MOD09GA_HDF)
    layers = read_layers(granule, MOD09GA_HDF, BANDS, whole, angles=("view_zenith",))
    file = SD(granule.assets["hdf"].href)
    seen = 0
    for band, numbers in layers.items():
        data = file.select(band.layer)
        own = data[:]
        for side in range(own.shape[0] // 600):  # repeated by hand, pixel by pixel of a strip
            row = 37 + side * 600
            f = 2400 // own.shape[0]
            np.testing.assert_array_equal(numbers[row * f], own[row][np.arange(2400) // f])
        assert numbers.dtype == own.dtype == np.dtype(band.dtype)
        np.testing.assert_array_equal(
            numbers[:: 2400 // own.shape[0], :: 2400 // own.shape[0]], own
        )
        known = data.attributes()
        assert known["_FillValue"] == band.nodata
        if band in MOD09GA_HDF.bands.values():
            # MODIS's scale_factor is what reflectance has been multiplied by.
            assert known["scale_factor"] == pytest.approx(1 / band.scale)
            seen += int((own != band.nodata).sum())
        data.endaccess()
    file.end()
    assert seen > 0


def test_a_window_beyond_the_tile_is_nodata_there(granule) -> None:
    whole = native_geobox(granule, "hdf", MOD09GA_HDF)
    all_of = read_layers(granule, MOD09GA_HDF, ("red",), whole)
    for row, col in ((-7, -5), (2391, 2385), (1001, 777)):
        window = part(whole, row, col, 21, 33)
        for band, numbers in read_layers(granule, MOD09GA_HDF, ("red",), window).items():
            wide = np.pad(all_of[band], 40, constant_values=band.nodata)
            expected = wide[row + 40 : row + 61, col + 40 : col + 73]
            np.testing.assert_array_equal(numbers, expected)


def test_without_pyhdf_the_extra_is_named(granule, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyhdf.SD", None)
    whole = native_geobox(granule, "hdf", MOD09GA_HDF)
    with pytest.raises(ReadError, match=r"'hdf' of item MOD09GA.*pip install 'daily30\[hdf4\]'"):
        read_layers(granule, MOD09GA_HDF, ("red",), part(whole, 0, 0, 4, 4))


def write_viirs(path: Path, *, grids: str = "VIIRS_Grid", harm: str = "") -> dict[str, np.ndarray]:
    """A file laid out as VNP09GA; what it holds, by layer."""
    rng = np.random.default_rng(0)
    held = {}
    with h5py.File(path, "w") as file:
        for band in (*VNP09GA.bands.values(), *VNP09GA.qa.values(), *VNP09GA.angles.values()):
            side = 1200 if band.resolution_m else 2400
            layer = band.layer.replace("VIIRS_Grid", grids)
            if harm and harm in layer:
                continue
            small = rng.integers(1, 200, (side // 100, side // 100)).astype(band.dtype)
            numbers = np.kron(small, np.ones((100, 100), band.dtype))
            numbers[3, 5] = 77
            file.create_dataset(layer, data=numbers, compression="gzip", chunks=(200, 200))
            held[band.layer] = numbers
        file.create_dataset("SurfReflect_I1_1_c", data=np.zeros(4))  # as the real ones have
        file.create_dataset("HDFEOS/ADDITIONAL/SurfReflect_I1_1", data=np.zeros((4, 4)))
    return held


@pytest.mark.parametrize("grids", ["VIIRS_Grid", "VNP_Grid"])
def test_viirs_layers_of_500_m_and_1_km_come_out_on_one_grid(tmp_path, grids: str) -> None:
    held = write_viirs(tmp_path / "x.h5", grids=grids)
    item = item_of(tmp_path / "x.h5", f"VNP09GA.A2023121.{TILE}.002.x", "h5", VNP09GA.name)
    whole = native_geobox(item, "h5", VNP09GA)
    assert whole.shape.yx == (2400, 2400)
    window = part(whole, -3, 4, 301, 200)
    layers = read_layers(item, VNP09GA, BANDS, window, angles=("view_zenith",))
    assert len(layers) >= 8
    for band, numbers in layers.items():
        own = held[band.layer]
        f = 2400 // own.shape[0]
        expected = np.repeat(np.repeat(own, f, axis=0), f, axis=1)[:298, 4:204]
        np.testing.assert_array_equal(numbers[3:], expected)
        np.testing.assert_array_equal(numbers[:3], 0 if band.nodata is None else band.nodata)


def test_a_file_without_a_layer_names_it(tmp_path) -> None:
    write_viirs(tmp_path / "x.h5", harm="SurfReflect_M11_1")
    item = item_of(tmp_path / "x.h5", f"VNP09GA.A2023121.{TILE}.002.x", "h5", VNP09GA.name)
    whole = native_geobox(item, "h5", VNP09GA)
    with pytest.raises(ReadError, match=r"'h5' of item VNP09GA.*has no layer .*SurfReflect_M11_1"):
        read_layers(item, VNP09GA, BANDS, part(whole, 0, 0, 4, 4))


def test_a_viirs_file_becomes_a_coarse_image(tmp_path) -> None:
    held = write_viirs(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        for key, band in VNP09GA.qa.items():
            file[band.layer][:] = 1 if key == "qf2" else 3 if key == "qf1" else 0  # clear land
    item = item_of(tmp_path / "x.h5", f"VNP09GA.A2023121.{TILE}.002.x", "h5", VNP09GA.name)
    whole = native_geobox(item, "h5", VNP09GA)
    target = part(whole, 200, 400, 10, 10)
    scene = load_coarse([item], by_name(VNP09GA), BANDS, target)
    k = BANDS.index("red")
    own = held[VNP09GA.bands["red"].layer][200:210, 400:410]
    known = np.isfinite(scene.reflectance[k])
    assert known.any()
    np.testing.assert_allclose(scene.reflectance[k][known], own[known] * 1e-4, rtol=1e-6)


def test_an_item_without_a_tile_in_its_name_is_refused(tmp_path) -> None:
    item = item_of(tmp_path / "x.h5", "VNP09GA.A2023121", "h5", VNP09GA.name)
    with pytest.raises(ReadError, match=r"VNP09GA.A2023121 names no MODIS tile"):
        native_geobox(item, "h5", VNP09GA)


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Iterator[Internet]:
    with (
        running(tmp_path_factory.mktemp("tls"), (HOST,)) as (internet, env),
        pytest.MonkeyPatch.context() as patch,
    ):
        for key, value in env.items():
            patch.setenv(key, value)
        patch.setattr(retry, "PAUSE_S", 0.02)
        yield internet


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAILY30_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def marked(site, mark: str):
    """A server that knows the version of its files."""

    def answer(request: Request) -> Answer:
        if request.headers.get("if-range", mark) != mark:
            request = replace(request, headers={**request.headers, "range": ""})
        told = site(request)
        told.headers["ETag"] = mark
        return told

    return answer


def fetch_all(net: Internet, site, href: str = f"http://{HOST}/x.bin") -> bytes:
    net.sites[HOST] = site
    net.log.clear()

    def read(ticket) -> bytes:
        with fetch.fetched(href, ticket) as path:
            return path.read_bytes()

    return retry.patiently(read, threading.Event(), item="i", asset="h5", href=href)


def test_a_file_is_fetched_once_and_goes_on_where_it_was_cut(net, cache, tmp_path) -> None:
    body = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "x.bin").write_bytes(body)
    good = marked(files(tmp_path), '"1"')
    cuts = iter([1_200_000, 300_000])

    def cut(request: Request) -> Answer:
        answer = good(request)
        answer.cut = next(cuts, None)
        return answer

    assert fetch_all(net, cut) == body
    assert "range" not in net.log[0].headers
    starts = [int(request.headers["range"][6:-1]) for request in net.log[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] <= 1_200_000 < starts[1] <= 1_500_000
    assert fetch_all(net, good) == body
    assert not net.log
    assert not list(cache.glob("*.partial"))


@pytest.mark.parametrize("marks", [('"1"', '"2"'), ("", ""), ('W/"1"', 'W/"1"')])
def test_two_versions_of_a_file_are_never_put_together(net, cache, tmp_path, marks) -> None:
    old, new = (np.random.default_rng(seed).bytes(200_000) for seed in (0, 1))
    versions = []
    for body, mark in zip((old, new), marks, strict=True):
        folder = tmp_path / str(len(versions))
        folder.mkdir()
        (folder / "x.bin").write_bytes(body)
        versions.append(marked(files(folder), mark))
    asked: list[Request] = []

    def site(request: Request) -> Answer:
        asked.append(request)
        answer = versions[len(asked) > 1](request)
        answer.cut = 70_000 if len(asked) == 1 else None
        return answer

    assert fetch_all(net, site) == new
    assert len(asked) == 2


@pytest.mark.parametrize("fault", ["html", "500", "404"])
def test_what_is_not_the_file_is_never_kept(net, cache, fault: str) -> None:
    told = {
        "html": Answer(body=b"<html>log in", headers={"Content-Type": "text/html"}),
        "500": Answer(status=500),
        "404": Answer(status=404),
    }
    with pytest.raises(ReadError, match=r"'h5' of item i.*http://data\.example\.com/x\.bin"):
        fetch_all(net, lambda _: told[fault])
    assert not [path for path in cache.iterdir() if path.suffix == ""]


def test_the_cache_is_bounded_and_leaves_alone_what_is_read(
    net, cache, tmp_path, monkeypatch
) -> None:
    bodies = {name: name.encode() * 1000 for name in "abcd"}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    monkeypatch.setattr(fetch, "MOST_BYTES", 2500)
    net.sites[HOST] = files(tmp_path)
    with fetch.fetched(f"http://{HOST}/a", Pass(address=f"http://{HOST}/a")) as path:
        for name in "bcd":
            assert fetch_all(net, files(tmp_path), f"http://{HOST}/{name}") == bodies[name]
        assert path.read_bytes() == bodies["a"]
        kept = {file.read_bytes() for file in cache.iterdir() if file.suffix == ""}
        assert {bodies["a"], bodies["d"]} <= kept
        assert bodies["b"] not in kept
    fetch.remove_old(cache, age_s=0)
    assert not [file for file in cache.iterdir() if file.suffix == ""]


def test_several_readers_share_one_download(net, cache, tmp_path) -> None:
    body = np.random.default_rng(1).bytes(500_000)
    (tmp_path / "x.bin").write_bytes(body)
    good = files(tmp_path)

    def slow(request: Request) -> Answer:
        time.sleep(0.2)
        return good(request)

    net.sites[HOST] = slow
    net.log.clear()

    def read(_: int) -> bytes:
        with fetch.fetched(f"http://{HOST}/x.bin", Pass(address=f"http://{HOST}/x.bin")) as path:
            return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [body] * 4
    assert len(net.log) == 1
