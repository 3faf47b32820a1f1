"""A small region of real files: dated GeoTIFFs, catalogued by our own command."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.transform import from_origin
from typer.testing import CliRunner

from flows.cli import app

START = date(2023, 5, 1)
FINE_DAYS = (0, 6, 12)
COARSE_DAYS = range(13)
BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
SIDE = 96
"""Fine pixels of 30 m along each side: 6 cells of 480 m."""


def reflectance(day: int, rows: int) -> np.ndarray:
    """(band, y, x) of a day: smooth in space, linear in time, so linear fusion is nearly exact."""
    y, x = np.mgrid[0:rows, 0:rows] / rows
    base = 0.1 + 0.2 * x + 0.1 * y
    return np.stack([base * (1 + band / 10) + 0.004 * day for band in range(len(BANDS))])


def write_image(path: Path, pixels: np.ndarray, metres: float) -> None:
    profile = {
        "driver": "GTiff",
        "count": len(BANDS),
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": "int16",
        "nodata": -9999,
        "crs": "EPSG:32655",
        "transform": from_origin(400_005.0, 6_120_015.0, metres, metres),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.round(pixels * 10_000).astype("int16"))
        file.descriptions = BANDS
        file.scales = [1e-4] * len(BANDS)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``fine`` and ``coarse`` images: 3 and 13 dates of 13 days, no clouds."""
    folder = tmp_path_factory.mktemp("images")
    for name, days, metres in (("fine", FINE_DAYS, 30.0), ("coarse", COARSE_DAYS, 480.0)):
        (folder / name).mkdir()
        for day in days:
            stamp = START + timedelta(days=day)
            rows = SIDE if name == "fine" else SIDE // 16
            write_image(
                folder / name / f"{name}_{stamp:%Y%m%d}.tif", reflectance(day, rows), metres
            )
    return folder


@pytest.fixture(scope="session")
def catalogued(images: Path) -> Path:
    """The folder of the images, with the catalogue that ``daily30 catalog`` made of them."""
    out = images / "small"
    done = CliRunner().invoke(app, ["catalog", f"{images}", f"{out}", "--name", "small"])
    assert done.exit_code == 0, done.output
    region = out / "region.yaml"
    # Small tiles, so that there are several, and a method that needs no weights.
    known = yaml.safe_load(region.read_text())
    known["grid"]["tile_px"] = 64
    known["method"] = "linear"
    region.write_text(yaml.safe_dump(known, sort_keys=False))
    return images


@pytest.fixture
def region(catalogued: Path, tmp_path: Path) -> Path:
    """A region file of its own for each test; hrefs are relative, so a copy finds its images."""
    folder = tmp_path / "own"
    shutil.copytree(catalogued, folder)
    return folder / "small" / "region.yaml"
