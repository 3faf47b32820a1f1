import ast
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from catalogs import by_name, nominal_day, search, spec_for
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline import sample
from pipeline.grid import Grid
from pipeline.load import load_coarse, load_fine
from pipeline.sample import BBOX, TILE_PX, write_sample
from pipeline.simulate.landsat import PATHS
from pipeline.simulate.modis import LEFT_M, PIXEL_M, TOP_M
from pipeline.simulate.truth import open_truth

DAYS = 3
ROOT = Path(__file__).resolve().parent.parent.parent
BANDS = tuple(LANDSAT_C2_L2.bands)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    write_sample(out, seed=0, days=DAYS)
    return out


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid.from_bbox(BBOX, tile=TILE_PX)


def items(folder: Path, collection: str) -> list:
    end = date(2023, 5, DAYS)
    return search(str(folder / "catalog.json"), collection, BBOX, date(2023, 5, 1), end)


def test_the_region_has_three_by_three_tiles_and_partial_ones_at_its_edges(grid: Grid) -> None:
    rows, cols = grid.tile_shape
    assert rows >= 3
    assert cols >= 3
    assert grid.shape[0] % TILE_PX
    assert grid.shape[1] % TILE_PX


def test_two_paths_overlap_and_pass_on_different_days() -> None:
    one, two = PATHS
    assert one.wrs_path != two.wrs_path
    assert one.reaches[1] > two.reaches[0]
    assert not any(one.passes(day) and two.passes(day) for day in range(90))
    assert {one.platform(day) for day in range(90) if one.passes(day)} == {8, 9}


def test_scenes_are_collection_2_files_on_landsats_lattice(folder: Path) -> None:
    found = items(folder, "landsat-c2-l2")
    assert [nominal_day(item) for item in found] == [date(2023, 5, 2), date(2023, 5, 3)]
    for item in found:
        for key in (*BANDS, "qa_pixel", "qa_radsat", "qa_aerosol"):
            with rasterio.open(item.assets[key].href) as file:
                assert file.dtypes[0] == ("uint8" if key == "qa_aerosol" else "uint16")
                assert file.crs.to_epsg() == 32633
                assert file.transform.c % 30 == 15
                assert file.transform.f % 30 == 15
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_qa_words_have_clouds_shadows_snow_and_fill(folder: Path) -> None:
    words = set()
    for item in items(folder, "landsat-c2-l2"):
        with rasterio.open(item.assets["qa_pixel"].href) as file:
            words |= set(np.unique(file.read(1)).tolist())
    seen = np.bitwise_or.reduce(np.array(sorted(words)))
    for bit, name in ((0, "fill"), (1, "dilated"), (3, "cloud"), (4, "shadow"), (5, "snow")):
        assert seen >> bit & 1, name


def test_modis_lies_on_the_sinusoidal_grid_of_its_sphere(folder: Path) -> None:
    found = items(folder, "modis-09ga-061")
    assert [nominal_day(item).day for item in found] == [1, 2, 3]
    for item in found:
        assert item.datetime is not None  # of its name: in the file it is null
        assert item.datetime.date() == nominal_day(item)
        with rasterio.open(item.assets["sur_refl_b02"].href) as file:
            assert "6371007.181" in file.crs.to_wkt()
            assert file.dtypes[0] == "int16"
            for at, origin in ((file.transform.c, LEFT_M), (file.transform.f, TOP_M)):
                cells = (at - origin) / (2 * PIXEL_M)
                assert cells == pytest.approx(round(cells), abs=1e-6)
            shape = file.shape
        with rasterio.open(item.assets["state_1km"].href) as file:
            assert (2 * file.shape[0], 2 * file.shape[1]) == shape


def truth_of(folder: Path, day: date) -> xr.Dataset:
    return open_truth(folder / "truth.zarr").sel(time=str(day)).squeeze()


def test_clear_landsat_pixels_are_the_truth_within_the_sensors_errors(
    folder: Path, grid: Grid
) -> None:
    for item in items(folder, "landsat-c2-l2"):
        scene = load_fine([item], by_name(LANDSAT_C2_L2), BANDS, grid.fine)
        real = truth_of(folder, nominal_day(item))
        for index, band in enumerate(BANDS):
            error = (scene.reflectance[index] - real[band].values)[scene.clear]
            # Path gain, haze and noise; the mask misses a few thin clouds.
            assert np.median(np.abs(error)) < 0.02
            assert np.sqrt(np.mean(error**2)) < 0.04


def test_clear_modis_cells_follow_the_truth(folder: Path, grid: Grid) -> None:
    ratio = grid.ratio
    checked = 0
    for item in items(folder, "modis-09ga-061"):
        scene = load_coarse([item], by_name(MOD09GA), BANDS, grid.coarse)
        real = truth_of(folder, nominal_day(item))["nir08"].values
        rows, cols = grid.coarse_shape
        cells = real.reshape(rows, ratio, cols, ratio).mean((1, 3))
        if scene.clear.sum() < 60:
            continue
        checked += 1
        at_home = correlation(scene.reflectance[3], cells, scene.clear)
        assert at_home > 0.4
        for shift in ((2, 0), (-2, 0), (0, 2), (0, -2)):
            away = correlation(scene.reflectance[3], np.roll(cells, shift, (0, 1)), scene.clear)
            assert at_home > away + 0.1
    assert checked >= 2


def correlation(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(np.corrcoef(a[where], b[where])[0, 1])


def test_the_same_seed_gives_the_same_pixels_and_catalogue(folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, seed=0, days=DAYS)
    assert len(list(tmp_path.rglob("*.TIF"))) == 2 * 9
    for path in sorted(tmp_path.rglob("*.[tT][iI][fF]")):
        other = folder / path.relative_to(tmp_path)
        assert path.read_bytes() == other.read_bytes()
    for path in sorted(tmp_path.rglob("*.json")):
        assert path.read_text() == (folder / path.relative_to(tmp_path)).read_text()


def test_collections_play_the_roles_of_the_real_ones(folder: Path) -> None:
    catalog = str(folder / "catalog.json")
    assert spec_for(catalog, "landsat-c2-l2", "fine") is LANDSAT_C2_L2
    assert spec_for(catalog, "modis-09ga-061", "coarse") is MOD09GA


def test_only_scoring_and_its_picture_know_of_the_truth() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for package in ("catalogs", "model", "pipeline", "flows")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline.simulate.truth"
    }
    assert readers == {"pipeline/sample.py", "pipeline/score.py", "pipeline/report.py"}


def test_a_sample_cut_short_is_written_anew(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / sample.MARK).touch()
    (tmp_path / "landsat-c2-l2").mkdir()
    (tmp_path / "landsat-c2-l2" / "half.TIF").write_bytes(b"half")
    write_sample(tmp_path, seed=0, days=1)
    assert not (tmp_path / "landsat-c2-l2" / "half.TIF").exists()
    assert (tmp_path / "region.yaml").exists()
    assert sample.scenery(0).grid.shape == Grid.from_bbox(BBOX, tile=TILE_PX).shape


def test_a_folder_with_the_users_own_files_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "landsat-c2-l2" / "mine.TIF"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    with pytest.raises(ValueError, match="holds other files"):
        write_sample(tmp_path, seed=0, days=1)
    assert own.read_bytes() == b"mine"
