"""A network that starts from another's weights answers as that one did."""

from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.card import CheckpointError
from model.diffusion import Levels
from model.network import FusionNetwork
from model.networks import network_of
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.shape import NetworkShape
from model.stfdiff.config import StfdiffConfig

SHAPE = {"bands": 2, "width": 16, "groups": 16}
LEVELS = Levels(torch.tensor([12.5]), torch.tensor([40.25]), torch.tensor([39.0]))


def stored(folder: Path, config: NetworkShape) -> FusionNetwork:
    """A random network, written and read."""
    torch.manual_seed(0)
    sampling = dict.fromkeys(
        ("levels", "sum_scale", "steps", "kappa", "window_px", "overlap_px", "halo_px"), 1
    )
    card = {"bands": ("red", "nir08"), "frame": "anomaly"}
    checkpoint.save(
        folder, network_of(config), card | {"sampling": {"schedule": "rddm", **sampling}}
    )
    return checkpoint.load(folder)[0]


@torch.inference_mode()
def answer(network: FusionNetwork, images: dict[str, torch.Tensor], told: dict[str, float]):
    """The network's answer to those of the channels and conditions that it knows."""
    config = network.config
    x, *known = (
        torch.cat([images[name][i : i + 1] for name in config.image_channels], dim=1)
        for i in range(6)
    )
    conditions = torch.tensor([[told[name] for name in config.condition_inputs]])
    features = network.encode(known[0], network.encode_references(*known[1:]))
    return network.denoise(x[:, : config.bands], features, LEVELS, conditions)


def everything(config: NetworkShape) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    images = {name: torch.rand(6, 1, 32, 48) for name in config.image_channels}
    numbers = torch.rand(len(config.condition_inputs)).tolist()
    return images, dict(zip(config.condition_inputs, numbers, strict=True))


@pytest.mark.parametrize(
    ("was", "new"),
    [
        (NetworkConfig(**SHAPE), ["image_encoder.stem", "conditions.0", "conditions.2"]),
        (
            NetworkConfig(**SHAPE, contrast=True, conditions=("bands",)),
            ["image_encoder.stem", "conditions.0"],
        ),
        (NetworkConfig(**SHAPE, filled=True, conditions=("ratio", "dates")), None),
    ],
    ids=["told nothing", "contrast and bands", "other order"],
)
def test_what_is_new_to_a_network_changes_nothing_before_training(
    tmp_path: Path, was: NetworkConfig, new: list[str] | None
) -> None:
    old = stored(tmp_path, was)
    wide = Network(
        NetworkConfig(**SHAPE, contrast=True, filled=True, conditions=("dates", "ratio", "bands"))
    )
    names = checkpoint.load_into(wide, tmp_path)
    if new is not None:
        assert {name.rpartition(".")[0] for name in names} == set(new)
    images, told = everything(wide.config)
    torch.testing.assert_close(
        answer(wide, images, told), answer(old, images, told), atol=1e-5, rtol=1e-5
    )


def test_the_same_network_has_nothing_new(tmp_path: Path) -> None:
    config = NetworkConfig(**SHAPE, contrast=True, conditions=("dates",))
    old = stored(tmp_path, config)
    again = Network(config)
    assert checkpoint.load_into(again, tmp_path) == []
    for one, other in zip(again.parameters(), old.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("pairs", ["both", "each"])
def test_stfdiff_too_starts_from_one_that_was_given_less(tmp_path: Path, pairs: str) -> None:
    shape = {"bands": 2, "width": 8, "pairs": pairs}
    old = stored(tmp_path, StfdiffConfig(**shape, conditions=("dates",)))
    wide = network_of(
        StfdiffConfig(**shape, contrast=True, filled=True, conditions=("ratio", "dates"))
    )
    names = checkpoint.load_into(wide, tmp_path)
    assert names == ["fine.weight", "coarse.weight", "conditions.0.weight"]
    images, told = everything(wide.config)
    torch.testing.assert_close(
        answer(wide, images, told), answer(old, images, told), atol=1e-5, rtol=1e-5
    )


def test_a_network_does_not_start_from_one_of_another_method(tmp_path: Path) -> None:
    stored(tmp_path, NetworkConfig(**SHAPE))
    with pytest.raises(CheckpointError, match=r"is a checkpoint of sa-stf, .* trained is stfdiff"):
        checkpoint.load_into(network_of(StfdiffConfig(bands=2, width=16)), tmp_path)


def test_new_inputs_learn(tmp_path: Path) -> None:
    stored(tmp_path, NetworkConfig(**SHAPE))
    wide = Network(NetworkConfig(**SHAPE, filled=True, conditions=("dates",)))
    checkpoint.load_into(wide, tmp_path)
    known = torch.rand(5, 1, 3, 16, 16)
    features = wide.encode(known[0], wide.encode_references(*known[1:]))
    wide.denoise(torch.rand(1, 2, 16, 16), features, LEVELS, torch.rand(1, 3)).sum().backward()
    stem, told = wide.image_encoder.stem.weight.grad, wide.conditions[-1].weight.grad
    assert stem[:, 2].abs().sum() > 0
    assert told.abs().sum() > 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (NetworkConfig(**SHAPE), "is given contrast 0, contrast 1, which the one to be trained"),
        (NetworkConfig(bands=2, width=32, contrast=True), r"stem\.weight has the shape \(16, 4"),
    ],
)
def test_a_start_that_cannot_answer_the_same_is_refused(
    tmp_path: Path, other: NetworkConfig, message: str
) -> None:
    stored(tmp_path, NetworkConfig(**SHAPE, contrast=True))
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load_into(Network(other), tmp_path)


def test_parts_that_were_left_out_are_named_as_new(tmp_path: Path) -> None:
    stored(tmp_path, NetworkConfig(**SHAPE, align=False))
    names = checkpoint.load_into(Network(NetworkConfig(**SHAPE)), tmp_path)
    assert {name.partition(".")[0] for name in names} == {"align_before", "align_after"}
