"""What lies on disk is taken for true only while it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluate import answers
from pipeline.evaluate.answers import AnswerTask, fuse_scene
from pipeline.evaluate.choices import MethodChoice, SceneFolder
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.sets import open_source
from pipeline.evaluate.store import read_if, slug, write_whole
from tests.model.scene_sets import make_set


def test_a_file_is_read_if_it_is_whole_and_of_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "some" / "scores.json"
    assert read_if(path, "a") is None
    write_whole(path, {"identity": "a", "rmse": [0.25, float("nan")]})
    assert read_if(path, "a") == {"identity": "a", "rmse": [0.25, None]}
    assert read_if(path, "b") is None
    assert [one.name for one in path.parent.iterdir()] == ["scores.json"]
    whole = path.read_text()
    for broken in (whole[:-2], "", "[1, 2]", '"a"', "{}", "null"):
        path.write_text(broken)
        assert read_if(path, "a") is None


def test_names_that_would_become_alike_stay_apart() -> None:
    names = ["sa-stf", "SA-STF", "sa stf", "sa/stf", "../sa-stf", "x" * 90, "x" * 91]
    assert len({slug(name) for name in names}) == len(names)
    assert slug("sa-stf") == "sa-stf"
    assert not any("/" in slug(name) or slug(name).startswith(".") for name in names)


def test_an_answer_of_other_code_that_was_killed_is_no_answer_of_the_code_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_set(tmp_path / "set", splits=("train", "test"))
    choice = SceneFolder(folder=tmp_path / "set")
    source = open_source(choice)
    contender = Contender.of(MethodChoice(method="linear", label="linear"))
    task = AnswerTask.of(choice, source, source.keys[0], contender)
    fuse_scene(task, folder=tmp_path, device="cpu")
    assert task.cost(tmp_path) is not None

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    other = replace(
        task, identity="of other code", method=replace(task.method, method="copy-before")
    )
    assert other.path(tmp_path) == task.path(tmp_path)
    before = np.array(task.answer(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(answers, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            fuse_scene(other, folder=tmp_path, device="cpu")
    assert not np.array_equal(task.answer(tmp_path), before, equal_nan=True)
    assert task.cost(tmp_path) is None
    fuse_scene(task, folder=tmp_path, device="cpu")
    np.testing.assert_array_equal(task.answer(tmp_path), before)
