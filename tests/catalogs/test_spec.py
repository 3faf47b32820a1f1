"""The tables: complete, in order, JSON-able, and the generic ones read from a collection."""

import json
from datetime import UTC, datetime

import pystac
import pytest

from catalogs import BANDS, CatalogError, CollectionSpec, by_name, common_bands, spec_for
from catalogs.generic import spec_from_collection
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, MOD09GA_HDF, MOD09GQ, MYD09GA
from catalogs.modis_8day import MOD09A1, MYD09A1
from catalogs.products import PRODUCTS, forms, product_of
from catalogs.viirs import VNP09GA

TABLES = [spec for product in PRODUCTS for spec in product.forms]


def make_collection(name: str = "mine", assets: dict | None = None) -> pystac.Collection:
    collection = pystac.Collection(
        name,
        "a folder",
        pystac.Extent(
            pystac.SpatialExtent([[14.0, 46.0, 14.1, 46.1]]),
            pystac.TemporalExtent([[datetime(2020, 1, 1, tzinfo=UTC), None]]),
        ),
    )
    collection.extra_fields["item_assets"] = assets or {}
    return collection


ANGLES = {"view_zenith", "sun_zenith", "view_azimuth", "sun_azimuth", "relative_azimuth"}


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: spec.name)
def test_a_table_is_whole(spec: CollectionSpec) -> None:
    assert tuple(spec.bands) == tuple(name for name in BANDS if name in spec.bands)
    assert len({spec.name, *spec.aliases}) == len(spec.aliases) + 1
    words = {flag.asset for some in spec.flags.values() for flag in some}
    words |= {flag.asset for some in spec.band_reject.values() for flag in some}
    assert words <= set(spec.qa)
    assert {*spec.reject, *spec.reject_if_asked, *spec.dilate_m} <= set(spec.flags)
    assert set(spec.band_reject) <= set(spec.bands)
    assert set(spec.angles) <= ANGLES
    assert all(band.scale == 0.01 for band in spec.angles.values())
    assert {key.asset for key in spec.keys} >= {
        b.asset for b in spec.bands.values()
    } or not spec.keys
    inside = [band.layer is not None for band in (*spec.bands.values(), *spec.qa.values())]
    assert all(inside) if spec.container != "raster" else not any(inside)
    for some in (*spec.flags.values(), *spec.band_reject.values()):
        for flag in some:
            bits = int(spec.qa[flag.asset].dtype.removeprefix("uint"))
            assert flag.shift + flag.width <= bits
            assert all(0 <= value < 2**flag.width for value in flag.values)


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: spec.name)
def test_a_table_survives_json(spec: CollectionSpec) -> None:
    assert CollectionSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_landsat_numbers_are_those_of_the_product_guide() -> None:
    red = LANDSAT_C2_L2.bands["red"]
    assert red.scale * 7273 + red.offset == pytest.approx(0, abs=1e-5)
    assert red.scale * 43636 + red.offset == pytest.approx(1, abs=1e-5)


def test_modis_bands_are_in_landsat_order_and_aqua_has_no_swir16() -> None:
    numbers = [MOD09GA.bands[name].asset[-2:] for name in BANDS]
    assert numbers == ["03", "04", "01", "02", "06", "07"]
    assert common_bands([LANDSAT_C2_L2], [MOD09GA]) == BANDS
    assert "swir16" not in common_bands([LANDSAT_C2_L2], [MYD09GA])


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: spec.name)
def test_a_known_collection_needs_no_catalogue(spec: CollectionSpec) -> None:
    for name in (spec.name, *spec.aliases):
        assert spec_for("/nowhere/catalog.json", name) is forms(name)[0]


def test_swapped_roles_are_refused() -> None:
    with pytest.raises(CatalogError, match=r"landsat-c2-l2 is a fine product .* swapped"):
        spec_for("/nowhere/catalog.json", "landsat-c2-l2", "coarse")


