"""Rows of a comparison: what each network is, that it is trained once, and what its scores mean."""

import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.diffusion import official
from model.metrics import score
from model.sastf.config import NetworkConfig
from model.sastf.network import Network
from model.training.ablation import (
    METRICS,
    PAPER_LGC,
    PAPER_ROWS,
    AblationError,
    Score,
    compare,
    score_examples,
)
from model.training.ablation_table import write_tables
from model.training.batch import collate
from model.training.config import (
    DataConfig,
    LossConfig,
    SamplingConfig,
    ScheduleConfig,
    TrainConfig,
    ValidationConfig,
)
from model.training.distributed import Ranks
from model.training.example import Example
from model.training.validation import naive_images, validate
from tests.model.examples import Random, make_example, with_unknown

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)


def make_config(row: str = "full", **changes: object) -> TrainConfig:
    """Four steps of a network of width 8 with the parts that a row of the paper has."""
    overrides = PAPER_ROWS[row]
    parts = {key.partition(".")[2]: value for key, value in overrides.items() if "network." in key}
    return replace(
        TrainConfig(
            name=row,
            data=(DataConfig(scenes=Path("set")),),
            validation=ValidationConfig(data=(DataConfig(scenes=Path("set")),), examples=3),
            network=NetworkConfig(bands=2, width=8, groups=4, **parts),
            schedule=ScheduleConfig(name="official"),
            sampling=SamplingConfig(steps=2, window_px=16, overlap_px=0, halo_px=0),
            patch_px=16,
            batch=2,
            epochs=2,
            loss=LossConfig(time_weight=overrides.get("loss.time_weight", 1e-4)),
            save_every=10,
        ),
        **changes,
    )


def run(rows: Mapping[str, TrainConfig], out: Path) -> tuple[list[Score], list[tuple[str, bool]]]:
    told: list[tuple[str, bool]] = []
    scores = compare(
        rows,
        out,
        ranks=ALONE,
        data=lambda config: Random(4),
        held_out=lambda config, bands: {"held": Random(5, bands=bands)},
        on_row=lambda name, done: told.append((name, done)),
    )
    return scores, told


def test_the_rows_differ_in_parameters_as_their_wiring_says() -> None:
    # Millions at width 64 (stfdiff.md 5), less the unused tensors that ours does not have: a norm,
    # and a projection in each alignment.
    norm, projection = 1024e-6, 0.262656
    expected = {
        "full": 83.8396 - norm - 2 * projection,
        "Taylor": 83.8396 - norm - 4.73,
        "Taylor + TFA": 83.8396 - norm - 2 * projection + 0.52,
        "Taylor + SAF": 83.8396 - norm - 5.25,
        "RDDM": 83.8396 - norm - 4.73 - 4.75,
        "TFA + SAF, no diffusion": 61.3 - norm - 2 * projection,
    }
    for row, overrides in PAPER_ROWS.items():
        parts = {key[8:]: value for key, value in overrides.items() if "network." in key}
        with torch.device("meta"):
            network = Network(NetworkConfig(**parts))
        millions = sum(p.numel() for p in network.parameters()) / 1e6
        assert millions == pytest.approx(expected[row], abs=0.06), row


def test_the_time_loss_is_on_where_there_is_an_alignment() -> None:
    for row, overrides in PAPER_ROWS.items():
        aligned = overrides.get("network.align", True)
        assert (overrides.get("loss.time_weight", 1.0) > 0) is aligned, row
    assert list(PAPER_ROWS) == list(PAPER_LGC)


