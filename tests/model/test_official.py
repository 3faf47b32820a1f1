"""A published checkpoint: brought in name by name, and giving the authors' numbers."""

import argparse
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from flows.cli import app
from model import checkpoint
from model.card import CheckpointError, describe
from model.diffusion import official
from model.fuser import load_fuser
from model.sastf.config import NetworkConfig
from model.sastf.import_official import import_official
from model.sastf.network import Network
from model.sastf.official import config_of, from_official, unused_shapes, used_shapes
from model.sastf.parity import check_parity, outputs
from tests.model.golden_rule import KEYS, official_state, rule_images, rule_network
from tests.model.makers import make_block, write_checkpoint

State = dict[str, Tensor]


def daily30(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


GROUPS = 8


def random_state() -> State:
    """A state dict as the authors' code would save it after no training, of width 8."""
    generator = torch.Generator().manual_seed(0)
    config = NetworkConfig(width=8, groups=GROUPS)
    shapes = used_shapes(config) | unused_shapes(config)
    return {
        key: 0.05 * torch.randn(shape, generator=generator)
        + (1.0 if len(shape) == 1 and key.endswith("weight") else 0.0)
        for key, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Path:
    return shared_data.parent / "golden"


@pytest.fixture(scope="module")
def imported(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden weights at width 32, saved with ``module.`` by torch, imported by the command."""
    folder = tmp_path_factory.mktemp("official")
    state = official_state(golden / KEYS, 32)
    torch.save({f"module.{key}": value for key, value in state.items()}, folder / "cia.pth")
    code, _, error = daily30(
        "weights", "import-official", folder / "cia.pth", "--out", folder / "w"
    )
    assert code == 0, error
    return folder / "w"


def test_an_imported_checkpoint_gives_the_authors_numbers(imported: Path, golden: Path) -> None:
    code, text, _ = daily30("weights", "parity", imported, golden / "golden_w32.npz")
    assert code == 0, text
    found = [line.split()[0] for line in text.splitlines()]
    assert sorted(found) == ["lr_feature", "recon0", "recon1", "sample_S10", "y"]
    code, text, _ = daily30(
        "weights", "parity", imported, golden / "golden_w32.npz", "--tolerance", "1e-9"
    )
    assert code == 1
    assert "DIFFERS" in text


def test_the_float64_twin_is_as_near_to_the_authors_float32(imported: Path, golden: Path) -> None:
    found = check_parity(imported, golden / "golden_w32.npz", double=True)
    assert [one.output for one in found if not one.ok] == []
    assert all(one.largest > 0 for one in found)


def test_every_key_and_shape_of_the_published_list_is_known(golden: Path) -> None:
    config = NetworkConfig(width=64)
    published = {}
    for line in (golden / KEYS).read_text().splitlines():
        name, _, text = line.partition("\t")
        published[name] = tuple(int(part) for part in text.strip("() ").split(",") if part.strip())
    used, unused = used_shapes(config), unused_shapes(config)
    assert len(unused) == 6
    assert not used.keys() & unused.keys()
    assert used | unused == published


@pytest.mark.parametrize("width", [32, 64, 96])
def test_any_width_is_read_off_the_shapes(width: int) -> None:
    config = NetworkConfig(width=width, alignment_groups=32)
    meta = {
        f"module.{key}": torch.empty(shape, device="meta")
        for key, shape in (used_shapes(config) | unused_shapes(config)).items()
    }
    assert config_of(meta) == config


def test_the_alignment_keeps_the_authors_32_groups_whatever_the_others_have(state: State) -> None:
    # In their code the number is an argument of every other norm and fixed in this one.
    network = Network(config_of(state, groups=GROUPS))
    norms = {
        name: module.num_groups
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.GroupNorm)
    }
    aligned = {name for name, groups in norms.items() if groups == 32}
    assert aligned == {"align_before.spread.norm", "align_after.spread.norm"}
    assert {norms[name] for name in norms.keys() - aligned} == {GROUPS}


def test_a_width_that_32_groups_do_not_divide_is_refused(tmp_path: Path) -> None:
    torch.save({STEM: torch.zeros(6, 6, 3, 3)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: the 48 channels .* alignment_groups=32"):
        import_official(tmp_path / "a.pth", tmp_path / "w", groups=2)


def test_only_the_six_unused_tensors_are_dropped(state: State) -> None:
    ours = from_official(state, groups=GROUPS)
    assert len(ours) == len(state) - 6
    kept = {value.data_ptr() for value in ours.values()}
    dropped = {key for key, value in state.items() if value.data_ptr() not in kept}
    assert dropped == unused_shapes(config_of(state, groups=GROUPS)).keys()
    # Nothing reads them, so a file without them is whole.
    lean = {key: value for key, value in state.items() if key not in dropped}
    assert from_official(lean, groups=GROUPS).keys() == ours.keys()


WRAPS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "compiled": lambda state: {f"_orig_mod.module.{key}": v for key, v in state.items()},
    "state_dict": lambda state: {"epoch": 200, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {"step": torch.tensor(1)}, "ema": None},
    "ema": lambda state: {"model": {k: v + 1 for k, v in state.items()}, "ema": state},
    "nested": lambda state: {"ema": {"state_dict": state}},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_state_dict_is_found_where_training_scripts_put_it(
    wrap: str, state: State, tmp_path: Path
) -> None:
    torch.save(WRAPS[wrap](state), tmp_path / "a.pth")
    import_official(tmp_path / "a.pth", tmp_path / "w", groups=GROUPS)
    network, _ = checkpoint.load(tmp_path / "w")
    for key, value in from_official(state, groups=GROUPS).items():
        assert torch.equal(network.state_dict()[key], value)


def test_safetensors_are_read_and_the_weights_stay_float32(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "lgc.safetensors")
    code, text, error = daily30(
        "weights", "import-official", tmp_path / "lgc.safetensors", "--out", tmp_path / "w",
        "--name", "LGC", "--groups", 8,
    )  # fmt: skip
    assert (code, text.strip()) == (0, f"{tmp_path / 'w'}")
    assert "LGC: a state dict of 297, 6 of them unused." in error
    stored = load_file(tmp_path / "w" / "weights.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}
    card = json.loads((tmp_path / "w" / "card.json").read_text())
    assert card["sampling"]["schedule"] == "official"
    assert (card["sampling"]["levels"], card["sampling"]["steps"]) == (100, 50)
    assert (card["frame"], card["sampling"]["kappa"]) == ("reflectance", 1)
    assert (card["network"]["mask"], card["network"]["attention"]) == ("element", "column")
    assert (card["network"]["width"], card["precision"]) == (8, "float32")
    assert card["network"]["conditions"] == []
    assert describe("sa-stf", tmp_path / "w").bands == tuple(card["bands"])


def test_a_folder_with_a_checkpoint_is_not_written_over(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "a.pth")
    import_official(tmp_path / "a.pth", tmp_path / "w", groups=GROUPS)
    with pytest.raises(CheckpointError, match="already holds a checkpoint"):
        import_official(tmp_path / "a.pth", tmp_path / "w", groups=GROUPS)


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch it-ran",)


def _half(state: State) -> bytes:
    torch.save(state, "whole.pth")
    whole = Path("whole.pth").read_bytes()
    return whole[: len(whole) // 2]


def _saved(content: Any) -> bytes:
    torch.save(content, "saved.pth")
    return Path("saved.pth").read_bytes()


def _half_safetensors(state: State) -> bytes:
    save_file(state, "whole.safetensors")
    return Path("whole.safetensors").read_bytes()[:50_000]


def _without(state: State, key: str) -> State:
    return {name: value for name, value in state.items() if name != key}


STEM = "image_downs.0.weight"
WRONG: dict[str, tuple[Callable[[State], bytes], str]] = {
    "empty": (lambda state: b"", "is empty"),
    "half": (_half, "is no whole file of torch.save or safetensors"),
    "half safetensors": (_half_safetensors, "is no whole file of torch.save or safetensors"),
    "web page": (lambda state: b"<!DOCTYPE html>" * 50, "a web page in its place"),
    "code": (lambda state: _saved({"state_dict": state, "x": _Runs()}), "code to run .*system"),
    "pickled code": (lambda state: pickle.dumps(_Runs()), "a pickle of something else"),
    "arguments": (lambda state: _saved({"a": argparse.Namespace()}), "argparse.Namespace"),
    "one tensor": (lambda state: _saved(torch.zeros(3)), "Tensor stands where|none of its 1"),
    "another network": (
        lambda state: _saved(torch.nn.Linear(3, 3).state_dict()),
        rf"none of its 2 tensors \(the first: weight, bias\) is .* {STEM}; is this another",
    ),
    "a number": (lambda state: _saved(state | {"epoch": 3}), "epoch stands where only tensors"),
    "missing": (
        lambda state: _saved(_without(state, "mid.norm.bias")),
        r"296 tensors are not .* width 8: 1 missing \(the first: mid\.norm\.bias\)",
    ),
    "unknown": (
        lambda state: _saved(state | {"image_fusion.4.fusion.norm.running_mean": torch.zeros(1)}),
        r"1 unknown \(the first: image_fusion\.4\.fusion\.norm\.running_mean\)",
    ),
    "another shape": (
        lambda state: _saved(state | {"final_conv.block.3.weight": torch.zeros(3, 8, 3, 3)}),
        r"final_conv\.block\.3\.weight \(3, 8, 3, 3\) instead of \(6, 8, 3, 3\)",
    ),
    "unused of another shape": (
        lambda state: _saved(state | {"image_fusion.4.fusion.norm.bias": torch.zeros(7)}),
        r"fusion\.norm\.bias \(7,\) instead of \(64,\)",
    ),
    "not finite": (
        lambda state: _saved(state | {"mid.norm.bias": torch.full((64,), torch.nan)}),
        r"1 not finite numbers \(the first: mid\.norm\.bias\)",
    ),
    "twice": (
        lambda state: _saved(state | {f"module.{STEM}": state[STEM]}),
        "some stand there twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_one_message_and_leaves_nothing(
    kind: str, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = WRONG[kind]
    Path("wrong.pth").write_bytes(make(state))
    with pytest.raises(CheckpointError, match=words) as raised:
        import_official(Path("wrong.pth"), Path("w"), groups=GROUPS)
    assert "wrong.pth" in f"{raised.value}"
    assert not Path("w").exists()
    assert not Path("it-ran").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import-official", "nowhere.pth", "--out", "w"), "there is no file nowhere.pth"),
        (("parity", "nowhere", "golden.npz"), "nowhere is not a checkpoint"),
        (("parity", "default", "golden.npz"), "parity is for networks that see the five images"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_missing_file_is_one_message_with_exit_code_2(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, error = daily30("weights", *arguments)
    assert (code, text) == (2, "")
    assert words in error
    assert error.count("Error:") == 1


# ---- the network away from 64 pixels, width 32 and one image -------------------------------


def rule_arrays(size: tuple[int, int], batch: int) -> dict[str, np.ndarray]:
    """Inputs of ``batch`` different pairs of images (y, x), and the outputs to be made."""
    big = {name: image.numpy() for name, image in rule_images(96).items()}
    y, x = size
    arrays = {
        name: np.concatenate([np.roll(image, 7 * i, axis=3)[:, :, :y, :x] for i in range(batch)])
        for name, image in big.items()
    }
    levels = np.linspace(5.0, 60.0, batch)
    return arrays | {"a_level": levels, "b_level": levels[::-1].copy()}


WANTED = ("y", "lr_feature", "recon0", "recon1", "sample_S2")


def made(network: Network, arrays: dict[str, np.ndarray], *, double: bool) -> dict[str, Tensor]:
    asked = arrays | {name: np.zeros(0) for name in WANTED}
    return dict(outputs(network, official(), asked, double=double))


@pytest.mark.parametrize(
    ("width", "groups", "size", "batch"),
    [
        (16, 16, (16, 16), 1),
        (8, 8, (32, 80), 2),
        (8, 8, (96, 96), 1),
        (16, 4, (48, 16), 3),
        # Not 96 x 64: there SAF compares two distances that differ by less than float32 can tell,
        # one feature of 6144 comes from the other reference, and y moves by up to 7e-3.
        (32, 32, (96, 96), 1),
        (64, 32, (16, 16), 1),
    ],
)
def test_float32_stays_with_its_float64_twin(
    width: int, groups: int, size: tuple[int, int], batch: int
) -> None:
    network = rule_network(width, groups)
    arrays = rule_arrays(size, batch)
    single, double = (made(network, arrays, double=twin) for twin in (False, True))
    assert single.keys() == double.keys() == set(WANTED)
    for name, image in single.items():
        assert double[name].dtype == torch.float64
        within = ((image.double() - double[name]).abs() <= 2e-4).double().mean()
        assert within >= 0.999, name


def test_the_float64_twin_answers_alike_alone_and_in_a_batch() -> None:
    network = rule_network(8, 8)
    together = rule_arrays((48, 32), 3)
    batched = made(network, together, double=True)
    for i in range(3):
        alone = made(network, {n: a[i : i + 1] for n, a in together.items()}, double=True)
        for name, image in alone.items():
            torch.testing.assert_close(image[0], batched[name][i], atol=1e-6, rtol=0)


# ---- the parity command on other files ------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A checkpoint of width 8 and arrays with the outputs it makes."""
    folder = tmp_path_factory.mktemp("small")
    network = rule_network(8, 8)
    sampling = {
        "schedule": "official", "levels": 100, "sum_scale": None, "steps": 50, "kappa": 1.0,
        "window_px": 256, "overlap_px": 128, "halo_px": 64,
    }  # fmt: skip
    card = {"bands": list("abcdef"), "frame": "reflectance", "sampling": sampling}
    checkpoint.save(folder, network, card, precision="float32")
    arrays = rule_arrays((32, 16), 2)
    return folder, arrays | {k: v.numpy() for k, v in made(network, arrays, double=False).items()}


@pytest.mark.parametrize("wanted", [("sample_S2",), ("recon1", "y"), ("lr_feature",)])
def test_any_subset_of_the_outputs_needs_only_its_own_inputs(
    wanted: tuple[str, ...], small: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, arrays = small
    needed = {"C1", "C0", "F0", "C2", "F2", *wanted}
    needed |= {"xt", "a_level", "b_level"} if "y" in wanted else set()
    needed |= {"noise"} if "sample_S2" in wanted else set()
    np.savez(tmp_path / "some.npz", **{name: arrays[name] for name in needed})
    found = check_parity(folder, tmp_path / "some.npz")
    assert {one.output for one in found} == set(wanted)
    assert all(one.ok and one.largest < 1e-5 for one in found)


def test_one_value_out_of_tolerance_is_found_and_so_is_nan(
    small: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, arrays = small
    for wrong in (0.001, np.nan):
        spoilt = arrays["recon0"].copy()
        spoilt[1, 2, 0, 0] += wrong
        np.savez(tmp_path / "a.npz", **(arrays | {"recon0": spoilt}))
        found = {one.output: one for one in check_parity(folder, tmp_path / "a.npz")}
        assert [name for name, one in found.items() if not one.ok] == ["recon0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xt": None}, r"lacks xt; it holds"),
        ({"noise": None}, r"lacks noise"),
        ({"C0": np.zeros((2, 6, 16, 16))}, r"C1 \(2, 6, 32, 16\), C0 \(2, 6, 16, 16\)"),
        ({"recon1": np.zeros((2, 3, 1, 1))}, r"recon1 is \(2, 3, 1, 1\) in the file, but"),
        ({"a_level": np.zeros(3)}, r"a_level must be one number or one of each of 2 images"),
        ({"sample_S101": np.zeros((2, 6, 32, 16))}, r"steps=101 is not between 1 and the 100"),
        (dict.fromkeys(WANTED), r"holds no output to compare"),
        ({"sample_s10": np.zeros(1)}, r"holds sample_s10, which .*lr_feature.* sample_S<steps>"),
    ],
    ids=["xt", "noise", "C0", "recon1", "a_level", "S101", "none", "s10"],
)
def test_arrays_that_do_not_fit_are_named(
    change: dict[str, np.ndarray | None],
    words: str,
    small: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
) -> None:
    folder, arrays = small
    kept = {name: value for name, value in (arrays | change).items() if value is not None}
    np.savez(tmp_path / "a.npz", **kept)
    with pytest.raises(ValueError, match=words):
        check_parity(folder, tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 half"])
def test_a_file_that_is_no_npz_is_said_to_be_none(
    content: bytes, small: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz is no whole \.npz of numbers"):
        check_parity(small[0], tmp_path / "a.npz")


def test_a_network_in_another_frame_has_no_parity(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "w", trained=False)
    with pytest.raises(CheckpointError, match=r"works in the frame 'anomaly'.*contrast"):
        check_parity(folder, tmp_path / "golden.npz")


def test_an_imported_checkpoint_fuses_a_block(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "a.pth")
    import_official(tmp_path / "a.pth", tmp_path / "w", groups=GROUPS)
    fuser = load_fuser("sa-stf", tmp_path / "w", steps=2)
    block = make_block(y=32, x=48, days=(2,))
    assert np.isfinite(np.asarray(fuser.fuse(block).reflectance)).all()
