from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from model.block import COARSE_PAD
from model.card import read_card
from model.classical.naive import NAIVE, Day
from model.diffusion import degrade, official, rddm
from model.fuser import load_fuser
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.training import log, state
from model.training.batch import conditions_of, view_of
from model.training.batches import Order, batches
from model.training.config import (
    DataConfig,
    LevelsConfig,
    LossConfig,
    OptimiserConfig,
    PerceptualConfig,
    SamplingConfig,
    ScheduleConfig,
    TrainConfig,
    ValidationConfig,
)
from model.training.distributed import Ranks, ranks
from model.training.example import Example
from model.training.forward import noisy_of
from model.training.train import TrainSummary, train
from model.training.validation import naive_images
from tests.model.examples import SMALL, Random, batch_of, make_example
from tests.model.makers import make_block

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)


def config(**changes: object) -> TrainConfig:
    known: dict[str, object] = {
        "name": "tiny",
        "data": (DataConfig(scenes=Path("unread")),),
        "validation": ValidationConfig(examples=2, patch_px=16),
        "network": SMALL,
        "frame": "anomaly",
        "schedule": ScheduleConfig(name="rddm", sum_scale=0.01),
        "sampling": SamplingConfig(steps=1, window_px=16, overlap_px=0, halo_px=0),
        "patch_px": 16,
        "batch": 2,
        "epochs": 1,
        "log_every": 1,
        "save_every": 100,
    }
    return TrainConfig(**{**known, **changes})


# Schedules of weights and rates


def test_the_time_loss_rises_as_half_a_cosine_over_half_of_the_epochs() -> None:
    loss = LossConfig(time_weight=1e-4)
    numbers = [loss.time_weight_at(epoch, 200) for epoch in (0, 25, 50, 100, 199)]
    assert numbers == pytest.approx([0, 1e-4 * 0.5 * (1 - 0.5**0.5), 0.5e-4, 1e-4, 1e-4])


def test_the_rate_is_halved_or_falls_as_a_cosine_after_a_warm_up() -> None:
    halved = OptimiserConfig(rate=1e-4, halve_every_epochs=40)
    rates = [halved.rate_at(10_000, epoch, 20_000) for epoch in (0, 39, 40, 80, 120, 160, 199)]
    assert rates == [1e-4, 1e-4, 0.5e-4, 0.25e-4, 0.125e-4, 0.0625e-4, 0.0625e-4]
    cosine = OptimiserConfig(rate=1e-3, cosine=True, warmup_steps=10)
    rates = [cosine.rate_at(step, 0, 1000) for step in (0, 4, 500, 999)]
    assert rates == pytest.approx([1e-4, 5e-4, 5e-4, 1e-5], rel=1e-3)


# Batches


def test_examples_of_several_ratios_are_viewed_as_each_alone() -> None:
    examples = [make_example(ratio=ratio, seed=ratio) for ratio in (16, 8, 16)]
    together = view_of(batch_of(*examples), "anomaly", SMALL)
    for i, example in enumerate(examples):
        alone = view_of(batch_of(example), "anomaly", SMALL)
        for a, b in zip(
            chain(alone.known, alone[1:-1]), chain(together.known, together[1:-1]), strict=True
        ):
            torch.testing.assert_close(a[0], b[i])


