"""A TIFF of which only the beginning came is an error, not another place on earth."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine

from catalogs.modis import PIXEL_M, SINUSOIDAL
from pipeline.read.headers import whole_headers
from pipeline.simulate.files import write_cog

BOX = GeoBox((40, 30), Affine(PIXEL_M, 0, 1_224_072.0, 0, -PIXEL_M, 5_366_087.0), SINUSOIDAL)


def _grid(path: Path) -> tuple[object, ...]:
    with rasterio.Env(), whole_headers(), rasterio.open(path) as file:
        return file.crs, file.transform, file.shape, file.nodata


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_cut_off_anywhere_has_its_own_grid_or_none(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    write_cog(path, np.arange(1200, dtype=np.int16).reshape(40, 30), BOX, -28672)
    whole, grid = path.read_bytes(), _grid(path)
    came: list[str] = []
    for length in range(200, 1000, 8):
        path.write_bytes(whole[:length])
        try:
            assert _grid(path) == grid
        except OSError as error:
            came.append(str(error))
    in_part = sum("its header came in part" in text for text in came)
    assert in_part > 10, "GDAL's warning has another text: nothing is heard any more"
    assert len(came) > in_part, "shorter ones do not open at all"


def test_what_is_whole_after_a_part_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    write_cog(path, np.ones((40, 30), np.int16), BOX, -28672)
    _grid(path)
    part = tmp_path / "part.tif"
    part.write_bytes(path.read_bytes()[:500])
    with pytest.raises(OSError, match="came in part"):
        _grid(part)
    _grid(path)
