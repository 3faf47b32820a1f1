"""Folders of dated GeoTIFFs become catalogues that search finds and regions that are ready."""

import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from catalogs import BANDS, by_name, common_bands, nominal_day, search, spec_for
from flows.config import read_region, region_job
from pipeline.folder import catalog_folder, find_pair
from pipeline.geotiffs import day_of
from pipeline.load import load_coarse, load_fine
from tests.pipeline.scenes import box, write_tif

FINE = box((30, 42), 500000.0, 5100000.0, pixel=10.0)
COARSE = box((5, 7), 500000.0, 5100000.0, pixel=60.0)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2020068_191-28.tif_filled_kranj.tif", date(2020, 3, 8)),
        ("2020-10-01_fine.tif", date(2020, 10, 1)),
        ("LC08_L2SP_191028_20200308_20200822_02_T1_SR_B4.TIF", date(2020, 3, 8)),
        ("MOD09GA.A2020068.h18v04.tif", date(2020, 3, 8)),
        ("2020999_1.tif", None),
        ("scene_12345678901.tif", None),
        ("red.tif", None),
    ],
)
def test_a_day_is_read_from_the_name(name: str, day: date | None) -> None:
    assert day_of(name) == day


def make_pair(
    folder: Path, *, scale: float = 1.0, dtype: str = "float32", nodata: float | None = -9999
) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    for day in ("2023-05-01", "2023-05-09"):
        values = (rng.uniform(0.05, 0.4, (6, 30, 42)) * scale).astype(dtype)
        values[:, 3, 4] = nodata if nodata is not None else values[:, 3, 4]
        write_tif(folder / "fine" / f"{day}.tif", values, FINE, nodata)
    for k in range(1, 12):
        values = (rng.uniform(0.05, 0.4, (6, 5, 7)) * scale).astype(dtype)
        write_tif(folder / "coarse" / f"202305{k:02d}.tif", values, COARSE, nodata)
    return folder / "fine", folder / "coarse"


def collect(region: Path, role: str):
    job = region_job(region)
    source = getattr(job, role)
    spec = spec_for(source.catalogs[0], source.collections[0], role)
    items = search(
        source.catalogs[0], source.collections[0], job.bbox, job.search_start, job.search_end
    )
    return spec, items


def test_a_nested_pair_becomes_a_region_on_its_own_lattice(tmp_path) -> None:
    made = catalog_folder(*make_pair(tmp_path / "in"), tmp_path / "out", name="mine")
    config = read_region(made.region)
    assert (config.start, config.end) == (date(2023, 5, 1), date(2023, 5, 11))
    job = region_job(made.region)
    assert job.grid.fine.affine == FINE.affine
    assert job.grid.shape == (30, 42)
    assert job.grid.coarse.affine == COARSE.affine
    assert (job.grid.ratio, job.grid.tile) == (6, 510)
    assert any("six layers are taken for blue" in message for message in made.messages)


@pytest.mark.parametrize(
    ("scale", "dtype", "nodata"),
    [(1.0, "float32", -9999), (1e4, "int16", -9999), (1.0, "float64", np.nan)],
)
def test_the_images_are_read_back_through_the_catalogue(tmp_path, scale, dtype, nodata) -> None:
    pair = make_pair(tmp_path / "in", scale=scale, dtype=dtype, nodata=nodata)
    made = catalog_folder(*pair, tmp_path / "out", name="mine")
    job = region_job(made.region)
    spec, items = collect(made.region, "fine")
    assert [nominal_day(item) for item in items] == [date(2023, 5, 1), date(2023, 5, 9)]
    scene = load_fine(items[1:], by_name(spec), BANDS, job.grid.fine)
    with rasterio.open(pair[0] / "2023-05-09.tif") as file:
        truth = file.read().astype(np.float64) / scale
    truth[:, 3, 4] = np.nan
    np.testing.assert_allclose(scene.reflectance, truth, rtol=1e-6)
    assert np.count_nonzero(~scene.clear) == 1
    spec, items = collect(made.region, "coarse")
    assert len(items) == 11
    scene = load_coarse(items[2:3], by_name(spec), BANDS, job.grid.coarse)
    with rasterio.open(pair[1] / "20230503.tif") as file:
        np.testing.assert_allclose(scene.reflectance, file.read() / scale, rtol=1e-5)


