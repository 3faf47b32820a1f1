from pathlib import Path

import numpy as np
import pytest
import torch

from model.diffusion import Levels, official
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.sastf.parity import outputs
from model.sastf.semantic_fusion import select_reference
from tests.model.golden_rule import rule_images, rule_network

PARITY = 2e-4
GOLDEN = Path(__file__).parent / "golden_w16.npz"


def test_network_and_sampler_still_give_the_numbers_of_the_day_they_met_the_authors() -> None:
    # The expected numbers were made at width 16 when width 32 agreed with the authors' own.
    with np.load(GOLDEN) as file:
        expected = {name: file[name] for name in file.files}
    levels = {"a_level": np.array(12.5), "b_level": np.array(40.25)}
    images = {name: image.numpy() for name, image in rule_images(32).items()}
    arrays = {**images, **levels, **expected}
    made = dict(outputs(rule_network(16, 16), official(), arrays))
    assert made.keys() == {"y", "lr_feature", "recon0", "recon1", "sample_S10"}
    for name, image in made.items():
        torch.testing.assert_close(image, torch.from_numpy(expected[name]), atol=PARITY, rtol=0)


def test_width_64_has_as_many_parameters_as_the_paper_counts() -> None:
    with torch.device("meta"):
        network = Network(NetworkConfig())
    unused = 526_336  # two output projections and a norm that nothing reads
    assert sum(p.numel() for p in network.parameters()) + unused == 83_839_558


def test_groups_that_do_not_divide_the_width_are_refused_with_a_cure() -> None:
    with pytest.raises(ValueError, match="width=16 is not a multiple of groups=32; use groups=16"):
        NetworkConfig(width=16)


@torch.inference_mode()
def test_references_encoded_once_serve_every_day_and_batch() -> None:
    torch.manual_seed(0)
    network = Network(NetworkConfig(width=16, groups=16)).double().eval()
    f0, c0, f2, c2, one, two = torch.rand(6, 1, 6, 32, 48, dtype=torch.float64)
    references = network.encode_references(f0, c0, f2, c2)
    levels = Levels(*torch.tensor([[7.0], [9.0], [4.0]]).double())
    alone = [
        network.denoise(f0, network.encode(day, references), levels, None) for day in (one, two)
    ]
    pair = [torch.cat([image, image]) for image in (f0, c0, f2, c2)]
    together = network.denoise(
        torch.cat([f0, f0]),
        network.encode(torch.cat([one, two]), network.encode_references(*pair)),
        Levels(*(level.expand(2) for level in levels)),
        None,
    )
    torch.testing.assert_close(together, torch.cat(alone))


def test_selection_follows_the_printed_rule_element_by_element() -> None:
    generator = torch.Generator().manual_seed(1)
    c, f0, f2, a0, a2 = torch.rand(5, 1, 3, 5, 7, generator=generator)
    chosen = select_reference(c, f0, f2, (a0, a2))
    for at in np.ndindex(*c.shape):
        if (f2[at] - f0[at]) ** 2 < min((c[at] - f0[at]) ** 2, (c[at] - f2[at]) ** 2):
            expected = f0[at]
        elif (c[at] - a0[at]) ** 2 < (c[at] - a2[at]) ** 2:
            expected = a0[at]
        else:
            expected = a2[at]
        assert chosen[at] == expected
