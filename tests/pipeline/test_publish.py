"""A published cube can be given away: its attributes hold no secret and no local path."""

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import zarr

from model.card import DEFAULT_CHECKPOINT
from pipeline import version as code
from pipeline.collection import collection_path
from pipeline.executor import executor
from pipeline.job import Job, Method, Source
from pipeline.recipe import make_recipe
from pipeline.run import ingest, plan, prepare, publish
from pipeline.version import VERSION
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
    """The job in the attributes, and all metadata as they lie on disk, the Collection's too."""
    publish(job)
    paths = [*job.cube.rglob("zarr.json"), collection_path(job.cube)]
    files = [path.read_text(encoding="utf-8") for path in paths]
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
    settings = {"among": (), "steps": None, "seed": 0, "samples": 1}
    assert told["method"] | {"among": ()} == {"name": "anomaly", **settings}


def test_what_was_asked_for_stays_in(planned: Job) -> None:
    told, _ = published(planned)
    kept = json.loads(json.dumps(planned.to_dict()))
    for name in ("name", "start", "end", "rules", "coarse_fill_days", "snow"):
        assert told[name] == kept[name]


def test_the_attributes_tell_items_code_and_method(planned: Job) -> None:
    publish(planned)
    attrs = dict(zarr.open_group(planned.cube, mode="r").attrs)
    told = attrs["daily30_run"]
    listed = planned.cube.parent / told["items"]
    assert told["items_sha256"] == hashlib.sha256(listed.read_bytes()).hexdigest()
    assert told["items_sha256"] in attrs["source"]
    assert told["fine"] == {"items": {"fine": 3}, "first": "2023-05-01", "last": "2023-05-17"}
    assert (told["code"]["version"], told["weights_sha256"]) == (VERSION, None)
    assert told["method_sha"] == planned.method.card().sha


def test_the_weights_can_be_told_by_sha256sum() -> None:
    card = Method(name="sa-stf").card()
    file = DEFAULT_CHECKPOINT / "weights.safetensors"
    assert card.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card.weights != card.sha


def test_history_grows_by_what_wrote_not_by_runs(planned: Job) -> None:
    publish(planned)
    once = dict(zarr.open_group(planned.cube, mode="r").attrs)["history"]
    publish(planned)
    assert dict(zarr.open_group(planned.cube, mode="r").attrs)["history"] == once
    laid_out, fused = once.splitlines()
    assert laid_out.endswith("laid out the cube")
    assert "fused by anomaly" in fused
    other = replace(planned, coarse_fill_days=1)
    plan(other)
    publish(other)
    plan(planned)
    after = dict(zarr.open_group(planned.cube, mode="r").attrs)["history"]
    assert after.startswith(f"{once}\n")
    assert len(after.splitlines()) == 3


def test_a_copy_of_the_code_inside_another_repository_is_not_that_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(code, "_ROOT", tmp_path / "lib")
    code.commit.cache_clear()
    assert code.commit() is None
    assert code.software() == f"daily30 {VERSION}"
    monkeypatch.undo()
    code.commit.cache_clear()


def test_a_plan_holds_no_password_or_token(planned: Job) -> None:
    job = replace(
        planned,
        fine=Source(catalogs=("https://me:s3cr3t@host/v1?api_key=s3cr3t",), collections=("fine",)),
    )
    text = json.dumps(make_recipe(job).to_dict())
    assert "s3cr3t" not in text
    assert "https://host/v1" in text
