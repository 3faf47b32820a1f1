"""A day of a cube as a GeoTIFF: the cube's numbers, at the cube's place, laid out as a COG."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
import zarr
from rasterio.enums import ColorInterp

from pipeline.cog import OutputError
from pipeline.cube import Status, day_number
from pipeline.export import ExportError, export_day
from pipeline.quality import Quality
from pipeline.store import (
    CubeError,
    create_fused,
    create_input,
    open_cube,
    write_block,
    write_tables,
)
from tests.synthetic import day, make_grid

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
LARGE = {"rows": 35, "cols": 42, "ratio": 16, "tile_cells": 16}
"""560 x 672 pixels in tiles of 256, the last ones partial: two overviews' worth."""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Day 1 whole but for its first tile, day 2 a gap, all others empty."""
    path = tmp_path_factory.mktemp("export") / "farm.zarr"
    grid = make_grid(**LARGE)
    create_fused(path, grid, [day(0), day(4)], BANDS, {"title": "A farm", "license": "CC0-1.0"})
    noise = np.random.default_rng(0)
    for tile in grid.tiles[1:]:
        word = noise.choice([1 | 4, 4096], (1, *tile.shape), p=[0.8, 0.2]).astype(np.uint16)
        arrays: dict[str, Any] = {
            band: noise.integers(0, 9000, (1, *tile.shape)).astype(np.int16) for band in BANDS
        }
        arrays |= {"quality": word, "ref_age": np.full_like(word, 7, np.uint8)}
        write_block(path, arrays, days=[day(1)], y=tile.y, x=tile.x)
        # The last is fused from one side.
        after = day(9) if tile.index < len(grid.tiles) - 1 else None
        told = {"ref_prev": day_number(day(0)), "ref_next": day_number(after) if after else 0}
        write_tables(path, told | {"status": Status.FINAL}, days=[day(1)], tile=tile.index)
    write_tables(path, {"status": Status.NO_COARSE}, days=[day(1)], tile=0)
    for tile in grid.tiles:
        why = Status.TOO_FAR if tile.index else Status.NO_COARSE
        write_tables(path, {"status": why}, days=[day(2)], tile=tile.index)
    return path


@pytest.fixture(scope="module")
def exported(cube: Path) -> Path:
    out = cube.parent / "day.tif"
    done = export_day(cube, day(1), out, quality=True)
    assert done.paths == (out, cube.parent / "day.quality.tif")
    produced = (zarr.open_group(cube, mode="r")["quality"][1] & Quality.PRODUCED) != 0
    assert done.produced == produced.mean()
    assert done.status == {"no_coarse": 1, "final": 8}
    return out


def test_the_numbers_are_the_cubes(cube: Path, exported: Path) -> None:
    wanted = open_cube(cube).sel(time=str(day(1))).squeeze()
    with rasterio.open(exported) as file:
        for number, band in enumerate(BANDS, 1):
            stored = file.read(number)
            values = np.where(stored == file.nodata, np.nan, stored * 1e-4).astype(np.float32)
            np.testing.assert_array_equal(values, wanted[band])
        assert set(file.scales) == {1e-4}
        assert file.nodata == -9999
    assert np.isnan(wanted["red"][:256, :256]).all()  # the tile without coarse data
    read = rioxarray.open_rasterio(exported, mask_and_scale=True)
    assert isinstance(read, xr.DataArray)
    np.testing.assert_allclose(read[2], wanted["red"], rtol=1e-6)


def test_it_lies_where_the_cube_lies(cube: Path, exported: Path) -> None:
    box = make_grid(**LARGE).fine
    with rasterio.open(exported) as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, box.affine)
        assert file.shape == tuple(box.shape)


def test_bands_are_named_and_coloured_as_qgis_shows_them(exported: Path) -> None:
    with rasterio.open(exported) as file:
        assert file.descriptions == BANDS
        assert file.colorinterp == (
            *(ColorInterp.blue, ColorInterp.green, ColorInterp.red),
            *(ColorInterp.nir, ColorInterp.swir, ColorInterp.swir),
        )
        assert file.tags(3) == {"WAVELENGTH_NM": "654.5", "BANDWIDTH_NM": "37"}


def test_date_and_origin_are_in_its_tags(exported: Path) -> None:
    with rasterio.open(exported) as file:
        tags = file.tags()
    assert tags["DATE"] == "2023-05-02"
    assert tags["TIFFTAG_DATETIME"] == "2023:05:02 00:00:00"
    assert tags["TIFFTAG_IMAGEDESCRIPTION"] == "A farm, 2023-05-02"
    assert tags["REFERENCES"] == "2023-05-01 to 2023-05-10, 2023-05-01 alone"
    assert tags["STATUS"] == "final 8, no_coarse 1"
    assert tags["LICENSE"] == "CC0-1.0"


def directories(path: Path) -> list[tuple[int, int]]:
    """Where each image of a TIFF has its directory, and where its first tile."""
    data = path.read_bytes()

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(data[at : at + size], "little")

    assert data[:4] == b"II*\0"
    found, at = [], number(4)
    while at:
        entries = range(at + 2, at + 2 + 12 * number(at, 2), 12)
        count, offsets = next((number(e + 4), e + 8) for e in entries if number(e, 2) == 324)
        found.append((at, number(number(offsets)) if count > 1 else number(offsets)))
        at = number(entries.stop)
    return found