def test_a_one_sided_example_has_weight_0_and_stays_finite() -> None:
    example = make_example()
    one_sided = replace(
        example,
        fine_after=example.fine_before,
        coarse_after=example.coarse_before,
        days=(0, 5, 0),
    )
    batch = batch_of(one_sided)
    assert batch.weight.tolist() == [0.0]
    view = view_of(batch, "anomaly", SMALL)
    assert all(one.isfinite().all() for one in chain(view.known, view[1:-1]))
    conditions = conditions_of(batch, SMALL)
    assert conditions is not None
    assert conditions.isfinite().all()


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_share_each_batch_and_workers_make_the_same(workers: int) -> None:
    source, order = Random(7), Order(3, 7, 4, 1)
    whole = list(batches(source, order, first=1, last=3, ranks=ALONE, workers=0))
    for rank in range(2):
        ranks = Ranks(rank, 2, CPU)
        part = batches(source, order, first=1, last=3, ranks=ranks, workers=workers)
        for one, full in zip(part, whole, strict=True):
            for name in ("truth", "noise", "uniform"):
                rows = slice(2 * rank, 2 * rank + 2)
                assert getattr(one, name).equal(getattr(full, name)[rows])
    assert not whole[0].truth.equal(whole[1].truth)


def test_examples_that_are_alike_stay_together_in_every_order() -> None:
    together = [at for batch in Order(3, 25, 8, 3, alike=4).of(2) for at in batch]
    runs = np.array(together).reshape(-1, 4)
    assert len(set(together)) == 24
    assert (runs[:, 0] % 4 == 0).all()
    assert (np.diff(runs) == 1).all()
    assert Order(3, 25, 8, 3, alike=4).of(1) != Order(3, 25, 8, 3, alike=4).of(2)


def test_only_one_folder_of_worlds_can_keep_examples_alike() -> None:
    worlds, scenes = DataConfig(worlds=Path("unread")), DataConfig(scenes=Path("unread"))
    known = {"alike": 4, "batch": 8, "examples_per_epoch": 8}
    assert config(data=(worlds,), **known).alike == 4
    for data in ((worlds, scenes), (scenes,)):
        with pytest.raises(ValueError, match="only one folder of simulated worlds"):
            config(data=data, **known)
    with pytest.raises(ValueError, match="a multiple of alike=4, got 6"):
        config(data=(worlds,), **{**known, "batch": 6})


def test_the_naive_images_are_those_of_the_naive_methods() -> None:
    example = make_example(px=16)
    flat = {
        name: np.full_like(example.truth, value)
        for name, value in (("coarse_before", 0.1), ("coarse", 0.15), ("coarse_after", 0.3))
    }
    pad = ((0, 0), (COARSE_PAD, COARSE_PAD), (COARSE_PAD, COARSE_PAD))
    day = Day(
        fine_before=example.fine_before,
        fine_after=example.fine_after,
        w=5 / 16,
        ratio=1,
        **{name: np.pad(image, pad, mode="edge") for name, image in flat.items()},
    )
    images = naive_images(batch_of(replace(example, **flat)))
    assert images.keys() == NAIVE.keys()
    for name, predict in NAIVE.items():
        np.testing.assert_allclose(images[name][0], predict(day), atol=1e-6, err_msg=name)


# Noisy images


def test_levels_and_rollout_follow_their_shares() -> None:
    batch = batch_of(*(make_example(px=16, seed=seed) for seed in range(64)))
    view, schedule = view_of(batch, "anomaly", SMALL), rddm(100, 0.01)
    t = noisy_of(batch, view, config(), schedule).t
    assert t.min() < 15
    assert 85 < t.max() <= 100
    assert not (t == 100).all()
    last = noisy_of(batch, view, config(levels=LevelsConfig(last_share=1.0), rollout=1.0), schedule)
    assert (last.t == 100).all()
    assert not len(last.rolled)  # already where sampling starts
    rolled = noisy_of(batch, view, config(rollout=1.0), schedule).rolled
    assert rolled.tolist() == [row for row, level in enumerate(t.tolist()) if level < 100]


