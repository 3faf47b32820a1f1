"""The losses, each against its formula."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.sastf.network import Features
from model.training.batch import Batch, view_of
from model.training.config import LossConfig, PerceptualConfig
from model.training.losses import COARSE_STEP_PX, Objective, coarse_means, mean_of, time_loss
from model.training.vgg import DEVIATION, MEAN, VggLoss, load_perceptual
from tests.model.examples import SMALL, batch_of, make_example, with_unknown

CPU = torch.device("cpu")


def features_of(target: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> Features:
    empty = torch.empty(0)
    return Features(empty, (), empty, target, (before, after))


def objective(answer: torch.Tensor, batch: Batch, **loss: object) -> torch.Tensor:
    view = view_of(batch, "anomaly", SMALL)
    nothing = features_of(*torch.zeros(3, 1, 1, 1, 1))
    return Objective(LossConfig(**loss), None)(answer, nothing, view, batch, 0.0).total


def test_the_time_loss_is_half_the_sum_of_both_squared_distances() -> None:
    target, before, after = torch.randn(3, 2, 4, 3, 3).unbind()
    wanted = 0.5 * ((before - target) ** 2).mean() + 0.5 * ((after - target) ** 2).mean()
    target.requires_grad_()
    loss = time_loss(features_of(target, before, after))
    torch.testing.assert_close(loss, wanted)
    loss.backward()
    assert target.grad is not None
    assert target.grad.abs().sum() > 0  # not detached, as in the authors' code


@pytest.mark.parametrize("units", ["reflectance", "spread", "network"])
def test_the_units_of_an_error(units: str) -> None:
    batch = batch_of(make_example())
    view = view_of(batch, "anomaly", SMALL)
    answer = torch.randn_like(batch.truth)
    unit = {"reflectance": 1.0, "spread": 0.1, "network": view.scale}[units]
    error = (view.base + view.scale * answer - batch.truth) / unit
    assert float(objective(answer, batch, units=units)) == pytest.approx(
        float(error.abs().mean()), rel=1e-5
    )
    rounded = ((error**2 + 0.3**2).sqrt() - 0.3).mean()
    loss = objective(answer, batch, units=units, reconstruction="charbonnier", knee=0.3)
    assert float(loss) == pytest.approx(float(rounded), rel=1e-4)


def test_unknown_truth_and_absent_bands_are_scored_nowhere() -> None:
    batch = batch_of(with_unknown(make_example()))
    answer = torch.randn_like(batch.truth).requires_grad_()
    options = {"consistency": 1.0, "reconstruction": "charbonnier"}
    loss = objective(answer, batch, **options)
    (gradient,) = torch.autograd.grad(loss, answer)
    assert gradient.isfinite().all()
    assert not gradient[~batch.scored].any()
    assert gradient[batch.scored].all()
    elsewhere = torch.where(batch.scored, answer, 7.0)
    torch.testing.assert_close(objective(elsewhere, batch, **options), loss)


def test_the_mean_is_of_each_example_and_one_without_truth_counts_nothing() -> None:
    values, scored = torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    values[0], scored[0, :, 1:] = 3.0, False
    assert mean_of(values, scored) == 2.0
    scored[0] = False
    assert mean_of(values, scored) == 0.5


def test_coarse_means_are_gaussian_sums_over_known_pixels() -> None:
    batch = batch_of(with_unknown(make_example()))
    error = torch.randn_like(batch.truth)
    scored = batch.scored
    means, known = coarse_means(error, scored, batch)
    torch.testing.assert_close(
        coarse_means(torch.full_like(error, 0.3), scored, batch)[0][known],
        torch.full_like(means[known], 0.3),
    )
    width, aspect, which = batch.uniform[0, 3:].tolist()
    narrow = (0.73 + (2.1 - 0.73) * width) * 16 / 2.355
    wide = narrow * (1 + aspect)
    sigma_y, sigma_x = (wide, narrow) if which < 0.5 else (narrow, wide)
    y, x = np.mgrid[:32, :32] + 0.5
    place = (np.arange(4) + 0.5) * COARSE_STEP_PX
    row, col = 2, 1
    weight = np.exp(
        -0.5 * ((y - place[row]) / sigma_y) ** 2 - 0.5 * ((x - place[col]) / sigma_x) ** 2
    )
    weight *= scored[0, 0].numpy()
    wanted = (weight * error[0, 0].numpy()).sum() / weight.sum()
    assert means[0, 0, row, col].item() == pytest.approx(wanted, rel=1e-4)
    assert not known[0, 1].any()


def test_the_perceptual_loss_is_that_of_a_vgg_file_of_torchvision(tmp_path: Path) -> None:
    file = tmp_path / "vgg16_bn-random.pth"
    weights = random_vgg()
    torch.save({**weights, "classifier.6.bias": torch.zeros(1000)}, file)
    loss, note = load_perceptual(PerceptualConfig(weight=0.01, weights_file=file), CPU)
    assert loss is not None
    assert note is not None
    assert file.name in note
    image, truth = torch.rand(2, 1, 3, 16, 16).unbind()
    present = torch.tensor([[True, False, True]])
    wanted = 0.0
    for tap, weight in ((1, 1.0), (2, 0.8), (3, 0.6)):
        a, b = (tapped(weights, one[:, [0, 2]].mean(1), tap) for one in (image, truth))
        wanted += weight * ((a - b) ** 2).mean()
    assert loss(image, truth, present).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_without_a_vgg_file_the_weight_is_0_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    loss, note = load_perceptual(PerceptualConfig(weight=0.01), CPU)
    assert loss is None
    assert "weight 0 instead of 0.01" in (note or "")
    file = tmp_path / "vgg16.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    with pytest.raises(ValueError, match=r"vgg16\.pth does not hold VGG-16-BN.*vgg16_bn-6c64b313"):
        load_perceptual(PerceptualConfig(weight=0.01, weights_file=file), CPU)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"<!DOCTYPE html>", pickle.dumps(Path())],
    ids=["missing", "empty", "web page", "code"],
)
def test_a_vgg_file_that_is_none_is_told_with_its_cure_and_without_torchs_advice(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "vgg16.pth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"vgg16\.pth.*vgg16_bn-6c64b313\.pth") as raised:
        load_perceptual(PerceptualConfig(weight=0.01, weights_file=file), CPU)
    assert "weights_only" not in f"{raised.value}"
    assert len(f"{raised.value}".splitlines()) == 1


def random_vgg() -> dict[str, torch.Tensor]:
    """The first three blocks under torchvision's names."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, value in VggLoss().state_dict().items():
        drawn = torch.rand(value.shape, generator=generator)
        scale = value[0].numel() ** -0.5 if value.ndim == 4 else 1.0
        weights[name] = (
            torch.tensor(0) if value.ndim == 0 else (drawn - 0.3 * (value.ndim == 4)) * scale
        )
    return weights


def tapped(weights: dict[str, torch.Tensor], grey: torch.Tensor, tap: int) -> torch.Tensor:
    """Layer by layer, from the description of torchvision's vgg16_bn."""
    mean, deviation = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (MEAN, DEVIATION))
    x = (grey[:, None].repeat(1, 3, 1, 1) - mean) / deviation
    blocks = ((0, 3), (7, 10), (14, 17, 20))
    for block, convs in enumerate(blocks[:tap], 1):
        for conv in convs:
            x = functional.conv2d(
                x, weights[f"features.{conv}.weight"], weights[f"features.{conv}.bias"], padding=1
            )
            gamma, beta, centre, variance = (
                weights[f"features.{conv + 1}.{name}"].reshape(1, -1, 1, 1)
                for name in ("weight", "bias", "running_mean", "running_var")
            )
            x = gamma * (x - centre) / (variance + 1e-5).sqrt() + beta
            if (block, conv) == (3, 20):
                return x
            x = x.relu()
        if block < tap:
            x = functional.max_pool2d(x, 2)
    return x