@pytest.mark.parametrize("name", ["day.tif", "day.quality.tif"])
def test_it_is_a_cloud_optimised_geotiff(exported: Path, name: str) -> None:
    path = exported.with_name(name)
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["tiled"]
        assert file.block_shapes[0] == (512, 512)
        assert file.overviews(1) == [2]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in path.read_bytes()[:300]
    # In a COG all directories come first, the image's before its overviews', and the tiles of the
    # smallest overview before those of the image.
    (whole, first_tile), (half, first_tile_of_half) = directories(path)
    assert whole < half < first_tile_of_half < first_tile


def test_overviews_average_what_was_produced_and_never_bits(cube: Path, exported: Path) -> None:
    with rasterio.open(exported, overview_level=0) as half, rasterio.open(exported) as whole:
        stored = whole.read(3).astype(float)
        stored[stored == -9999] = np.nan
        cells = stored.reshape(280, 2, 336, 2).transpose(0, 2, 1, 3).reshape(280, 336, 4)
        seen = np.isfinite(cells).any(-1)
        mean = np.nanmean(cells[seen], axis=-1)
        assert np.abs(half.read(3)[seen] - mean).max() <= 0.5
        assert (half.read(3)[~seen] == -9999).all()
    with rasterio.open(exported.with_name("day.quality.tif"), overview_level=0) as half:
        assert set(np.unique(half.read(1))) <= {0, 5, 4096}


def test_quality_goes_into_a_file_of_its_own(cube: Path, exported: Path) -> None:
    root = zarr.open_group(cube, mode="r")
    with rasterio.open(exported.with_name("day.quality.tif")) as file:
        assert file.descriptions == ("quality", "ref_age")
        np.testing.assert_array_equal(file.read(1), root["quality"][1])
        np.testing.assert_array_equal(file.read(2), root["ref_age"][1])
        assert file.tags(1)["FLAGS"].startswith("1 produced, 2 observed_fine_same_day, 4 fused")
        assert file.nodata is None


def test_some_bands_in_the_order_asked_for(cube: Path, tmp_path: Path) -> None:
    out = tmp_path / "two.tif"
    export_day(cube, day(1), out, bands=("nir08", "red"))
    wanted = open_cube(cube)["red"].sel(time=str(day(1))).squeeze()
    with rasterio.open(out) as file:
        assert file.descriptions == ("nir08", "red")
        assert not {ColorInterp.red, ColorInterp.nir} & set(file.colorinterp)
        stored = file.read(2)
    np.testing.assert_array_equal(stored == -9999, np.isnan(wanted))
    assert names(tmp_path) == ["two.tif"]


def test_the_same_day_gives_the_same_bytes(cube: Path, exported: Path, tmp_path: Path) -> None:
    export_day(cube, day(1), tmp_path / "day.tif")
    assert (tmp_path / "day.tif").read_bytes() == exported.read_bytes()


@pytest.mark.parametrize(
    ("number", "bands", "said"),
    [
        (9, (), r"2023-05-10 is not in .*, which holds 2023-05-01 to 2023-05-05"),
        (
            2,
            (),
            r"nothing .* on 2023-05-03 in .*: tiles 1 no coarse, 8 too far; the nearest ",
        ),
        (4, (), r"tiles 9 empty; the nearest day with values is 2023-05-02"),
        (1, ("red", "ndvi"), r"has no band ndvi; it has blue, green"),
        (1, ("quality",), r"give --quality"),
        (1, ("red", "red"), r"name each once"),
    ],
)
def test_what_cannot_be_exported_is_told(cube: Path, tmp_path: Path, number, bands, said) -> None:
    with pytest.raises(ExportError, match=said):
        export_day(cube, day(number), tmp_path / "a.tif", bands=bands)
    assert not names(tmp_path)


def test_a_file_that_is_there_stays_unless_told(cube: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.tif"
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists; choose another name, or say --overwrite"):
        export_day(cube, day(1), out)
    assert out.read_text() == "mine"
    export_day(cube, day(1), out, bands=("red",), overwrite=True)
    with rasterio.open(out) as file:
        assert file.count == 1
    for bad in (tmp_path / "a.png", tmp_path / "none" / "a.tif"):
        with pytest.raises(OutputError, match=r"is no \.tif|there is no folder"):
            export_day(cube, day(1), bad)


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_beside(
    cube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.tif"
    out.write_text("mine")

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(rasterio.shutil, "copy", full)
    with pytest.raises(OSError, match="disk full"):
        export_day(cube, day(1), out, overwrite=True)
    assert out.read_text() == "mine"
    assert names(tmp_path) == ["a.tif"]


def test_only_daily_cubes_of_ours_are_exported(tmp_path: Path) -> None:
    create_input(tmp_path / "fine.zarr", "fine", make_grid(), [day(0)], BANDS)
    zarr.open_group(tmp_path / "other.zarr", mode="w")
    for path, said in (
        ("fine", "is no daily cube"),
        ("other", "is no daily cube"),
        ("no", "there"),
    ):
        with pytest.raises(CubeError, match=said):
            export_day(tmp_path / f"{path}.zarr", day(0), tmp_path / "a.tif")