def test_a_rolled_sample_is_made_from_the_networks_own_answer() -> None:
    torch.manual_seed(0)
    network = Network(SMALL)
    torch.nn.init.zeros_(network.decoder.head[-1].weight)
    torch.nn.init.constant_(network.decoder.head[-1].bias, 0.25)  # its answer, everywhere
    batch = batch_of(*(make_example(px=16, seed=seed) for seed in range(3)))
    schedule = rddm(100, 0.01)
    half = config(rollout=float(batch.uniform[:, 2].median()))
    noisy = noisy_of(batch, view_of(batch, "anomaly", SMALL), half, schedule)
    (row,) = noisy.rolled.tolist()
    features = network.encode(
        noisy.view.known.coarse, network.encode_references(*noisy.view.known[:4])
    )
    x = noisy.x(network, features, conditions_of(batch, SMALL))
    clean = noisy.truth.clone()
    clean[row] = 0.25
    torch.testing.assert_close(x, degrade(clean, noisy.view.start, batch.noise, noisy.t, schedule))


# Training


def test_the_network_overfits_one_example_and_its_card_says_how(tmp_path: Path) -> None:
    source = Random(80, px=16, only=1)
    asked = config(
        batch=1,
        validation=ValidationConfig(examples=1, patch_px=16),
        optimiser=OptimiserConfig(rate=5e-3, cosine=True, clip=1.0, ema=0.9),
        loss=LossConfig(units="spread", perceptual=PerceptualConfig(weight=0.01)),
        levels=LevelsConfig(last_share=0.5),
        sampling=SamplingConfig(steps=2, window_px=16, overlap_px=0, halo_px=0),
        rollout=0.2,
    )
    notes: list[str] = []
    summary = train(
        asked,
        tmp_path,
        data=source,
        validation={"same": source},
        ranks=ALONE,
        command="daily30 train",
        on_note=notes.append,
    )
    assert summary.finished
    rmse = {row["method"]: row["rmse"] for row in summary.scores}
    assert rmse.keys() == {"sa-stf", *NAIVE}
    assert rmse["sa-stf"] < 0.5 * rmse["anomaly"]
    card = read_card(tmp_path / "best")
    stage = card["training"][-1]
    assert stage["steps"] == 80
    assert stage["seed"] == asked.seed
    assert stage["options"]["loss"]["units"] == "spread"
    assert stage["notes"] == notes
    assert "weight 0" in notes[0]
    assert {row["method"] for row in stage["scores"]} == {"sa-stf", *NAIVE}
    fused = (
        load_fuser("sa-stf", tmp_path / "best")
        .fuse(make_block(bands=source.bands, y=32, x=32))
        .reflectance
    )
    assert np.isfinite(fused).all()


def test_the_recipe_of_the_paper_trains(tmp_path: Path) -> None:
    source = Random(36, px=16, only=2)
    asked = config(
        network=NetworkConfig(bands=2, width=8, groups=4),
        frame="reflectance",
        schedule=ScheduleConfig(name="official"),
        batch=2,
        epochs=2,
        optimiser=OptimiserConfig(rate=2e-3, halve_every_epochs=1),
        loss=LossConfig(time_weight=1e-4),
        log_every=6,
        save_every=12,
    )
    train(asked, tmp_path, data=source, validation={"same": source}, ranks=ALONE)
    rows = log.read(tmp_path / "train.csv")
    losses = [float(row["loss"]) for row in rows]
    assert losses[-1] < 0.7 * losses[0]
    assert [float(row["time_weight"]) for row in rows] == [0.0] * 3 + [1e-4] * 3
    assert [float(row["rate"]) for row in rows] == [2e-3] * 3 + [1e-3] * 3
    assert official(100).start_noise == 1.0
    speed = log.read(tmp_path / "speed.csv")
    assert all(0 <= float(row["wait_share"]) <= 1 for row in speed)


