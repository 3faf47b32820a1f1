"""Simulated daily MODIS surface reflectance: MOD09GA's layers as COGs on its sinusoidal grid."""

from datetime import UTC, date, datetime, time, timedelta
from math import ceil, floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from rasterio import Affine
from rasterio.warp import Resampling, reproject
from scipy.ndimage import gaussian_filter

from catalogs.modis import MOD09GA, NUMBERS, SINUSOIDAL
from model.worlds.land import PIXEL_M as FINE_M
from model.worlds.land import Field
from model.worlds.recipe import CoarseSensor
from model.worlds.sensor import SIGMA_PER_FWHM, tint
from pipeline.simulate.clouds import covered, draw_clouds
from pipeline.simulate.files import SceneRecord, to_numbers, write_cog

TILE_M = 1111950.51977
PIXEL_M = TILE_M / 2400
LEFT_M, TOP_M = -20015109.3558, 10007554.6779
"""Upper left corner of tile h00v00 (stactools-modis constants)."""

MOSAIC = 4
"""Fine pixels averaged before the blur; 120 m is fine enough for a 560 m point spread."""

GRIDDING_M = 115.0
"""Observations lie within half a cell of the cell they are given to; several of a day are averaged,
which halves it."""

CLEAR_SHARE = (0.30, 0.60)
MEMORY_DAYS = 2.0
"""How long the weather stays: neighbouring days have alike shares of clear sky."""


def write_scene(
    folder: Path, when: date, day: int, truth: Field, box: GeoBox, sensor: CoarseSensor, seed: int
) -> SceneRecord:
    """Write the day over ``truth`` (band, y, x) on ``box``, and return its record."""
    rng = np.random.default_rng([seed, 500, day])
    target, (h, v) = _native(box)
    seen = tint(_to_native(_blur(truth, sensor, rng), box, target), sensor, rng)
    cells = target.shape.y // 2, target.shape.x // 2
    clear = _clear_share(seed, day)
    clouds = draw_clouds(
        rng, (target.shape.y, target.shape.x), clear, size_px=12, shadow_px=(-1, -1)
    )
    seen = covered(seen, clouds)
    state = _state(clouds.cloud, clouds.shadow, rng)

    made = when + timedelta(days=2)
    name = f"MOD09GA.A{when:%Y%j}.h{h:02d}v{v:02d}.061.{made:%Y%j}041500"
    start = datetime.combine(when, time(0), UTC)
    record = SceneRecord(
        collection=MOD09GA.name,
        id=name,
        when=start,
        until=datetime.combine(when, time(23, 59, 59), UTC),
        box=target,
        proj_code=None,
        properties={
            "platform": "terra",
            "instruments": ["modis"],
            "modis:horizontal-tile": h,
            "modis:vertical-tile": v,
            "modis:tile-id": f"51{h:03d}{v:03d}",
        },
    )
    for index, (band, facts) in enumerate(MOD09GA.bands.items()):
        numbers = to_numbers(seen[index], facts.scale, 0.0, "int16", -100)
        href = f"{MOD09GA.name}/{name}/{name}.{facts.asset}.tif"
        write_cog(folder / href, np.minimum(numbers, 16000), target, -28672)
        record.assets[facts.asset] = {
            "href": href,
            "eo:bands": [{"name": f"Band {NUMBERS[band]}", "common_name": band}],
            "raster:bands": [{"data_type": "int16", "scale": 1e-4, "spatial_resolution": PIXEL_M}],
            "roles": ["data"],
        }
    quality = np.zeros(target.shape, np.uint32)
    quality[clouds.cloud] = 1  # MODLAND: less than ideal
    for key, pixels, where in (
        ("qc_500m", quality, target),
        ("state_1km", state, target.zoom_to(cells)),
    ):
        href = f"{MOD09GA.name}/{name}/{name}.{key}.tif"
        write_cog(folder / href, pixels, where, None)
        record.assets[key] = {
            "href": href,
            "raster:bands": [{"data_type": pixels.dtype.name}],
            "proj:shape": list(where.shape),
            "proj:transform": list(where.affine)[:6],
            "roles": ["metadata"],
        }
    return record


