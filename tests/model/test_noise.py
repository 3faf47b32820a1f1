import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.noise import noise_field

PLACE = st.integers(-500, 500)


@settings(max_examples=30, deadline=None)
@given(PLACE, PLACE, st.integers(0, 90), st.integers(0, 90))
def test_overlapping_blocks_share_their_noise(row: int, col: int, down: int, right: int) -> None:
    whole = noise_field(3, (row, col), 2, 120, 130)
    part = noise_field(3, (row + down, col + right), 2, 30, 40)
    np.testing.assert_array_equal(part, whole[:, down : down + 30, right : right + 40])


def test_noise_is_standard_normal_and_differs_by_seed_place_sample_and_step() -> None:
    one, two, away, again, fresh = (
        noise_field(seed, origin, 6, 128, 128, sample=sample, step=step)
        for seed, origin, sample, step in (
            (0, (0, 0), 0, 0),
            (1, (0, 0), 0, 0),
            (0, (0, 640), 0, 0),
            (0, (0, 0), 1, 0),
            (0, (0, 0), 0, 50),
        )
    )
    assert abs(one.mean()) < 0.01
    assert abs(one.std() - 1) < 0.01
    for other in (two, away, again, fresh):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_the_first_sample_is_the_noise_of_cubes_made_before_there_were_others() -> None:
    first = np.random.Generator(np.random.Philox(key=(5 << 64) | (1 << 32) | 2))
    wanted = first.standard_normal((2, 64, 64), dtype=np.float32)
    np.testing.assert_array_equal(noise_field(5, (64, 128), 2, 64, 64), wanted)


def test_threads_draw_the_same_noise() -> None:
    one, four = (noise_field(3, (-70, 5), 2, 200, 150, threads=threads) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)
