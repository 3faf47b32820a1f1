"""STFDiff behind the door of the fuser."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.card import CheckpointError, describe
from model.diffusion import Levels, cosine, sample, sampling_steps
from model.fuser import load_fuser
from model.network import FusionNetwork
from model.network_fuser import NetworkFuser
from model.noise import noise_field
from model.sastf.parity import check_parity
from model.stfdiff.config import StfdiffConfig
from tests.model.makers import BANDS, make_block, write_checkpoint, write_stfdiff
from tests.model.test_windows import part


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


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