def _blur(truth: Field, sensor: CoarseSensor, rng: np.random.Generator) -> Field:
    """The day's point spread and shift, on pixels of ``MOSAIC`` fine ones (band, y/4, x/4).

    The demo's own view of the swath; the worlds that weights are trained on have another
    (``model.worlds.sensor.footprint``).
    """
    off_nadir = 1 + 1.2 * rng.beta(1, 2.5)
    sigma = np.array([sensor.fwhm_along_m * off_nadir**0.5, sensor.fwhm_across_m * off_nadir])
    shift = (
        np.array(sensor.offset_m[::-1])
        + sensor.registration_m * rng.standard_normal(2)
        + rng.uniform(-GRIDDING_M, GRIDDING_M, 2)
    )
    moved = _shift(truth, *np.round(shift / FINE_M).astype(int))
    bands, y, x = moved.shape
    small = moved.reshape(bands, y // MOSAIC, MOSAIC, x // MOSAIC, MOSAIC).mean((2, 4))
    pixels = sigma * SIGMA_PER_FWHM / (FINE_M * MOSAIC)
    return np.asarray(gaussian_filter(small, (0, *pixels), mode="nearest"))


def _shift(image: Field, rows: int, cols: int) -> Field:
    padded = np.pad(image, ((0, 0), (abs(rows),) * 2, (abs(cols),) * 2), mode="edge")
    y, x = image.shape[1:]
    top, left = abs(rows) - rows, abs(cols) - cols
    return padded[:, top : top + y, left : left + x]


def _native(box: GeoBox) -> tuple[GeoBox, tuple[int, int]]:
    """Whole 1 km cells of the product's grid that cover ``box``, and the tile's h and v."""
    bounds: BoundingBox = box.extent.to_crs(SINUSOIDAL, resolution=1000).boundingbox
    h, v = floor((bounds.left - LEFT_M) / TILE_M), floor((TOP_M - bounds.top) / TILE_M)
    cell = 2 * PIXEL_M
    left, right = floor((bounds.left - LEFT_M) / cell), ceil((bounds.right - LEFT_M) / cell)
    top, bottom = floor((TOP_M - bounds.top) / cell), ceil((TOP_M - bounds.bottom) / cell)
    transform = Affine(PIXEL_M, 0, LEFT_M + left * cell, 0, -PIXEL_M, TOP_M - top * cell)
    return GeoBox((2 * (bottom - top), 2 * (right - left)), transform, SINUSOIDAL), (h, v)


def _to_native(seen: Field, box: GeoBox, target: GeoBox) -> Field:
    """Average what the sensor saw (on pixels of ``MOSAIC`` fine ones) over its own pixels."""
    source = box.zoom_out(MOSAIC)
    native = np.zeros((len(seen), *target.shape), np.float32)
    reproject(
        seen,
        native,
        src_transform=Affine(*tuple(source.affine)[:6]),
        src_crs=source.crs.to_wkt() if source.crs else None,
        dst_transform=Affine(*tuple(target.affine)[:6]),
        dst_crs=target.crs.to_wkt() if target.crs else None,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.average,
    )
    # Outside the world there is nothing to see; the region lies well inside.
    return np.nan_to_num(native, nan=0.1)


def _clear_share(seed: int, day: int) -> float:
    """The day's clear share of the sky, with a memory of some days."""
    draws = np.random.default_rng([seed, 502]).standard_normal(day + 30)
    weights = np.exp(-np.arange(30) / MEMORY_DAYS)
    state = (draws[day : day + 30][::-1] * weights).sum() / np.sqrt((weights**2).sum())
    low, high = CLEAR_SHARE
    return float(low + (high - low) / (1 + np.exp(-1.5 * state)))


def _state(
    cloud: NDArray[np.bool_], shadow: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint16]:
    """The 1 km state word: cloudy, mixed or clear, shadow, land, low aerosol."""

    def share(mask: NDArray[np.bool_]) -> Field:
        y, x = mask.shape
        return mask.reshape(y // 2, 2, x // 2, 2).mean((1, 3)).astype(np.float32)

    clouded = share(cloud)
    word = np.full(clouded.shape, 1 << 3 | 1 << 6, np.uint16)  # land, low aerosol
    word[clouded > 0] |= 2
    word[clouded > 0.5] = word[clouded > 0.5] & ~np.uint16(3) | 1
    word[share(shadow) > 0.5] |= 1 << 2
    word[rng.random(word.shape) < 0.01] |= 3 << 6
    return word
