"""The two loaders give the same pixels, and neither a grid that was not asked for."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio import Affine

from catalogs import BANDS, CollectionSpec, by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, SINUSOIDAL
from pipeline.load import load_fine
from pipeline.read import ReadError, native_geobox, odc, read_layers, stack, window_around
from pipeline.read.access import Pass
from tests.pipeline.scenes import box, landsat_item, make_item, modis_box, modis_item
from tests.pipeline.test_load import DN

SCENE = box((130, 150), 400005.0, 5100015.0)
SOUTH = box((130, 150), 400005.0, -3900015.0)


def landsat(folder, grid: GeoBox = SCENE):
    dn = np.random.default_rng(0).integers(1, 65536, (6, *grid.shape.yx))
    qa = np.random.default_rng(1).integers(0, 65536, grid.shape.yx).astype(np.uint16)
    item = landsat_item(folder, dn * DN - 0.2, grid, qa=qa)
    aerosol = np.random.default_rng(2).integers(0, 256, grid.shape.yx).astype(np.uint8)
    other = make_item(
        folder, LANDSAT_C2_L2, {"qa_aerosol": aerosol}, grid, name="x", when=item.datetime
    )
    item.add_asset("qa_aerosol", other.assets["qa_aerosol"])
    return item


def both(item, spec: CollectionSpec, window: GeoBox) -> None:
    one = read_layers(item, spec, BANDS, window, loader="odc-stac")
    two = read_layers(item, spec, BANDS, window, loader="stackstac")
    assert set(one) == set(two)
    for band, numbers in one.items():
        assert numbers.shape == two[band].shape == window.shape.yx
        assert numbers.dtype == two[band].dtype == np.dtype(band.dtype)
        np.testing.assert_array_equal(numbers, two[band])
    assert any(numbers.any() for numbers in one.values())


def away_from_edges(window: GeoBox, href: str, px: float) -> np.ndarray:
    """Pixels of ``window`` whose centre lies farther than ``px`` from any edge of the file's."""
    a = window.affine
    rows, cols = np.indices(window.shape.yx) + 0.5
    there = Transformer.from_crs(window.crs.proj, SINUSOIDAL, always_xy=True)
    x, y = there.transform(a.c + a.a * cols, a.f + a.e * rows)
    with rasterio.open(href) as file:
        b = file.transform
    places = np.stack([(x - b.c) / b.a, (y - b.f) / b.e])
    return (np.abs(places - np.rint(places)) > px).all(axis=0)


@pytest.fixture
def stacked(monkeypatch) -> list[str]:
    """The assets that stackstac read: that the pixels are the same must not be because it did
    not."""
    seen = []
    own = stack.read

    def read(ticket: Pass, bands, window):
        seen.append(bands[0].asset)
        return own(ticket, bands, window)

    monkeypatch.setattr(stack, "read", read)
    return seen


@pytest.mark.parametrize("grid", [SCENE, SOUTH], ids=["north", "south"])
@pytest.mark.parametrize("at", [(10, 20), (-30, -40), (100, 110)])
def test_landsat_on_its_own_grid_is_the_same_by_both(tmp_path, stacked, grid, at) -> None:
    item = landsat(tmp_path, grid)
    a = grid.affine
    target = GeoBox((60, 70), Affine(30, 0, a.c + 30 * at[1], 0, -30, a.f - 30 * at[0]), grid.crs)
    window = window_around(native_geobox(item, "red", LANDSAT_C2_L2), target, 5)
    both(item, LANDSAT_C2_L2, window)
    assert set(stacked) == set(item.assets)


def test_modis_on_an_epsg_grid_is_the_same_by_both(tmp_path, stacked) -> None:
    rng = np.random.default_rng(0)
    tile = modis_box((80, 80), 1000, 1000)
    item = modis_item(
        tmp_path,
        rng.integers(0, 10000, (6, 80, 80)) * 1e-4,
        tile,
        day=datetime(2023, 5, 1, tzinfo=UTC),
        state=rng.integers(0, 65535, (40, 40)).astype(np.uint16),
        qc=rng.integers(0, 2**32, (80, 80)).astype(np.uint32),
    )
    extent = tile.footprint("EPSG:32633").boundingbox
    # On no lattice of the tile's, and beyond it on all sides.
    window = GeoBox(
        (90, 100), Affine(463, 0, extent.left + 111, 0, -463, extent.top - 77), "EPSG:32633"
    )
    # Both leave the places to GDAL's warper, which is exact to an eighth of a pixel: nearer to an
    # edge of a pixel the one or the other may be taken.  No scene is read so: the door refuses
    # any grid but the item's own, where nothing is warped.
    for band in (*MOD09GA.bands.values(), *MOD09GA.qa.values()):
        href = item.assets[band.asset].href
        one, two = (
            loader.read(Pass(address=href), [band], window)[band] for loader in (odc, stack)
        )
        sure = away_from_edges(window, href, 0.125)
        assert sure.mean() > 0.5
        assert one.dtype == two.dtype == np.dtype(band.dtype)
        np.testing.assert_array_equal(one[sure], two[sure])
        assert (one != two).mean() < 0.01
    with pytest.raises(ReadError, match="another grid than it is"):
        read_layers(item, MOD09GA, BANDS, window)


def test_the_sinusoidal_grid_is_left_to_odc_stac(tmp_path, stacked) -> None:
    item = modis_item(tmp_path, np.full((6, 40, 40), 0.2), modis_box((40, 40), 1000, 1000))
    window = native_geobox(item, "sur_refl_b01", MOD09GA)
    both(item, MOD09GA, window)
    assert not stacked
    band = MOD09GA.bands["red"]
    with pytest.raises(ReadError, match=r"no CRS without an EPSG code.*use loader: odc-stac"):
        stack.read(Pass(address=item.assets[band.asset].href), [band], window)


def test_a_file_of_several_layers_is_left_to_odc_stac(tmp_path, stacked) -> None:
    layers = np.random.default_rng(0).integers(1, 9, (3, *SCENE.shape.yx)).astype(np.uint16)
    red = LANDSAT_C2_L2.bands["red"]
    spec = replace(
        LANDSAT_C2_L2,
        bands={"red": replace(red, asset="all", index=3), "blue": replace(red, asset="all")},
        qa={},
    )
    when = datetime(2023, 5, 1, tzinfo=UTC)
    item = make_item(tmp_path, spec, {"all": layers}, SCENE, name="x", when=when)
    got = read_layers(item, spec, ("red", "blue"), SCENE, loader="stackstac")
    np.testing.assert_array_equal(got[spec.bands["red"]], layers[2])
    np.testing.assert_array_equal(got[spec.bands["blue"]], layers[0])
    assert not stacked


def test_a_file_that_stackstac_cannot_read_is_named(tmp_path) -> None:
    item = landsat(tmp_path)
    with Path(item.assets["nir08"].href).open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(ReadError, match=r"'nir08' of item LC08.*nir08\.tif.*restore the file"):
        read_layers(item, LANDSAT_C2_L2, BANDS, SCENE, loader="stackstac")


def test_an_image_is_the_same_by_both(tmp_path) -> None:
    item = landsat(tmp_path)
    one, two = (
        load_fine([item], by_name(LANDSAT_C2_L2), BANDS, SCENE, loader=loader)
        for loader in ("odc-stac", "stackstac")
    )
    np.testing.assert_array_equal(one.reflectance, two.reflectance)
    np.testing.assert_array_equal(one.clear, two.clear)
