"""The STAC Collection of a cube, written beside it: ``x.stac.json`` for ``x.zarr``.

A Collection without items, as the community describes one logical cube
(open-climate-service issue 39): an item stands for one moment, and a client that searches days
would find one item for all of them.  The store is an asset of the Collection, by a relative href;
``cube:dimensions`` tell the days.  All of it is read from the cube, so the same cube gives the
same bytes, and a picture of its newest whole day lies beside as ``x.stac.png``.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import zarr
from pyproj import CRS

from pipeline import sigma as sigmas
from pipeline.cf import SCALE
from pipeline.cube import day_date
from pipeline.images import array_of, day_axis
from pipeline.quicklook import draw, picture_bands, picture_day
from pipeline.recipe import write_json
from pipeline.store import open_product

MEDIA_TYPE = "application/vnd.zarr; version=3"

_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in (
        "datacube/v2.3.0",
        "processing/v1.2.0",
        "projection/v2.0.0",
        "raster/v2.0.0",
        "zarr/v1.1.0",
    )
]
_PLACE = ("grid_mapping", "coordinates")  # CF's way to say what cube:dimensions say


def collection_path(cube: Path) -> Path:
    """Where the Collection of a cube lies."""
    return cube.with_suffix(".stac.json")


def write_collection(cube: Path) -> Path:
    """Write Collection and picture of a published cube; the Collection's path."""
    root = open_product(cube)
    bands = _bands(root)
    shown, colours = picture_day(root), picture_bands(bands)
    if shown is not None:
        draw(root, shown, colours, cube.with_suffix(".stac.png"))
    path = collection_path(cube)
    write_json(path, _collection(root, cube.name, shown, colours))
    return path


def _collection(
    root: zarr.Group, name: str, shown: date | None, colours: tuple[str, ...]
) -> dict[str, Any]:
    attrs: Any = dict(root.attrs)
    days = [day_date(number) for number in day_axis(root)]
    degrees = [attrs[f"geospatial_{side}"] for side in ("lon_min", "lat_min", "lon_max", "lat_max")]
    assets = {"cube": _store(root, name)}
    if shown is not None:
        assets["thumbnail"] = {
            "href": f"./{Path(name).stem}.stac.png",
            "type": "image/png",
            "title": f"{shown}: {', '.join(dict.fromkeys(colours))}",
            "roles": ["thumbnail"],
        }
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": attrs["id"],
        "title": attrs["title"],
        "description": attrs["summary"],
        "license": attrs["license"],
        "created": attrs["date_created"],
        "providers": [_provider(attrs)],
        "extent": {
            "spatial": {"bbox": [degrees]},
            "temporal": {"interval": [[f"{days[0]}T00:00:00Z", f"{days[-1]}T23:59:59Z"]]},
        },
        "cube:dimensions": _dimensions(root, days),
        "cube:variables": {
            key: _variable(array) for key, array in sorted(root.arrays()) if array.ndim > 1
        },
        "assets": assets,
        "links": [],
    }


def _provider(attrs: Mapping[str, Any]) -> dict[str, Any]:
    code = attrs["daily30_run"]["code"]
    version = f"{code['version']} ({code['commit']})" if code["commit"] else code["version"]
    return {
        "name": attrs["institution"],
        "roles": ["producer", "processor"],
        "processing:level": "L3",
        "processing:lineage": f"{attrs['source']}\n{attrs['history']}",
        "processing:software": {"daily30": version},
    }


def _dimensions(root: zarr.Group, days: list[date]) -> dict[str, Any]:
    attrs: Any = root.attrs
    left, bottom, right, top = attrs["spatial:bbox"]
    step_x, _, _, _, step_y, _ = attrs["spatial:transform"]
    crs = CRS.from_wkt(attrs["daily30"]["grid"]["crs"]).to_json_dict()

    def axis(name: str, extent: list[Any], step: Any) -> dict[str, Any]:
        return {
            "type": "spatial",
            "axis": name,
            "extent": extent,
            "step": step,
            "unit": "m",
            "reference_system": crs,
        }

    tiles = array_of(root, "tile")
    return {
        "time": {
            "type": "temporal",
            "description": str(array_of(root, "time").attrs["long_name"]),
            "extent": [f"{days[0]}T00:00:00Z", f"{days[-1]}T00:00:00Z"],
            "step": "P1D",
        },
        "y": axis("y", [bottom, top], step_y),
        "x": axis("x", [left, right], step_x),
        "tile": {
            "type": "tile",
            "description": f"{tiles.attrs['long_name']}: {tiles.attrs['comment']}",
            "extent": [0, tiles.shape[0] - 1],
            "step": 1,
        },
    }


def _variable(array: zarr.Array[Any]) -> dict[str, Any]:
    attrs: Any = dict(array.attrs)
    dims: Any = array.metadata.dimension_names  # type: ignore[union-attr]
    told = {
        "dimensions": list(dims),
        "variable_type": "data" if "scale_factor" in attrs else "auxiliary",
        "description": attrs["long_name"],
        "data_type": str(array.dtype),
        "attrs": {key: value for key, value in attrs.items() if key not in _PLACE},
    }
    if "units" in attrs:
        told["unit"] = attrs["units"]
    if "_FillValue" in attrs:
        told["nodata"] = attrs["_FillValue"]
    return told


def _store(root: zarr.Group, name: str) -> dict[str, Any]:
    attrs: Any = dict(root.attrs)
    crs = {key: attrs[key] for key in ("proj:code", "proj:wkt2") if key in attrs}
    return {
        "href": f"./{name}",
        "type": MEDIA_TYPE,
        "title": "the cube: xarray.open_zarr(href)",
        "roles": ["data", "zarr"],
        "zarr:zarr_format": 3,
        "zarr:node_type": "group",
        "zarr:consolidated": True,
        **crs,
        "proj:shape": attrs["spatial:shape"],
        "proj:transform": attrs["spatial:transform"],
        "proj:bbox": attrs["spatial:bbox"],
        "bands": [_band(root, band) for band in _bands(root)],
    }


def _bands(root: zarr.Group) -> tuple[str, ...]:
    attrs: Any = root.attrs
    return tuple(attrs["daily30"]["bands"])


def _band(root: zarr.Group, name: str) -> dict[str, Any]:
    array = array_of(root, name)
    attrs: Any = root.attrs
    told = {
        "name": name,
        "description": str(array.attrs["long_name"]),
        "data_type": str(array.dtype),
        "nodata": array.attrs["_FillValue"],
        "unit": "1",
        "raster:scale": SCALE,
        "raster:spatial_resolution": attrs["spatial:transform"][0],
    }
    if sigmas.name_of(name) in root:
        told["description"] = f"{told['description']}; its uncertainty is {sigmas.name_of(name)}"
    return told