def test_the_papers_six_rows_train_and_are_not_trained_again(tmp_path: Path) -> None:
    rows = {row: make_config(row) for row in PAPER_ROWS}
    scores, told = run(rows, tmp_path)
    assert told == [(row, False) for row in PAPER_ROWS]
    assert [one.row for one in scores[:6]] == list(PAPER_ROWS)
    assert [one.row for one in scores[6:]][-1] == "anomaly"
    assert all(math.isfinite(getattr(one, name)) for one in scores for name in METRICS)
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    assert len(weights) >= 6

    again, told = run(rows, tmp_path)
    assert told == [(row, True) for row in PAPER_ROWS]
    assert again == scores
    assert weights == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("weights.safetensors")}

    write_tables(tmp_path, scores, PAPER_LGC, title="small", described="six networks")
    text = (tmp_path / "ablation.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:8]] == list(PAPER_ROWS)
    assert "| 0.9360 | 0.9440 | 0.6751 | 0.0169 | 0.0531 |" in lines[6]
    with (tmp_path / "ablation.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(line["rmse"]) for line in table] == [one.rmse for one in scores]


def test_a_row_that_was_trained_but_not_scored_is_only_scored(tmp_path: Path) -> None:
    rows = {"full": make_config()}
    scores, _ = run(rows, tmp_path)
    (tmp_path / "full" / "scores.json").unlink()
    log = (tmp_path / "full" / "train.csv").read_bytes()
    again, told = run(rows, tmp_path)
    assert told == [("full", False)]
    assert (tmp_path / "full" / "train.csv").read_bytes() == log
    assert again == scores


def test_rows_see_the_same_examples_and_end_alike_where_they_are_alike(tmp_path: Path) -> None:
    (one, *_), _ = run({"one": make_config()}, tmp_path / "one")
    (other, *_), _ = run({"the other": make_config()}, tmp_path / "other")
    assert replace(other, row="one", minutes=one.minutes) == one


def test_rows_that_differ_in_sampling_alone_share_their_weights(tmp_path: Path) -> None:
    own = make_config()
    start = replace(own.sampling, kappa=0.0)
    rows = {"own": own, "kappa 0": replace(own, name="kappa 0", sampling=start)}
    rows["longer"] = make_config(epochs=3)
    scores, _ = run(rows, tmp_path)
    trained = {path.parent.parent.name for path in tmp_path.rglob("last/weights.safetensors")}
    assert trained == {"own", "longer"}
    first, sampled, _ = scores[:3]
    assert (sampled.minutes, sampled.parameters) == (first.minutes, first.parameters)
    assert sampled.rmse != first.rmse
    network = Network(own.network)
    coarse = score_examples(network, Random(5), rows["kappa 0"], CPU)[""]
    assert sampled.rmse == pytest.approx(coarse["rmse"]), "kappa 0 is the start, whatever network"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "there is no row to train"),
        ({"a b": {}, "A+B": {}}, "rows 'a b' and 'A.B' share the folder a-b"),
        ({"+": {}}, "needs a name with a letter or a digit"),
        ({"full": {"validation": ValidationConfig()}}, "'full' has no validation data"),
    ],
    ids=["none", "same folder", "no letter", "no validation"],
)
def test_rows_that_cannot_be_compared_are_refused(
    rows: dict[str, dict[str, Any]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(AblationError, match=words):
        run({name: make_config(**changes) for name, changes in rows.items()}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_configuration_is_not_taken_for_this_one(tmp_path: Path) -> None:
    run({"full": make_config()}, tmp_path)
    with pytest.raises(AblationError, match="was trained with another epochs, seed; give --out"):
        run({"full": make_config(seed=5, epochs=1)}, tmp_path)


class _Holes(Random):
    """With unknown truth in a corner and the last band absent in every other example."""

    def example(self, epoch: int, index: int) -> Example:
        made = make_example(bands=2, px=32, seed=index, change=0.2)
        return with_unknown(made) if index % 2 else made


def test_scores_are_the_metrics_of_each_example_on_the_bands_it_has() -> None:
    config = make_config()
    network, source = Network(config.network), _Holes(5)
    found = score_examples(network, source, config, CPU)
    examples = [source.example(0, index) for index in (0, 2, 4)]
    squares: list[float] = []
    expected = []
    for example in examples:
        naive = naive_images(collate([example]))
        here = example.present
        truth = example.truth[here].astype(np.float64)
        image, linear = (naive[n][0].double().numpy()[here] for n in ("delta", "linear"))
        expected.append(score(image, truth).means())
        for y, x in np.ndindex(truth.shape[1:]):
            if (
                np.isfinite(truth[:, y, x]).all()
                and (np.abs(truth[:, y, x] - linear[:, y, x]) > 0.05).any()
            ):
                squares += [*((image - truth)[:, y, x] ** 2)]
    for name in METRICS:
        mean = np.mean([one[name] for one in expected])
        assert found["delta"][name] == pytest.approx(mean, rel=1e-9)
    assert squares
    assert found["delta"]["rmse_changed"] == pytest.approx(np.sqrt(np.mean(squares)))


def test_one_example_scores_as_in_validation() -> None:
    config = make_config(
        validation=ValidationConfig(data=(DataConfig(scenes=Path("set")),), examples=1)
    )
    network, source = Network(config.network), Random(1)
    found = score_examples(network, source, config, CPU)
    rows = validate(network, {"held": source}, config, official(), ALONE)
    for row in rows:
        name = "" if row["method"] == "sa-stf" else row["method"]
        assert found[name]["rmse"] == pytest.approx(row["rmse"], rel=1e-5)
