"""Where pixels come to lie: fill at edges, MODIS's sphere, zones of UTM, both hemispheres."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

from catalogs import BANDS, Band, CollectionSpec, by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.products import PRODUCTS
from pipeline.grid import Grid
from pipeline.load import load_fine
from pipeline.native import to_reflectance
from pipeline.resample import area_weights, transformer
from tests.pipeline.scenes import box, landsat_item, make_item, modis_box, write_tif

LANDSAT = by_name(LANDSAT_C2_L2)
RADIUS = 6371007.181


def disc(side: int) -> np.ndarray:
    """A scene as satellites leave them: data in a disc, fill around it."""
    rows, cols = np.indices((side, side)) - (side - 1) / 2
    return np.hypot(rows, cols) < 0.45 * side


def test_fill_that_nobody_declares_bleeds_into_nothing(tmp_path: Path) -> None:
    """A scene of 601 x 601 pixels whose nodata is missing in item and file."""
    side, value = 601, 0.3
    source = box((side, side), 400005.0, 5100015.0, crs="EPSG:32632")
    target = _in_next_zone(source, (700, 700))
    seen = disc(side)
    dn = np.where(seen, round((value + 0.2) / 2.75e-5), 0).astype(np.uint16)
    item = landsat_item(
        tmp_path,
        np.full((6, side, side), value),
        source,
        dn=dict.fromkeys(BANDS, dn),
        qa=np.where(seen, 21824, 1).astype(np.uint16),
    )
    for band in BANDS:  # again, without the nodata that the maker of files writes
        write_tif(tmp_path / item.id / f"{band}.tif", dn, source, None)
    scene = load_fine([item], LANDSAT, ("red",), target)
    assert scene.clear.sum() > 200_000
    ours = np.abs(scene.reflectance[0][scene.clear] - value) > 1e-4
    assert ours.sum() == 0

    # As a resampler does it that knows of no nodata, scaled after.
    naive = np.zeros(target.shape.yx, np.float32)
    reproject(
        dn.astype(np.float32),
        naive,
        src_transform=source.affine,
        src_crs=source.crs.to_wkt(),
        dst_transform=target.affine,
        dst_crs=target.crs.to_wkt(),
        resampling=Resampling.cubic,
    )
    values = naive * 2.75e-5 - 0.2
    bled = (naive != 0) & (np.abs(values - value) > 1e-4)
    assert bled.sum() > 5_000  # 6,351 with GDAL 3.10; bilinear 2,180


def _in_next_zone(source: GeoBox, shape: tuple[int, int]) -> GeoBox:
    """A grid of the zone east of 32632 around the middle of ``source``."""
    a = source.affine
    to_33 = Transformer.from_crs(source.crs.proj, "EPSG:32633", always_xy=True)
    x, y = to_33.transform(a.c + 15 * source.shape.x, a.f - 15 * source.shape.y)
    left = 15 + 30 * (round(x / 30) - shape[1] // 2)
    return box(shape, left, 15 + 30 * (round(y / 30) + shape[0] // 2))


def test_modis_lies_on_the_exact_sphere() -> None:
    """x = R lon cos(lat), y = R lat, with lat and lon as they are, of the ellipsoid."""
    degrees = GeoBox((2, 2), Affine(1, 0, 0, 0, -1, 0), "EPSG:4326")
    tile = modis_box((2400, 2400), 0, 0)
    to_tile = transformer(degrees, tile)
    assert to_tile is not None
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-179, 179, 5000), rng.uniform(-85, 85, 5000)
    x, y = to_tile.transform(lon, lat)
    lam, phi = np.radians(lon), np.radians(lat)
    assert np.abs(x - RADIUS * lam * np.cos(phi)).max() < 1
    assert np.abs(y - RADIUS * phi).max() < 1


@pytest.mark.parametrize(("lon", "lat"), [(14.5, 46.2), (146.0, -34.6), (-60.0, -33.0), (-100, 40)])
def test_a_coarse_cell_is_made_of_the_modis_pixels_on_it(lon: float, lat: float) -> None:
    grid = Grid.from_bbox((lon, lat, lon + 0.05, lat + 0.05))
    to_degrees = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True)
    a = grid.coarse.affine
    rows, cols = grid.coarse_shape
    x, y = np.meshgrid(a.c + a.a * (np.arange(cols) + 0.5), a.f + a.e * (np.arange(rows) + 0.5))
    lam, phi = (np.radians(v) for v in to_degrees.transform(x, y))
    east, north = RADIUS * lam * np.cos(phi), RADIUS * phi
    pixel = 463.31271653
    left, top = east.min() - 5 * pixel, north.max() + 5 * pixel
    window = GeoBox(
        (rows + 30, cols + 30),
        Affine(pixel, 0, left, 0, -pixel, top),
        modis_box((2, 2), 0, 0).crs,
    )
    # The mean place of a cell's pixels, in MODIS's own metres, is the place of the cell.
    col, row = np.meshgrid(np.arange(cols + 30) + 0.5, np.arange(rows + 30) + 0.5)
    places = np.stack([left + pixel * col.ravel(), top - pixel * row.ravel()], axis=1)
    weights = area_weights(window, grid.coarse)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    found = (weights @ places).reshape(rows, cols, 2)
    # Pixels are steps: a cell is told to within a part of one, and over all cells to metres.
    assert np.abs(found[..., 0] - east).max() < 0.5 * pixel
    assert abs((found[..., 0] - east).mean()) < 15
    assert abs((found[..., 1] - north).mean()) < 15


FIELD = 2e-5, 1e-5
"""Slope of the field per metre east and north: half a pixel of misplacement is 4.5e-4."""


def field(x: np.ndarray, y: np.ndarray, middle: tuple[float, float]) -> np.ndarray:
    return 0.4 + (x - middle[0]) * FIELD[0] + (y - middle[1]) * FIELD[1]


def centres(geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    a = geobox.affine
    height, width = geobox.shape.yx
    return np.meshgrid(a.c + a.a * (np.arange(width) + 0.5), a.f + a.e * (np.arange(height) + 0.5))


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32655",  # as Landsat writes the south: a northern code, northings below zero
        "EPSG:32755",  # as older items have it
        "EPSG:32756",  # the zone beside it
        "EPSG:32656",
    ],
)
def test_southern_scenes_and_those_of_other_zones_land_where_they_should(
    tmp_path: Path, crs: str
) -> None:
    grid = Grid.from_bbox((147.9, -34.62, 147.93, -34.6))
    target = grid.fine
    assert target.crs.to_epsg() == 32655
    assert target.affine.f < 0
    to_scene = Transformer.from_crs("EPSG:32655", crs, always_xy=True)
    x, y = to_scene.transform(target.affine.c, target.affine.f)
    side = max(target.shape) + 120
    source = box(
        (side, side), 15 + 30 * (round(x / 30) - 50), 15 + 30 * (round(y / 30) + 50), crs=crs
    )
    back = Transformer.from_crs(crs, "EPSG:32655", always_xy=True)
    middle = float(target.affine.c + 1000), float(target.affine.f - 1000)
    truth = field(*back.transform(*centres(source)), middle)
    item = landsat_item(
        tmp_path,
        np.repeat(truth[None], 6, axis=0),
        source,
        name="LC08_L2SP_092084_20230501_02_T1",
    )
    scene = load_fine([item], LANDSAT, ("red",), target)
    assert scene.clear.all()
    error = np.abs(scene.reflectance[0] - field(*centres(target), middle))
    fractions = error / (30 * FIELD[0])  # of a pixel, east
    assert fractions.max() < 0.05


TABLES = [spec for product in PRODUCTS for spec in product.forms]


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: f"{spec.name} {spec.container}")
def test_numbers_of_every_table_become_the_reflectance_they_stand_for(spec) -> None:
    for name, band in spec.bands.items():
        for wanted in (0.03, 0.25, 0.6):
            # By the providers' guides, not by the table.
            number = (
                round((wanted + 0.2) / 0.0000275)
                if spec is LANDSAT_C2_L2
                else round(wanted * 10000)
            )
            dn = np.array([[number]], band.dtype)
            found = to_reflectance(dn, band, np.zeros((1, 1), bool))
            assert found[0, 0] == pytest.approx(wanted, abs=2e-5), name
        assert band.nodata is not None
        fill = np.array([[band.nodata]], band.dtype)
        assert np.isnan(to_reflectance(fill, band, np.zeros((1, 1), bool))).all()


@pytest.mark.parametrize("twice", [1e-4, 1e4])
def test_a_scale_that_is_missing_or_applied_twice_is_refused(tmp_path: Path, twice: float) -> None:
    window = box((40, 40), 400005.0, 5100015.0)
    spec = CollectionSpec(
        name="mine",
        resolution_m=30.0,
        bands={"red": Band(asset="red", dtype="float32", scale=twice, nodata=float("nan"))},
    )
    values = np.full((40, 40), 0.3, np.float32) if twice > 1 else np.full((40, 40), 2e5, np.float32)
    when = datetime(2023, 5, 1, tzinfo=UTC)
    item = make_item(tmp_path, spec, {"red": values}, window, name="one", when=when)
    with pytest.raises(OSError, match="that is no reflectance"):
        load_fine([item], by_name(spec), ("red",), window)


def test_the_files_of_these_tests_hold_no_nodata(tmp_path: Path) -> None:
    window = box((4, 4), 400005.0, 5100015.0)
    write_tif(tmp_path / "a.tif", np.zeros((4, 4), np.uint16), window, None)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.nodata is None
