"""The grid: Landsat's lattice, whole coarse cells, tiles that partition, halos that agree."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from pipeline.grid import Grid

LANDSAT_EDGE = (520185.0, -4663485.0)
"""Upper left corner of LC09_L2SP_089090_20240417_02_T1 (EPSG:32655, southern hemisphere)."""


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    ratio = draw(st.sampled_from([1, 3, 7, 16]))
    resolution = (draw(st.sampled_from([29.9, 30.0, 70.0])), draw(st.sampled_from([30.0, 70.0])))
    xmin = draw(st.floats(-1e6, 1e6))
    ymin = draw(st.floats(-5e6, 5e6))
    width = draw(st.floats(1.0, 9000.0))
    height = draw(st.floats(1.0, 9000.0))
    return Grid.from_bounds(
        (xmin, ymin, xmin + width, ymin + height),
        crs="EPSG:32633",
        resolution_m=resolution,
        ratio=ratio,
        tile=ratio * draw(st.integers(1, 9)),
        anchor_m=(draw(st.sampled_from([0.0, 15.0, 1101016.7455957897])), 15.0),
    )


@pytest.mark.parametrize(
    ("bbox", "code"),
    [
        ((14.0, 46.0, 14.2, 46.1), 32633),
        ((145.9, -34.6, 146.1, -34.5), 32655),
        ((179.9, -17.0, -179.9, -16.8), 32601),
        ((-180.0, 10.0, -179.8, 10.2), 32601),
    ],
)
def test_auto_is_the_northern_utm_zone_of_the_centre(bbox, code: int) -> None:
    assert Grid.from_bbox(bbox).crs.epsg == code


def test_the_default_lattice_is_landsats_in_the_south_too() -> None:
    grid = Grid.from_bbox((147.2, -42.2, 147.3, -42.1))
    affine = grid.fine.affine
    assert grid.crs.epsg == 32655
    assert (affine.c - LANDSAT_EDGE[0]) % 30 == 0
    assert (affine.f - LANDSAT_EDGE[1]) % 30 == 0
    assert (affine.c - 15) % 480 == 0
    assert (affine.f - 15) % 480 == 0


@settings(max_examples=60, deadline=None)
@given(st.floats(-179, 178), st.floats(-79, 78), st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_every_point_of_the_bbox_lies_on_the_grid(west, south, width, height) -> None:
    grid = Grid.from_bbox((west, south, west + width, south + height))
    to_crs = Transformer.from_crs("EPSG:4326", grid.crs.proj, always_xy=True)
    share = np.linspace(0, 1, 7)
    lon, lat = (a.ravel() for a in np.meshgrid(west + share * width, south + share * height))
    x, y = to_crs.transform(lon, lat)
    box = grid.fine.boundingbox
    slack = 1e-3
    assert (x >= box.left - slack).all()
    assert (x <= box.right + slack).all()
    assert (y >= box.bottom - slack).all()
    assert (y <= box.top + slack).all()


@settings(max_examples=100, deadline=None)
@given(grids())
def test_the_coarse_grid_is_the_fine_grid_in_whole_cells(grid: Grid) -> None:
    fine, coarse = grid.fine, grid.coarse
    assert fine.shape == tuple(side * grid.ratio for side in coarse.shape)
    assert (coarse.affine.c, coarse.affine.f) == (fine.affine.c, fine.affine.f)
    assert coarse.affine.a == pytest.approx(fine.affine.a * grid.ratio)
    assert coarse.affine.e == pytest.approx(fine.affine.e * grid.ratio)
    for edge, anchor, step in [
        (fine.affine.c, grid.anchor[0], fine.affine.a * grid.ratio),
        (fine.affine.f, grid.anchor[1], fine.affine.e * grid.ratio),
    ]:
        cells = (edge - anchor) / step
        assert cells == pytest.approx(round(cells), abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(grids(), st.integers(0, 100))
def test_tiles_partition_the_grid_and_blocks_keep_their_halo(grid: Grid, halo: int) -> None:
    owners = np.zeros(grid.shape, int)
    for place, tile in enumerate(grid.tiles):
        assert tile.index == place == tile.row * grid.tile_shape[1] + tile.col
        owners[tile.y, tile.x] += 1
        for core, side, length in zip(
            (tile.y, tile.x), grid.block(tile, halo), grid.shape, strict=True
        ):
            assert side.start % grid.ratio == side.stop % grid.ratio == 0
            assert 0 <= side.start <= core.start < core.stop <= side.stop <= length
            assert core.start - side.start >= halo or side.start == 0
            assert side.stop - core.stop >= halo or side.stop == length
            assert core.start - side.start < halo + grid.ratio
    assert (owners == 1).all()


@settings(max_examples=60, deadline=None)
@given(grids())
def test_a_grid_survives_json_bit_for_bit(grid: Grid) -> None:
    again = Grid.from_dict(json.loads(json.dumps(grid.to_dict())))
    assert again == grid
    assert again.fine.affine == grid.fine.affine
    assert again.crs == grid.crs


@settings(max_examples=60, deadline=None)
@given(grids(), st.integers(1, 5), st.integers(1, 5))
def test_the_same_ground_has_the_same_origin_in_a_smaller_region(grid, rows, cols) -> None:
    rows = min(rows, grid.coarse_shape[0] - 1)
    cols = min(cols, grid.coarse_shape[1] - 1)
    box = grid.coarse.boundingbox
    inner = Grid.from_bounds(
        (
            box.left + cols * grid.coarse.affine.a,
            box.bottom,
            box.right,
            box.top + rows * grid.coarse.affine.e,
        ),
        crs="EPSG:32633",
        resolution_m=(grid.fine.affine.a, -grid.fine.affine.e),
        ratio=grid.ratio,
        tile=grid.tile,
        anchor_m=grid.anchor,
    )
    assert inner.shape == (grid.shape[0] - rows * grid.ratio, grid.shape[1] - cols * grid.ratio)
    assert inner.origin(0, 0) == grid.origin(rows * grid.ratio, cols * grid.ratio)


def test_a_block_of_the_whole_region_is_the_whole_coarse_grid() -> None:
    grid = Grid.from_bbox((14.0, 46.0, 14.1, 46.1), tile=64)
    y, x = grid.coarse_window(slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    assert (y.stop, x.stop) == grid.coarse_shape
    with pytest.raises(ValueError, match=r"y=8:32 .* coarse cells of 16"):
        grid.coarse_window(slice(8, 32), slice(0, 16))


def test_bounds_on_the_lattice_are_kept_as_they_are() -> None:
    left, top = 1101016.7455957897, 5143444.08511462
    grid = Grid.from_bounds(
        (left, top - 44 * 30.0, left + 45 * 29.9, top),
        crs="+proj=sinu +R=6371007.181 +units=m",
        resolution_m=(29.9, 30.0),
        ratio=16,
        anchor_m=(left, top),
    )
    assert grid.shape == (48, 48)
    assert (grid.fine.affine.c, grid.fine.affine.f) == (left, top)
    exact = Grid.from_bounds(
        (649980.0, 3659840.0 - 140 * 70, 649980.0 + 140 * 70, 3659840.0),
        crs="EPSG:32611",
        resolution_m=70.0,
        ratio=7,
        tile=511,
        anchor_m=(649980.0, 3659840.0),
    )
    assert exact.shape == (140, 140)
    assert exact.coarse_shape == (20, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile": 500}, "tile=500 is not a multiple of ratio=16.*use 496"),
        ({"tile": 5}, "use 16"),
        ({"ratio": 0}, "at least 1"),
        ({"resolution_m": 0.0}, "positive"),
        ({"resolution_m": 0.0003}, "is the bbox in degrees"),
        ({"crs": "EPSG:0"}, "not known"),
        ({"crs": "EPSG:4326"}, "geographic"),
    ],
)
def test_a_bad_grid_is_refused_with_the_cure(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid.from_bbox((14.0, 46.0, 14.1, 46.1), **change)


@pytest.mark.parametrize(
    "bbox",
    [
        (14.0, 46.1, 14.1, 46.0),
        (14.0, 46.0, 14.0, 46.1),
        (400000.0, 5000000.0, 410000.0, 5010000.0),
        (14.0, math.nan, 14.1, 46.1),
        (14.0, 85.0, 14.1, 86.0),
    ],
)
def test_a_bad_bbox_is_refused_and_named(bbox) -> None:
    with pytest.raises(ValueError, match="bbox"):
        Grid.from_bbox(bbox)
