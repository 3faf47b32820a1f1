"""The flow on a real Prefect: server, process worker, deployment, as the README says."""

import asyncio
import json
import pickle
from datetime import date
from pathlib import Path

import pytest
import xarray as xr
import yaml
from prefect.states import Failed
from pydantic import ValidationError

from catalogs import BANDS, CatalogError, find, web
from flows import tasks
from flows.config import region_job
from flows.fuse_region import FuseRegion
from pipeline.sample import write_sample
from tests.flows.prefect_room import ROOT, Room

CORNER = (16.615, 48.17, 16.665, 48.205)
"""A part of the sample's region, 2 x 2 tiles with the river in them."""


@pytest.fixture
def region(tmp_path: Path) -> Path:
    """The region file of six days of a corner of the embedded sample, fused by SA-STF."""
    path = write_sample(tmp_path / "sample", seed=0, days=20)
    known = yaml.safe_load(path.read_text())
    assert (known["method"], known["checkpoint"]) == ("sa-stf", "default")
    period = {"start": date(2023, 5, 11), "end": date(2023, 5, 16)}
    path.write_text(
        yaml.safe_dump(
            known | period | {"bbox": list(CORNER), "grid": {"tile_px": 96}}, sort_keys=False
        )
    )
    return path


def test_the_four_commands_of_the_readme_make_a_cube_of_the_sample(
    region: Path, prefect: Room
) -> None:
    prefect.fuse(region)

    refused = prefect.run(
        *("deployment", "run", "fuse-region/daily"),
        *("--param", f"run={json.dumps({'region': str(region), 'refrsh': True})}"),
    )
    assert refused.returncode == 1
    assert "refrsh" in refused.stdout + refused.stderr

    artifacts = prefect.run("artifact", "inspect", "fuse-demo")
    # Prefect folds long lines, in the middle of a path too.
    assert f"cube|`{region.parent / 'demo.zarr'}`" in "".join(artifacts.stdout.split())

    with xr.open_zarr(region.parent / "demo.zarr") as cube:
        assert cube.sizes["time"] == 6
        assert (cube["quality"].encoding["chunks"][1:], len(region_job(region).grid.tiles)) == (
            (96, 96),
            4,
        )
        made = (cube["quality"] & 1) != 0
        observed, fused = (cube["quality"] & 2) != 0, (cube["quality"] & 4) != 0
        assert float(made.mean()) >= 0.95
        assert bool(observed.any())
        assert bool(fused.any(("y", "x")).all())
        for band in BANDS:
            assert bool((cube[band].notnull() == made).all())
            assert 0 < float(cube[band].mean()) < 0.6


def test_a_run_with_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValidationError, match="refrsh"):
        FuseRegion.model_validate({"region": "region.yaml", "refrsh": True})


def test_the_deployment_is_daily_on_a_process_pool_and_one_run_at_a_time() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (daily,) = [one for one in deployments if one["name"] == "daily"]
    FuseRegion.model_validate(daily["parameters"]["run"])
    assert daily["work_pool"]["name"] == "daily30"
    assert daily["schedules"][0]["cron"]
    assert daily["concurrency_limit"]["limit"] == 1


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (ConnectionResetError("peer"), True),
        (TimeoutError("slow"), True),
        (FileNotFoundError("gone"), False),
        (ValueError("a key is wrong"), False),
        (CatalogError("none has any: a server is busy", again=True), True),
        (CatalogError("no such collection"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_the_network_is_asked_again(error: Exception, retried: bool) -> None:
    state = Failed(data=error)
    verdict = tasks.network_is_to_blame(tasks.find_images, None, state)  # type: ignore[arg-type]
    assert asyncio.run(verdict) is retried
    wrapped = RuntimeError("search failed")
    wrapped.__cause__ = error
    verdict = tasks.network_is_to_blame(tasks.find_images, None, Failed(data=wrapped))  # type: ignore[arg-type]
    assert asyncio.run(verdict) is retried


def test_a_search_of_which_one_catalogue_was_down_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BACKOFF_S", 0.001)
    down, gone = "http://127.0.0.1:9/stac?api_key=s3cr3t", str(tmp_path / "catalog.json")
    files = "http://127.0.0.1:9/catalog.json?api_key=s3cr3t"
    asked = "landsat-c2-l2", "fine", (14.0, 46.0, 14.1, 46.1), date(2023, 5, 1), date(2023, 5, 2)
    for catalogs, retried in (((gone, down), True), ((files, gone), True), ((gone,), False)):
        with pytest.raises(CatalogError) as refused:
            find(catalogs, *asked)
        assert "s3cr3t" not in str(refused.value)
        state = Failed(data=pickle.loads(pickle.dumps(refused.value)))  # as Prefect keeps it
        verdict = tasks.network_is_to_blame(tasks.find_images, None, state)  # type: ignore[arg-type]
        assert asyncio.run(verdict) is retried


def test_no_task_stores_or_caches_its_results() -> None:
    for task in (
        tasks.find_images,
        tasks.read_images,
        tasks.validate_methods,
        tasks.plan_days,
        tasks.fuse_group,
        tasks.publish_cube,
    ):
        assert task.persist_result is False
        assert task.cache_policy is tasks.NO_CACHE
