"""STFDiff in the trainer that sa-stf has."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.card import read_card
from model.classical.naive import NAIVE
from model.fuser import load_fuser
from model.stfdiff.config import StfdiffConfig
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
from tests.model.makers import make_block

ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


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
