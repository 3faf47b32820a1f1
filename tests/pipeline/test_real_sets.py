"""Two public data sets, from their files to the daily cube: what a day became, and why."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from flows.config import region_job
from pipeline.cube import Status
from pipeline.folder import catalog_folder
from pipeline.run import run_job
from pipeline.store import read_tables

PRODUCED, OBSERVED, FUSED, ONE_SIDED, NO_REFERENCE, NO_COARSE = 1, 2, 4, 16, 4096, 8192
"""Bits of ``quality``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run left: the status of each day's only tile, (time, y, x) quality and images."""

    method: str
    status: dict[date, int]
    quality: dict[date, NDArray[np.uint16]]
    cube: xr.Dataset

    def days(self, *wanted: Status) -> list[date]:
        return [when for when, status in self.status.items() if status in wanted]


def make_cube(fine: Path, coarse: Path, out: Path, bands: tuple[str, ...] | None = None) -> Made:
    region = catalog_folder(fine, coarse, out, bands=bands).region
    job = region_job(region)
    summary = run_job(job, scheduler="synchronous")
    assert summary.ok, summary.errors
    tables, cube = read_tables(job.cube), xr.open_zarr(job.cube)
    quality = cube["quality"].values
    return Made(
        method=job.method.name,
        status=dict(zip(tables.days, tables.arrays["status"][:, 0].tolist(), strict=True)),
        quality=dict(zip(tables.days, quality, strict=True)),
        cube=cube,
    )


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


@pytest.fixture(scope="module")
def kranj(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = shared_data / "imagefusion-kranj"
    return make_cube(folder / "landsat", folder / "modis", tmp_path_factory.mktemp("kranj"))


@pytest.fixture(scope="module")
def salton(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = shared_data / "stars-salton-sea-nir"
    out = tmp_path_factory.mktemp("salton")
    return make_cube(folder / "fine", folder / "coarse", out, ("nir08",))


def test_kranj_is_written_while_there_is_modis_and_the_gap_has_its_name(kranj: Made) -> None:
    assert kranj.method == "sa-stf"
    last = date(2020, 4, 9)
    assert kranj.days(Status.PROVISIONAL, Status.FINAL) == [
        *days_between(date(2020, 3, 8), date(2020, 4, 2)),
        last,
    ]
    gap = days_between(date(2020, 4, 3), date(2020, 4, 8))
    assert kranj.days(Status.NO_COARSE) == gap
    for when in gap:
        assert not kranj.quality[when].any()


def test_kranj_keeps_landsat_on_its_days_and_fuses_the_others(kranj: Made) -> None:
    # The images are 44 x 45 pixels; the region is whole coarse cells.
    landsat = {date(2020, 3, 8), date(2020, 3, 17), date(2020, 4, 2), date(2020, 4, 9)}
    for when in kranj.days(Status.PROVISIONAL, Status.FINAL):
        quality = kranj.quality[when]
        inside, outside = quality[:44, :45], quality.copy()
        outside[:44, :45] = NO_REFERENCE
        kind = OBSERVED if when in landsat else FUSED
        assert (inside & (PRODUCED | OBSERVED | FUSED) == PRODUCED | kind).all(), when
        assert ((outside & PRODUCED == 0) & (outside & (NO_REFERENCE | NO_COARSE) > 0)).all(), when
    made = (kranj.cube["quality"] & PRODUCED) != 0
    for band in ("blue", "green", "red", "nir08", "swir16", "swir22"):
        assert bool((kranj.cube[band].notnull() == made).all())


def test_salton_sea_is_written_on_every_day_from_one_side_before_its_first_image(
    salton: Made,
) -> None:
    assert salton.method == "anomaly"
    every = days_between(date(2020, 10, 1), date(2020, 12, 31))
    assert list(salton.status) == every
    assert salton.days(Status.PROVISIONAL, Status.FINAL) == every
    one_sided = [when for when in every if ((salton.quality[when] & ONE_SIDED) != 0).any()]
    assert one_sided[0] == every[0]
    assert (salton.quality[every[0]] & FUSED != 0).mean() > 0.99


def test_salton_sea_has_every_pixel_or_the_bit_that_tells_why_not(salton: Made) -> None:
    for when in salton.days(Status.PROVISIONAL, Status.FINAL):
        produced = salton.quality[when] & PRODUCED != 0
        assert produced.mean() > 0.99, when
        assert (produced | (salton.quality[when] & NO_COARSE != 0)).all(), when
    made = (salton.cube["quality"] & PRODUCED) != 0
    assert bool((salton.cube["nir08"].notnull() == made).all())