def test_the_catalogue_is_relative_and_valid_json(tmp_path) -> None:
    make_pair(tmp_path / "in")
    made = catalog_folder(tmp_path / "in/fine", tmp_path / "in/coarse", tmp_path / "in/stac")
    for path in (tmp_path / "in" / "stac").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
        assert str(tmp_path) not in text
    moved = tmp_path / "elsewhere"
    (tmp_path / "in").rename(moved)
    _, items = collect(moved / "stac" / "region.yaml", "fine")
    assert all(Path(asset.href).exists() for item in items for asset in item.assets.values())
    assert made.catalog.name == "catalog.json"


def test_files_of_one_band_make_one_item_a_day(tmp_path) -> None:
    for day in ("20230501", "20230509"):
        for band in ("red", "nir"):
            values = np.full((1, 30, 42), 0.1 if band == "red" else 0.3, np.float32)
            write_tif(tmp_path / "fine" / f"S2_{day}_{band}.tif", values, FINE, None)
            write_tif(tmp_path / "coarse" / f"{day}_{band}.tif", values[:, :5, :7], COARSE, None)
    made = catalog_folder(*find_pair(tmp_path), tmp_path / "out", name="mine")
    spec, items = collect(made.region, "fine")
    assert tuple(spec.bands) == ("red", "nir08")
    assert [sorted(item.assets) for item in items] == [["nir08", "red"]] * 2
    scene = load_fine(items[:1], by_name(spec), ("red", "nir08"), region_job(made.region).grid.fine)
    np.testing.assert_allclose(scene.reflectance.mean(axis=(1, 2)), [0.1, 0.3], rtol=1e-6)
    assert read_region(made.region).method == ("anomaly",)


def test_scale_and_description_told_by_the_file_are_taken(tmp_path) -> None:
    fine, coarse = make_pair(tmp_path / "in", scale=5000, dtype="int16")
    for path in (*fine.iterdir(), *coarse.iterdir()):
        with rasterio.open(path, "r+") as file:
            file.scales, file.offsets = [2e-4] * 6, [0.0] * 6
            file.descriptions = ("blue", "green", "red", "nir", "swir1", "swir2")
    made = catalog_folder(fine, coarse, tmp_path / "out", name="mine")
    spec, _ = collect(made.region, "fine")
    assert {band.scale for band in spec.bands.values()} == {2e-4}
    assert made.messages == ()


def test_empty_files_are_left_out_with_a_message(tmp_path) -> None:
    fine, coarse = make_pair(tmp_path / "in")
    write_tif(fine / "2023-05-17.tif", np.full((6, 30, 42), -9999, np.float32), FINE, -9999)
    made = catalog_folder(fine, coarse, tmp_path / "out")
    assert any(re.search("1 of 3 files are empty", message) for message in made.messages)
    assert len(collect(made.region, "fine")[1]) == 2


def test_a_pair_is_found_by_name_or_by_pixel(tmp_path) -> None:
    fine, coarse = make_pair(tmp_path / "a")
    assert find_pair(tmp_path / "a") == (fine, coarse)
    make_pair(tmp_path / "b")
    (tmp_path / "b" / "fine").rename(tmp_path / "b" / "zzz")
    (tmp_path / "b" / "coarse").rename(tmp_path / "b" / "aaa")
    assert [path.name for path in find_pair(tmp_path / "b")] == ["zzz", "aaa"]
    (tmp_path / "b" / "aaa").rename(tmp_path / "b" / "third")
    make_pair(tmp_path / "b" / "more")
    with pytest.raises(ValueError, match=r"cannot tell .*more, third, zzz.*--fine SUBFOLDER"):
        find_pair(tmp_path / "b")


