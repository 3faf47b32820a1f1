"""Every trap seen in real items, distilled: each comes out in the one form, or is refused."""

from datetime import date

import pyproj
import pytest

from catalogs import CatalogError, native_crs, nominal_day, platform_of
from catalogs.modis import MOD09GA, SINUSOIDAL
from catalogs.normalise import normalise
from catalogs.products import forms
from tests.catalogs.distilled import CRS_FIELDS, cmr, landsat, modis, old_landsat

BASE = "https://host/items/1"


def made(known, name: str = ""):
    item = normalise(known, forms(name or known["collection"]), base=BASE)
    assert item is not None
    return item


@pytest.mark.parametrize("version", ["0.7.0", "1.0.0-beta.2", "1.0.0", "1.1.0"])
def test_every_version_of_stac_is_one_form(version: str) -> None:
    known = landsat(version)
    if version in ("0.7.0", "1.0.0-beta.2"):
        known = old_landsat(version)
    if version == "1.1.0":
        known["properties"]["proj:code"] = f"EPSG:{known['properties'].pop('proj:epsg')}"
        for asset in known["assets"].values():
            if "raster:bands" in asset:
                (band,) = asset.pop("raster:bands")
                scale = {"raster:scale": band["scale"], "raster:offset": band["offset"]}
                asset["bands"] = [{"name": "x", "data_type": "uint16", **scale}]
    item = made(known)
    assert item.collection_id == "landsat-c2-l2"
    assert nominal_day(item) == date(2023, 10, 8)
    assert platform_of(item) == "landsat-8"
    assert item.assets["red"].href.endswith("_SR_B4.TIF")
    assert item.assets["qa_pixel"].href.endswith("_QA_PIXEL.TIF")
    old = version in ("0.7.0", "1.0.0-beta.2")
    assert native_crs(item, "red", forms("landsat-c2-l2")[0]) == (None if old else "EPSG:32613")


@pytest.mark.parametrize(("craft", "red"), [("LC08", "B4"), ("LE07", "B3"), ("LT05", "B3")])
def test_the_band_of_an_old_key_depends_on_the_sensor(craft: str, red: str) -> None:
    assert made(old_landsat("1.0.0-beta.2", craft)).assets["red"].href.endswith(f"SR_{red}.TIF")


@pytest.mark.parametrize("name", CRS_FIELDS)
def test_a_modis_item_has_the_sphere_whatever_it_says(name: str) -> None:
    item = made(modis(**CRS_FIELDS[name]))
    assert native_crs(item, "sur_refl_b01", MOD09GA) == SINUSOIDAL
    assert item.assets["sur_refl_b01"].extra_fields["proj:shape"] == [2400, 2400]
    assert nominal_day(item) == date(2022, 2, 2)
    assert platform_of(item) == "terra"


@pytest.mark.parametrize("key", ["proj:wkt2", "proj:projjson"])
def test_a_crs_in_words_is_enough(key: str) -> None:
    utm = pyproj.CRS("EPSG:32613")
    words = utm.to_wkt() if key == "proj:wkt2" else utm.to_json_dict()
    known = landsat(**{"proj:epsg": None, "proj:code": "EPSG:None", key: words})
    text = native_crs(made(known), "red", forms("landsat-c2-l2")[0])
    assert text != "EPSG:32613"
    assert pyproj.CRS(text) == utm


def test_a_file_of_all_bands_is_found_by_its_ending() -> None:
    item = made(cmr(), "modis-09ga-061")
    assert item.collection_id == "MOD09GA_061"
    assert list(item.assets) == ["hdf"]
    assert item.assets["hdf"].href.startswith("https://data.lpdaac")
    viirs = made(cmr("VNP09GA.A2022033.h19v10.002.2022042043514", "h5"), "VNP09GA_002")
    assert list(viirs.assets) == ["h5"]
    assert platform_of(viirs) == "suomi-npp"
    assert nominal_day(viirs) == date(2022, 2, 2)


def test_terra_and_aqua_of_one_collection_are_told_apart() -> None:
    known = modis("MYD09GA.A2022033.h19v10.061.2022042043514")
    assert normalise(known, forms("MOD09GA"), base=BASE) is None
    assert made(known, "MYD09GA").collection_id == "myd09ga-061"


def test_tier_2_is_not_asked_for_even_where_only_the_name_tells() -> None:
    known = landsat()
    known["id"] = known["id"].replace("_T1", "_T2")
    del known["properties"]["landsat:collection_category"]
    for asset in known["assets"].values():
        asset["href"] = asset["href"].replace("_T1", "_T2")
    assert normalise(known, forms("landsat-c2-l2"), base=BASE) is None


def test_usgs_files_are_read_from_the_address_for_programs() -> None:
    known = landsat()
    for asset in known["assets"].values():
        asset["alternate"] = {"s3": {"href": asset["href"].replace("https://host", "s3://usgs")}}
        asset["href"] = asset["href"].replace("host", "landsatlook.usgs.gov")
    assert made(known).assets["red"].href.startswith("s3://usgs/")


def _swap(known) -> None:
    one, two = known["assets"]["red"], known["assets"]["blue"]
    one["href"], two["href"] = two["href"], one["href"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_swap, "the file of another band"),
        (lambda k: k["properties"].update(datetime="2023-10-10T17:00:00Z"), "its name says 2023"),
        (lambda k: k["properties"].update({"proj:epsg": 32631}), "its grid lies at"),
        (lambda k: k["assets"]["red"]["raster:bands"][0].update(scale=1e-4), "states scale 0.0001"),
        (
            lambda k: k["assets"]["red"].update(
                href=k["assets"]["red"]["href"].replace("033032_2023", "033033_2023")
            ),
            "of another granule",
        ),
        (lambda k: k["assets"].clear(), "has no asset"),
        (lambda k: k.update(id=None), "its id is None"),
        (lambda k: k["assets"]["red"].update(href="/vsicurl/http://x"), "neither a file nor"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_reason(change, told: str) -> None:
    known = landsat()
    known["assets"]["red"]["raster:bands"] = [dict(known["assets"]["red"]["raster:bands"][0])]
    change(known)
    with pytest.raises(CatalogError, match=told):
        normalise(known, forms("landsat-c2-l2"), base=BASE)


def test_a_modis_grid_off_its_tile_is_refused() -> None:
    known = modis()
    shifted = [463.3127165, 0.0, 1111950.519667 + 200, 0.0, -463.3127165, -1111950.519667]
    known["assets"]["sur_refl_b01"]["proj:transform"] = shifted
    with pytest.raises(CatalogError, match="not of tile h19v10"):
        made(known)
