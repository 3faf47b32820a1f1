"""Bits of Landsat's QA words against the bit tables that real items carry, and craft by item."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from catalogs import platform_of
from catalogs.landsat import LANDSAT_C2_L2, NUMBERS

ITEMS = (
    "LC08_L2SP_047027_20201204_02_T1.json",
    "LC09_L2SP_010065_20220129_02_T1.json",
    "LE07_L2SP_021030_20100109_02_T1.json",
)

FLAGS = {
    # Our flag of each bit that is read, by the names of the bit tables.
    "qa_pixel": {
        "fill": "fill",
        "dilated_cloud": "cloud",
        "cloud": "cloud",
        "cirrus": "cirrus",
        "cloud_shadow": "shadow",
        "snow": "snow",
        "water": "water",
    },
    "qa_radsat": {"dropped": "occluded", "occlusion": "occluded"},
    "qa_aerosol": {"level": "high_aerosol"},
    "cloud_qa": {"cloud": "low_quality", "cloud_shadow": "low_quality"},
}


def _assets(shared_data: Path, name: str) -> dict[str, list[dict]]:
    known = json.loads((shared_data / "stac-json/stactools/landsat-c2-l2" / name).read_text())
    fields = "classification:bitfields"
    return {key: asset[fields] for key, asset in known["assets"].items() if fields in asset}


@pytest.mark.parametrize("name", ITEMS)
def test_flags_are_the_bits_of_the_tables_in_real_items(shared_data: Path, name: str) -> None:
    assets = _assets(shared_data, name)
    craft = f"landsat-{name[3]}"
    assert len(assets) == 3
    for key, table in assets.items():
        told = {
            (FLAGS[key][field["name"]], field["offset"], field["length"])
            for field in table
            if field["name"] in FLAGS[key]
        }
        ours = {
            (flag, entry.shift, entry.width)
            for flag, entries in LANDSAT_C2_L2.flags.items()
            for entry in entries
            if entry.asset == key and (not entry.platforms or craft in entry.platforms)
        }
        assert ours == told, key


@pytest.mark.parametrize("name", ITEMS)
def test_a_band_is_saturated_where_real_items_say(shared_data: Path, name: str) -> None:
    bits = {field["name"]: field["offset"] for field in _assets(shared_data, name)["qa_radsat"]}
    craft = f"landsat-{name[3]}"
    for band, (tm, oli) in NUMBERS.items():
        (ours,) = [e for e in LANDSAT_C2_L2.band_reject[band] if craft in e.platforms]
        assert ours.shift == bits[f"band{tm if craft == 'landsat-7' else oli}"], band


def test_the_high_level_of_aerosol_is_the_one_real_items_name(shared_data: Path) -> None:
    fields = _assets(shared_data, ITEMS[0])["qa_aerosol"]
    (level,) = [field for field in fields if field["name"] == "level"]
    (flag,) = LANDSAT_C2_L2.flags["high_aerosol"]
    assert flag.values == tuple(c["value"] for c in level["classes"] if c["name"] == "high")


@pytest.mark.parametrize(
    ("name", "told", "craft"),
    [
        ("LC08_L2SP_190028_20230501_02_T1", "landsat-8", "landsat-8"),
        ("LC09_L2SP_190028_20230501_02_T1", "", "landsat-9"),
        ("LO08_L2SR_190028_20230501_02_T1_SR", "LANDSAT_8", "landsat-8"),
        ("LE07_L2SP_021030_20100109_02_T1", "landsat-5", "landsat-7"),
        ("LT05_L2SP_035032_19850101_02_T1", None, "landsat-5"),
        ("LC80101172015002LGN00", None, "landsat-8"),
        ("my-own-scene", "LANDSAT_7", "landsat-7"),
        ("my-own-scene", None, ""),
        ("MOD09GA.A2023001.h18v04.061.2023003", "", "terra"),
        ("MYD09GA.A2023001.h18v04.061.2023003", "terra", "aqua"),
        ("VNP09GA.A2023001.h18v04.002.2023003", "", "suomi-npp"),
    ],
)
def test_the_craft_is_told_by_the_id_else_by_the_item(
    name: str, told: str | None, craft: str
) -> None:
    item = pystac.Item(name, None, None, datetime(2023, 1, 1, tzinfo=UTC), {"platform": told})
    assert platform_of(item) == craft