def test_a_generic_table_reads_stac_1_1_bands() -> None:
    collection = make_collection(
        assets={
            "image": {
                "data_type": "float32",
                "bands": [
                    {"name": "red", "raster:scale": 1e-4, "nodata": "nan"},
                    {"name": "b2", "eo:common_name": "blue", "gsd": 29.9, "nodata": -9999},
                    {"name": "qa"},
                ],
            }
        }
    )
    spec = spec_from_collection(collection)
    assert tuple(spec.bands) == ("blue", "red")
    blue, red = spec.bands.values()
    assert (blue.asset, blue.index, blue.nodata, blue.dtype) == ("image", 2, -9999, "float32")
    assert (red.index, red.scale) == (1, 1e-4)
    assert red.nodata != red.nodata
    assert spec.resolution_m == 29.9
    assert CollectionSpec.from_dict(spec.to_dict()).bands["blue"] == blue


def test_a_generic_table_reads_stac_1_0_bands() -> None:
    collection = make_collection(
        assets={
            "B4": {
                "eo:bands": [{"name": "B4", "common_name": "red"}],
                "raster:bands": [{"scale": 1e-4, "offset": -0.1, "data_type": "uint16"}],
            }
        }
    )
    red = spec_from_collection(collection).bands["red"]
    assert (red.asset, red.scale, red.offset, red.dtype) == ("B4", 1e-4, -0.1, "uint16")


def test_collections_without_known_or_common_bands_are_refused_with_the_cure() -> None:
    with pytest.raises(CatalogError, match=r"names none of the bands blue.*daily30 catalog"):
        spec_from_collection(make_collection(assets={"x": {"bands": [{"name": "thermal"}]}}))
    one, two = (
        spec_from_collection(make_collection(name, {"a": {"bands": [{"name": band}]}}))
        for name, band in (("one", "red"), ("two", "blue"))
    )
    with pytest.raises(CatalogError, match=r"one \(red\) and two \(blue\) have no band in common"):
        common_bands([one], [two])


def test_every_name_of_a_product_leads_to_its_tables() -> None:
    assert len({spec.name for spec in TABLES}) == len(TABLES)
    assert forms("MOD09GA") == forms("modis-09GA-061") == (MOD09GA, MOD09GA_HDF)
    assert forms("mod09ga_061") == (MOD09GA, MOD09GA_HDF)
    assert forms("HLSS30.v2.0") == forms("HLSS30_2.0") == forms("hls2-s30")
    assert forms("landsat-8-c2-l2") == (LANDSAT_C2_L2,)
    assert forms("modis-09A1-061")[:1] == (MOD09A1,)
    assert MYD09A1 in forms("modis-09A1-061")
    assert MYD09A1 not in forms("MOD09A1_061")
    assert forms("my-own") == ()
    for product in PRODUCTS:
        for spec in product.forms:
            assert product_of(spec) is product
            assert all(spec in forms(name) for name in (product.name, spec.name, *spec.aliases))


def test_a_file_of_all_bands_has_the_numbers_of_the_single_ones() -> None:
    assert MOD09GA_HDF.bands["swir16"].layer == "sur_refl_b06_1"
    assert MOD09GA_HDF.qa["state_1km"].layer == "state_1km_1"
    assert MOD09GA_HDF.angles["view_zenith"].layer == "SensorZenith_1"
    for name, band in MOD09GA.bands.items():
        inside = MOD09GA_HDF.bands[name]
        assert (inside.scale, inside.nodata, inside.valid) == (band.scale, band.nodata, band.valid)
    assert MOD09GA_HDF.flags == MOD09GA.flags


def test_viirs_has_three_bands_at_500_m_and_three_at_1_km() -> None:
    sides = {name: band.resolution_m for name, band in VNP09GA.bands.items()}
    assert [name for name, side in sides.items() if side is None] == ["red", "nir08", "swir16"]
    assert all(
        "VIIRS_Grid_1km_2D" in str(VNP09GA.bands[name].layer) for name in sides if sides[name]
    )


def test_a_product_without_cloud_flags_makes_no_images() -> None:
    with pytest.raises(CatalogError, match=r"MOD09GQ_061 carries no cloud flags.*name MOD09GA"):
        by_name(MOD09GQ, MOD09GA)
