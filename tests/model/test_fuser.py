import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.card import (
    DEFAULT_CHECKPOINT,
    FRAME_NAMES,
    METHODS,
    CheckpointError,
    describe,
    read_card,
)
from model.fuser import load_fuser
from model.network_fuser import NetworkFuser, reflect_to_multiple
from pipeline.real_sets import READERS, named_in
from tests.model.makers import BANDS, SAMPLING, make_block, write_checkpoint

DN = 1e-4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("trained"), trained=True)


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("y", "x", "ratio"), [(64, 96, 16), (112, 80, 16), (49, 70, 7)])
def test_an_untrained_network_is_the_anomaly_prediction(
    tmp_path: Path, y: int, x: int, ratio: int
) -> None:
    fuser = load_fuser("sa-stf", write_checkpoint(tmp_path, trained=False))
    block = make_block(y=y, x=x, ratio=ratio)
    np.testing.assert_allclose(
        fuser.fuse(block).reflectance, load_fuser("anomaly").fuse(block).reflectance, atol=1e-6
    )


def test_a_day_has_the_same_bytes_whatever_days_are_fused_with_it(trained: Path) -> None:
    fuser = load_fuser("sa-stf", trained)
    block = make_block(days=(1, 2, 5))
    alone = replace(block, days=(2,), coarse=block.coarse[1:2])
    np.testing.assert_array_equal(fuser.fuse(block).reflectance[1:2], fuser.fuse(alone).reflectance)
    np.testing.assert_array_equal(
        fuser.fuse(block).reflectance, load_fuser("sa-stf", trained).fuse(block).reflectance
    )


def test_other_batches_and_threads_stay_within_a_count(trained: Path) -> None:
    fuser = load_fuser("sa-stf", trained)
    assert isinstance(fuser, NetworkFuser)
    block = make_block(y=112, x=144, days=(1, 2, 5, 6))
    one = fuser.fuse(block).reflectance
    four = replace(fuser, windows_at_once=4).fuse(block).reflectance
    torch.set_num_threads(2)
    threads = fuser.fuse(block).reflectance
    for other in (four, threads):
        assert np.mean(np.abs(other - one) <= DN) >= 0.999


def test_an_unknown_pixel_is_unknown_in_the_answer_and_no_other(trained: Path) -> None:
    fuser = load_fuser("sa-stf", trained)
    block = make_block(days=(2,))
    block.fine_before[:, 5, 5] = np.nan
    fused = fuser.fuse(block).reflectance
    assert np.isnan(fused[0, :, 5, 5]).all()
    assert np.isfinite(np.delete(fused.reshape(6, -1), 5 * 96 + 5, axis=1)).all()


@pytest.mark.parametrize("key", ["frame", "bands"])
def test_what_the_card_says_of_the_images_is_part_of_the_identity(
    tmp_path: Path, trained: Path, key: str
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "other"))
    card = json.loads((folder / "card.json").read_text())
    card[key] = "reflectance" if key == "frame" else card[key][::-1]
    (folder / "card.json").write_text(json.dumps(card))
    assert describe("sa-stf", folder).sha != describe("sa-stf", trained).sha


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            {"frame": "cubist"},
            "no frame 'cubist'; there are reflectance, plain, norm",
        ),
        ({"sampling": {}}, r"lacks sampling\.halo_px, sampling\.kappa"),
        ({"sampling": {**SAMPLING, "schedule": "sine"}}, "no sampling.schedule 'sine'"),
        ({"sampling": {**SAMPLING, "precision": "fp8"}}, "no sampling.precision 'fp8'"),
        ({"sampling": {**SAMPLING, "steps": 0}}, "steps=0 is not between 1 and the 100 levels"),
    ],
)
def test_a_card_that_cannot_sample_is_refused_before_anything_runs(
    tmp_path: Path, trained: Path, edit: dict, message: str
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "odd"))
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | edit))
    with pytest.raises(CheckpointError, match=message):
        describe("sa-stf", folder)


def test_steps_beyond_the_schedule_are_refused_before_anything_runs(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="steps=5000 is not between 1 and the 100 levels"):
        describe("sa-stf", trained, steps=5000)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", "half"])
def test_weights_cut_short_are_refused_before_anything_runs(
    tmp_path: Path, trained: Path, content: bytes | str
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "short"))
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
        describe("sa-stf", folder)


