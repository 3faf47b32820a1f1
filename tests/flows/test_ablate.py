"""``daily30 ablate``: variants of a training file become rows of a table."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.ablate import SHIPPED, read_variants
from flows.cli import app
from flows.train_config import TrainFileError
from model.training.ablation import PAPER_ROWS
from tests.model.scene_sets import make_set

BASE = {
    "data": [{"scenes": "set"}],
    "validation": {
        "data": [{"scenes": "set", "split": "validation"}],
        "examples": 2,
        "patch_px": 16,
    },
    "network": {"bands": 2, "width": 8, "groups": 4, "contrast": True},
    "frame": "anomaly",
    "schedule": {"name": "rddm", "sum_scale": 0.01},
    "sampling": {"window_px": 16, "overlap_px": 0, "halo_px": 0},
    "patch_px": 16,
    "batch": 2,
    "epochs": 1,
    "examples_per_epoch": 4,
    "loss": {"time_weight": 1.0e-4},
}


def write(folder: Path, variants: object) -> Path:
    path = folder / "study.yaml"
    content = BASE | ({} if variants is None else {"variants": variants})
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_shipped_files_hold_rows_that_all_differ() -> None:
    for file in SHIPPED.glob("*.yaml"):
        rows, is_paper = read_variants(Path(file.stem))
        assert is_paper == (file.stem in ("ablation", "real"))
        plain = [{**row.as_json(), "name": ""} for row in rows.values()]
        assert all(one not in plain[:i] for i, one in enumerate(plain)), file
    assert list(read_variants(Path("ablation"))[0]) == list(PAPER_ROWS)


def test_a_variant_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    changes = {
        "base": {},
        "deep": {"loss.perceptual.weight": 0.5, "network.mask": "pixel", "epochs": 3},
        "whole": {"schedule": {"name": "official"}, "data.0.split": "test"},
    }
    rows, is_paper = read_variants(write(tmp_path, changes))
    assert not is_paper
    base, deep, whole = (row.as_json() for row in rows.values())
    assert deep["loss"] == base["loss"] | {"perceptual": {"weight": 0.5, "weights_file": None}}
    assert deep["network"] == base["network"] | {"mask": "pixel"}
    assert (deep["epochs"], deep["schedule"]) == (3, base["schedule"])
    assert whole["schedule"] == {"name": "official", "levels": 100, "sum_scale": None}
    assert whole["data"][0] == base["data"][0] | {"split": "test"}
    assert rows["whole"].data[0].folder == tmp_path / "set"


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ({"a": {"network.algn": False}}, r"variant 'a' of .*study\.yaml: .*algn"),
        ({"a": {"frame.name": "x"}}, r"variant 'a', frame\.name: frame is a value"),
        ({"a": {"frame": "x"}}, r"variant 'a' of .*no frame 'x'"),
        ({"a": {"data.7.split": "x"}}, r"variant 'a', data\.7\.split: data has no entry 7"),
        (["a", "b"], r"`variants` must be `paper` or hold a name for each row"),
        ({"a": None}, r"`variants` must be `paper` or hold a name for each row"),
    ],
)
def test_a_variant_that_is_no_configuration_is_named(
    variants: object, words: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainFileError, match=words):
        read_variants(write(tmp_path, variants))


def test_a_file_without_variants_means_the_papers_rows(tmp_path: Path) -> None:
    rows, is_paper = read_variants(write(tmp_path, None))
    assert is_paper
    assert list(rows) == list(PAPER_ROWS)


def test_one_command_trains_scores_and_writes_both_tables(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    path = write(tmp_path, {"ours": {}, "no diffusion": {"network.diffusion": False}})
    command = ["ablate", str(path), "--out", str(tmp_path / "out"), "--device", "cpu"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.stderr, done.exception)
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert rows[:4] == ["set", "row", "ours", "no diffusion"]
    assert "anomaly" in rows
    assert {"ablation.md", "ablation.csv", "ours", "no-diffusion"} <= {
        file.name for file in (tmp_path / "out").iterdir()
    }
    again = CliRunner().invoke(app, command)
    assert again.stdout == done.stdout
    assert "ours: done before" in again.stderr
