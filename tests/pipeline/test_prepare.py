"""What a search becomes before a run, and what a second one does to it; no pixel is read."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.cube import WHOLLY
from pipeline.grid import Grid
from pipeline.ingest import open_inputs
from pipeline.job import Job, JobError, Method, PairRules, Source
from pipeline.prepare import prepare
from pipeline.progress import Progress
from pipeline.store import write_tables
from tests.catalogs.distilled import SPHERE_WKT, cmr, landsat, modis

DAYS = tuple(date(2023, 10, 4) + timedelta(days=k) for k in range(8))
LANDSAT_DAY = date(2023, 10, 8)
TILE = "h09v05"


def coarse(form: Callable[..., dict[str, Any]], day: date, made: str, **more: Any) -> dict:
    """An item of a form over the Landsat scene of ``distilled``."""
    known = form(f"MOD09GA.A{day:%Y%j}.{TILE}.061.{made}", **more)
    corner = [463.3127165, 0.0, -9 * 1111950.5196667, 0.0, -463.3127165, 4 * 1111950.5196667]
    for asset in known["assets"].values():
        if "proj:transform" in asset:
            asset["proj:transform"] = corner
    box = [-117.487, 30.0, -92.0, 41.0]
    known["bbox"] = box
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    known["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    return known


def bands(day: date, made: str = "2023300000000") -> dict:
    return coarse(modis, day, made, **{"proj:wkt2": SPHERE_WKT})


def file_of_all(day: date, made: str = "2023300000000") -> dict:
    return coarse(cmr, day, made)


def write(folder: Path, **collections: list[dict]) -> str:
    """A catalogue as files; the names of collections with _ for -."""
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for name, items in collections.items():
        for number, item in enumerate(items):
            (folder / f"{name}-{number}.json").write_text(json.dumps(item))
        known = {
            "type": "Collection",
            "id": {"landsat": "landsat-c2-l2"}.get(name, name),
            "links": [{"rel": "item", "href": f"{name}-{k}.json"} for k in range(len(items))],
        }
        (folder / f"{name}.json").write_text(json.dumps(known))
        links.append({"rel": "child", "href": f"{name}.json"})
    root = {"type": "Catalog", "id": "root", "links": links}
    (folder / "catalog.json").write_text(json.dumps(root))
    return str(folder / "catalog.json")


def job(folder: Path, *catalogs: str) -> Job:
    return Job(
        name="small",
        grid=Grid.from_bbox((-105.0, 39.95, -104.95, 39.99), tile=256),
        start=DAYS[0],
        end=DAYS[-1],
        fine=Source(catalogs=(catalogs[0],), collections=("landsat-c2-l2",)),
        coarse=Source(catalogs=catalogs, collections=("MOD09GA",)),
        rules=PairRules(max_span_days=16),
        method=Method(name="linear", checkpoint=None),
        cube=folder / "small.zarr",
    )


def forms(job: Job) -> list[tuple[int, str]]:
    return [
        (int(item.id.split(".")[1][-3:]) - 276, str(item.collection_id))
        for item in open_inputs(job.inputs).coarse.items
    ]


def read(job: Job, days: tuple[date, ...]) -> None:
    """As if the coarse images of some days had been read."""
    write_tables(job.inputs / "coarse.zarr", {"done": WHOLLY}, days=days, tile=0)


COG, HDF = "modis-09ga-061", "MOD09GA_061"


def test_a_catalogue_with_another_form_of_the_product_goes_on_where_the_first_ended(
    tmp_path,
) -> None:
    catalogue = tmp_path / "stac"
    first = write(catalogue, landsat=[landsat()], MOD09GA_061=list(map(bands, DAYS[:4])))
    asked = job(tmp_path, first)
    assert prepare(asked).coarse_items == 4
    assert {name for _, name in forms(asked)} == {COG}
    read(asked, DAYS[:3])

    write(catalogue, landsat=[landsat()], MOD09GA_061=list(map(file_of_all, DAYS[2:])))
    second = prepare(asked)
    # What was read as bands stays so, the rest is of the file of all; each has its table.
    assert forms(asked) == [(k + 1, COG if k < 3 else HDF) for k in range(8)]
    assert set(open_inputs(asked.inputs).coarse.specs) == {COG, HDF}
    assert (second.changed_days, second.new_days) == (DAYS[3:4], DAYS[4:])

    read(asked, DAYS)
    write(catalogue, landsat=[landsat()], MOD09GA_061=list(map(bands, DAYS)))
    assert prepare(asked).changed_days == ()
    assert forms(asked) == [(k + 1, COG if k < 3 else HDF) for k in range(8)]


def test_a_newer_processing_takes_the_place_of_an_older_one_in_another_form(tmp_path) -> None:
    catalogue = tmp_path / "stac"
    first = write(catalogue, landsat=[landsat()], MOD09GA_061=list(map(bands, DAYS)))
    asked = job(tmp_path, first)
    prepare(asked)
    read(asked, DAYS)
    newer = [file_of_all(DAYS[3], "2024100000000")]
    write(catalogue, landsat=[landsat()], MOD09GA_061=newer)
    assert prepare(asked).changed_days == (DAYS[3],)
    assert forms(asked)[3] == (4, HDF)


def test_a_product_that_is_not_asked_for_any_more_is_refused(tmp_path) -> None:
    aqua = [json.loads(json.dumps(bands(day)).replace("MOD09GA", "MYD09GA")) for day in DAYS]
    names = {"landsat": [landsat()], "MOD09GA_061": list(map(bands, DAYS)), "MYD09GA_061": aqua}
    asked = job(tmp_path, write(tmp_path / "stac", **names))
    both = Source(catalogs=asked.coarse.catalogs, collections=("MYD09GA", "MOD09GA"))
    prepare(replace(asked, coarse=both))
    with pytest.raises(JobError, match="name myd09ga-061 too"):
        prepare(asked)


def test_an_item_that_changed_since_the_last_run_is_named_with_what_changed(tmp_path) -> None:
    items = list(map(bands, DAYS))
    asked = job(tmp_path, write(tmp_path / "stac", landsat=[landsat()], MOD09GA_061=items))
    prepare(asked)
    for asset in items[2]["assets"].values():
        asset["href"] = asset["href"].replace("https://host/", "https://host/again/")
    write(tmp_path / "stac", landsat=[landsat()], MOD09GA_061=items)
    assert prepare(asked).changed_days == (DAYS[2],)
    (note,) = [n for n in open_inputs(asked.inputs).coarse.notes if n.startswith("changed")]
    assert note.startswith(f"changed: item {items[2]['id']}: ")
    assert "https://host/again/" in note
    assert prepare(asked).changed_days == ()
    # The next run has nothing to tell of it.
    assert not [n for n in open_inputs(asked.inputs).coarse.notes if n.startswith("changed")]


def test_a_search_tells_its_months_and_ends_with_all_of_them(tmp_path) -> None:
    items = list(map(bands, DAYS))
    asked = job(tmp_path, write(tmp_path / "stac", landsat=[landsat()], MOD09GA_061=items))
    told: list[Progress] = []
    prepare(asked, on_progress=told.append)
    assert {event.stage for event in told} == {"search"}
    assert told[-1].done == told[-1].total > 2
    assert [event.done for event in told] == sorted(event.done for event in told)


def test_the_table_of_expected_images_lies_beside_the_cube(tmp_path) -> None:
    items = [bands(day) for day in DAYS[:-2] if day != DAYS[1]]
    asked = job(tmp_path, write(tmp_path / "stac", landsat=[landsat()], MOD09GA_061=items))
    prepare(asked)
    rows = (asked.inputs / "expected.csv").read_text().splitlines()
    assert f"{DAYS[1]},coarse,1,0,MOD09GA {TILE}" in rows
    assert rows[-1] == f"{asked.end},coarse,1,0,MOD09GA {TILE}"
    assert rows[1].startswith(f"{LANDSAT_DAY},fine,1,1,")
