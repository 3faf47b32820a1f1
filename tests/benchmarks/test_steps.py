import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import steps
from benchmarks.steps import Checkpoint, Quality, batches, windows_of
from model import checkpoint
from model.fuser import load_fuser
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.training.example import Example
from pipeline.real_sets import Scene
from tests.model.makers import BANDS, make_block, write_checkpoint


def make_scene(*, y: int = 64, x: int = 64, seed: int = 0) -> Scene:
    block = make_block(y=y, x=x, days=(2,), seed=seed)
    truth = np.random.default_rng(seed + 1).uniform(0.1, 0.4, block.shape).astype(np.float32)
    return Scene(
        set="made", group="group", name="scene", block=block, truth=truth, bands=BANDS, pixel_m=30.0
    )


def settings(folder: Path, **sampling: float) -> Path:
    card = json.loads((folder / "card.json").read_text())
    card["sampling"] |= sampling
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def run(folder: Path, examples: list[Example], *ways: tuple[int, str]) -> dict[str, Quality]:
    results = {way: Quality(len(BANDS)) for way in ways}
    Checkpoint.load(str(folder), "cpu").answers(examples, 30.0, results)
    return {way: quality for (_, way), quality in results.items()}


def test_windows_are_sampled_as_the_product_samples_a_block(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "weights", trained=True, kappa=0.8)
    settings(folder, sum_scale=0.0, steps=1)  # without noise, which either draws its own way
    scenes = [make_scene(seed=seed) for seed in (0, 5)]
    examples = [window for scene in scenes for window in windows_of(scene, BANDS)]
    assert len(examples) == 2
    found = run(folder, examples, (1, "plain"))["plain"]

    fuser = load_fuser("sa-stf", folder, device="cpu")
    errors = [fuser.fuse(one.block).reflectance[0] - one.truth[0] for one in scenes]
    expected = np.sqrt((np.stack(errors).astype(np.float64) ** 2).mean((0, 2, 3))).mean()
    assert found.rmse == pytest.approx(expected, rel=1e-4)
    assert found.shift == 0.0


def test_windows_lie_side_by_side_and_leave_the_unknown_out() -> None:
    scene = make_scene(y=128, x=192)
    scene = replace(scene, truth=np.where(np.arange(192) < 130, np.nan, scene.truth))
    (window,) = windows_of(make_scene(y=128, x=192), BANDS)
    np.testing.assert_array_equal(window.fine_before, scene.block.fine_before[:, :128, :128])
    assert list(windows_of(scene, BANDS)) == []


def test_at_one_step_another_noise_is_another_x_t(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "weights", trained=True)
    examples = [next(windows_of(make_scene(seed=seed), BANDS)) for seed in range(3)]
    ways = ("plain", "other noise", "other x_t", "no x_t")
    found = run(folder, examples, *((1, way) for way in ways))
    assert found["other noise"].shift == found["other x_t"].shift > 0
    assert found["no x_t"].shift > 0


def test_a_network_without_diffusion_ignores_x_t_under_all_three(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Network(NetworkConfig(width=16, groups=16, contrast=True, diffusion=False))
    card = json.loads(
        (write_checkpoint(tmp_path / "card", trained=False) / "card.json").read_text()
    )
    checkpoint.save(tmp_path / "weights", network, card)
    examples = [next(windows_of(make_scene(seed=seed), BANDS)) for seed in range(2)]
    ways = ("plain", "other noise", "other x_t", "no x_t")
    found = run(tmp_path / "weights", examples, *((1, way) for way in ways))
    assert {quality.shift for quality in found.values()} == {0.0}
    assert len({quality.rmse for quality in found.values()}) == 1


def test_detail_is_that_of_the_truth_where_the_answer_is_the_truth() -> None:
    quality = Quality(2)
    quality.power[0], quality.true_power[0] = (2.0, 1.0, np.nan), (4.0, 1.0, np.nan)
    np.testing.assert_array_equal(quality.detail, [0.5, 1.0, np.nan])
    assert Quality(2).detail == []


def test_unknown_pixels_make_no_waves(tmp_path: Path) -> None:
    scene = make_scene()
    clouded = scene.truth.copy()
    clouded[..., :4, :40] = np.nan
    folder = write_checkpoint(tmp_path / "weights", trained=False)
    few, many = (
        [next(windows_of(replace(scene, truth=truth), BANDS))] * 2
        for truth in (clouded, np.where(np.arange(64) < 40, np.nan, scene.truth))
    )
    assert np.isfinite(run(folder, few, (1, "plain"))["plain"].detail[:2]).all()
    assert run(folder, many, (1, "plain"))["plain"].detail == []


@pytest.mark.parametrize("count", range(2, 26))
def test_every_window_is_sampled_and_none_alone(count: int) -> None:
    examples: list[Any] = list(range(count))
    parts = batches(examples)
    assert sum(map(len, parts)) == count
    assert min(map(len, parts)) >= 2
    assert max(map(len, parts)) <= steps.AT_ONCE + 1


@pytest.mark.parametrize("option", ["--windows", "--examples"])
def test_one_window_alone_is_refused(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["steps", "default", "--worlds", "pool", option, "1"])
    with pytest.raises(SystemExit):
        steps.main()
    assert f"{option} 1: 2 or more" in capsys.readouterr().err