def test_bfloat16_changes_little_of_the_networks_correction(trained: Path) -> None:
    block = make_block(days=(2,))
    fuser = load_fuser("sa-stf", trained)
    assert isinstance(fuser, NetworkFuser)
    start = load_fuser("anomaly").fuse(block).reflectance
    exact = fuser.fuse(block).reflectance
    half = replace(fuser, precision="bf16").fuse(block).reflectance
    correction = np.sqrt(np.mean((exact - start) ** 2))
    assert 0 < np.sqrt(np.mean((half - exact) ** 2)) < 0.2 * correction  # random weights


def test_what_lies_beyond_the_core_changes_no_answer_inside_it(trained: Path) -> None:
    fuser = load_fuser("sa-stf", trained, steps=1)
    block = make_block(y=192, x=160, days=(2,), origin=(48, -16))
    core = (slice(64, 112), slice(48, 96))
    inside = fuser.fuse(replace(block, core=core)).reflectance
    whole = fuser.fuse(block).reflectance
    np.testing.assert_array_equal(inside[:, :, *core], whole[:, :, *core])
    assert np.isfinite(inside).sum() == 6 * 48 * 48


def test_kappa_takes_that_share_of_the_networks_correction(tmp_path: Path, trained: Path) -> None:
    block = make_block(days=(2,))
    start, whole = (
        load_fuser("anomaly").fuse(block).reflectance,
        load_fuser("sa-stf", trained).fuse(block).reflectance,
    )
    quarter = load_fuser("sa-stf", write_checkpoint(tmp_path, trained=True, kappa=0.25))
    np.testing.assert_allclose(
        quarter.fuse(block).reflectance, 0.75 * start + 0.25 * whole, atol=1e-5
    )


def test_identity_names_weights_steps_and_seed(trained: Path) -> None:
    shas = {
        describe("sa-stf", trained).sha,
        describe("sa-stf", trained, steps=3).sha,
        describe("sa-stf", trained, seed=1).sha,
        describe("anomaly").sha,
    }
    assert len(shas) == 4
    assert (
        describe("sa-stf", trained, steps=SAMPLING["steps"]).sha == describe("sa-stf", trained).sha
    )
    assert load_fuser("sa-stf", trained, steps=3).sha == describe("sa-stf", trained, steps=3).sha


def test_other_seeds_give_another_sample_and_more_steps_another_walk(trained: Path) -> None:
    block = make_block(days=(2,))
    base = load_fuser("sa-stf", trained).fuse(block).reflectance
    assert not np.array_equal(load_fuser("sa-stf", trained, seed=1).fuse(block).reflectance, base)
    assert not np.array_equal(load_fuser("sa-stf", trained, steps=5).fuse(block).reflectance, base)


def test_the_papers_frame_runs_too(tmp_path: Path) -> None:
    fuser = load_fuser("sa-stf", write_checkpoint(tmp_path, trained=True, frame="reflectance"))
    fused = fuser.fuse(make_block(days=(2,))).reflectance
    assert fused.shape == (1, 6, 64, 96)
    assert np.isfinite(fused).all()


@pytest.fixture(scope="module")
def slotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slotted")
    conditions = ("dates", "ratio", "bands")
    return write_checkpoint(folder, trained=True, slots=True, conditions=conditions, filled=True)


@pytest.mark.parametrize("bands", [("nir08",), ("green", "red", "nir08"), BANDS[::-1]])
def test_any_of_its_bands_in_any_order_will_do_for_a_checkpoint_with_slots(
    tmp_path: Path, slotted: Path, bands: tuple[str, ...]
) -> None:
    block = make_block(y=48, x=48, days=(2,), bands=bands)
    fused = load_fuser("sa-stf", slotted).fuse(block).reflectance
    assert fused.shape == (1, len(bands), 48, 48)
    assert np.isfinite(fused).all()
    turned = replace(
        block,
        bands=bands[::-1],
        **{
            name: np.flip(getattr(block, name), -1 if name in ("centre", "spread") else -3)
            for name in (
                *("fine_before", "fine_after", "coarse_before", "coarse_after", "coarse"),
                *("centre", "spread"),
            )
        },
    )
    np.testing.assert_array_equal(
        load_fuser("sa-stf", slotted).fuse(turned).reflectance, fused[:, ::-1]
    )
    untrained = write_checkpoint(tmp_path, trained=False, slots=True)
    start = load_fuser("sa-stf", untrained).fuse(block).reflectance
    np.testing.assert_allclose(start, load_fuser("anomaly").fuse(block).reflectance, atol=1e-6)


