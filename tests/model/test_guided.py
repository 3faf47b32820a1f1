"""``guided`` against kriging written out in full, and by its laws."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from model import guided
from model.frame import Images, View, frame_of
from model.fuser import load_fuser
from model.guided import Guide, Scale, guide_of, guided_change
from model.guided_noise import noise_of
from tests.model.makers import make_block


def covariance(scale: Scale, left: np.ndarray, right: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(i, j) of one scale between places: their features (feature, place), and how far apart."""
    return (left.T @ right) * np.exp(-0.5 * (away / scale.reach) ** 2)


def written_out(
    cells: np.ndarray, features: Sequence[np.ndarray], noise: np.ndarray, ratio: int
) -> np.ndarray:
    """Kriging with every covariance as a number; (row, col), (feature, y, x) -> (y, x)."""
    rows, cols = cells.shape
    at = np.array([(r + 0.5, c + 0.5) for r in range(rows) for c in range(cols)])
    shape = features[0].shape[1:]
    pixels = np.array([((y + 0.5) / ratio, (x + 0.5) / ratio) for y, x in np.ndindex(shape)])
    between = np.diag(noise.ravel())
    to_pixels = np.zeros((len(pixels), len(at)))
    for scale, of_pixels in zip(guided.SCALES, features, strict=True):
        means = of_pixels.reshape(-1, rows, ratio, cols, ratio).mean((2, 4)).reshape(-1, len(at))
        flat = of_pixels.reshape(len(of_pixels), -1)
        between += covariance(scale, means, means, distances(at, at))
        to_pixels += covariance(scale, flat, means, distances(pixels, at))
    return (to_pixels @ np.linalg.solve(between, cells.ravel())).reshape(shape)


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(*np.moveaxis(left[:, None] - right, 2, 0)))


def features_of(guide: torch.Tensor, channels: int) -> list[np.ndarray]:
    return [
        guided._features(guide, torch.tensor([channels]), scale)[0].double().numpy()
        for scale in guided.SCALES
    ]


def test_it_is_kriging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided, "ITERATIONS", 60)
    rng = np.random.default_rng(0)
    ratio, rows, cols = 5, 4, 3
    cells = rng.normal(0, 0.1, (rows, cols)).astype(np.float32)
    guide = torch.from_numpy(rng.normal(0, 1, (1, 2, rows * ratio, cols * ratio))).float()
    image = torch.from_numpy(cells.repeat(ratio, 0).repeat(ratio, 1))[None, None]
    made = guide_of(guide, torch.tensor([2]), ratio)
    noise = noise_of(torch.from_numpy(cells)[None, None], made.windows)[0, 0].double().numpy()
    wanted = written_out(cells.astype(float), features_of(guide, 2), noise, ratio)
    np.testing.assert_allclose(guided_change(image, made)[0, 0].numpy(), wanted, atol=2e-5)


def test_a_part_is_what_the_whole_says_there_and_beyond_it_nothing() -> None:
    torch.manual_seed(3)
    made = guide_of(torch.randn(1, 2, 40, 50), torch.tensor([2]), 5)
    image = torch.randn(1, 3, 8, 10).repeat_interleave(5, 2).repeat_interleave(5, 3)
    part = (slice(7, 31), slice(0, 23))
    found, whole = guided_change(image, made, part), guided_change(image, made)
    torch.testing.assert_close(found[:, :, *part], whole[:, :, *part])
    found[:, :, *part] = 0
    assert not found.any()


@pytest.mark.parametrize("noise", [0.02, 1.0])
def test_the_shipped_number_of_iterations_is_enough(noise: float) -> None:
    """With what the covariance itself draws under so much noise: .02 is below all that is found."""
    rng = np.random.default_rng(0)
    references = rng.normal(0, 1, (1, 12, 48, 48)).astype(np.float32)
    made = guide_of(torch.from_numpy(references.repeat(4, 2).repeat(4, 3)), torch.tensor([12]), 16)
    at = np.array(list(np.ndindex(12, 12)), float)
    between = sum(
        covariance(scale, *2 * [means[0].flatten(1).double().numpy()], distances(at, at))
        for scale, _, means in made.terms
    )
    drawn = rng.multivariate_normal(np.zeros(144), between + noise * np.eye(144), 6)
    cells = torch.from_numpy(0.1 * drawn.reshape(1, 6, 12, 12)).float()
    image = cells.repeat_interleave(16, 2).repeat_interleave(16, 3)
    few = guided_change(image, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guided, "ITERATIONS", 400)
        many = guided_change(image, made)
    assert (few - many).abs().max() < 3e-4


