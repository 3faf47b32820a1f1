"""A region file is refused with one message that names the file, the key and the cure."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from catalogs.products import forms
from catalogs.providers import provider_of
from flows.config import RegionConfig, RegionError, read_region, region_job
from pipeline.job import AUTO, CANDIDATES

ROOT = Path(__file__).resolve().parents[2]


def region_text(**changes: object) -> str:
    settings: dict[str, object] = {
        "name": "small",
        "bbox": [146.0, -35.0, 146.1, -34.9],
        "start": date(2023, 5, 1),
        "end": date(2023, 5, 9),
        "catalog": "catalog.json",
        "fine": "landsat-c2-l2",
        "coarse": "modis-09ga-061",
        "grid": {"crs": "EPSG:32655", "tile_px": 64},
        "method": "linear",
    } | changes
    return yaml.safe_dump({key: value for key, value in settings.items() if value is not ...})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 1}, r"unknown key seeds; did you mean seed\?"),
        ({"pairs": {"min_claer": 0.5}}, r"unknown key pairs.min_claer; did you mean min_clear\?"),
        ({"coarse": {"collections": "x"}}, r"unknown key coarse.collections; did you mean coll"),
        ({"fine": []}, r"fine.collection: .* at least 1 item"),
        ({"grid": {"zebra": 1}}, r"unknown key grid.zebra; known here: crs, resolution_m"),
        ({"end": date(2023, 4, 1)}, r"end 2023-04-01 is before start 2023-05-01"),
        ({"bbox": [10, 0, 5, 1]}, r"bbox goes from 10.0 east to 5.0, .* are west and east swapped"),
        ({"bbox": [10, 1, 11, 0]}, r"bbox must be west, south, east, north .* \[10.0, 1.0"),
        ({"bbox": ...}, r"bbox is missing, or geojson in its place"),
        ({"geojson": "a.json"}, r"bbox .*geojson in its place; give one of the two"),
        ({"bbox": [10, 0, 11]}, r"bbox"),
        ({"fine": ...}, r"fine is missing"),
        ({"pairs": {"min_clear": 1.5}}, r"pairs.min_clear: .* less than or equal to 1, got 1.5"),
        ({"snow": "melt"}, r"snow: .*'keep' or 'drop', got 'melt'"),
        ({"cube": "out.nc"}, r"cube must end in .zarr, got 'out.nc'"),
        ({"start": "yesterday"}, r"start: .*got 'yesterday'"),
    ],
)
def test_a_bad_region_file_is_refused_with_the_cure(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "region.yaml"
    path.write_text(region_text(**changes))
    with pytest.raises(RegionError, match=message) as raised:
        read_region(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "region.yaml"
    path.write_text(region_text(seeds=1, fine=..., snow="melt"))
    with pytest.raises(RegionError, match=r"snow.*") as raised:
        read_region(path)
    assert all(word in str(raised.value) for word in ("seeds", "fine is missing", "melt"))


@pytest.mark.parametrize("text", ["", "- 1", "name: [", "just words"])
def test_a_file_that_is_no_region_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "region.yaml"
    path.write_text(text)
    with pytest.raises(RegionError, match=r"region\.yaml"):
        read_region(path)


def test_a_missing_region_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match="daily30 catalog"):
        read_region(tmp_path / "region.yaml")


def test_paths_of_a_job_are_relative_to_its_region_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "region.yaml"
    path.write_text(region_text(catalog="../stac/catalog.json"))
    monkeypatch.chdir(tmp_path)
    job = region_job(Path("deep/region.yaml"))
    assert job.cube == tmp_path / "deep" / "small.zarr"
    assert Path(job.fine.catalogs[0]).resolve() == tmp_path / "stac" / "catalog.json"


def test_a_catalogue_on_the_web_stays_an_address(tmp_path: Path) -> None:
    path = tmp_path / "region.yaml"
    path.write_text(region_text(catalog="https://example.org/stac/v1"))
    assert region_job(path).coarse.catalogs[0] == "https://example.org/stac/v1"


def test_images_may_come_from_several_collections_and_catalogues_of_their_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "region.yaml"
    both = ["modis-09ga-061", "myd09ga-061"]
    coarse = {"collection": both, "catalog": "modis/catalog.json"}
    path.write_text(
        region_text(catalog=["https://one.org/v1", "https://two.org/v1"], coarse=coarse)
    )
    job = region_job(path)
    assert job.fine.catalogs == ("https://one.org/v1", "https://two.org/v1")
    assert job.coarse.catalogs == (str(tmp_path / "modis" / "catalog.json"),)
    assert job.coarse.collections == ("modis-09ga-061", "myd09ga-061")


def test_a_method_is_one_or_auto_or_a_list_to_pick_among(tmp_path: Path) -> None:
    path = tmp_path / "region.yaml"
    for asked, name, among in (
        ("fsdaf", "fsdaf", ()),
        ("auto", AUTO, CANDIDATES),
        (["sa-stf", "fsdaf"], AUTO, ("sa-stf", "fsdaf")),
    ):
        path.write_text(region_text(method=asked))
        method = region_job(path).method
        assert (method.name, method.among) == (name, among)
    path.write_text(region_text(method=["auto", "linear"]))
    with pytest.raises(ValueError, match="picks among auto, linear"):
        region_job(path)


@pytest.mark.parametrize("path", sorted((ROOT / "flows" / "regions").glob("*.yaml")), ids=str)
def test_the_regions_that_come_with_the_code_are_jobs(path: Path) -> None:
    assert region_job(path).days


def test_the_example_region_shows_every_key() -> None:
    shown = yaml.safe_load((ROOT / "flows" / "regions" / "coleambally.yaml").read_text())
    assert set(shown) | {"geojson"} == set(RegionConfig.model_fields)  # in place of bbox
    grid = set(type(RegionConfig.model_fields["grid"].default).model_fields)
    assert set(shown["grid"]) == grid - {"bounds_m"}


def test_the_regions_shown_ask_each_provider_for_what_it_has(tmp_path: Path) -> None:
    readme = tmp_path / "readme.yaml"
    readme.write_text(
        (ROOT / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    )
    for path in (readme, ROOT / "flows" / "regions" / "coleambally.yaml"):
        job = region_job(path)
        for source in (job.fine, job.coarse):
            for catalog in source.catalogs:
                provider = provider_of(catalog)
                assert provider is not None
                for name in source.collections:
                    assert any(map(provider.holds, forms(name))), (path, catalog, name)
