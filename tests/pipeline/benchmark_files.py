"""CIA, LGC and AHB as users have them on disk, with made-up numbers."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from pipeline.sets.tables import BenchmarkSet


def bil(path: Path, image: np.ndarray) -> None:
    path.write_bytes(image.transpose(1, 0, 2).tobytes())


def bsq(path: Path, image: np.ndarray) -> None:
    path.write_bytes(image.tobytes())


def tiff(path: Path, image: np.ndarray) -> None:
    count, height, width = image.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width}
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", dtype=image.dtype, **profile) as file,
    ):
        file.write(image)


def cia_name(role: str, day: date) -> str:
    if role == "fine":
        return f"CIA/Landsat/{day:%Y_%j}/L71093084_084{day:%Y%m%d}_HRF_modtran_surf_ref_agd66.bil"
    # The coarse files of CIA are named by local time.
    return f"CIA/MODIS/{day:%Y_%j}/MOD09GA_A{day + timedelta(days=1):%Y%j}.sur_refl.int"


def lgc_name(role: str, day: date) -> str:
    if role == "fine":
        return f"LGC/Landsat/{day:%Y_%j_%b%d}/{day:%Y%m%d}_TM.int"
    return f"LGC/MODIS/{day:%Y_%j_%b%d}/MOD09GA_A{day:%Y%j}.sur_refl.int"


def flat_name(role: str, day: date) -> str:
    return f"{'L' if role == 'fine' else 'M'}{day:%Y%m%d}_TM.tif"


def by_folder(role: str, day: date) -> str:
    return f"{day:%Y-%m-%d}/{role}.tif"


def write_files(
    folder: Path,
    spec: BenchmarkSet,
    name: Callable[[str, date], str],
    write: Mapping[str, Callable[[Path, np.ndarray], None]],
    image: Callable[[str, date], np.ndarray],
) -> Path:
    """All files of a set: ``name`` and ``write`` say how, ``image`` what is in them."""
    for role in ("fine", "coarse"):
        for day in spec.days:
            path = folder / name(role, day)
            path.parent.mkdir(parents=True, exist_ok=True)
            write[role](path, image(role, day))
    return folder
