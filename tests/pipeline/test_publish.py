"""A published cube can be given away: its attributes hold no secret and no local path."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import zarr

from pipeline.executor import executor
from pipeline.job import Job, Source
from pipeline.recipe import make_recipe
from pipeline.run import ingest, plan, prepare, publish
from tests.season import Season, make_season


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return make_season(tmp_path_factory.mktemp("publish") / "files", rows=4, cols=4, days=17)


@pytest.fixture(scope="module")
def planned(season: Season) -> Job:
    job = season.job()
    with executor(scheduler="synchronous") as ex:
        prepare(job)
        ingest(job, ex)
        plan(job)
    return job


def published(job: Job) -> tuple[dict, str]:
    """The job in the attributes, and all metadata files as they lie on disk."""
    publish(job)
    files = [path.read_text(encoding="utf-8") for path in job.cube.rglob("zarr.json")]
    return dict(zarr.open_group(job.cube, mode="r").attrs)["daily30_run"]["job"], "".join(files)


def test_passwords_and_tokens_of_catalogues_stay_out(planned: Job) -> None:
    job = replace(
        planned,
        fine=Source(catalogs=("https://me:s3cr3t@host/v1?api_key=s3cr3t",), collections=("fine",)),
        coarse=Source(catalogs=("https://host/catalog.json?sig=s3cr3t",), collections=("coarse",)),
    )
    told, everything = published(job)
    assert told["fine"] == {"catalogs": ["https://host/v1"], "collections": ["fine"]}
    assert told["coarse"] == {
        "catalogs": ["https://host/catalog.json"],
        "collections": ["coarse"],
    }
    assert "s3cr3t" not in everything


def test_folders_of_this_machine_stay_out(planned: Job, season: Season) -> None:
    checkpoint = season.folder.parent / "my-checkpoint"
    catalog = f"file://{season.folder}/catalog.json"
    job = replace(
        planned,
        method=replace(planned.method, checkpoint=str(checkpoint)),
        coarse=Source(catalogs=(catalog,), collections=("coarse",)),
    )
    told, everything = published(job)
    assert Path(job.fine.catalogs[0]).is_absolute()
    assert told["fine"]["catalogs"] == told["coarse"]["catalogs"] == ["catalog.json"]
    assert str(season.folder.parent) not in everything
    assert told["method"] == {"name": "anomaly", "steps": None, "seed": 0, "samples": 1}


def test_what_was_asked_for_stays_in(planned: Job) -> None:
    told, _ = published(planned)
    kept = json.loads(json.dumps(planned.to_dict()))
    for name in ("name", "start", "end", "rules", "coarse_fill_days", "snow"):
        assert told[name] == kept[name]


def test_a_plan_holds_no_password_or_token(planned: Job) -> None:
    job = replace(
        planned,
        fine=Source(catalogs=("https://me:s3cr3t@host/v1?api_key=s3cr3t",), collections=("fine",)),
    )
    text = json.dumps(make_recipe(job).to_dict())
    assert "s3cr3t" not in text
    assert "https://host/v1" in text
