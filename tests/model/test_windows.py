from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.block import COARSE_PAD, Array, Block
from model.diffusion import rddm, sample, sampling_steps
from model.fuser import load_fuser
from model.network_fuser import NetworkFuser
from model.windows import Window, cut, hull, inside, merged, plan_windows
from tests.model.makers import make_block, write_checkpoint

LENGTHS = st.integers(16, 200)
ORIGINS = st.integers(-1000, 1000)


@settings(deadline=None)
@given(LENGTHS, LENGTHS, ORIGINS, ORIGINS, st.integers(32, 96), st.integers(0, 16))
def test_windows_cover_the_block_and_their_weights_sum_to_one(
    y: int, x: int, row: int, col: int, size: int, overlap: int
) -> None:
    total = torch.zeros(y, x)
    for window in plan_windows((y, x), size, overlap, origin=(row, col)):
        assert window.weight.shape == (min(size, y), min(size, x))
        assert (window.weight >= 0).all()
        total[window.y, window.x] += window.weight
    torch.testing.assert_close(total, torch.ones(y, x))


@settings(deadline=None)
@given(st.lists(st.tuples(LENGTHS, LENGTHS, LENGTHS, LENGTHS), min_size=1))
def test_a_hull_holds_its_parts_and_no_more(corners: list[tuple[int, int, int, int]]) -> None:
    parts = [(slice(y, y + height), slice(x, x + width)) for y, x, height, width in corners]
    image, whole = np.zeros((400, 400)), hull(parts)
    for part in parts:
        image[part] = 1
        assert image[whole][inside(part, whole)].all()
    rows, cols = np.nonzero(image)
    assert (whole[0].start, whole[1].start) == (rows.min(), cols.min())
    assert (whole[0].stop, whole[1].stop) == (rows.max() + 1, cols.max() + 1)


@settings(deadline=None)
@given(LENGTHS, ORIGINS, st.integers(32, 96), st.integers(0, 16))
def test_a_window_no_edge_cuts_starts_on_the_lattice(
    length: int, origin: int, size: int, overlap: int
) -> None:
    starts = [w.x.start for w in plan_windows((size, length), size, overlap, origin=(0, origin))]
    inside = [start for start in starts if 0 < start < length - size]
    assert all((origin + start) % (size - overlap) == 0 for start in inside)


@settings(deadline=None)
@given(ORIGINS, st.integers(1, 100), st.integers(32, 64), st.integers(0, 16))
def test_away_from_their_edges_two_blocks_weigh_the_same_windows_alike(
    origin: int, shift: int, size: int, overlap: int
) -> None:
    def moments(block: int) -> torch.Tensor:
        """(2, x) of the lattice starts of the windows that speak for a pixel, by weight."""
        sums = torch.zeros(2, 300)
        for window in plan_windows((size, 300), size, overlap, origin=(0, block)):
            start = block + window.x.start - origin
            sums[:, window.x] += window.weight[0] * torch.tensor([[start], [start**2]])
        return sums

    torch.testing.assert_close(
        moments(origin)[:, shift + size : -size], moments(origin + shift)[:, size : -size - shift]
    )


@pytest.mark.parametrize("batch", [1, 4])
def test_sampling_through_windows_equals_sampling_whole_for_a_pointwise_model(batch: int) -> None:
    coarse, noise, known = torch.rand(3, 1, 2, 70, 90, dtype=torch.float64)
    schedule, steps = rddm(100), sampling_steps(100, 5)

    def pointwise(x: torch.Tensor, t: int) -> torch.Tensor:
        return 0.5 * known + 0.01 * t * x

    windows = plan_windows((70, 90), 32, 8, origin=(5, -7))
    groups: list[list[Window]] = [
        windows[first : first + batch] for first in range(0, len(windows), batch)
    ]

    def in_window(x: torch.Tensor, t: int, index: int) -> torch.Tensor:
        return 0.5 * cut(known, groups[index]) + 0.01 * t * x

    whole = sample(pointwise, coarse, noise, steps, schedule)
    tiled = sample(merged(in_window, groups), coarse, noise, steps, schedule)
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)


def test_an_overlap_beyond_half_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"windows of 32 pixels cannot overlap by 17; use 0\.\.16"):
        plan_windows((64, 64), 32, 17, origin=(0, 0))


def part(block: Block, y: slice, x: slice) -> Block:
    """A part of a block that starts and ends on coarse cells."""
    cells = (
        ...,
        slice(y.start // block.ratio, y.stop // block.ratio + 2 * COARSE_PAD),
        slice(x.start // block.ratio, x.stop // block.ratio + 2 * COARSE_PAD),
    )
    return replace(
        block,
        fine_before=block.fine_before[:, y, x],
        fine_after=block.fine_after[:, y, x],
        coarse_before=block.coarse_before[cells],
        coarse_after=block.coarse_after[cells],
        coarse=block.coarse[cells],
        origin=(block.origin[0] + y.start, block.origin[1] + x.start),
    )


@pytest.fixture(scope="module")
def fuser(tmp_path_factory: pytest.TempPathFactory) -> NetworkFuser:
    """Windows of 48 pixels that share 16, random weights: a window's answer is its own."""
    made = load_fuser("sa-stf", write_checkpoint(tmp_path_factory.mktemp("w"), trained=True))
    assert isinstance(made, NetworkFuser)
    return replace(made, window=48, overlap=16, sampler=replace(made.sampler, steps=1))


def shared(fuser: NetworkFuser, region: Block, tiles: tuple[slice, slice]) -> tuple[Array, Array]:
    """The pixels that two blocks of a region, overlapping along x, both hold."""
    rows = slice(0, region.fine_before.shape[1])
    left, right = (fuser.fuse(part(region, rows, tile)).reflectance for tile in tiles)
    return left[..., tiles[1].start - tiles[0].start :], right[
        ..., : tiles[0].stop - tiles[1].start
    ]


def test_two_blocks_agree_where_both_hold_the_windows_whole(fuser: NetworkFuser) -> None:
    # On the lattice the blocks are 16..192 and 64..240 and the windows start every 32.  The frame
    # looks one and a half cells (24 pixels) around a pixel, so that of all windows 96..144 alone
    # is the same in both; its neighbours speak beside it from 128 on and up to 112.
    region = make_block(y=48, x=224, days=(2,), origin=(-16, 16))
    left, right = shared(fuser, region, (slice(0, 176), slice(48, 224)))
    different = np.abs(left - right).max(axis=(0, 1, 2))
    assert different.max() > 1e-3  # near the edges: the windows there are not the same
    np.testing.assert_array_equal(left[..., 48:64], right[..., 48:64])


@pytest.mark.parametrize(("y", "x"), [(16, 16), (16, 96), (48, 64), (32, 48)])
def test_regions_no_larger_than_a_window_are_fused_too(fuser: NetworkFuser, y: int, x: int) -> None:
    assert np.isfinite(
        fuser.fuse(make_block(y=y, x=x, days=(2,), origin=(-48, 16))).reflectance
    ).all()
