"""Write one asset, and say of it what a STAC item needs."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRecord:
    """What the catalogue says of a scene that was written."""

    collection: str
    id: str
    when: datetime
    until: datetime | None
    """End of the interval for products that have no single moment."""
    box: GeoBox
    proj_code: str | None
    """EPSG code, None where the CRS has none (WKT2 is then given)."""
    properties: dict[str, Any]
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By asset key: ``href`` relative to the catalogue's folder, and the item's own fields."""


def write_cog(path: Path, pixels: NDArray[Any], box: GeoBox, nodata: float | None) -> None:
    """Write ``pixels`` (y, x) as a cloud-optimised GeoTIFF on ``box``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="COG",
        width=width,
        height=height,
        count=1,
        dtype=pixels.dtype.name,
        crs=box.crs.to_wkt() if box.crs else None,
        transform=rasterio.Affine(*tuple(box.affine)[:6]),
        nodata=nodata,
        compress="deflate",
        blocksize=256,
        overviews="none",
    ) as target:
        target.write(pixels, 1)


def to_numbers(
    reflectance: NDArray[Any], scale: float, offset: float, dtype: str, lowest: int
) -> NDArray[Any]:
    """Reflectance as stored numbers, within what the type (and ``lowest``) can hold."""
    numbers = np.round((reflectance - offset) / scale)
    return np.clip(numbers, lowest, np.iinfo(dtype).max).astype(dtype)
