"""A made-up scene set through the whole evaluation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.block import Block, Fused
from model.fuser import load_fuser
from model.training.scenes import open_set, unpack
from pipeline.evaluate import answers as answering
from pipeline.evaluate.choices import BASELINES, Evaluation, MethodChoice, SceneFolder, with_naive
from pipeline.evaluate.report import write_report
from pipeline.evaluate.result import Result
from pipeline.evaluate.rows import FLOOR
from pipeline.evaluate.run import evaluate
from pipeline.executor import Executor, executor
from pipeline.progress import Progress
from tests.model.scene_sets import make_set

BANDS = ("red", "nir08")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two test scenes of 48 x 80 random pixels, with holes in a reference and in a truth."""
    folder = tmp_path_factory.mktemp("set") / "made-up"
    hole, cloud = np.zeros((48, 80), bool), np.zeros((48, 80), bool)
    hole[:7, :9], cloud[40:, 60:] = True, True
    make_set(folder, splits=("train", "test", "test"), holes={"fine_before": hole, "truth": cloud})
    methods = with_naive((MethodChoice(method="guided", label="guided"),))
    return Evaluation(name="made", sets=(SceneFolder(folder=folder),), methods=methods)


@pytest.fixture(scope="module")
def here() -> Iterator[Executor]:
    with executor(scheduler="synchronous", device="cpu") as ex:
        yield ex


@pytest.fixture(scope="module")
def whole(
    asked: Evaluation, here: Executor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("whole")
    result = evaluate(asked, folder, here)
    write_report(result, folder, here)
    return result, folder


def test_scores_are_those_of_brute_force_over_the_files(
    asked: Evaluation, whole: tuple[Result, Path]
) -> None:
    (choice,) = asked.sets
    assert isinstance(choice, SceneFolder)
    known = open_set(choice.folder)
    squared: dict[str, list[np.ndarray]] = {"linear": [], "delta-before": []}
    for scene in known.split("test"):
        files = {
            role: unpack(np.load(choice.folder / f"{name}.npy")).astype(float)
            for role, name in scene.files.items()
        }
        linear = (files["fine_before"] + files["fine_after"]) / 2
        use = np.isfinite(linear + files["truth"]).all(0)
        squared["linear"].append((linear - files["truth"])[:, use] ** 2)
    pooled = np.sqrt(np.concatenate(squared["linear"], 1).mean(1))

    ((group,),) = [one.groups for one in whole[0].sets]
    rows = {row.method: row for row in group.rows}
    assert rows["linear"].rmse_by_band == pytest.approx(pooled, rel=1e-5)
    assert rows["linear"].values["rmse"] == pytest.approx(pooled.mean(), rel=1e-5)
    assert rows["linear"].pixels == sum(one.shape[1] for one in squared["linear"])
    assert {row.pixels for row in group.rows} == {rows["linear"].pixels}


def test_the_naive_methods_are_there_unasked(whole: tuple[Result, Path]) -> None:
    ((group,),) = [one.groups for one in whole[0].sets]
    assert [row.method for row in group.rows] == ["guided", *BASELINES]


def test_a_run_that_was_killed_goes_on_to_the_same_report(
    asked: Evaluation, here: Executor, whole: tuple[Result, Path], tmp_path: Path
) -> None:
    def stop(event: Progress) -> None:
        if event.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(asked, tmp_path, here, stop)
    kept = sorted(tmp_path.rglob("answers/**/*.json"))
    assert len(kept) == 7
    # Killed between the answer and what says of what it is, and while the answer was written.
    kept[0].unlink()
    kept[1].unlink()
    kept[1].with_suffix(".npy").write_bytes(b"half an array")
    before = {path: path.stat().st_mtime_ns for path in kept[2:]}
    result = evaluate(asked, tmp_path, here)
    write_report(result, tmp_path, here)

    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert _without_times(tmp_path) == _without_times(whole[1])


def _without_times(folder: Path) -> str:
    text = (folder / "report.md").read_text()
    head, _, rest = text.partition("## Time and memory")
    return head + rest.partition("\n## ")[2]


def test_an_evaluation_of_other_data_is_made_anew(
    asked: Evaluation, here: Executor, tmp_path: Path
) -> None:
    (choice,) = asked.sets
    folder = tmp_path / "set"
    make_set(folder, splits=("train", "test"), seed=1)
    asked = replace(asked, sets=(replace(choice, folder=folder),))
    first = evaluate(asked, tmp_path / "out", here)
    truth = np.load(folder / "truth-1.npy")
    np.save(folder / "truth-1.npy", truth[::-1].copy())
    answering.open_source.cache_clear()
    second = evaluate(asked, tmp_path / "out", here)
    assert first.sets[0].sha != second.sets[0].sha
    assert first.sets[0].groups[0].rows != second.sets[0].groups[0].rows


@pytest.mark.parametrize(("fails", "scored"), [("guided", list(BASELINES)), (FLOOR, [])])
def test_a_method_that_fails_is_told_and_the_others_are_scored_beside_the_floor(
    asked: Evaluation,
    here: Executor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    scored: list[str],
) -> None:
    class Broken:
        def fuse(self, block: Block) -> Fused:
            raise ValueError("out of luck")

    answering._fuser.cache_clear()
    monkeypatch.setattr(
        answering,
        "load_fuser",
        lambda name, *rest, **more: Broken() if name == fails else load_fuser(name),
    )
    result = evaluate(asked, tmp_path, here)
    answering._fuser.cache_clear()
    assert [row.method for row in result.sets[0].groups[0].rows] == scored
    assert len(result.errors) == 2
    assert f"{fails} on made-up" in result.errors[0]
    assert write_report(result, tmp_path, here)
    assert "out of luck" in result.errors[0]


def test_a_row_that_is_called_otherwise_is_called_so_in_the_report_that_goes_on(
    asked: Evaluation, here: Executor, tmp_path: Path
) -> None:
    evaluate(asked, tmp_path, here)
    renamed = replace(asked.methods[0], label="by another name")
    result = evaluate(replace(asked, methods=(renamed, *asked.methods[1:])), tmp_path, here)
    labels = [row.method for row in result.sets[0].groups[0].rows]
    assert labels == ["by another name", *BASELINES]


def test_two_sets_that_would_overwrite_each_other_are_refused(
    asked: Evaluation, here: Executor, tmp_path: Path
) -> None:
    (choice,) = asked.sets
    make_set(tmp_path / "set", splits=("train", "test"), seed=1)
    other = replace(choice, folder=tmp_path / "set")
    with pytest.raises(ValueError, match="two of them are made-up with a scene"):
        evaluate(replace(asked, sets=(choice, other)), tmp_path / "out", here)