@pytest.mark.parametrize("scale", guided.SCALES)
def test_features_stand_for_how_alike_two_spectra_are(scale: Scale) -> None:
    torch.manual_seed(1)
    guide = 0.3 * torch.randn(1, 12, 20, 20)
    features = guided._features(guide, torch.tensor([12]), scale)[0].flatten(1)
    flat = guide[0].flatten(1)
    square = torch.cdist(flat.T, flat.T).square() / 12
    wanted = scale.common + scale.variance * torch.exp(-0.5 * square / scale.alike**2)
    error = features.T @ features - wanted
    assert error.square().mean().sqrt() < 1.2 / scale.features**0.5


def test_a_field_changes_as_a_whole_and_stops_at_its_edge() -> None:
    """Two kinds of fields, one of which darkens; cells hold both in various shares."""
    ratio, rng = 16, np.random.default_rng(2)
    kind = np.kron(rng.integers(0, 2, (11, 11)), np.ones((9, 9)))[:96, :96]
    change = np.where(kind > 0, -0.1, 0.0).astype(np.float32)
    cells = change.reshape(6, ratio, 6, ratio).mean((1, 3))
    image = torch.from_numpy(cells.repeat(ratio, 0).repeat(ratio, 1))[None, None]
    guide = torch.from_numpy(4 * kind.astype(np.float32))[None, None]
    answer = guided_change(image, guide_of(guide, torch.tensor([1]), ratio))[0, 0].numpy()
    assert np.abs(answer - change).mean() < 0.5 * np.abs(image[0, 0].numpy() - change).mean()


def test_no_anomaly_gives_linear_and_one_sided_counts_the_reference_once() -> None:
    frame = frame_of("guided", contrast=True)
    fine, after = torch.rand(2, 1, 6, 32, 32)
    still = torch.full((1, 6, 32, 32), 0.3)
    one, six = torch.ones(1), torch.ones(1, 6)
    view = frame.view(
        Images(fine, still, after, still, still),
        None,
        0.25 * one,
        0.2 * six,
        0.1 * six,
        16,
        six.bool(),
    )
    torch.testing.assert_close(view.base, 0.75 * fine + 0.25 * after)
    risen = still + 0.1
    alone = frame.view(
        Images(fine, still, fine, still, risen), None, 0 * one, 0.2 * six, 0.1 * six, 16, six.bool()
    )
    guide = (fine - 0.2) / 0.1
    wanted = fine + guided_change(risen - still, guide_of(guide, torch.tensor([6]), 16))
    # The features of a guide with empty channels are others, of the same kernel.
    assert (alone.base - wanted).abs().mean() < 0.02


@pytest.mark.parametrize("bands", [1, 3, 6])
def test_as_a_method_it_takes_any_bands(bands: int) -> None:
    names = ("blue", "green", "red", "nir08", "swir16", "swir22")[:bands]
    block = make_block(bands=names)
    fused = load_fuser("guided").fuse(block)
    assert fused.reflectance.shape == block.shape
    assert np.isfinite(fused.reflectance).all()
    assert fused.sigma is None


def test_the_guide_of_one_day_serves_all_days_of_its_references() -> None:
    frame = frame_of("guided", contrast=True)
    fine, coarse = (torch.rand(2, 1, 2, 64, 64) for _ in range(2))
    here = torch.ones(1, 2, dtype=torch.bool)

    def view(day: torch.Tensor, guide: Guide | None) -> View:
        images = Images(fine[0], coarse[0], fine[1], coarse[1], day)
        middle, width = torch.full((1, 2), 0.5), torch.full((1, 2), 0.2)
        return frame.view(images, None, torch.tensor([0.5]), middle, width, 16, here, guide)

    first, day = view(torch.rand(1, 2, 64, 64), None), torch.rand(1, 2, 64, 64)
    assert torch.equal(view(day, first.guide).base, view(day, None).base)
