"""Simulated Landsat 8 and 9 Collection 2 Level 2 scenes: uint16 COGs with their QA words."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import binary_dilation

from catalogs.landsat import LANDSAT_C2_L2
from model.worlds.land import Field
from model.worlds.recipe import FineSensor
from model.worlds.sensor import see_fine
from pipeline.simulate.clouds import covered, draw_clouds
from pipeline.simulate.files import SceneRecord, to_numbers, write_cog

# The values of real scenes: a bit and its two confidence bits, the rest low.
CLEAR, WATER = 21824, 21952
CLOUD, DILATED, SHADOW, CIRRUS = 22280, 21826, 23888, 54596
FILL = 1
SNOW_BITS = 1 << 5 | 3 << 12
CLEAR_SHARE = (0.20, 0.70)
WET_SPELL = (36, 52)
"""Days of the flood's weather: the scenes of these days are at the cloudy end."""


@dataclass(frozen=True, slots=True)
class Path30m:
    """One WRS-2 path over the region; Landsat 8 and 9 follow each other after eight days."""

    wrs_path: int
    wrs_row: int
    first_day: int
    first_platform: int
    reaches: tuple[float, float]
    """Where the swath's slanted edges cross the world, as shares of its width (left, right)."""

    def passes(self, day: int) -> bool:
        """Whether a satellite images the region on this day of the sample."""
        return day >= self.first_day and (day - self.first_day) % 8 == 0

    def platform(self, day: int) -> int:
        """8 or 9."""
        turns = (day - self.first_day) // 8
        return self.first_platform if turns % 2 == 0 else 17 - self.first_platform


PATHS = (
    Path30m(190, 26, 1, 8, (-0.2, 0.72)),
    Path30m(189, 26, 2, 9, (0.30, 1.2)),
)


def write_scene(
    folder: Path,
    when: date,
    day: int,
    path: Path30m,
    truth: Field,
    water: NDArray[np.bool_],
    box: GeoBox,
    sensor: FineSensor,
    seed: int,
) -> SceneRecord:
    """Write one pass over ``truth`` (band, y, x) on ``box``, and return its record."""
    rng = np.random.default_rng([seed, 30, path.wrs_path, day])
    inside = _swath(truth.shape[1:], path)
    low, high = CLEAR_SHARE
    clear = low + (high - low) * (rng.uniform(0, 0.25) if _wet(day) else rng.beta(1.2, 0.9))
    clouds = draw_clouds(rng, inside.shape, clear, size_px=60, shadow_px=(-9, -6))
    seen = covered(see_fine(truth, sensor, rng), clouds)
    qa = np.full(inside.shape, CLEAR, np.uint16)
    qa[water] = WATER
    qa[binary_dilation(clouds.cloud, iterations=3)] = DILATED
    qa[clouds.shadow] = SHADOW
    qa[clouds.cloud] = CLOUD
    qa[clouds.cloud & (clouds.opacity < 0.25)] = CIRRUS
    # Cold cloud tops look like snow to CFMask: cloud and snow bits are both set.
    qa[clouds.opacity > 0.9] |= SNOW_BITS
    qa[~inside] = FILL

    number = path.platform(day)
    name = f"LC0{number}_L2SP_{path.wrs_path}{path.wrs_row:03d}_{when:%Y%m%d}_02_T1"
    record = SceneRecord(
        collection=LANDSAT_C2_L2.name,
        id=name,
        when=datetime.combine(when, time(9, 46 + path.wrs_path % 7, 12), UTC),
        until=None,
        box=box,
        proj_code=f"EPSG:{box.crs.to_epsg()}" if box.crs else None,
        properties={
            "platform": f"landsat-{number}",
            "instruments": ["oli", "tirs"],
            "constellation": "landsat",
            "gsd": 30,
            "eo:cloud_cover": round(100 * float((clouds.cloud & inside).sum() / inside.sum()), 2),
            "landsat:wrs_type": "2",
            "landsat:wrs_path": f"{path.wrs_path:03d}",
            "landsat:wrs_row": f"{path.wrs_row:03d}",
            "landsat:correction": "L2SP",
            "landsat:collection_category": "T1",
            "landsat:collection_number": "02",
            "landsat:scene_id": f"LC{number}{path.wrs_path}{path.wrs_row:03d}{when:%Y%j}LGN00",
        },
    )

    def write(
        key: str, pixels: NDArray[Any], suffix: str, nodata: float | None, more: dict[str, Any]
    ) -> None:
        href = f"{LANDSAT_C2_L2.name}/{name}/{name}_{suffix}.TIF"
        write_cog(folder / href, pixels, box, nodata)
        record.assets[key] = {"href": href, **more}

    for index, (band, facts) in enumerate(LANDSAT_C2_L2.bands.items()):
        numbers = to_numbers(seen[index], facts.scale, facts.offset, "uint16", 1)
        numbers[~inside] = 0
        raster = {
            "data_type": "uint16",
            "nodata": 0,
            "spatial_resolution": 30,
            "unit": "1",
            "scale": facts.scale,
            "offset": facts.offset,
        }
        names = [{"name": f"OLI_B{index + 2}", "common_name": band}]
        write(
            facts.asset,
            numbers,
            f"SR_B{index + 2}",
            0,
            {"eo:bands": names, "raster:bands": [raster], "roles": ["data", "reflectance"]},
        )
    saturated = np.where(clouds.opacity > 0.995, 0b1110, 0).astype(np.uint16)
    saturated[~inside] = 0
    aerosol = np.where(inside, 0b01000010 if rng.random() < 0.7 else 0b10000010, 1)
    for key, pixels, suffix, nodata in (
        ("qa_pixel", qa, "QA_PIXEL", 1),
        ("qa_radsat", saturated, "QA_RADSAT", None),
        ("qa_aerosol", aerosol.astype(np.uint8), "SR_QA_AEROSOL", 1),
    ):
        raster = {"data_type": pixels.dtype.name, "spatial_resolution": 30, "unit": "bit index"}
        if nodata is not None:
            raster["nodata"] = nodata
        write(key, pixels, suffix, nodata, {"raster:bands": [raster], "roles": ["data"]})
    return record


def _wet(day: int) -> bool:
    return WET_SPELL[0] <= day <= WET_SPELL[1]


def _swath(shape: tuple[int, ...], path: Path30m) -> NDArray[np.bool_]:
    """True inside the swath: its edges lean as a descending orbit's ground track does."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    across = x / shape[1] + 0.18 * (y / shape[0] - 0.5)
    return (across >= path.reaches[0]) & (across <= path.reaches[1])
