"""``daily30 evaluate``: its file, and a run that is killed."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from flows.evaluate import check_pinned, pinned
from flows.evaluate_config import SHIPPED, EvaluationError, Pinned, read_evaluation
from model.card import DEFAULT_CHECKPOINT
from pipeline.evaluate.choices import BASELINES, Evaluation, MethodChoice, with_naive
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.report import write_report
from pipeline.evaluate.result import Result
from pipeline.evaluate.run import evaluate
from pipeline.executor import executor
from tests.model.scene_sets import make_set

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = {"name": "tiny", "sets": [{"scenes": "set"}], "methods": ["guided"], "pictures": "none"}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


def test_every_shipped_file_is_read_and_has_the_naive_methods() -> None:
    files = sorted(SHIPPED.glob("*.yaml"))
    assert {path.stem for path in files} >= {"real-sets", "docs-evaluation"}
    for path in files:
        config, base = read_evaluation(Path(path.stem))
        evaluation = config.evaluation(base)
        assert {one.label for one in evaluation.methods} >= set(BASELINES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": ["linear"]}, "unknown key method; did you mean methods?"),
        ({"sets": [{"reel": "kranj"}]}, "unknown key sets.0.reel; did you mean real?"),
        ({"sets": [{"real": "kranj", "scenes": "x"}]}, "sets.0 must say exactly one of"),
        ({"sets": [{"scenes": "x", "groups": ["one-sided"]}]}, "groups go with real"),
        ({"sets": [{"real": "kranj", "hide_days": [0]}]}, "hide_days goes with region and world"),
        ({"sets": [{"real": "kranj", "extent": "all"}]}, "extent goes with region"),
        ({"sets": [{"real": "kranj", "roughness_days": 9}]}, "roughness_days goes with world"),
        ({"sets": []}, "sets: "),
        ({"sets": [{"real": "cranj"}]}, "no real set 'cranj'; there are salton-sea"),
        ({"methods": ["sastf"]}, "no method 'sastf'; there are sa-stf"),
        ({"methods": ["linear", "linear"]}, "two rows are called linear; give each a label"),
        ({"methods": [{"method": "linear", "chekpoint": "x"}]}, "did you mean checkpoint?"),
        ({"pictures": "some"}, "pictures"),
        ({"name": "a/b"}, "name"),
        ({"sets": [{"world": {"generator": "tame", "seed": 1}}]}, "sets.0.world.generator"),
    ],
)
def test_a_bad_file_is_one_message_with_key_and_cure(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, **change)

    def read() -> None:
        config, base = read_evaluation(path)
        config.evaluation(base)

    with pytest.raises(ValueError, match=re.escape(message)):
        read()


def test_a_file_that_is_not_there_names_those_that_come_with_daily30() -> None:
    with pytest.raises(EvaluationError, match=r"no evaluation file .*docs-evaluation, real-sets"):
        read_evaluation(Path("nothing"))


def command(config: Path, out: Path) -> list[str]:
    words = ["evaluate", str(config), "--out", str(out), "--workers", "1"]
    return [sys.executable, "-m", "flows.cli", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def without_times(path: Path) -> str:
    text = path.read_text()
    head, _, rest = text.partition("## Time and memory")
    return head + rest.partition("\n## ")[2]


def test_a_killed_run_goes_on_and_its_frozen_file_makes_the_same_report(tmp_path: Path) -> None:
    make_set(tmp_path / "set", splits=("train", *["test"] * 6))
    path = written(tmp_path)
    out = tmp_path / "out"
    killed = subprocess.Popen(command(path, out), env=environment(), cwd=tmp_path)
    try:
        end = time.monotonic() + 120
        while len(list(out.rglob("answers/**/*.json"))) < 4:
            assert time.monotonic() < end, "nothing was answered"
            time.sleep(0.02)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    kept = {one: one.stat().st_mtime_ns for one in out.rglob("answers/**/*.json")}
    subprocess.run(command(path, out), env=environment(), cwd=tmp_path, check=True, timeout=240)
    assert {one: one.stat().st_mtime_ns for one in kept} == kept

    # Elsewhere, in one process, from the frozen file alone.
    config, base = read_evaluation(out / "config.yaml")
    again = tmp_path / "again"
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(config.evaluation(base), again, here)
        write_report(result, again, here)
    assert without_times(again / "report.md") == without_times(out / "report.md")
    assert (again / "scores.csv").read_bytes() == (out / "scores.csv").read_bytes()
    assert config.pinned is not None
    assert config.pinned.data == {"made-up": result.sets[0].sha}


def test_what_is_pinned_are_the_weights_that_took_part() -> None:
    methods = with_naive((MethodChoice(method="sa-stf", label="ours"),))
    contenders = tuple(Contender.of(one) for one in methods)
    asked = Evaluation(name="x", sets=(), methods=methods)
    found = pinned(Result(evaluation=asked, contenders=contenders, sets=(), errors=()))
    weights = (DEFAULT_CHECKPOINT / "weights.safetensors").read_bytes()
    assert found.weights == {"ours": hashlib.sha256(weights).hexdigest()}
    assert found.data == {}


def test_a_frozen_file_is_refused_where_data_or_weights_are_others() -> None:
    was = Pinned(code="1", data={"set": "a"}, weights={"sa-stf": "b"})
    path = Path("config.yaml")
    assert check_pinned(path, was, was) == ()
    assert (
        "was made by 1, this is 2"
        in check_pinned(path, was, was.model_copy(update={"code": "2"}))[0]
    )
    for name, other in (("data", {"set": "x"}), ("weights", {"sa-stf": "x"})):
        with pytest.raises(EvaluationError, match=rf"the {name} of .* take `pinned` out"):
            check_pinned(path, was, was.model_copy(update={name: other}))
        with pytest.raises(EvaluationError, match=rf"the {name} of .* are not those"):
            check_pinned(path, was, was.model_copy(update={name: {}}))
    more = was.model_copy(update={"data": {"set": "a", "another": "c"}})
    assert check_pinned(path, was, more) == ()
