"""The whole run on real services: a STAC API, images over HTTP and on S3, and a bad front."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pystac
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from benchmarks.file_server import FileServer, file_server
from catalogs.api import Api, Feature
from flows.cli import app
from pipeline.sample import write_sample
from tests.flows.prefect_room import Room
from tests.services.faulty import FAULTS, Front, faulty
from tests.services.postgres import Postgres
from tests.services.s3 import S3
from tests.services.stac_api import stac_api

CORNER = [16.615, 48.17, 16.665, 48.205]
"""A part of the sample's region, 2 x 2 tiles."""

DAYS = 12
"""Of the sample: Landsat passes on days 1, 2, 9 and 10."""

PERIOD = {"start": date(2023, 5, 6), "end": date(2023, 5, 10)}
SAMPLED = (date(2023, 5, 1), date(2023, 5, DAYS))
NAMES = ("landsat-c2-l2", "modis-09ga-061")
BUCKET = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The sample on disk, and behind an API whose images are on HTTP, and one with S3."""

    folder: Path
    files: FileServer
    images: Front
    """Before the files."""

    api: Front
    """Before the API whose images are at ``images``."""

    api_s3: str


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, seed=0, days=DAYS)
    return folder


@pytest.fixture(scope="module")
def services(
    sample: Path, postgres: Postgres, s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    log = tmp_path_factory.mktemp("apis")
    s3.bucket(BUCKET, sample)
    with file_server(sample) as files, faulty(files.url, seed=1) as images:
        postgres.catalogue("http", *_published(sample, images.url))
        postgres.catalogue("s3", *_published(sample, f"s3://{BUCKET}"))
        with (
            stac_api(postgres, "http", log / "http") as at_http,
            stac_api(postgres, "s3", log / "s3") as at_s3,
            faulty(at_http, seed=1) as api,
        ):
            yield Services(folder=sample, files=files, images=images, api=api, api_s3=at_s3)


def _published(folder: Path, base: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The sample's collections and items with the hrefs of its images below ``base``."""
    catalog = pystac.Catalog.from_file(str(folder / "catalog.json"))
    collections, items = [], []
    for collection in catalog.get_collections():
        for item in collection.get_items():
            item.make_asset_hrefs_absolute()
            known = item.to_dict(include_self_link=False) | {"links": []}
            for asset in known["assets"].values():
                asset["href"] = f"{base}/{Path(asset['href']).relative_to(folder)}"
            items.append(known)
        collections.append(collection.to_dict(include_self_link=False) | {"links": []})
    return collections, items


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Callable[[str, str], Path]:
    """Writes the region file of a few days of a corner of the sample."""

    def write(name: str, catalog: str) -> Path:
        known = yaml.safe_load((sample / "region.yaml").read_text())
        del known["checkpoint"]
        mine = {"name": "corner", "cube": "corner.zarr", "catalog": catalog, "method": "anomaly"}
        small = {
            "bbox": CORNER,
            "grid": {"tile_px": 96},
            "pairs": {"max_span_days": 10, "min_clear": 0.1},
        }
        small |= {"coarse_fill_days": 2}
        path = tmp_path_factory.mktemp(name) / "region.yaml"
        path.write_text(yaml.safe_dump(known | mine | small | PERIOD, sort_keys=False))
        return path

    return write


def _fuse(region: Path, workers: int = 2) -> Path:
    done = CliRunner().invoke(app, ["fuse", f"{region}", "--workers", f"{workers}"])
    assert done.exit_code == 0, done.output
    return region.parent / "corner.zarr"


@pytest.fixture(scope="module")
def local(services: Services, region: Callable[[str, str], Path]) -> Path:
    """The cube of the catalogue on disk."""
    return _fuse(region("local", str(services.folder / "catalog.json")))


def _images(cube: Path) -> dict[str, bytes]:
    """Every chunk that holds pixels, by name."""
    with xr.open_zarr(cube) as opened:
        names = [name for name, array in opened.data_vars.items() if array.dims[-1:] == ("x",)]
    return {
        f"{path.relative_to(cube)}": path.read_bytes()
        for name in names
        for path in sorted((cube / str(name) / "c").rglob("*"))
        if path.is_file()
    }


def _files(folder: Path) -> dict[str, bytes]:
    """All that is in a folder, by name."""
    return {
        f"{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_sample_has_what_the_comparison_needs(local: Path) -> None:
    with xr.open_zarr(local) as cube:
        quality = cube["quality"].values
    assert ((quality & 2) != 0).any(), "observed"
    assert ((quality & 4) != 0).mean() > 0.1, "fused"
    assert len(_images(local)) > 7 * 4


def test_the_cli_makes_the_same_cube_from_an_api_with_images_on_http(
    services: Services, region: Callable[[str, str], Path], local: Path
) -> None:
    services.files.forget()
    cube = _fuse(region("http", services.api.url))
    assert services.files.total().requests > 100
    assert _images(cube) == _images(local)


def test_the_flow_makes_the_same_cube_from_an_api_with_images_on_s3(
    services: Services, s3: S3, prefect: Room, region: Callable[[str, str], Path], local: Path
) -> None:
    path = region("s3", services.api_s3)
    prefect.fuse(path, **s3.environment)
    assert _images(path.parent / "corner.zarr") == _images(local)


def test_a_bad_front_gives_the_same_pages_of_items(services: Services) -> None:
    api, world = Api(url=services.api.url, page=2), [(-180.0, -90.0, 180.0, 90.0)]

    def found() -> list[list[Feature]]:
        return [list(api.items(name, world, *SAMPLED)) for name in NAMES]

    healthy = found()
    assert [len(items) for items in healthy] == [4, DAYS]
    services.api.faults.clear()
    services.api.share = 0.5
    try:
        for services.api.seed in range(6):
            assert found() == healthy
    finally:
        services.api.share = 0.0
    assert all(services.api.faults[fault] for fault in FAULTS), services.api.faults


def test_a_bad_front_gives_the_same_items_and_the_same_cube(
    services: Services, region: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # when the cubes were made
    healthy = _fuse(region("healthy", services.api.url))
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.1")
    services.images.faults.clear()
    services.api.share = services.images.share = 0.3
    try:
        bad = _fuse(region("bad", services.api.url), workers=4)
    finally:
        services.api.share = services.images.share = 0.0
    spoiled = services.images.faults.total() - services.images.faults["none"]
    assert spoiled >= 0.25 * services.images.faults.total() > 25
    assert all(services.images.faults[fault] for fault in FAULTS if fault != "twice")
    assert _files(bad) == _files(healthy)
    inputs, others = (_files(cube.with_suffix(".inputs")) for cube in (bad, healthy))
    # The plan names the folder it lies in.
    del inputs["plan.json"], others["plan.json"]
    assert inputs == others
