"""The place of a coarse image is found under noise and clouds, and not where there is none."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from pipeline.corrections import moved
from pipeline.registration import Shift, as_coarse, measure

RATIO = 16


def make_pair(
    place: tuple[float, float],
    *,
    seed: int = 0,
    cells: int = 64,
    ratio: int = RATIO,
    noise: float = 0.004,
    cloudy: float = 0.3,
    blur: float = 0.5,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fields of two sizes, seen fine, and coarse with another gain, blur, noise and ``place``."""
    rng = np.random.default_rng(seed)
    size = (cells + 8) * ratio
    land = sum(
        rng.random((3, size // side + 1, size // side + 1))
        .repeat(side, 1)
        .repeat(side, 2)[:, :size, :size]
        for side in (ratio, 5 * ratio // 2)
    )
    fine = (0.1 + 0.12 * land).astype(np.float32)
    seen = gaussian_filter(fine, (0, blur * ratio, 0.8 * blur * ratio))
    seen = np.stack(
        [shift(band, np.array(place) * ratio, order=1, mode="nearest") for band in seen]
    )
    inner = slice(4 * ratio, -4 * ratio)
    fine, seen = fine[:, inner, inner].copy(), seen[:, inner, inner]
    coarse = seen.reshape(3, cells, ratio, cells, ratio).mean((2, 4)) * 0.85 + 0.03
    coarse = (coarse + noise * rng.standard_normal(coarse.shape)).astype(np.float32)
    for image, scale in ((fine, 2.0 * ratio), (coarse, 2.0)):
        sky = gaussian_filter(rng.standard_normal(image.shape[1:]), scale)
        image[:, sky < np.quantile(sky, cloudy)] = np.nan
    return fine, coarse


@pytest.mark.parametrize("seed", range(6))
def test_a_shift_is_found_within_a_tenth_of_a_cell_under_noise_and_clouds(seed: int) -> None:
    place = np.random.default_rng(100 + seed).uniform(-1.4, 1.4, 2)
    found = measure([make_pair((place[0], place[1]), seed=seed)], RATIO)
    assert found is not None
    np.testing.assert_allclose((found.y, found.x), place, atol=0.1)
    assert found.sigma < 0.1


def test_another_ratio_and_several_pieces_find_it_too() -> None:
    pieces = [make_pair((0.6, -0.4), seed=seed, cells=40, ratio=7) for seed in (1, 2, 3)]
    found = measure(pieces, 7)
    assert found is not None
    np.testing.assert_allclose((found.y, found.x), (0.6, -0.4), atol=0.1)
    alone = measure(pieces[:1], 7)
    assert alone is not None
    assert found.sigma < alone.sigma
    assert found.cells == pytest.approx(3 * alone.cells, rel=0.1)


def test_its_confidence_covers_its_errors() -> None:
    off = []
    for seed in range(12):
        found = measure([make_pair((0.3, 0.2), seed=seed, cells=30, noise=0.015)], RATIO)
        if found is not None:
            off += [(found.y - 0.3) / found.sigma, (found.x - 0.2) / found.sigma]
    assert len(off) >= 16
    assert np.mean(np.abs(off) < 2) >= 0.9


def test_images_of_different_ground_have_no_place() -> None:
    fine, _ = make_pair((0.0, 0.0), seed=1)
    _, coarse = make_pair((0.0, 0.0), seed=2)
    assert measure([(fine, coarse)], RATIO) is None


def test_clouds_all_over_and_no_pieces_have_no_place() -> None:
    fine, coarse = make_pair((0.0, 0.0))
    assert measure([], RATIO) is None
    assert measure([(np.full_like(fine, np.nan), coarse)], RATIO) is None


def test_only_what_is_surely_beyond_is_beyond() -> None:
    def at(y: float, sigma: float) -> Shift:
        return Shift(y=y, x=0.0, sigma=sigma, likeness=0.9, cells=500)

    assert at(-1.2, 0.1).beyond(0.75)
    assert not at(-1.2, 0.3).beyond(0.75)
    assert not at(0.5, 0.01).beyond(0.75)


def test_a_fine_image_as_coarse_is_centred_on_its_cells() -> None:
    y, x = np.mgrid[: 20 * RATIO, : 20 * RATIO].astype(np.float32) + 0.5
    plane = np.stack([y, x]) / RATIO
    cells = as_coarse(plane, RATIO)
    assert cells.shape == (2, 20, 20)
    rows, cols = np.mgrid[:20, :20] + 0.5
    inner = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(cells[inner], np.stack([rows, cols])[inner], atol=1e-4)


@pytest.mark.parametrize("place", [(0.3, -0.6), (1.0, 0.0), (-1.7, 0.2)])
def test_an_image_is_brought_back_to_its_place(place: tuple[float, float]) -> None:
    rows, cols = np.mgrid[:20, :20].astype(np.float32)
    seen = np.stack([rows - place[0], cols - place[1]])  # the ground of k appears at k + place
    back = moved(seen, place)
    inner = (slice(None), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(back[inner], np.stack([rows, cols])[inner], atol=1e-5)


def test_an_unknown_cell_stays_one_cell_and_known_ones_keep_their_values() -> None:
    image = np.ones((1, 8, 8), np.float32)
    image[0, 4, 4] = np.nan
    back = moved(image, (0.4, -0.3))
    assert np.isnan(back).sum() == 1
    np.testing.assert_array_equal(back[np.isfinite(back)], 1)
    np.testing.assert_array_equal(moved(image, (0.0, 0.0)), image)


def test_a_moved_image_is_measured_where_it_was_put() -> None:
    fine, coarse = make_pair((0.8, -0.5), cloudy=0.1)
    found = measure([(fine, moved(coarse, (0.8, -0.5)))], RATIO)
    assert found is not None
    np.testing.assert_allclose((found.y, found.x), (0.0, 0.0), atol=0.1)