def _values(folder: Path, number: float) -> None:
    write_tif(folder / "2023-05-01.tif", np.full((6, 30, 42), number, np.float32), FINE, None)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda fine: [path.unlink() for path in fine.iterdir()], "no GeoTIFF with a day"),
        (lambda fine: _values(fine, 30.0), "neither reflectance .* nor reflectance x 1e4"),
        (
            lambda fine: write_tif(fine / "2023-05-02.tif", np.ones((2, 30, 42)), FINE, None),
            "has 2 layers, 2023-05-01.tif 6",
        ),
        (
            lambda fine: write_tif(fine / "2023-05-02.tif", np.full((6, 30, 42), 0.1), FINE, -9999),
            r"2023-05-02.tif differs .* type, nodata or scale",
        ),
        (lambda fine: (fine / "2023-05-02.tif").write_bytes(b"x"), "2023-05-02.tif cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_understood_is_refused_with_the_cure(
    tmp_path, harm, message
) -> None:
    fine, coarse = make_pair(tmp_path / "in")
    harm(fine)
    if "neither" in message:
        (fine / "2023-05-09.tif").unlink()
    with pytest.raises(ValueError, match=message):
        catalog_folder(fine, coarse, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_layers_without_names_ask_for_bands(tmp_path) -> None:
    for folder, grid in (("fine", FINE), ("coarse", COARSE)):
        values = np.full((2, *grid.shape), 0.2, np.float32)
        write_tif(tmp_path / folder / "2023-05-01.tif", values, grid, None)
    pair = tmp_path / "fine", tmp_path / "coarse"
    with pytest.raises(ValueError, match=r"2 layers .* have no names.*--bands blue,green"):
        catalog_folder(*pair, tmp_path / "out")
    with pytest.raises(ValueError, match=r"--bands red,near does not name the 2 layers"):
        catalog_folder(*pair, tmp_path / "out", bands=("red", "near"))
    made = catalog_folder(*pair, tmp_path / "out", bands=("nir08", "red"))
    assert tuple(collect(made.region, "fine")[0].bands) == ("red", "nir08")


def test_kranj_becomes_a_six_band_region(tmp_path, shared_data) -> None:
    made = catalog_folder(
        *find_pair(shared_data / "imagefusion-kranj"), tmp_path / "kranj", name="kranj"
    )
    config = read_region(made.region)
    job = region_job(made.region)
    assert (config.start, config.end) == (date(2020, 3, 8), date(2020, 4, 9))
    assert config.method == ("sa-stf",)
    assert job.grid.shape == (48, 48)
    assert job.grid.ratio == 16
    spec, items = collect(made.region, "fine")
    assert [f"{nominal_day(item):%j}" for item in items] == ["068", "077", "093", "100"]
    scene = load_fine(items[:1], by_name(spec), BANDS, job.grid.fine)
    with rasterio.open(
        shared_data / "imagefusion-kranj/landsat/2020068_191-28.tif_filled_kranj.tif"
    ) as f:
        np.testing.assert_allclose(scene.reflectance[:, :44, :45], f.read() / 1e4, rtol=1e-6)
    assert not scene.clear[44:].any()
    coarse_spec, coarse = collect(made.region, "coarse")
    assert len(coarse) == 26
    assert common_bands([spec], [coarse_spec]) == BANDS
    cells = load_coarse(coarse[:1], by_name(coarse_spec), BANDS, job.grid.coarse)
    assert cells.clear.all()
    with rasterio.open(shared_data / "imagefusion-kranj/modis/2020068_18-04_kranj.tif") as f:
        first = f.read()[:, :16, :16].mean(axis=(1, 2))
    np.testing.assert_allclose(cells.reflectance[:, 0, 0], first, rtol=1e-5)


def test_salton_sea_becomes_a_nested_region_of_one_band(tmp_path, shared_data) -> None:
    made = catalog_folder(
        *find_pair(shared_data / "stars-salton-sea-nir"), tmp_path / "salton", name="salton"
    )
    config = read_region(made.region)
    job = region_job(made.region)
    assert config.method == ("anomaly",)
    assert (job.grid.shape, job.grid.coarse_shape, job.grid.ratio) == ((140, 140), (20, 20), 7)
    assert any("70 of 92 files are empty" in message for message in made.messages)
    spec, items = collect(made.region, "fine")
    assert len(items) == 22
    coarse_spec, coarse = collect(made.region, "coarse")
    assert len(coarse) == 92
    assert common_bands([spec], [coarse_spec]) == ("nir08",)
    cells = load_coarse(coarse[1:2], by_name(coarse_spec), ("nir08",), job.grid.coarse)
    with rasterio.open(shared_data / "stars-salton-sea-nir/coarse/2020-10-02_coarse.tif") as f:
        np.testing.assert_allclose(cells.reflectance[0], f.read(1), rtol=1e-5)


def test_the_items_are_plain_stac(tmp_path) -> None:
    made = catalog_folder(*make_pair(tmp_path / "in"), tmp_path / "out", name="mine")
    catalog = pystac.Catalog.from_file(str(made.catalog))
    assert {one.id for one in catalog.get_children()} == {"mine-fine", "mine-coarse"}
    for item in catalog.get_items(recursive=True):
        assert item.properties["proj:code"] == "EPSG:32633"
        assert item.assets["image"].extra_fields["proj:shape"] in ([30, 42], [5, 7])
