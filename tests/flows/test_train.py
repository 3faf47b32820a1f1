"""``daily30 train`` in real processes: killed, stopped, and shared by two."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.train_config import SHIPPED, TrainFileError, read_training
from model.card import read_card
from model.classical.naive import NAIVE
from model.stfdiff.config import StfdiffConfig
from model.training import log
from model.training.state import STATE
from tests.model.scene_sets import make_set

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS, AN_EPOCH = 24, 12
CURVES = ("train.csv", "validation.csv")

TRAINING = {
    "name": "tiny",
    "data": [{"scenes": "set"}],
    "validation": {
        "data": [{"scenes": "set", "split": "validation"}],
        "examples": 3,
        "patch_px": 16,
    },
    "network": {"bands": 2, "width": 8, "groups": 4, "contrast": True, "conditions": ["dates"]},
    "frame": "anomaly",
    "schedule": {"name": "rddm", "sum_scale": 0.01},
    "sampling": {"steps": 2, "window_px": 16, "overlap_px": 0, "halo_px": 0},
    "patch_px": 16,
    "batch": 2,
    "epochs": STEPS // AN_EPOCH,
    "examples_per_epoch": 2 * AN_EPOCH,
    "optimiser": {"rate": 1.0e-3, "clip": 1.0, "ema": 0.9, "warmup_steps": 4},
    "loss": {"time_weight": 1.0e-4, "consistency": 0.1},
    "levels": {"last_share": 0.3},
    "rollout": 0.3,
    "log_every": 1,
    "save_every": 5,
}


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "train", str(folder / "tiny.yaml"), *options]


def environment() -> dict[str, str]:
    # One thread: sums of one order, and nobody waits for a core that another process has.
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def started(folder: Path, out: str, *before: str) -> subprocess.Popen[str]:
    whole = [*command(folder, "--out", str(folder / out))]
    if before:
        whole = [*before, *whole[2:]]
    return subprocess.Popen(
        whole,
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def at_row(process: subprocess.Popen[str], file: Path, row: int) -> None:
    """Wait until a curve has so many rows."""
    end = time.monotonic() + 300
    while len(log.read(file)) < row:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "no row came"
        time.sleep(0.005)


def saved(folder: Path) -> dict[str, object]:
    return torch.load(folder / STATE, weights_only=True)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene set, a training file, and in ``whole`` a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("training")
    make_set(folder / "set", y=64, x=96)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TRAINING))
    process = started(folder, "whole")
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert re.search(r"sa-stf +0\.\d+", out)
    assert re.search(r"anomaly +0\.\d+", out)
    return folder


def test_a_run_that_was_killed_and_stopped_ends_as_one_that_was_not(room: Path) -> None:
    whole, out = room / "whole", room / "killed"
    process = started(room, "killed")
    at_row(process, out / "train.csv", 7)
    process.kill()
    process.communicate()
    step = saved(out)["progress"]["step"]
    assert 0 < step < AN_EPOCH  # in the middle of an epoch

    process = started(room, "killed")
    at_row(process, out / "train.csv", AN_EPOCH + 3)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on from here" in error
    assert f"of {STEPS}" in error
    assert saved(out)["progress"]["step"] > AN_EPOCH

    process = started(room, "killed")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    for name in CURVES:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    ours, wanted = saved(out), saved(whole)
    for part in ("network", "average"):
        for name, value in wanted[part].items():
            assert ours[part][name].equal(value), name
    weights = "best/weights.safetensors"
    assert (out / weights).read_bytes() == (whole / weights).read_bytes()
    (stage,) = read_card(out / "best")["training"]
    assert stage["data"][0]["scenes"] == "made-up"
    assert stage["data"][0]["licence"] == "none"
    assert stage["command"].startswith("daily30 train ")
    assert (out / "loss.png").stat().st_size > 0


def test_two_processes_of_torchrun_give_the_curve_of_one(room: Path) -> None:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    process = started(room, "two", *launcher, "-m")
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert out.count("checkpoint:") == 1  # the first process speaks
    for name in CURVES:
        # Sums are rounded otherwise; after some 30 steps one of SAF's choices may fall otherwise.
        one, two = (
            [row for row in log.read(room / run / name) if int(row["step"]) <= AN_EPOCH]
            for run in ("whole", "two")
        )
        assert len(one) == len(two) >= len(("sa-stf", *NAIVE))
        for a, b in zip(one, two, strict=True):
            for key in a:
                if key in ("set", "method"):
                    assert a[key] == b[key]
                else:
                    assert float(b[key]) == pytest.approx(float(a[key]), abs=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": {}}, "unknown key optimizer; did you mean optimiser?"),
        ({"optimiser": {"rat": 1}}, "unknown key optimiser.rat; did you mean rate?"),
        ({"data": [{"world": "x"}]}, "unknown key data.0.world; did you mean worlds?"),
        ({"loss": {"perceptual": {"file": "x"}}}, "unknown key loss.perceptual.file"),
        ({"data": [{}]}, "data.0 needs one of `worlds: FOLDER` and `scenes: FOLDER`"),
        ({"data": [{"worlds": "x"}], "examples_per_epoch": None}, "needs examples_per_epoch"),
        ({"patch_px": 100}, "needs patch_px a multiple of 16"),
        ({"network": {"width": 16}}, "network width=16 is not a multiple of groups=32"),
        ({"frame": "anomalie"}, "has no frame 'anomalie'"),
        ({"schedule": {"name": "official", "sum_scale": 1}}, "schedule has no sum_scale"),
        ({"sampling": {"steps": 200}}, "samples 200 steps of 100 levels"),
        ({"optimiser": {"cosine": True, "halve_every_epochs": 1}}, "optimiser cannot both fall"),
        ({"optimiser": {"precision": "fp16"}}, "optimiser.precision"),
        ({"epochs": 0}, "needs epochs of 1 or more"),
        ({"save_every": 7, "log_every": 2}, "use 8"),
        ({"rollout": 1.5}, "needs rollout between 0 and 1"),
        ({"method": "stf"}, "no method 'stf' to train; known: sa-stf, stfdiff"),
        ({"methd": "stfdiff"}, "unknown key methd; did you mean method?"),
        ({"method": "stfdiff"}, "has a loss.time_weight but a"),
        ({"network": {"mults": [1]}}, "unknown key network.mults; known here: bands, width"),
        (
            {"method": "stfdiff", "network": {"align": True, "width": 12}, "batch": 0},
            "unknown key network.align; known here: bands, width",
        ),
        ({"method": "stfdiff", "network": {"width": 12}, "batch": 0}, "use groups=8 or a width"),
        ({"method": "stfdiff", "network": {"width": 12}, "batch": 0}, "needs batch of 1 or more"),
    ],
)
def test_a_wrong_training_file_says_what_to_write(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**TRAINING, **change}))
    with pytest.raises(TrainFileError, match=re.escape(message)):
        read_training(path)


def test_paths_are_relative_to_the_file_and_shipped_files_go_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TRAINING))
    config = read_training(tmp_path / "tiny.yaml")
    assert config.data[0].folder == tmp_path / "set"
    assert config.validation.data[0].folder == tmp_path / "set"
    assert {read_training(Path(file.stem)).name for file in SHIPPED.glob("*.yaml")} >= {
        "default",
        "paper",
        "quick",
        "stfdiff",
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").mkdir()  # a folder of its name is not the file
    assert read_training(Path("quick")).data[0].folder == tmp_path / "worlds-quick"
    stfdiff = read_training(Path("stfdiff"))
    assert stfdiff.network == StfdiffConfig()
    assert (stfdiff.optimiser.rate, stfdiff.batch, stfdiff.optimiser.clip) == (1e-3, 24, 1.0)
    assert (stfdiff.sampling.steps, stfdiff.sampling.eta, stfdiff.sampling.clamp) == (10, 1.0, True)
    paper = read_training(Path("paper"))
    assert (paper.epochs, paper.batch, paper.optimiser.halve_every_epochs) == (200, 4, 40)
    assert (paper.loss.perceptual.weight, paper.loss.time_weight) == (0.01, 1e-4)
    with pytest.raises(TrainFileError, match=r"there is no training file .*default, paper, quick"):
        read_training(tmp_path / "none.yaml")


def test_help_names_every_training_file_that_ships() -> None:
    words = re.findall(r"[\w-]+", CliRunner().invoke(app, ["train", "--help"]).stdout)
    assert {file.stem for file in SHIPPED.glob("*.yaml")} <= set(words)
