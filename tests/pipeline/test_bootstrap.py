import numpy as np
import pytest

from pipeline.bootstrap import BlockErrors, rmse_difference


def make_error(*, y: int, x: int, size: float, seed: int, bands: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, (bands, y, x)).astype(np.float32)


def blocks_of(error: np.ndarray, *, side: int) -> BlockErrors:
    return BlockErrors.of(error, np.ones(error.shape[1:], np.bool_), block_px=side)


def test_blocks_are_the_squares_of_the_image_with_what_is_scored_in_them() -> None:
    error = make_error(y=7, x=10, size=1.0, seed=0)
    scored = np.random.default_rng(1).random((7, 10)) < 0.5
    scored[:3, :3] = False
    blocks = BlockErrors.of(error, scored, block_px=3)

    pixels, squared = [], []
    for top in range(0, 7, 3):
        for left in range(0, 10, 3):
            at = (slice(top, top + 3), slice(left, left + 3))
            if scored[at].any():
                pixels.append(scored[at].sum())
                squared.append([(band[at][scored[at]].astype(float) ** 2).sum() for band in error])
    np.testing.assert_array_equal(blocks.pixels, pixels)
    np.testing.assert_allclose(blocks.squared, squared)
    assert len(pixels) < 12


def test_the_interval_is_that_of_drawing_whole_blocks_pixel_by_pixel() -> None:
    side, draws = 4, 300
    ours = [make_error(y=8, x=16, size=0.02, seed=1), make_error(y=8, x=8, size=0.04, seed=2)]
    theirs = [make_error(y=8, x=16, size=0.03, seed=3), make_error(y=8, x=8, size=0.03, seed=4)]

    def tiles(error: np.ndarray) -> list[np.ndarray]:
        _, y, x = error.shape
        corners = [(i, j) for i in range(0, y, side) for j in range(0, x, side)]
        return [error[:, i : i + side, j : j + side].reshape(2, -1) for i, j in corners]

    def rmse(drawn: list[np.ndarray]) -> float:
        pixels = np.concatenate(drawn, axis=1).astype(np.float64)
        return float(np.sqrt((pixels**2).mean(1)).mean())

    rng = np.random.default_rng(5)
    times = [rng.multinomial(n, np.full(n, 1 / n), draws) for n in (8, 4)]
    expected = []
    for draw in range(draws):
        two = []
        for errors in (ours, theirs):
            drawn = [
                tile
                for scene, error in enumerate(errors)
                for tile, count in zip(tiles(error), times[scene][draw], strict=True)
                for _ in range(count)
            ]
            two.append(rmse(drawn))
        expected.append(two[0] - two[1])

    found = rmse_difference(
        [blocks_of(error, side=side) for error in ours],
        [blocks_of(error, side=side) for error in theirs],
        seed=5,
        draws=draws,
    )
    assert found is not None
    np.testing.assert_allclose((found.low, found.high), np.percentile(expected, (2.5, 97.5)))
    whole = [rmse([tile for error in errors for tile in tiles(error)]) for errors in (ours, theirs)]
    assert found.value == pytest.approx(whole[0] - whole[1])


def test_a_method_against_itself_differs_by_nothing() -> None:
    errors = [blocks_of(make_error(y=16, x=16, size=0.1, seed=0), side=4)]
    assert rmse_difference(errors, errors) == (0.0, 0.0, 0.0)


def test_pairing_sees_a_small_gain_that_varies_less_than_the_errors_do() -> None:
    level = np.repeat(np.random.default_rng(0).uniform(0.01, 0.2, 64), 16).reshape(1, 64, 16)
    error = (level * make_error(y=64, x=16, size=1.0, seed=1, bands=1)).astype(np.float32)
    better, worse = (blocks_of(factor * error, side=4) for factor in (0.99, 1.0))
    found = rmse_difference([better], [worse])
    assert found is not None
    assert found.high < 0
    alone = rmse_difference([worse], [BlockErrors(pixels=worse.pixels, squared=0 * worse.squared)])
    assert alone is not None
    assert alone.high - alone.low > 20 * (found.high - found.low)


def test_a_scene_of_few_blocks_has_no_interval() -> None:
    errors = [blocks_of(make_error(y=4, x=8, size=0.1, seed=0), side=4)]
    assert rmse_difference(errors, errors) is None
    assert rmse_difference(errors * 4, errors * 4) is not None
