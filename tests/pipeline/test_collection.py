"""The STAC Collection beside a cube: valid, true to the cube, and enough to open it."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
import zarr
from pyproj import CRS
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from pipeline.cube import Status
from pipeline.job import Job
from pipeline.quality import MEANINGS, Quality
from pipeline.quicklook import draw, picture_bands, picture_day
from pipeline.run import publish
from pipeline.store import create_fused, write_block, write_tables
from tests.pipeline.test_run import run_here
from tests.season import make_season
from tests.synthetic import day, make_grid

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
PROJJSON = "https://proj.org/schemas/v0.7/projjson.schema.json"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    season = make_season(tmp_path_factory.mktemp("stac") / "files", bands=BANDS, days=17)
    job = season.job(institution="A Farm", license="CC-BY-4.0")
    run_here(job)
    return job


@pytest.fixture
def collection(job: Job) -> pystac.Collection:
    return pystac.Collection.from_file(str(job.cube.with_name("season.stac.json")))


def test_it_is_a_stac_1_1_collection(collection: pystac.Collection) -> None:
    known = collection.to_dict(include_self_link=False)
    # Against pystac's own copies of the core schemas.
    pystac.validation.validate_dict(known | {"stac_extensions": []})
    assert known["stac_version"] == "1.1.0"
    assert collection.id == "season"


def test_each_extension_finds_its_fields_as_its_schema_says(
    collection: pystac.Collection, shared_data: Path
) -> None:
    known = with_the_cube_alone(collection)
    assert len(known["stac_extensions"]) == 5
    for uri in known["stac_extensions"]:
        assert faults(known, uri, shared_data) == []


@pytest.mark.parametrize(
    ("extension", "spoil"),
    [
        ("datacube", lambda c: c["cube:dimensions"]["x"].pop("extent")),
        ("zarr", lambda c: c["assets"]["cube"].update({"zarr:zarr_format": 4})),
        ("projection", lambda c: c["assets"]["cube"].update({"proj:shape": [1]})),
        ("raster", lambda c: c["assets"]["cube"]["bands"][0].update({"raster:scale": "1e-4"})),
        ("processing", lambda c: c["providers"][0].update({"processing:software": "daily30"})),
    ],
)
def test_a_broken_field_is_seen_by_its_schema(
    collection: pystac.Collection, shared_data: Path, extension: str, spoil: Any
) -> None:
    known = with_the_cube_alone(collection)
    spoil(known)
    (uri,) = (uri for uri in known["stac_extensions"] if f"/{extension}/" in uri)
    assert faults(known, uri, shared_data)


def with_the_cube_alone(collection: pystac.Collection) -> dict[str, Any]:
    """The schemas are content if a single asset, such as the picture, has no fault."""
    known = copy.deepcopy(collection.to_dict(include_self_link=False))
    return known | {"assets": {"cube": known["assets"]["cube"]}}


def faults(collection: dict[str, Any], extension: str, shared_data: Path) -> list[str]:
    """What the schema of an extension says against a collection; no schema is fetched."""
    validator = JsonSchemaSTACValidator()  # with pystac's own copies of the core
    for path in (shared_data / "stac-schemas").glob("*.schema.json"):
        schema = json.loads(path.read_text())
        validator.schema_cache[schema["$id"].removesuffix("#")] = schema
    # PROJ's schema is not among them; that pyproj reads what stands there is tested below.
    draft = "http://json-schema.org/draft-07/schema#"
    validator.schema_cache[PROJJSON] = {"$schema": draft, "$id": PROJJSON, "type": "object"}
    kind = pystac.STACObjectType.COLLECTION
    try:
        validator.validate_extension(collection, kind, "1.1.0", extension)
    except pystac.STACValidationError as error:
        return [str(error)]
    return []


def test_the_asset_opens_the_cube(collection: pystac.Collection, job: Job) -> None:
    asset = collection.assets["cube"]
    assert asset.href == "./season.zarr"
    assert asset.media_type == "application/vnd.zarr; version=3"
    assert asset.roles == ["data", "zarr"]
    with xr.open_zarr(asset.get_absolute_href()) as cube:
        assert set(collection.extra_fields["cube:variables"]) == {
            str(name) for name, values in cube.data_vars.items() if values.ndim > 1
        }
        for name, told in collection.extra_fields["cube:variables"].items():
            assert told["dimensions"] == list(cube[name].dims)
    root = zarr.open_group(job.cube, mode="r")
    assert asset.extra_fields["zarr:zarr_format"] == root.metadata.zarr_format
    assert asset.extra_fields["proj:transform"] == list(job.grid.fine.affine[:6])
    assert asset.extra_fields["proj:code"] == "EPSG:32633"


def test_dimensions_are_those_of_the_cube(collection: pystac.Collection, job: Job) -> None:
    dimensions = collection.extra_fields["cube:dimensions"]
    assert list(dimensions) == ["time", "y", "x", "tile"]
    assert dimensions["time"]["extent"] == ["2023-05-05T00:00:00Z", "2023-05-15T00:00:00Z"]
    left, bottom, right, top = job.grid.fine.boundingbox.bbox
    assert dimensions["x"]["extent"] == [left, right]
    assert dimensions["y"]["extent"] == [bottom, top]
    assert (dimensions["x"]["step"], dimensions["y"]["step"]) == (30, -30)
    assert CRS.from_json_dict(dimensions["x"]["reference_system"]) == CRS.from_epsg(32633)
    interval = collection.extent.temporal.intervals[0]
    assert [when.date() for when in interval if when] == [job.start, job.end]


def test_flags_scale_and_origin_are_told(collection: pystac.Collection, job: Job) -> None:
    quality = collection.extra_fields["cube:variables"]["quality"]
    assert quality["attrs"]["flag_meanings"] == MEANINGS
    assert quality["attrs"]["flag_masks"] == [bit.value for bit in Quality]
    assert [b["name"] for b in collection.assets["cube"].to_dict()["bands"]] == list(BANDS)
    assert {b["raster:scale"] for b in collection.assets["cube"].to_dict()["bands"]} == {1e-4}
    (provider,) = collection.providers or []
    assert provider.name == "A Farm"
    assert "daily30" in provider.extra_fields["processing:software"]
    attrs = dict(zarr.open_group(job.cube, mode="r").attrs)
    assert attrs["daily30_run"]["items_sha256"] in provider.extra_fields["processing:lineage"]
    assert collection.license == "CC-BY-4.0"
    assert str(job.cube.parent) not in job.cube.with_name("season.stac.json").read_text()


def test_the_same_cube_gives_the_same_bytes(job: Job) -> None:
    before = {p.name: p.read_bytes() for p in job.cube.parent.glob("*.stac.*")}
    assert set(before) == {"season.stac.json", "season.stac.png"}
    publish(job)
    assert {p.name: p.read_bytes() for p in job.cube.parent.glob("*.stac.*")} == before


def test_two_runs_in_one_second_differ_in_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    season = make_season(tmp_path / "files", rows=4, cols=4, days=17)
    jobs = [season.job(cube=tmp_path / name / "season.zarr") for name in ("one", "other")]
    for job in jobs:
        run_here(job)
    one, other = (
        {str(p.relative_to(job.cube.parent)): p.read_bytes() for p in _files(job)} for job in jobs
    )
    assert one == other
    assert b"2023-11-14T22:13:20Z" in one["season.zarr/zarr.json"]


def _files(job: Job) -> list[Path]:
    made = [*job.cube.rglob("*"), *job.cube.parent.glob("*.stac.*")]
    return [path for path in made if path.is_file()]


def test_the_picture_is_of_the_newest_whole_day(job: Job, collection: pystac.Collection) -> None:
    asset = collection.assets["thumbnail"]
    assert asset.title == "2023-05-15: red, green, blue"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(asset.get_absolute_href())
    with file:
        assert (file.driver, file.count, file.shape) == ("PNG", 4, tuple(job.grid.shape))
        made = xr.open_zarr(job.cube)["quality"].isel(time=-1).values & 1
        np.testing.assert_array_equal(file.read(4), made * 255)


def test_a_large_region_gives_a_small_picture_and_an_empty_one_none(tmp_path: Path) -> None:
    grid = make_grid(rows=40, cols=80, ratio=16, tile_cells=80)
    path = tmp_path / "a.zarr"
    create_fused(path, grid, [day(0), day(2)], ("red", "nir08"))
    root = zarr.open_group(path, mode="r")
    assert picture_day(root) is None
    (tile,) = grid.tiles
    red = np.broadcast_to(np.arange(tile.shape[1], dtype=np.int16), (1, *tile.shape))
    values = {"red": red, "nir08": red + 1, "quality": np.ones_like(red, np.uint16)}
    write_block(path, values, days=[day(1)], y=tile.y, x=tile.x)
    write_tables(path, {"status": Status.FINAL}, days=[day(1)], tile=0)
    assert picture_day(root) == day(1)
    assert picture_bands(("red", "nir08")) == ("nir08",) * 3
    draw(root, day(1), picture_bands(("red", "nir08")), tmp_path / "a.png")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(tmp_path / "a.png")
    with file:
        assert file.shape == (214, 427)
        row = file.read(1)[100].astype(int)
        assert (np.diff(row) >= 0).all()
        assert (row[0], row[-1]) == (0, 255)
