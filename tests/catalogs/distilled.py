"""Small items with the traps of the real ones, written by hand."""

from typing import Any

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
RASTER = [{"nodata": 0, "data_type": "uint16", "scale": 2.75e-05, "offset": -0.2}]
BOX = [-105.606232, 39.255216, -102.84603, 41.385732]
UTM = {
    "proj:epsg": 32613,
    "proj:shape": [7831, 7711],
    "proj:transform": [30, 0, 449085, 0, -30, 4581915],
}
TILE = {
    "proj:shape": [2400, 2400],
    "proj:transform": [463.3127165, 0.0, 1111950.519667, 0.0, -463.3127165, -1111950.519667],
}
SPHERE_WKT = (
    'PROJCS["unnamed",GEOGCS["Unknown datum based upon the custom spheroid",DATUM["Not specified '
    '(based on custom spheroid)",SPHEROID["Custom spheroid",6371007.181,0]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Sinusoidal"],PARAMETER["longitude_of_center",0]'
    ',PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["Meter",1]]'
)


def ring(box: list[float]) -> dict[str, Any]:
    west, south, east, north = box
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}


def landsat(version: str = "1.0.0", craft: str = "LC08", **properties: Any) -> dict[str, Any]:
    """As the Planetary Computer and Earth Search have it: no processing date in the id."""
    name = f"{craft}_L2SP_033032_20231008"
    numbers = (1, 2, 3, 4, 5, 7) if craft[:2] in ("LE", "LT") else (2, 3, 4, 5, 6, 7)
    files = [f"SR_B{number}" for number in numbers] + ["QA_PIXEL", "QA_RADSAT"]
    return {
        "type": "Feature",
        "stac_version": version,
        "id": f"{name}_02_T1",
        "collection": "landsat-c2-l2",
        "geometry": ring(BOX),
        "bbox": BOX,
        "properties": {
            "datetime": "2023-10-08T17:37:26.656958Z",
            "platform": f"landsat-{craft[3]}",
            "landsat:wrs_path": "033",
            "landsat:wrs_row": "032",
            "landsat:collection_category": "T1",
            "created": "2023-10-18T00:00:00Z",
            **UTM,
            **properties,
        },
        "assets": {
            key: {
                "href": f"https://host/{name}_20231017_02_T1/{name}_20231017_02_T1_{file}.TIF",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                **({"raster:bands": RASTER} if file.startswith("SR") else {}),
            }
            for key, file in zip((*BANDS, "qa_pixel", "qa_radsat"), files, strict=True)
        },
        "links": [],
    }


def old_landsat(version: str, craft: str = "LC08") -> dict[str, Any]:
    """As USGS had it before STAC 1.0: keys that are files, ``eo:platform``, no grid, no scale."""
    item = landsat(version, craft)
    name = f"{craft}_L2SP_033032_20231008_20231017_02_T1"
    item["id"] = name
    item["properties"] = {
        "datetime": "2023-10-08",
        "eo:platform": f"LANDSAT_{craft[3]}",
        "landsat:wrs_path": "33",
        "landsat:wrs_row": "32",
        "landsat:collection_category": "T1",
    }
    item["assets"] = {
        asset["href"].rpartition("_T1_")[2]: {"href": asset["href"], "eo:bands": [3]}
        for asset in item["assets"].values()
    }
    return item


def modis(name: str = "MOD09GA.A2022033.h19v10.061.2022042043514", **proj: Any) -> dict[str, Any]:
    """Null ``datetime``, empty ``platform``, no nodata, as the Planetary Computer has MODIS."""
    keys = [f"sur_refl_b0{number}" for number in (1, 2, 3, 4, 6, 7)] + ["state_1km", "qc_500m"]
    raster = {"raster:bands": [{"scale": 0.0001, "data_type": "int16"}]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "modis-09GA-061",
        "geometry": ring([10.154266, -20.0, 21.283555, -10.0]),
        "bbox": [10.154266, -20.0, 21.283555, -10.0],
        "properties": {
            "datetime": None,
            "start_datetime": "2022-02-02T00:00:00Z",
            "end_datetime": "2022-02-09T23:59:59Z",
            "platform": "",
            **proj,
        },
        "assets": {
            key: {
                "href": f"https://host/{name}_{key}.tif",
                **(raster if key.startswith("sur") else {}),
                **(TILE if key != "state_1km" else {}),
            }
            for key in keys
        },
        "links": [],
    }


def cmr(product: str = "MOD09GA.A2022033.h19v10.061.2022042043514", ends: str = "hdf") -> dict:
    """As CMR-STAC has it: a key that is a time, S3 beside, nothing of grid, type or numbers."""
    host = "data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected"
    item = modis(product)
    item["properties"] = {"datetime": "2022-02-02T12:00:00Z"}
    item["assets"] = {
        "browse": {"href": f"https://{host}/BROWSE.{product}.1.jpg"},
        "s3_2022042043514": {"href": f"s3://lp-prod-protected/{product}.{ends}"},
        "2022042043514": {"href": f"https://{host}/{product}.{ends}"},
        "metadata": {"href": f"https://cmr.earthdata.nasa.gov/{product}.cmr.xml"},
    }
    return item


CRS_FIELDS = {
    # What MODIS items say of their CRS; their tiles have one whatever they say.
    "EPSG:None": {"proj:code": "EPSG:None", "proj:wkt2": SPHERE_WKT},
    "null EPSG": {"proj:epsg": None, "proj:wkt2": SPHERE_WKT},
    "WKT2 only": {"proj:wkt2": SPHERE_WKT},
    "nothing": {},
    "nonsense": {"proj:code": 17, "proj:epsg": "none", "proj:wkt2": "PROJCS["},
    "another": {"proj:epsg": 2400},
}
