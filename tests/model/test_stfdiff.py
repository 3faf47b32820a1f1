"""The network of STFDiff."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.diffusion import Levels
from model.stfdiff.blocks import StandardisedConv, waves
from model.stfdiff.config import StfdiffConfig
from model.stfdiff.network import Features, Stfdiff


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ({"pairs": "each"}, 7_478_534),
        ({"pairs": "both"}, 7_485_446),
        ({"pairs": "each", "mults": (1, 2)}, 2_278_278),
        ({"pairs": "each", "mults": (1, 2, 4, 8)}, 27_742_214),
    ],
)
def test_it_has_as_many_parameters_as_the_authors_network_uses(
    shape: dict, parameters: int
) -> None:
    with torch.device("meta"):
        network = Stfdiff(StfdiffConfig(**shape))
    assert sum(one.numel() for one in network.parameters()) == parameters


def test_it_multiplies_as_often_as_theirs() -> None:
    side = 256
    with torch.device("meta"):
        network = Stfdiff(StfdiffConfig())
        *known, x = torch.empty(6, 1, 6, side, side)
        level = Levels(*torch.empty(3, 1))
    wider = 2 * 6 * 64 * 9 * side**2  # both stems see one image more than theirs of one pair
    with FlopCounterMode(display=False) as clean:
        features = network.encode(known[4], network.encode_references(*known[:4]))
    with FlopCounterMode(display=False) as step:
        network.denoise(x, features, level, None)
    clean_macs, step_macs = (one.get_total_flops() / 2 for one in (clean, step))
    assert (clean_macs - wider) / 1e9 == pytest.approx(16.1, abs=0.05)
    assert (clean_macs - wider + step_macs) / 1e9 == pytest.approx(71.80, abs=0.01)


def test_a_level_is_told_as_32_sines_and_32_cosines_of_its_number() -> None:
    (row,) = waves(torch.tensor([37.0], dtype=torch.float64)).tolist()
    frequencies = [math.exp(-math.log(1e4) * i / 31) for i in range(32)]
    wanted = [math.sin(37 * f) for f in frequencies] + [math.cos(37 * f) for f in frequencies]
    assert row == pytest.approx(wanted, abs=1e-12)


def test_filters_are_used_with_mean_0_and_variance_1() -> None:
    layer = StandardisedConv(3, 5).double()
    image = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    filters = layer.weight.detach().numpy()
    wanted = (filters - filters.mean((1, 2, 3), keepdims=True)) / np.sqrt(
        filters.var((1, 2, 3), keepdims=True) + 1e-5
    )
    plain = torch.nn.functional.conv2d(image, torch.tensor(wanted), layer.bias, padding=1)
    torch.testing.assert_close(layer(image), plain)
    layer.weight.data = 3 * layer.weight.data + 1  # neither scale nor offset matters
    torch.testing.assert_close(layer(image), plain, atol=1e-2, rtol=0)


def made(**shape: object) -> Stfdiff:
    torch.manual_seed(0)
    return Stfdiff(StfdiffConfig(**{"bands": 2, "width": 8, **shape})).double().eval()


def images(channels: int = 2, batch: int = 1) -> list[Tensor]:
    """F0, C0, F2, C2, C1 and x."""
    drawn = torch.Generator().manual_seed(1)
    return list(torch.rand(6, batch, channels, 16, 24, generator=drawn, dtype=torch.float64))


def level(number: float, batch: int = 1) -> Levels:
    return Levels(*torch.full((3, batch), number, dtype=torch.float64))


@torch.inference_mode()
def answer(network: Stfdiff, known: list[Tensor], number: float = 7.0) -> Tensor:
    f0, c0, f2, c2, c1, x = known
    features = network.encode(c1, network.encode_references(f0, c0, f2, c2))
    return network.denoise(x, features, level(number, len(x)), None)


@pytest.mark.parametrize("pairs", ["both", "each"])
def test_it_reads_x_the_level_and_every_known_image(pairs: str) -> None:
    network, known = made(pairs=pairs), images()
    before = answer(network, known)
    assert (answer(network, known, 8.0) - before).abs().max() > 1e-6
    for number, image in enumerate(known):
        other = [*known[:number], image.flip(-1), *known[number + 1 :]]
        assert (answer(network, other) - before).abs().max() > 1e-4, number


@torch.inference_mode()
def test_what_it_is_told_beside_the_images_counts_example_by_example() -> None:
    network = made(conditions=("dates",))
    f0, c0, f2, c2, c1, x = images(batch=2)
    features = network.encode(c1, network.encode_references(f0, c0, f2, c2))
    told = torch.rand(2, 3, dtype=torch.float64)
    before = network.denoise(x, features, level(7.0, 2), told)
    told[1] += 0.5
    after = network.denoise(x, features, level(7.0, 2), told)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-5


def test_the_decoder_sees_differences_of_the_streams_alone() -> None:
    """Where both streams are one, all it is given is 0: whatever the images, one answer."""
    network, known = made(), images()
    f0, c0, f2, c2, c1, x = known
    features = network.encode(c1, network.encode_references(f0, c0, f2, c2))
    noisy = network.noisy(x)
    made_levels, middle = network.noisy_encoder(noisy, network.embedding(level(7.0).number))
    same = Features(noisy, made_levels, middle, None)
    told = network.embedding(level(7.0).number)
    nothing = [torch.zeros_like(one) for one in (noisy, *made_levels, middle)]
    empty = network.decoder(nothing[0], tuple(nothing[1:-1]), nothing[-1], told)
    torch.testing.assert_close(network.denoise(x, same, level(7.0), None), empty)
    assert (network.denoise(x, features, level(7.0), None) - empty).abs().max() > 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("pairs", ["both", "each"])
def test_the_clean_stream_is_encoded_once_and_its_rows_are_those_of_each_example(
    pairs: str,
) -> None:
    network = made(pairs=pairs)
    f0, c0, f2, c2, c1, x = images(batch=3)
    features = network.encode(c1, network.encode_references(f0, c0, f2, c2))
    numbers = torch.tensor([3.0, 70.0, 99.0], dtype=torch.float64)
    together = network.denoise(x, features, Levels(numbers, numbers, numbers), None)
    for row, number in enumerate(numbers.tolist()):
        alone = answer(network, [one[[row]] for one in (f0, c0, f2, c2, c1, x)], number)
        torch.testing.assert_close(together[[row]], alone)
    rows = torch.tensor([2, 0])
    some = Levels(numbers[rows], numbers[rows], numbers[rows])
    torch.testing.assert_close(
        network.denoise(x[rows], features.rows(rows), some, None), together[rows]
    )


def test_each_pair_by_itself_counts_by_how_near_its_coarse_image_is() -> None:
    network = made(pairs="each")
    f0, c0, f2, c2, c1, x = images()
    one = answer(network, [f0, c0, f0, c0, c1, x])
    other = answer(network, [f2, c2, f2, c2, c1, x])
    near, far = ((c1 - coarse).abs().mean(1, keepdim=True) + 0.01 for coarse in (c0, c2))
    wanted = (one / near + other / far) / (1 / near + 1 / far)
    torch.testing.assert_close(answer(network, [f0, c0, f2, c2, c1, x]), wanted)
    torch.testing.assert_close(answer(network, [f2, c2, f0, c0, c1, x]), wanted)


@pytest.mark.parametrize(("mults", "stride"), [((1,), 1), ((1, 2, 4), 4), ((1, 1, 2, 2, 4), 16)])
def test_any_multiple_of_its_stride_is_a_window(mults: tuple[int, ...], stride: int) -> None:
    network = made(mults=mults)
    assert network.config.stride == stride
    known = [torch.rand(1, 2, 2 * stride, 3 * stride, dtype=torch.float64) for _ in range(6)]
    assert answer(network, known).shape == known[0].shape


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"mults": ()}, r"mults=\[\] must be 1 to 5 numbers"),
        ({"mults": (1, 0)}, r"mults=\[1, 0\] must be 1 to 5 numbers"),
        ({"pairs": "one"}, "no pairs 'one'; there are both, each"),
        ({"width": 20}, "width=20 is not a multiple of groups=8; use groups=8 or a width of 24"),
    ],
)
def test_a_shape_that_there_is_not_is_refused(shape: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StfdiffConfig(**shape)


def test_a_shape_survives_json() -> None:
    shape = StfdiffConfig(mults=(1, 2), pairs="each", conditions=("dates",))
    known = json.loads(json.dumps({name: getattr(shape, name) for name in shape.__slots__}))
    base = {name: getattr(shape, name) for name in ("bands", "width", "conditions")}
    assert StfdiffConfig.from_dict({**known, **base}) == shape
