"""Which weights may be scored where, and what is said of them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluate.choices import MethodChoice, SceneFolder
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.scene_folder import FolderSource
from tests.model.makers import write_checkpoint
from tests.model.scene_sets import make_set

WORLDS = {"data": [{"worlds": {"train, seed 1": 300}, "textures": [], "share": 1.0}]}


def on(split: str, name: str = "made-up") -> dict[str, Any]:
    return {"data": [{"scenes": name, "split": split, "triplets": 2}], "command": f"train {name}"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> FolderSource:
    folder = tmp_path_factory.mktemp("set") / "set"
    make_set(folder, splits=("train", "test"))
    return FolderSource(SceneFolder(folder=folder))


@pytest.fixture
def contender(tmp_path: Path) -> Any:
    def of(*stages: dict[str, Any]) -> Contender:
        folder = write_checkpoint(tmp_path / "weights", trained=False, bands=("red", "nir08"))
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**card, "training": stages}))
        return Contender.of(MethodChoice(method="sa-stf", label="w", checkpoint=str(folder)))

    return of


@pytest.mark.parametrize(
    ("stages", "mark"),
    [
        ([WORLDS], "zero-shot"),
        ([WORLDS, on("train")], "adapted"),
        ([on("train"), on("train")], "in-site"),
        ([on("train", "elsewhere")], "zero-shot"),
    ],
)
def test_a_mark_tells_what_the_weights_saw_of_the_set(
    stages: list[Any], mark: str, contender: Any, source: FolderSource
) -> None:
    one = contender(*stages)
    assert one.refusal(source) is None
    assert one.mark(source) == mark


@pytest.mark.parametrize(
    ("stages", "why"),
    [
        ([WORLDS, on("test")], "on the split test of made-up"),
        ([{**on("train"), "validation": [{"scenes": "made-up", "split": "test"}]}], "chosen on"),
        ([{"data": "images of made-up, all dates"}], "does not say which split"),
        ([{"data": [{"worlds": {}, "textures": ["made-up/fine-0"]}]}], "of the same scene"),
    ],
)
def test_weights_that_saw_what_is_scored_are_refused(
    stages: list[Any], why: str, contender: Any, source: FolderSource
) -> None:
    assert why in contender(*stages).refusal(source)


def test_a_truth_that_training_triplets_show_refuses_their_weights(
    contender: Any, source: FolderSource, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    make_set(folder, splits=("train", "test"))
    known = json.loads((folder / "set.json").read_text())
    known["scenes"][1]["days"] = [0, 4, 18]  # the target of the training triplet
    (folder / "set.json").write_text(json.dumps(known))
    leaking = FolderSource(SceneFolder(folder=folder))
    assert "its card names made-up" in contender(on("train")).refusal(leaking)
    assert contender(WORLDS).refusal(leaking) is None


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a contender asks of a set that is not to be learned from."""

    name: str
    bands: tuple[str, ...] = ("red", "nir08")

    def seen_in(self, stage: dict[str, Any]) -> str:
        return f"its card names {self.name}"

    def named_in(self, stage: dict[str, Any]) -> bool:
        from pipeline.real_sets import named_in

        return named_in({"training": [stage]}, self.name)


@pytest.mark.parametrize(
    ("name", "trained", "refused"),
    [
        ("salton-sea", "salton-sea", True),
        ("tsstf", "cia", True),  # the same scene
        ("cia", "tsstf", True),
        ("lgc", "lower Gwydir", True),
        ("shenzhen", "salton-sea", False),
    ],
)
def test_a_card_that_names_a_set_or_its_scene_is_refused(
    name: str, trained: str, refused: bool, contender: Any
) -> None:
    one = contender(on("train", trained))
    assert (one.refusal(Named(name=name)) is not None) == refused


def test_weights_for_other_bands_are_refused(contender: Any, source: FolderSource) -> None:
    one = contender(WORLDS)
    assert "made for all of red, nir08" in one.refusal(replace(Named(name="x"), bands=("red",)))
