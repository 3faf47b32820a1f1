"""What the options of the network do, each against an oracle or by a law."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from model.conditions import condition_vector
from model.diffusion import Levels
from model.sastf.config import NetworkConfig
from model.sastf.network import Features, Network
from model.sastf.semantic_fusion import select_reference
from model.sastf.temporal_alignment import CrossAttention

SMALL = {"width": 8, "groups": 8}
LEVELS = Levels(torch.tensor([12.5]), torch.tensor([40.25]), torch.tensor([39.0]))


def network_of(**options) -> Network:
    torch.manual_seed(0)
    return Network(NetworkConfig(**SMALL | options)).eval()


def features_of(network: Network, images: Tensor) -> Features:
    """``images`` (6, batch, band, y, x): x, C1, F0, C0, F2, C2."""
    return network.encode(images[1], network.encode_references(*images[2:]))


@torch.inference_mode()
def answer_of(network: Network, images: Tensor, conditions: Tensor | None = None) -> Tensor:
    levels = Levels(*(level.to(images) for level in LEVELS))
    return network.denoise(images[0], features_of(network, images), levels, conditions)


@pytest.mark.parametrize("mask", ["element", "pixel"])
@pytest.mark.parametrize("stable", ["earlier", "nearest"])
def test_selection_takes_what_the_rule_says_place_by_place(mask: str, stable: str) -> None:
    generator = torch.Generator().manual_seed(1)
    c, f0, f2, a0, a2 = torch.rand(5, 2, 3, 9, 7, generator=generator)
    f2[:, :, :5] = 0.7 * f0[:, :, :5] + 0.3 * f2[:, :, :5]  # else hardly any pixel is stable
    chosen = select_reference(c, f0, f2, (a0, a2), mask=mask, stable=stable)

    def at(image: Tensor, place: tuple[int, ...]) -> np.ndarray:
        n, band, y, x = place
        values = image.numpy()[n, :, y, x]
        return values if mask == "pixel" else values[band : band + 1]

    taken = set()
    for place in np.ndindex(*c.shape):
        own, before, after, one, two = (at(image, place) for image in (c, f0, f2, a0, a2))
        to_before, to_after = ((own - before) ** 2).sum(), ((own - after) ** 2).sum()
        if ((after - before) ** 2).sum() < min(to_before, to_after):
            later = stable == "nearest" and to_after < to_before
            name, expected = ("after", f2) if later else ("before", f0)
        elif ((own - one) ** 2).sum() < ((own - two) ** 2).sum():
            name, expected = "aligned before", a0
        else:
            name, expected = "aligned after", a2
        taken.add(name)
        assert chosen[place] == expected[place]
    assert len(taken) == (4 if stable == "nearest" else 3)


@pytest.mark.parametrize("attention", ["column", "row"])
def test_attention_sums_over_the_places_that_its_name_says(attention: str) -> None:
    torch.manual_seed(0)
    layer = CrossAttention(8, 2, attention).double()
    fine, coarse, gain = torch.randn(3, 1, 8, 2, 3, dtype=torch.float64)
    with torch.inference_mode():
        spread = layer(fine, coarse, gain)[0].reshape(8, 6).numpy()
        q = layer.query(layer.norm(fine))[0].reshape(8, 6).numpy()
        k = layer.key(layer.norm(coarse))[0].reshape(8, 6).numpy()
        v = layer.value(gain)[0].reshape(8, 6).numpy()
    weights = np.zeros((6, 6))
    for n in range(6):
        scores = np.exp([q[:, n] @ k[:, m] / np.sqrt(8) for m in range(6)])
        weights[n] = scores / scores.sum()
    for place in range(6):
        own = weights[place] if attention == "row" else weights[:, place]
        np.testing.assert_allclose(spread[:, place], sum(own[i] * v[:, i] for i in range(6)))


ROWS = {
    # name: options, change to the full network of 83.84 M in millions (stfdiff.md, section 5)
    "Taylor": ({"align": False, "select": False}, -4.73),
    "+TFA": ({"select": False}, 0.52),
    "+SAF": ({"align": False}, -5.25),
    "RDDM": ({"align": False, "select": False, "residual": False}, -4.73 - 4.75),
    "no diffusion": ({"diffusion": False}, 61.31 - 83.84),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_ablation_has_its_number_of_parameters(row: str) -> None:
    options, change = ROWS[row]
    with torch.device("meta"):
        network = Network(NetworkConfig(**options))
    # The authors' layers that nothing reads: a norm, and an output projection of each TFA.
    unused = 1024 + (2 * 262_656 if options.get("align", True) else 0)
    count = sum(p.numel() for p in network.parameters()) + unused
    assert count / 1e6 == pytest.approx(83.84 + change, abs=0.01)


@torch.inference_mode()
@pytest.mark.parametrize("taken", ["before", "after"])
def test_without_alignment_and_selection_the_references_themselves_are_merged(taken: str) -> None:
    network = network_of(align=False, select=False)
    images = torch.rand(6, 1, 6, 32, 32)
    weight = torch.zeros(64, 128)
    weight[:, slice(0, 64) if taken == "before" else slice(64, 128)] = torch.eye(64)
    network.merge.weight.copy_(weight[:, :, None, None])
    network.merge.bias.zero_()
    features = features_of(network, images)
    reference = network.image_encoder(images[2 if taken == "before" else 4]).deep
    expected = network.fused(
        network.selected(reference) + network.target(network.image_encoder(images[1]).deep)
    )
    torch.testing.assert_close(features.deep, expected)
    assert features.coarse_rebuilt is None


@torch.inference_mode()
def test_without_the_residual_block_nothing_is_taken_off_the_noisy_features() -> None:
    de_res = network_of(residual=False).de_res
    x, *others = torch.randn(5, 1, 64, 2, 2)
    level = torch.randn(1, 8)
    one = de_res(x, others[0], others[1], level, level)
    assert torch.equal(one, de_res(x, others[2], others[3], level, level))
    assert torch.equal(one, de_res.denoise(de_res.norm(x), level))


def test_without_diffusion_the_noisy_image_and_its_level_are_ignored() -> None:
    network = network_of(diffusion=False)
    images = torch.rand(6, 1, 6, 32, 32)
    other = torch.cat([torch.rand(1, 1, 6, 32, 32), images[1:]])
    assert torch.equal(answer_of(network, images), answer_of(network, other))
    assert not torch.equal(answer_of(network, images), answer_of(network, images.flip(0)))


@pytest.mark.parametrize("diffusion", [True, False])
def test_a_network_is_told_its_conditions_with_and_without_diffusion(diffusion: bool) -> None:
    network = network_of(diffusion=diffusion, conditions=("ratio", "dates"))
    images = torch.rand(6, 2, 6, 32, 32)
    told = torch.tensor([[0.5, 0.0, 0.3, 0.3], [0.5, 1.0, 0.3, 0.3]])
    same, changed = answer_of(network, images, told[[0, 0]]), answer_of(network, images, told)
    torch.testing.assert_close(same[0], changed[0])
    assert not torch.allclose(same[1], changed[1])


def test_conditions_stand_in_the_order_that_was_asked_for() -> None:
    config = NetworkConfig(bands=3, conditions=("bands", "dates", "ratio"))
    vector = condition_vector(
        config,
        torch.tensor([0.0, 0.75]),
        torch.tensor([0, 63]),
        torch.tensor([-7, 7]),  # one-sided: both references lie before the day
        torch.tensor([16, 8]),
        torch.tensor([[True, True, True], [False, True, False]]),
    )
    expected = torch.tensor([[1, 1, 1, -1, 0, 0.5, 1], [0, 1, 0, 0.5, 1, 0.5, 0.75]])
    torch.testing.assert_close(vector, expected)
    assert vector.shape[1] == len(config.condition_inputs)
    assert condition_vector(NetworkConfig(), *torch.ones(5, 1, 6)[:, :, 0]) is None


def symmetric(network: Network) -> Network:
    """Weights that treat both references alike wherever they stand beside each other."""
    network.align_after.load_state_dict(network.align_before.state_dict())
    for fusion in network.shallow:
        for block, images, shared in ((fusion.coarse, 3, (1, 2)), (fusion.fine, 2, (0, 1))):
            norm, conv = block[0], block[2]
            for weight in (norm.weight, norm.bias, conv.weight):
                own = weight.data if weight.dim() == 1 else weight.data.transpose(0, 1)
                parts = own.unflatten(0, (images, -1))  # a view: it writes the weight itself
                parts[list(shared)] = parts[list(shared)].mean(0)
    return network


def test_exchanging_the_references_matters_only_by_weights_and_the_stable_branch() -> None:
    # A width and groups at which no group of the joined images straddles two of them.
    images = torch.rand(6, 1, 6, 32, 32, generator=torch.Generator().manual_seed(0))
    exchanged = images[[0, 1, 4, 5, 2, 3]]
    size = {"width": 12, "groups": 12}
    for options, weights, alike in (
        ({"stable": "nearest"}, symmetric, True),
        ({"stable": "earlier"}, symmetric, False),
        ({"stable": "nearest"}, lambda network: network, False),
    ):
        network = weights(network_of(**size, **options)).double()
        one, two = (answer_of(network, x.double()) for x in (images, exchanged))
        assert torch.allclose(one, two, atol=1e-9) is alike


@pytest.mark.parametrize("size", [16, 48, 64, 80])
def test_any_multiple_of_sixteen_is_a_window(size: int) -> None:
    network = network_of(mask="pixel", attention="row", stable="nearest")
    answer = answer_of(network, torch.rand(6, 1, 6, size, 32))
    assert answer.shape == (1, 6, size, 32)
    assert torch.isfinite(answer).all()


def test_constant_images_give_finite_features() -> None:
    for value in (0.0, 0.3):
        images = torch.full((6, 1, 6, 32, 32), value)
        assert torch.isfinite(answer_of(network_of(), images)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "cell"}, "no mask 'cell'; there are element, pixel"),
        ({"attention": "both"}, "no attention 'both'; there are column, row"),
        ({"stable": "later"}, "no stable 'later'; there are earlier, nearest"),
        ({"conditions": ("weather",)}, r"\['weather'\] are not some of dates, ratio, bands"),
        ({"conditions": ("dates", "dates")}, "each once"),
    ],
)
def test_an_option_that_there_is_not_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**SMALL, **options)


def test_a_configuration_survives_json() -> None:
    config = NetworkConfig(**SMALL, conditions=("bands", "dates"), attention="row", filled=True)
    assert NetworkConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
