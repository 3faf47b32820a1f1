import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.diffusion import official, sample, sampling_steps
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.sastf.official import OURS, from_official
from model.sastf.semantic_fusion import select_reference

PARITY = 2e-4
GOLDEN = Path(__file__).parent / "golden_w16.npz"


def rule_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """The golden set's weights without a random generator (rule in its README)."""
    h = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 1000
    v = np.sin(0.7391 * np.arange(math.prod(shape)) + 0.0137 * h)
    if name.endswith("bias"):
        v = 0.05 * v
    elif len(shape) == 1:
        v = 1 + 0.1 * v
    else:
        v = v * np.sqrt(3 / math.prod(shape[1:]))
    return torch.tensor(v.reshape(shape).astype(np.float32))


def official_state(keys: Path, width: int) -> dict[str, Tensor]:
    state = {}
    for line in keys.read_text().splitlines():
        name, _, text = line.partition("\t")
        sizes = [int(part) for part in text.strip("() ").split(",") if part.strip()]
        shape = tuple(n if n in (1, 3, 6) else n * width // 64 for n in sizes)
        state[name] = rule_weight(name, shape)
    return state


def rule_network(width: int, groups: int) -> Network:
    """A network whose weights follow the golden rule by the authors' names of its layers."""
    network = Network(NetworkConfig(width=width, groups=groups))
    theirs = {ours: name for name, ours in OURS.items()}
    state = {}
    for key, value in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        state[key] = rule_weight(f"{theirs[layer]}.{kind}", tuple(value.shape))
    network.load_state_dict(state)
    return network.eval()


def rule_images(size: int) -> dict[str, Tensor]:
    """Seven images in [-1, 1] without a random generator."""
    names = ("xt", "C1", "C0", "F0", "C2", "F2", "noise")
    waves = {name: 20 * rule_weight(f"{name}.bias", (6 * size * size,)) for name in names}
    return {name: wave.reshape(1, 6, size, size) for name, wave in waves.items()}


def run(network: Network, images: dict[str, Tensor]) -> dict[str, Tensor]:
    """Network and ten-step sampler on images, as the golden set was made."""
    schedule = official()
    with torch.inference_mode():
        references = network.encode_references(*(images[n] for n in ("F0", "C0", "F2", "C2")))
        features = network.encode(images["C1"], references)
        levels = (torch.tensor([12.5]), torch.tensor([40.25]))
        y = network.denoise(images["xt"], features, levels, None)

        def denoise(x: Tensor, t: int) -> Tensor:
            a, b = schedule.levels(t)
            return network.denoise(x, features, (a.reshape(1), b.reshape(1)), None)

        steps = sampling_steps(100, 10)
        sampled = sample(denoise, images["C1"], images["noise"], steps, schedule)
    return {
        "y": y,
        "lr_feature": features.coarse_attended,
        "recon0": features.coarse_rebuilt[0],
        "recon1": features.coarse_rebuilt[1],
        "sample_S10": sampled,
    }


OUTPUTS = ("y", "lr_feature", "recon0", "recon1", "sample_S10")


def test_network_and_sampler_give_the_authors_numbers(shared_data: Path) -> None:
    folder = shared_data.parent / "golden"
    network = Network(NetworkConfig(width=32)).eval()
    state = official_state(folder / "official_state_dict_keys.txt", 32)
    network.load_state_dict(from_official(state))
    with np.load(folder / "golden_w32.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    made = run(network, arrays)
    for name in OUTPUTS:
        torch.testing.assert_close(made[name], arrays[name], atol=PARITY, rtol=0)


def test_network_and_sampler_still_give_the_numbers_of_the_day_they_met_the_authors() -> None:
    # Made by this file's `run` at width 16 when the test above passed; needs no shared data.
    made = run(rule_network(16, 16), rule_images(32))
    with np.load(GOLDEN) as file:
        for name in OUTPUTS:
            expected = torch.from_numpy(file[name])
            torch.testing.assert_close(made[name], expected, atol=PARITY, rtol=0)


def test_a_state_dict_of_another_network_is_named() -> None:
    with pytest.raises(KeyError, match=r"1 of 1 names are not of SA-STF, the first: conv1\.weight"):
        from_official({"module.conv1.weight": torch.zeros(1)})


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
    levels = (torch.full((1,), 7.0).double(), torch.full((1,), 9.0).double())
    alone = [
        network.denoise(f0, network.encode(day, references), levels, None) for day in (one, two)
    ]
    pair = [torch.cat([image, image]) for image in (f0, c0, f2, c2)]
    together = network.denoise(
        torch.cat([f0, f0]),
        network.encode(torch.cat([one, two]), network.encode_references(*pair)),
        (levels[0].expand(2), levels[1].expand(2)),
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
