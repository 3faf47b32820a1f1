"""The Collection of a cube behind a real STAC API: found, and opened from what was found."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pystac
import pystac_client
import pytest
import xarray as xr

from pipeline.collection import collection_path
from pipeline.job import Job
from tests.pipeline.test_run import run_here
from tests.season import make_season
from tests.services.postgres import Postgres
from tests.services.stac_api import stac_api


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = make_season(tmp_path_factory.mktemp("served") / "files", days=17).job()
    run_here(job)
    return job


@pytest.fixture(scope="module")
def client(
    job: Job, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[pystac_client.Client]:
    collection = pystac.Collection.from_file(str(collection_path(job.cube)))
    collection.make_asset_hrefs_absolute()  # an API has no folder for hrefs to be relative to
    known = collection.to_dict(include_self_link=False)
    postgres.catalogue("cube", [known], [])
    with stac_api(postgres, "cube", tmp_path_factory.mktemp("log") / "api") as url:
        yield pystac_client.Client.open(url)


def test_the_cube_is_found_by_id_and_opens(client: pystac_client.Client, job: Job) -> None:
    collection = client.get_collection("season")
    with xr.open_zarr(collection.assets["cube"].href) as cube:
        np.testing.assert_array_equal(cube["red"], xr.open_zarr(job.cube)["red"])
    assert collection.extra_fields["cube:dimensions"]["time"]["step"] == "P1D"
    assert Path(collection.assets["thumbnail"].href).exists()


def test_nothing_that_was_written_is_lost_on_the_way(
    client: pystac_client.Client, job: Job
) -> None:
    served = client.get_collection("season").to_dict(include_self_link=False)
    written = pystac.Collection.from_file(str(collection_path(job.cube))).to_dict()
    for key in set(written) - {"links", "assets"}:
        assert served[key] == written[key], key
    for name, asset in written["assets"].items():
        for key in set(asset) - {"href"}:
            assert served["assets"][name][key] == asset[key], key


def test_it_is_found_by_place_and_time(client: pystac_client.Client, job: Job) -> None:
    west, south, east, north = job.bbox

    def found(bbox: tuple[float, float, float, float], when: str) -> list[str]:
        search = client.collection_search(bbox=bbox, datetime=when)
        return [collection.id for collection in search.collections()]

    here = (west, south, east, north)
    assert found(here, "2023-05-15T12:00:00Z") == ["season"]
    assert found(here, "2024-01-01/2024-12-31") == []
    assert found((west + 1, south, east + 1, north), "2023-05-15T12:00:00Z") == []
