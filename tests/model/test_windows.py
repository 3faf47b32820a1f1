import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.diffusion import rddm, sample, sampling_steps
from model.windows import cut, merge_weights, merged, plan_windows

LENGTHS = st.integers(16, 200)


@settings(deadline=None)
@given(LENGTHS, LENGTHS, st.integers(16, 96), st.integers(0, 15))
def test_windows_cover_the_block_and_their_weights_sum_to_one(
    y: int, x: int, size: int, overlap: int
) -> None:
    windows = plan_windows((y, x), size, overlap)
    total = torch.zeros(y, x)
    for window, weight in zip(windows, merge_weights(windows, (y, x)), strict=True):
        assert weight.shape == (min(size, y), min(size, x))
        assert (weight > 0).all()
        total[window.y, window.x] += weight
    torch.testing.assert_close(total, torch.ones(y, x))


@settings(deadline=None)
@given(LENGTHS, st.integers(16, 96), st.integers(0, 15))
def test_neighbouring_windows_share_the_overlap(length: int, size: int, overlap: int) -> None:
    starts = [window.x.start for window in plan_windows((size, length), size, overlap)]
    assert all(before + size - after >= overlap for before, after in itertools.pairwise(starts))


@pytest.mark.parametrize("batch", [1, 4])
def test_sampling_through_windows_equals_sampling_whole_for_a_pointwise_model(batch: int) -> None:
    coarse, noise, known = torch.rand(3, 1, 2, 70, 90, dtype=torch.float64)
    schedule, steps = rddm(100), sampling_steps(100, 5)

    def pointwise(x: torch.Tensor, t: int) -> torch.Tensor:
        return 0.5 * known + 0.01 * t * x

    windows = plan_windows((70, 90), 32, 8)
    groups = [windows[first : first + batch] for first in range(0, len(windows), batch)]

    def in_window(x: torch.Tensor, t: int, index: int) -> torch.Tensor:
        return 0.5 * cut(known, groups[index]) + 0.01 * t * x

    whole = sample(pointwise, coarse, noise, steps, schedule)
    tiled = sample(merged(in_window, groups, (70, 90)), coarse, noise, steps, schedule)
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)


def test_an_overlap_as_large_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="windows of 32 pixels cannot overlap by 32"):
        plan_windows((64, 64), 32, 32)
