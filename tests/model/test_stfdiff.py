"""The network of STFDiff, and what becomes of it behind the doors of trainer and fuser."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.card import CheckpointError, describe, read_card
from model.classical.naive import NAIVE
from model.diffusion import Levels, cosine, sample, sampling_steps
from model.fuser import load_fuser
from model.network import FusionNetwork
from model.network_fuser import NetworkFuser
from model.noise import noise_field
from model.sastf.parity import check_parity
from model.stfdiff.blocks import StandardisedConv, waves
from model.stfdiff.config import StfdiffConfig
from model.stfdiff.network import Features, Stfdiff
from model.training import log
from model.training.config import (
    DataConfig,
    LevelsConfig,
    LossConfig,
    OptimiserConfig,
    SamplingConfig,
    ScheduleConfig,
    TrainConfig,
    ValidationConfig,
)
from model.training.distributed import Ranks
from model.training.run import TrainProgress
from model.training.train import train
from tests.model.examples import Random
from tests.model.makers import BANDS, make_block, write_checkpoint, write_stfdiff
from tests.model.test_windows import part

ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# The network


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


# Behind the fuser's door


def test_tiles_agree_with_the_whole_though_every_step_draws_noise(tmp_path: Path) -> None:
    # Windows that do not overlap, side by side on the lattice: each is its own whole walk, so that
    # tiles agree to the bit if noise is keyed by place and step, and by nothing else.
    folder = write_stfdiff(tmp_path, window_px=32, overlap_px=0, halo_px=0)
    fuser = load_fuser("stfdiff", folder)
    region = make_block(y=64, x=96, days=(2, 5), origin=(-32, 64))
    whole = fuser.fuse(region).reflectance
    for y, x in ((slice(0, 32), slice(0, 64)), (slice(32, 64), slice(32, 96))):
        tile = fuser.fuse(part(region, y, x)).reflectance
        # Other windows stand beside in a batch, which torch may round otherwise.
        np.testing.assert_allclose(tile, whole[..., y, x], atol=1e-6)
    assert isinstance(fuser, NetworkFuser)
    others = [replace(fuser.sampler, **change) for change in ({"eta": 0.0}, {"clamp": False})]
    for other in (replace(fuser, seed=1), *(replace(fuser, sampler=one) for one in others)):
        assert np.abs(other.fuse(region).reflectance - whole).max() > 1e-3


class Half(FusionNetwork):
    """Answers half of what it is given."""

    config = StfdiffConfig()
    head = nn.Conv2d(1, 6, 1)

    def encode_references(self, *known: Tensor) -> None:
        return None

    def encode(self, coarse: Tensor, references: None) -> None:
        return None

    def denoise(self, x: Tensor, features: None, levels: Levels, conditions: None) -> Tensor:
        return 0.5 * x


def test_the_noise_of_a_step_is_that_of_its_level_and_place(tmp_path: Path) -> None:
    fuser = load_fuser("stfdiff", write_stfdiff(tmp_path), seed=5, samples=2)
    assert isinstance(fuser, NetworkFuser)
    block = make_block(y=64, x=64, days=(2, 5), origin=(48, -80))
    fused, sigma = replace(fuser, network=Half()).fuse(block)

    def walk(sample_number: int) -> Tensor:
        def noise(step: int) -> Tensor:
            field = noise_field(5, block.origin, 6, 64, 64, sample=sample_number, step=step)
            return torch.from_numpy(field)[None]

        zero = torch.zeros(1, 6, 64, 64)
        grid = sampling_steps(100, 3)
        assert [now for now, _ in grid] == [100, 66, 33]
        start = noise(0)
        return sample(
            lambda x, t: 0.5 * x, zero, start, grid, cosine(100), eta=1.0, fresh=noise, clamp=True
        )

    one, two = (0.5 + 0.5 * walk(number)[0].numpy() for number in range(2))
    for day in range(2):
        np.testing.assert_allclose(fused[day], one, atol=1e-6)
    assert sigma is not None
    np.testing.assert_allclose(sigma[0], np.stack([one, two]).std(0, ddof=1), atol=1e-6)


def test_clamped_answers_are_reflectance_of_0_to_1(tmp_path: Path) -> None:
    fused = load_fuser("stfdiff", write_stfdiff(tmp_path)).fuse(make_block()).reflectance
    assert fused.min() >= 0
    assert fused.max() <= 1


@pytest.mark.parametrize("pairs", ["both", "each"])
def test_a_day_with_one_reference_and_some_of_the_bands_is_fused(
    tmp_path: Path, pairs: str
) -> None:
    folder = write_stfdiff(tmp_path, slots=True, frame="guided", pairs=pairs, clamp=False)
    block = make_block(bands=("nir08", "red"), span=(0, 0), days=(3,))
    block = replace(block, fine_after=block.fine_before, coarse_after=block.coarse_before)
    assert block.one_sided
    fused = load_fuser("stfdiff", folder, samples=3).fuse(block)
    assert fused.sigma is not None
    assert np.isfinite(fused.reflectance).all()
    assert (fused.sigma > 0).all()


def test_its_identity_has_weights_and_sampler_in_it(tmp_path: Path) -> None:
    folders = [
        write_stfdiff(tmp_path / "one"),
        write_stfdiff(tmp_path / "eta", eta=0.5),
        write_stfdiff(tmp_path / "clamp", clamp=False),
        write_stfdiff(tmp_path / "each", pairs="each"),
    ]
    cards = [describe("stfdiff", folder) for folder in folders]
    assert len({card.sha for card in cards}) == len(cards)
    assert len({card.weights for card in cards}) == 2
    assert load_fuser("stfdiff", folders[0]).sha == cards[0].sha
    assert cards[0].name == "stfdiff"
    assert cards[0].bands == BANDS


@pytest.mark.parametrize("call", [describe, load_fuser])
def test_without_a_checkpoint_of_its_own_it_says_how_to_get_one(call, tmp_path: Path) -> None:
    for nothing in (None, "default"):
        with pytest.raises(
            CheckpointError, match=r"no weights of stfdiff come with daily30\. Train some, `daily30"
        ):
            call("stfdiff", nothing)
    other = write_checkpoint(tmp_path / "other", trained=True)
    with pytest.raises(CheckpointError, match=r"of sa-stf, and the method asked for is stfdiff"):
        call("stfdiff", other)
    own = write_stfdiff(tmp_path / "own")
    with pytest.raises(CheckpointError, match=r"of stfdiff, .* use method: stfdiff"):
        call("sa-stf", own)
    card = json.loads((own / "card.json").read_text())
    (own / "card.json").write_text(json.dumps(card | {"method": "stf"}))
    with pytest.raises(CheckpointError, match="no method 'stf'; there are sa-stf, stfdiff"):
        call("stfdiff", own)
    (own / "card.json").write_text(json.dumps(card | {"network": {**card["network"], "width": 16}}))
    with pytest.raises(CheckpointError, match="do not fit the network of their card"):
        load_fuser("stfdiff", own)


def test_bands_that_it_was_not_made_for_are_refused(tmp_path: Path) -> None:
    fuser = load_fuser("stfdiff", write_stfdiff(tmp_path, bands=("red", "nir08")))
    with pytest.raises(ValueError, match="made for the bands red, nir08, the block holds blue"):
        fuser.fuse(make_block())


def test_parity_is_for_the_other_network(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a checkpoint of stfdiff, not of sa-stf"):
        check_parity(write_stfdiff(tmp_path), tmp_path / "golden.npz")


# Training


def config(**changes: object) -> TrainConfig:
    known: dict[str, object] = {
        "name": "tiny",
        "data": (DataConfig(scenes=Path("unread")),),
        "validation": ValidationConfig(examples=1, patch_px=16),
        "network": StfdiffConfig(bands=2, width=8),
        "frame": "plain",
        "schedule": ScheduleConfig(name="cosine"),
        "sampling": SamplingConfig(
            steps=4, eta=1.0, clamp=True, window_px=16, overlap_px=0, halo_px=0
        ),
        "patch_px": 16,
        "batch": 1,
        "epochs": 1,
        "optimiser": OptimiserConfig(rate=1e-3, clip=1.0, ema=0.9),
        "log_every": 1,
        "save_every": 3,
    }
    return TrainConfig(**{**known, **changes})


def test_it_overfits_one_example_and_its_card_runs(tmp_path: Path) -> None:
    source = Random(150, px=16, only=1)
    asked = config(
        network=StfdiffConfig(bands=2, width=16, contrast=True, conditions=("dates",)),
        frame="anomaly",
        sampling=SamplingConfig(steps=2, eta=0.5, window_px=16, overlap_px=0, halo_px=0),
        optimiser=OptimiserConfig(rate=5e-3, cosine=True, clip=1.0, ema=0.9),
        loss=LossConfig(units="spread"),
        levels=LevelsConfig(last_share=0.5),
        rollout=0.2,
        log_every=50,
        save_every=150,
    )
    summary = train(asked, tmp_path, data=source, validation={"same": source}, ranks=ALONE)
    rmse = {row["method"]: row["rmse"] for row in summary.scores}
    assert rmse.keys() == {"stfdiff", *NAIVE}
    assert rmse["stfdiff"] < 0.5 * rmse["anomaly"]
    card = read_card(tmp_path / "best")
    assert card["method"] == "stfdiff"
    assert card["sampling"]["eta"] == 0.5
    assert card["network"]["mults"] == [1, 2, 4]
    fuser = load_fuser("stfdiff", tmp_path / "best")
    fused = fuser.fuse(make_block(bands=source.bands, y=32, x=32)).reflectance
    assert np.isfinite(fused).all()


class KilledError(Exception):
    pass


def test_a_run_that_was_killed_goes_on_to_the_same_curve(tmp_path: Path) -> None:
    source = Random(8)

    def run(out: Path, kill_at: int | None = None) -> None:
        def stop(progress: TrainProgress) -> None:
            if progress.step == kill_at:
                raise KilledError

        train(
            config(network=StfdiffConfig(bands=2, width=8, pairs="each"), rollout=0.5),
            out,
            data=source,
            validation={"same": source},
            ranks=ALONE,
            on_progress=stop,
        )

    run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "killed", kill_at=5)
    assert len(log.read(tmp_path / "killed" / "train.csv")) == 5
    run(tmp_path / "killed")
    for name in ("train.csv", "validation.csv", "best/weights.safetensors"):
        one, other = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert one == other, name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": LossConfig(time_weight=1e-4)}, "has a loss.time_weight but a network without"),
        ({"frame": "guided"}, r"sampling\.clamp, which the frame 'guided' has no use for"),
        ({"schedule": ScheduleConfig(name="cosine", levels=3)}, "samples 4 steps of 3 levels"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)