@pytest.mark.gpu
def test_a_gpu_trains_as_the_cpu_does(tmp_path: Path) -> None:
    source, asked = Random(8), config(rollout=0.5, loss=LossConfig(consistency=0.1))
    losses = []
    for name in ("cpu", "cuda"):
        out = tmp_path / name
        ranks = Ranks(0, 1, torch.device(name))
        train(asked, out, data=source, validation={"same": source}, ranks=ranks)
        losses.append([float(row["loss"]) for row in log.read(out / "train.csv")])
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    three = Random(8, bands=("green", "red", "nir08"))
    with pytest.raises(ValueError, match=r"3 bands \(green, red, nir08\), the network 2; use"):
        train(config(), tmp_path, data=three, validation={}, ranks=ALONE)
    with pytest.raises(ValueError, match=r"batch of 3 cannot be shared by 2 processes; use.* 4"):
        train(config(batch=3), tmp_path, data=Random(8), validation={}, ranks=Ranks(0, 2, CPU))
    with pytest.raises(ValueError, match="1 examples an epoch, fewer than a batch of 2"):
        train(config(), tmp_path, data=Random(1), validation={}, ranks=ALONE)


def test_validation_without_known_truth_is_refused(tmp_path: Path) -> None:
    class Unknown(Random):
        def example(self, epoch: int, index: int) -> Example:
            example = super().example(epoch, index)
            return replace(example, truth=np.full_like(example.truth, np.nan))

    with pytest.raises(ValueError, match="validation set dark has no known truth in 2 examples"):
        train(config(), tmp_path, data=Random(2), validation={"dark": Unknown(2)}, ranks=ALONE)


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    train(config(), tmp_path, data=Random(2), validation={}, ranks=ALONE)
    with pytest.raises(state.StateError, match=r"another seed; give --out another folder"):
        train(config(seed=1), tmp_path, data=Random(2), validation={}, ranks=ALONE)


def test_a_run_goes_on_where_run_and_data_were_moved_and_not_with_other_data(
    tmp_path: Path,
) -> None:
    def on(folder: str) -> TrainConfig:
        return config(data=(DataConfig(scenes=tmp_path / folder),))

    def trained(asked: TrainConfig, out: str) -> TrainSummary:
        return train(asked, tmp_path / out, data=Random(2), validation={}, ranks=ALONE)

    first = trained(on("here/set"), "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    written = (tmp_path / "moved" / "train.csv").read_bytes()
    assert trained(on("there/set"), "moved").step == first.step
    assert (tmp_path / "moved" / "train.csv").read_bytes() == written
    with pytest.raises(state.StateError, match="another data"):
        trained(on("there/other"), "moved")


def test_a_start_of_another_training_is_another_run() -> None:
    one, moved, other = (
        config(start=Path(folder)).identity()
        for folder in ("/a/training/x/best", "/b/training/x/best", "/a/training/y/best")
    )
    assert one == moved != other
    assert config().identity()["start"] is None


def test_a_file_where_the_run_would_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(ValueError, match=r"file is a file; give --out another folder"):
            train(config(), out, data=Random(2), validation={}, ranks=ALONE)


@pytest.mark.parametrize("size", [0, 100, -1000])
def test_a_damaged_state_is_told_with_its_cure(tmp_path: Path, size: int) -> None:
    train(config(), tmp_path, data=Random(2), validation={}, ranks=ALONE)
    path = tmp_path / state.STATE
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(state.StateError, match=r"state\.pt is not whole; remove it to begin anew"):
        train(config(), tmp_path, data=Random(2), validation={}, ranks=ALONE)


def test_a_device_that_there_is_not_is_told_with_those_there_are() -> None:
    with (
        pytest.raises(ValueError, match="--device gpu: use auto, cpu, cuda or cuda:1"),
        ranks("gpu"),
    ):
        pass


def test_a_log_goes_on_after_the_step_of_the_state(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    first = log.Log(path, ("step", "loss"), 0)
    for step in (1, 2, 3):
        first.add({"step": step, "loss": 1 / step})
    with path.open("a") as file:
        file.write("4,0.2")  # killed here
    again = log.Log(path, ("step", "loss"), 2)
    again.add({"step": 3, "loss": 0.5})
    assert path.read_text() == "step,loss\n1,1\n2,0.5\n3,0.5\n"
