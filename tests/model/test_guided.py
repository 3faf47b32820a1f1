"""``guided`` against kriging written out in full, and by its laws."""

import numpy as np
import pytest
import torch

from model import guided
from model.frame import Images, View, frame_of
from model.fuser import load_fuser
from model.guided import Guide, guide_of, guided_change
from tests.model.makers import make_block


def written_out(cells: np.ndarray, features: np.ndarray, ratio: int) -> np.ndarray:
    """Kriging with every covariance as a number; (row, col), (feature, y, x) -> (y, x)."""
    rows, cols = cells.shape
    means = features.reshape(len(features), rows, ratio, cols, ratio).mean((2, 4))
    at = [(r + 0.5, c + 0.5) for r in range(rows) for c in range(cols)]

    def near(a: tuple[float, float], b: tuple[float, float]) -> float:
        return np.exp(-0.5 * ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / guided.REACH**2)

    flat = means.reshape(len(features), -1)
    alike = flat.T @ flat
    between = np.array(
        [[alike[i, j] * near(at[i], at[j]) for j in range(len(at))] for i in range(len(at))]
    )
    z = np.linalg.solve(between + guided.NOISE * np.eye(len(at)), cells.ravel())
    answer = np.zeros(features.shape[1:])
    for y, x in np.ndindex(answer.shape):
        place = ((y + 0.5) / ratio, (x + 0.5) / ratio)
        answer[y, x] = sum(
            features[:, y, x] @ flat[:, j] * near(place, at[j]) * z[j] for j in range(len(at))
        )
    return answer


def test_it_is_kriging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided, "ITERATIONS", 60)
    rng = np.random.default_rng(0)
    ratio, rows, cols = 5, 4, 3
    cells = rng.normal(0, 0.1, (rows, cols)).astype(np.float32)
    guide = rng.normal(0, 1, (2, rows * ratio, cols * ratio)).astype(np.float32)
    image = torch.from_numpy(cells.repeat(ratio, 0).repeat(ratio, 1))[None, None]
    answer = guided_change(image, guide_of(torch.from_numpy(guide)[None], torch.tensor([2]), ratio))
    features = (
        guided._features(torch.from_numpy(guide)[None], torch.tensor([2]))[0].double().numpy()
    )
    wanted = written_out(cells.astype(float), features, ratio)
    np.testing.assert_allclose(answer[0, 0].numpy(), wanted, atol=2e-5)


def test_the_shipped_number_of_iterations_is_enough() -> None:
    torch.manual_seed(0)
    image = 0.1 * torch.randn(1, 6, 12, 12).repeat_interleave(16, 2).repeat_interleave(16, 3)
    guide = torch.randn(1, 12, 12, 12).repeat_interleave(16, 2).repeat_interleave(16, 3)
    few = guided_change(image, guide_of(guide, torch.tensor([12]), 16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guided, "ITERATIONS", 200)
        many = guided_change(image, guide_of(guide, torch.tensor([12]), 16))
    assert (few - many).abs().max() < 1e-4


def test_features_stand_for_how_alike_two_spectra_are() -> None:
    torch.manual_seed(1)
    guide = 0.3 * torch.randn(1, 12, 20, 20)
    features = guided._features(guide, torch.tensor([12]))[0].flatten(1)
    flat = guide[0].flatten(1)
    square = torch.cdist(flat.T, flat.T).square() / 12
    error = features.T @ features - torch.exp(-0.5 * square / guided.ALIKE**2)
    assert error.square().mean().sqrt() < 1.2 / guided.FEATURES**0.5


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
