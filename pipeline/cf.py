"""What a cube says of itself in its attributes: CF 1.11, ACDD 1.3, and two zarr conventions.

The CRS is written three ways, because three kinds of readers look for it: CF
(``spatial_ref``, a coordinate even in a plain ``xr.open_zarr``), and the zarr conventions
``spatial`` and ``proj`` (github.com/zarr-conventions, tag v0.1) in the group's attributes.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from odc.geo.crs import CRS
from pyproj import Transformer

from pipeline.grid import Grid
from pipeline.version import VERSION, now

Role = Literal["fused", "fine", "coarse"]

SCALE = 1e-4
FILL = -9999
VALID_MIN, VALID_MAX = -2000, 16000

_OLI_NM = {
    # Edges of the bands of Landsat 8-9 OLI (USGS, Landsat 8 Data Users Handbook, table 2-1).
    "blue": (452, 512),
    "green": (533, 590),
    "red": (636, 673),
    "nir08": (851, 879),
    "swir16": (1566, 1651),
    "swir22": (2107, 2294),
}

_CONVENTIONS = [
    # Word for word: the conventions' schemas fix each of these texts.
    {
        "name": "spatial",
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/"
        "refs/tags/v0.1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/spatial/blob/v0.1/README.md",
        "description": "Spatial coordinate information",
    },
    {
        "name": "proj",
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/proj/"
        "refs/tags/v0.1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/proj/blob/v0.1/README.md",
        "description": "Coordinate reference system information for geospatial data",
    },
]

_TITLE: Mapping[Role, str] = {
    "fused": "Daily fine surface reflectance, fused from coarse and fine images",
    "fine": "Cloud-masked fine surface reflectance",
    "coarse": "Cloud-masked coarse surface reflectance",
}

TIME = {
    "standard_name": "time",
    "axis": "T",
    "units": "seconds since 1970-01-01T00:00:00",
    "calendar": "proleptic_gregorian",
    "long_name": "nominal day of the image, at 00:00 UTC",
}

DAY = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "_FillValue": 0}
"""Of day numbers, 0 for none; xarray makes dates of them, and NaT."""


def wavelength_nm(band: str) -> tuple[float, int] | None:
    """Centre and width of a band, as Landsat 8-9 see it; None for a band that is no OLI's."""
    if band not in _OLI_NM:
        return None
    low, high = _OLI_NM[band]
    return (low + high) / 2, high - low


def band_attrs(band: str, ancillary: str) -> dict[str, Any]:
    """Attributes of a reflectance band; ``ancillary`` are the arrays that go with it."""
    attrs: dict[str, Any] = {
        "standard_name": "surface_bidirectional_reflectance",
        "long_name": f"surface reflectance, {band}",
        "units": "1",
        "scale_factor": SCALE,
        "_FillValue": FILL,
        "valid_min": VALID_MIN,
        "valid_max": VALID_MAX,
        "cell_methods": "time: point",
        "ancillary_variables": ancillary,
    }
    if (known := wavelength_nm(band)) is not None:
        attrs |= {"wavelength": known[0], "bandwidth": known[1], "wavelength_units": "nm"}
    return attrs


def axis_attrs(name: str) -> dict[str, Any]:
    """Attributes of a coordinate along the grid."""
    return {
        "standard_name": f"projection_{name}_coordinate",
        "axis": name.upper(),
        "units": "m",
        "long_name": "centre of the pixel",
    }


def tile_attrs(role: Role, grid: Grid) -> dict[str, Any]:
    """Attributes of the tile's number: how to find it from a pixel."""
    attrs = {"long_name": "tile, row by row from the north-west"}
    if role != "coarse":
        across = -(-grid.shape[1] // grid.tile)
        attrs["comment"] = (
            f"pixel (row, column) is in tile {across} * (row // {grid.tile}) + "
            f"column // {grid.tile}, counted from 0 at the north-west"
        )
    return attrs


def crs_attrs(crs: CRS, transform: Sequence[float]) -> dict[str, Any]:
    """Attributes of ``spatial_ref``; ``transform`` are six numbers in rasterio's order."""
    step_x, skew_x, left, skew_y, step_y, top = transform
    return {
        **crs.proj.to_cf(),
        "GeoTransform": " ".join(repr(v) for v in (left, step_x, skew_x, top, skew_y, step_y)),
    }


def group_attrs(
    role: Role, grid: Grid, days: Sequence[date], bands: Sequence[str]
) -> dict[str, Any]:
    """Attributes of a cube that holds nothing yet; ``pipeline.provenance`` adds the making."""
    box = grid.coarse if role == "coarse" else grid.fine
    bounds = box.boundingbox
    to_degrees = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*bounds.bbox)
    made = now()
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": _TITLE[role],
        "history": f"{made}: daily30 {VERSION} laid out the cube",
        "product_version": VERSION,
        "date_created": made,
        **coverage(days),
        "geospatial_lon_min": west,
        "geospatial_lon_max": east,
        "geospatial_lat_min": south,
        "geospatial_lat_max": north,
        "zarr_conventions": _CONVENTIONS,
        "spatial:dimensions": ["y", "x"],
        "spatial:transform_type": "affine",
        "spatial:transform": [float(value) for value in box.affine[:6]],
        "spatial:shape": list(box.shape),
        "spatial:bbox": [bounds.left, bounds.bottom, bounds.right, bounds.top],
        "spatial:registration": "pixel",
        **_proj(grid.crs),
        "daily30": {"role": role, "grid": grid.to_dict(), "bands": list(bands)},
    }
    if role == "fine":
        del attrs["time_coverage_resolution"]  # only the days that have an image
    return attrs


def coverage(days: Sequence[date]) -> dict[str, str]:
    """What changes when a cube grows."""
    return {
        "time_coverage_start": days[0].isoformat(),
        "time_coverage_end": days[-1].isoformat(),
        "time_coverage_resolution": "P1D",
    }


def _proj(crs: CRS) -> dict[str, str]:
    # The convention's schema wants exactly one of code, WKT and PROJJSON; ``spatial_ref`` has the
    # WKT in any case.
    code = crs.to_epsg()
    return {"proj:wkt2": crs.to_wkt()} if code is None else {"proj:code": f"EPSG:{code}"}