@torch.no_grad()
def test_what_the_network_does_with_absent_bands_never_reaches_the_present(slotted: Path) -> None:
    block = make_block(y=48, x=48, days=(2,), bands=("green", "nir08"))
    fuser = load_fuser("sa-stf", slotted)
    assert isinstance(fuser, NetworkFuser)
    before = fuser.fuse(block).reflectance
    encoder, noisy = fuser.network.image_encoder.stem, fuser.network.noise_encoder.stem
    head = fuser.network.decoder.head[-1]
    for band in (0, 2, 4, 5):  # of blue, green, red, nir08, swir16, swir22
        encoder.weight[:, [band, band + 6]] += torch.randn(16, 2, 3, 3)
        noisy.weight[:, band] += torch.randn(16, 3, 3)
        head.weight[band] += torch.randn(16, 3, 3)
    np.testing.assert_array_equal(fuser.fuse(block).reflectance, before)


def test_a_checkpoint_without_slots_refuses_other_bands_than_its_own(trained: Path) -> None:
    for bands in (("red",), BANDS[::-1]):
        with pytest.raises(ValueError, match=r"is made for the bands blue, green, .*block holds"):
            load_fuser("sa-stf", trained).fuse(make_block(bands=bands))


def test_a_checkpoint_with_slots_refuses_bands_that_it_never_saw(slotted: Path) -> None:
    with pytest.raises(ValueError, match=r"made for some of the bands .*block holds red, lwir11"):
        load_fuser("sa-stf", slotted).fuse(make_block(bands=("red", "lwir11")))
    assert describe("sa-stf", slotted).slots


def test_a_network_that_sees_what_was_filled_answers_to_it(trained: Path, slotted: Path) -> None:
    block = make_block(y=48, x=48, days=(2,))
    mask = np.zeros((48, 48), np.bool_)
    none, half = replace(block, filled_before=mask), replace(block, filled_before=mask.copy())
    half.filled_before[:24] = True
    sees, blind = load_fuser("sa-stf", slotted), load_fuser("sa-stf", trained)
    np.testing.assert_array_equal(sees.fuse(block).reflectance, sees.fuse(none).reflectance)
    assert not np.array_equal(sees.fuse(block).reflectance, sees.fuse(half).reflectance)
    np.testing.assert_array_equal(blind.fuse(block).reflectance, blind.fuse(half).reflectance)


@pytest.mark.parametrize("frame", FRAME_NAMES)
def test_one_reference_on_both_sides_gives_a_finite_answer(tmp_path: Path, frame: str) -> None:
    both = make_block(y=48, x=48, span=(8, 8), days=(5, 12))
    block = replace(both, fine_after=both.fine_before, coarse_after=both.coarse_before)
    fuser = load_fuser("sa-stf", write_checkpoint(tmp_path, trained=True, frame=frame))
    assert np.isfinite(fuser.fuse(block).reflectance).all()


@pytest.mark.parametrize("damage", ["card", "weights", "shape", "json"])
def test_a_damaged_checkpoint_is_one_clear_error(
    tmp_path: Path, trained: Path, damage: str
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "damaged"))
    card = folder / "card.json"
    if damage == "card":
        card.unlink()
    elif damage == "weights":
        (folder / "weights.safetensors").unlink()
    elif damage == "json":
        card.write_text("{")
    else:
        content = json.loads(card.read_text())
        content["network"]["width"] = 32
        card.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=str(folder)):
        load_fuser("sa-stf", folder)


def test_an_unknown_method_lists_those_there_are() -> None:
    for call in (describe, load_fuser):
        with pytest.raises(
            CheckpointError, match="no method 'starfmm'; there are sa-stf, stfdiff, guided, starfm"
        ):
            call("starfmm")
    assert METHODS[0] == "sa-stf"


@pytest.mark.parametrize("length", [1, 3, 7, 16, 20])
def test_small_scenes_are_reflected_as_often_as_it_takes(length: int) -> None:
    row = torch.arange(length, dtype=torch.float32)[None]
    long = reflect_to_multiple(row, 1, 16)
    assert long.shape[1] % 16 == 0
    assert torch.equal(long[:, :length], row)
    assert (long.diff(dim=1).abs() <= 1).all()


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    size = sum(file.stat().st_size for file in DEFAULT_CHECKPOINT.iterdir())
    assert size <= 12e6
    card = read_card(DEFAULT_CHECKPOINT)
    assert {"bands", "network", "frame", "sampling", "training"} <= card.keys()
    stage = card["training"][-1]
    assert {"command", "seed", "minutes", "data", "commit"} <= stage.keys()
    of_method = {row["method"]: row["rmse"] for row in stage["scores"]}
    assert of_method["sa-stf"] == min(of_method.values())
    assert not any(named_in(card, name) for name in READERS), "the real sets are scored zero-shot"
