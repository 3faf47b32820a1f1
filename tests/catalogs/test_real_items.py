"""Every real item: the day, craft, grid and numbers that were read off its file by hand."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyproj
import pytest

from catalogs import CatalogError, native_crs, nominal_day, platform_of
from catalogs.normalise import normalise
from catalogs.products import forms, product_of
from catalogs.spec import Flag

PC, USGS, ST = "planetary-computer/", "usgs-landsatlook/", "stactools/"
SCENE, MODIS = (2.75e-05, -0.2, 0), (1e-4, 0.0, -28672)
OLD_PC = PC + "search-response.landsat-8-c2-l2.first6of250.POST-paging.json"
FOUR = PC + "search-items.landsat-c2-l2.4items.json"

SPHERE = "sphere"

# What a mask rejects: word, bits and values, read off the products' guides and not off our tables;
# then what makes red alone unusable.
OLI = {
    "words": {"qa_pixel", "qa_radsat", "qa_aerosol"},
    "fill": {"qa_pixel 0"},
    "cloud": {"qa_pixel 1", "qa_pixel 3"},
    "cirrus": {"qa_pixel 2"},
    "shadow": {"qa_pixel 4"},
    "occluded": {"qa_radsat 11"},
    "red": {"qa_radsat 3"},
}
ETM = OLI | {
    "words": {"qa_pixel", "qa_radsat", "cloud_qa"},
    "cirrus": set(),
    "occluded": {"qa_radsat 9"},
    "red": {"qa_radsat 2"},
}
HLS = {
    "words": {"Fmask"},
    "fill": {"fmask 0-7=255"},
    "cloud": {"fmask 1", "fmask 2"},
    "shadow": {"fmask 3"},
    "red": set(),
}


def state(metres: str, red: str) -> dict[str, set[str]]:
    word, qc = f"sur_refl_state_{metres}", f"sur_refl_qc_{metres}"
    return {
        "words": {word, qc},
        "fill": {f"{word} 0-15=65535", f"{qc} 0-1=2/3"},
        "cloud": {f"{word} 0-1=1/2", f"{word} 10"},
        "cirrus": {f"{word} 8-9=2/3"},
        "shadow": {f"{word} 2"},
        "red": {f"{qc} {red}=9/11/14/15"},
    }


STATE_500M, STATE_250M = state("500m", "2-5"), state("250m", "4-7")
INVERSION = "BRDF_Albedo_Band_Mandatory_Quality_Band"
NBAR = {
    "words": {f"{INVERSION}{number}" for number in (1, 2, 3, 4, 6, 7)},
    "red": {f"{INVERSION}1 0-7={'/'.join(map(str, range(2, 256)))}"},
}

# file, start of the id, local solar day, craft, CRS, (rows, columns), upper left corner, red file,
# mask
ITEMS = [
    ("cmr-stac-lpcloud/item.HLS.S30.T10TFT.2023215T190921.v2.0.transcribed.json", "HLS.S30.T10TFT",
     date(2023, 8, 3), "", None, None, None, ".B04.tif", HLS),
    ("earth-search/item.LC08_L2SP_033032_20231008_02_T1.json", "LC08_L2SP_033032",
     date(2023, 10, 8), "landsat-8", "EPSG:32613", (7831, 7711), (449085, 4581915), "_SR_B4.TIF",
     OLI),
    ("earth-search/search-response.json", "LC08_L2SP_033032",
     date(2023, 10, 8), "landsat-8", "EPSG:32613", (7831, 7711), (449085, 4581915), "_SR_B4.TIF",
     OLI),
    # 23:53 UTC, the morning of the 11th in Tasmania.
    (PC + "items-response.landsat-c2-l2.json", "LC09_L2SP_090091",
     date(2025, 3, 11), "landsat-9", "EPSG:32655", (7881, 7871), (355785, -4821585), "_SR_B4.TIF",
     OLI),
    (PC + "items-response.modis-09A1-061.json", "MYD09A1.A2025057.h35v10", date(2025, 2, 26),
     "aqua", SPHERE, (2400, 2400), (18903158.834333, -1111950.519667), "_sur_refl_b01.tif",
     STATE_500M),
    (PC + "items-response.modis-09Q1-061.json", "MYD09Q1.A2025057.h35v10", date(2025, 2, 26),
     "aqua", SPHERE, (4800, 4800), (18903158.834333, -1111950.519667), "_sur_refl_b01.tif",
     STATE_250M),
    (PC + "items-response.modis-43A4-061.json", "MCD43A4.A2025061.h35v10", date(2025, 3, 2), "",
     SPHERE, (2400, 2400), (18903158.834333, -1111950.519667), "_Nadir_Reflectance_Band1.tif",
     NBAR),
    (FOUR, "LC09_L2SP_089090", date(2024, 4, 18), "landsat-9", "EPSG:32655", (7971, 7971),
     (520185, -4663485), "_SR_B4.TIF", OLI),
    (FOUR, "LC09_L2SP_089089", date(2024, 4, 18), "landsat-9", "EPSG:32655", (7981, 7971),
     (563085, -4505985), "_SR_B4.TIF", OLI),
    (OLD_PC, "LC08_L2SP_197023_20220324", date(2022, 3, 24), "landsat-8", "EPSG:32632",
     (8151, 8061), (263085, 6006915), "_SR_B4.TIF", OLI),
    (OLD_PC, "LC08_L2SP_197022_20220324", date(2022, 3, 24), "landsat-8", "EPSG:32632",
     (8131, 8051), (311685, 6162015), "_SR_B4.TIF", OLI),
    (OLD_PC, "LC08_L2SP_198023_20220315", date(2022, 3, 15), "landsat-8", "EPSG:32631",
     (7881, 7781), (565185, 6004815), "_SR_B4.TIF", OLI),
    (OLD_PC, "LC08_L2SP_197023_20220308", date(2022, 3, 8), "landsat-8", "EPSG:32632",
     (8151, 8061), (262785, 6006915), "_SR_B4.TIF", OLI),
    (ST + "landsat-c2-l2/LC08_L2SP_047027_20201204_02_T1.json", "LC08", date(2020, 12, 4),
     "landsat-8", "EPSG:32610", (7971, 7861), (353685, 5374215), "_SR_B4.TIF", OLI),
    (ST + "landsat-c2-l2/LC09_L2SP_010065_20220129_02_T1.json", "LC09", date(2022, 1, 29),
     "landsat-9", "EPSG:32617", (7741, 7611), (491985, -683685), "_SR_B4.TIF", OLI),
    (ST + "landsat-c2-l2/LE07_L2SP_021030_20100109_02_T1.json", "LE07", date(2010, 1, 9),
     "landsat-7", "EPSG:32616", (7091, 8031), (559485, 4890015), "_SR_B3.TIF", ETM),
    (ST + "modis-09A1-061/MOD09A1.A2022033.h19v10.061.json", "MOD09A1", date(2022, 2, 2), "terra",
     SPHERE, (2400, 2400), (1111950.519667, -1111950.519667), "_sur_refl_b01.tif", STATE_500M),
    (ST + "modis-09A1-061/MYD09A1.A2022025.h09v08.061.json", "MYD09A1", date(2022, 1, 25), "aqua",
     SPHERE, (2400, 2400), (-10007554.677, 1111950.519667), "_sur_refl_b01.tif", STATE_500M),
    (ST + "modis-09Q1-061/MOD09Q1.A2022033.h10v10.061.json", "MOD09Q1", date(2022, 2, 2), "terra",
     SPHERE, (4800, 4800), (-8895604.157333, -1111950.519667), "_sur_refl_b01.tif", STATE_250M),
    (ST + "modis-09Q1-061/MYD09Q1.A2022025.h02v08.061.json", "MYD09Q1", date(2022, 1, 25), "aqua",
     SPHERE, (4800, 4800), (-17791208.314667, 1111950.519667), "_sur_refl_b01.tif", STATE_250M),
    (ST + "modis-43A4-061/MCD43A4.A2022032.h14v10.061.json", "MCD43A4", date(2022, 2, 1),
     "terra,aqua", SPHERE, (2400, 2400), (-4447802.078667, -1111950.519667), "nce_Band1.tif", NBAR),
    (USGS + "item.LC08_L2SP_008059_20191201_20200825_02_T1_SR_stac.json", "LC08",
     date(2019, 12, 1), "landsat-8", None, None, None, "_SR_B4.TIF", OLI),
    (USGS + "item.LC08_L2SP_028030_20200114_20200824_02_T1_SR.json", "LC08", date(2020, 1, 14),
     "landsat-8", "EPSG:32615", (8041, 7931), (173085, 4904715), "_SR_B4.TIF", OLI),
    (USGS + "item.LC08_L2SP_047027_20201204_20210313_02_T1_SR_stac.json", "LC08",
     date(2020, 12, 4), "landsat-8", None, None, None, "_SR_B4.TIF", OLI),
    (USGS + "item.LE07_L2SP_044033_20210329_20210424_02_T1_SR.json", "LE07", date(2021, 3, 29),
     "landsat-7", "EPSG:32610", (7131, 8151), (478485, 4416615), "_SR_B3.TIF", ETM),
]  # fmt: skip

NOT_OURS = {
    # Tier 2, another product, or surface temperature: left out, by name.
    (FOUR, "LC09_L2SP_089088"),
    (FOUR, "LC09_L2SP_089087"),
    (OLD_PC, "LC08_L2SP_196023"),
    (OLD_PC, "LC08_L2SP_198022"),
    (PC + "items-response.modis-13Q1-061.json", "MOD13Q1"),
    (USGS + "item.LC08_L2SR_081119_20200101_20200823_02_T2.json", "LC08_L2SR"),
    (USGS + "item.LC08_L2SP_047027_20201204_20210313_02_T1_ST_stac.json", "LC08_L2SP_047027"),
}


def features(path: Path) -> list[dict]:
    known = json.loads(path.read_text(encoding="utf-8"))
    known = known.get("response", known) if isinstance(known, dict) else known
    some = known if isinstance(known, list) else known.get("features", [known])
    return [one for one in some if isinstance(one, dict) and one.get("type") == "Feature"]


def one(folder: Path, file: str, starts: str) -> dict:
    path = folder / "stac-json" / file
    (found,) = [item for item in features(path) if item["id"].startswith(starts)]
    return found


def rules(flags: Iterable[Flag], craft: str) -> set[str]:
    """The bits, and their values where they are not 1, that the words of a craft are asked for."""
    told = set()
    for one in flags:
        if craft in one.platforms or not one.platforms:
            values = "/".join(map(str, one.values))
            bits = f"{one.shift}-{one.shift + one.width - 1}={values}"
            told.add(f"{one.asset} {one.shift if one.width == 1 else bits}")
    return told


@pytest.mark.parametrize(
    ("file", "starts", "day", "craft", "crs", "shape", "corner", "red", "masked"),
    ITEMS,
    ids=[f"{row[0].rpartition('/')[2]}:{row[1]}" for row in ITEMS],
)
def test_a_real_item_is_what_its_file_says(
    shared_data, file, starts, day, craft, crs, shape, corner, red, masked
) -> None:
    known = one(shared_data, file, starts)
    path = str(shared_data / "stac-json" / file)
    item = normalise(known, forms(known["collection"]), base=path, web=file[:4] not in ("stac",))
    assert item is not None
    spec = next(spec for spec in forms(known["collection"]) if spec.name == item.collection_id)
    band = spec.bands["red"]
    asset = item.assets[band.asset]
    assert nominal_day(item) == day
    assert platform_of(item) == craft
    assert asset.href.endswith(red)
    fields = asset.extra_fields
    assert tuple(fields.get("proj:shape") or ()) == (shape or ())
    transform = fields.get("proj:transform")
    side = {"HLS": 30, "lan": 30}.get(spec.name[:3], 231.656 if "q1" in spec.name else 463.313)
    if corner:
        assert (transform[2], transform[5]) == corner
        assert transform[0] == pytest.approx(side, abs=1e-3)
        assert transform[4] == pytest.approx(-side, abs=1e-3)
    else:
        assert transform is None
    told = native_crs(item, band.asset, spec)
    if crs == SPHERE:
        assert pyproj.CRS(told).ellipsoid.semi_major_metre == pytest.approx(6371007.181)
        assert pyproj.CRS(told).coordinate_operation.method_name == "Sinusoidal"
    else:
        assert told == crs
    numbers = {"lan": SCENE, "hls": (1e-4, 0.0, -9999)}.get(spec.name[:3], MODIS)
    numbers = (1e-4, 0.0, 32767) if spec.nbar and spec.role == "coarse" else numbers
    assert (band.scale, band.offset, band.nodata) == numbers
    assert {word.asset for word in spec.qa.values()} & item.assets.keys() == masked["words"]
    told = {name: rules(spec.flags[name], craft) for name in spec.reject}
    told |= {"red": rules(spec.band_reject.get("red", ()), craft)}
    assert told == {name: some for name, some in masked.items() if name != "words"}
    assert product_of(spec) is not None


@pytest.mark.parametrize(("file", "starts"), sorted(NOT_OURS))
def test_a_real_item_that_is_not_asked_for_is_left_out(shared_data, file, starts) -> None:
    known = one(shared_data, file, starts)
    specs = forms(known["collection"]) or forms("MOD09A1")
    assert normalise(known, specs) is None


def test_surface_temperature_asked_for_as_reflectance_is_refused(shared_data) -> None:
    file = USGS + "item.LC08_L2SP_047027_20201204_20210313_02_T1_ST_stac.json"
    known = one(shared_data, file, "LC08")
    with pytest.raises(CatalogError, match="has no asset blue or green"):
        normalise(known, forms("landsat-c2-l2"))


def test_no_real_item_is_forgotten(shared_data) -> None:
    root = shared_data / "stac-json"
    rows = [(row[0], row[1]) for row in ITEMS] + sorted(NOT_OURS)
    for path in sorted(root.rglob("*.json")):
        file = str(path.relative_to(root))
        for item in features(path):
            if str(item.get("collection")).startswith("sentinel-2"):
                continue
            hits = [row for row in rows if row[0] == file and item["id"].startswith(row[1])]
            assert len(hits) == 1, (file, item["id"])
