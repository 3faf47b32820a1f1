"""What a report says, and that its HTML needs nothing else."""

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from model.training.scenes import COARSE, FINE, Scene, SceneSet, written_whole
from pipeline.evaluate.choices import BASELINES, Evaluation, MethodChoice, SceneFolder, with_naive
from pipeline.evaluate.published import PUBLISHED
from pipeline.evaluate.report import write_report
from pipeline.evaluate.result import Result
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.scene_folder import FolderSource
from pipeline.executor import executor
from tests.model.scene_sets import make_set

CROP = "rows 20 + 1792, columns 106 + 1280"
DAYS = (11787, 11794, 11803)
"""2002-04-10, -17 and -26: CIA's test triplet."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("report")
    make_set(folder / "set", splits=("train", "test"))
    asked = Evaluation(
        name="made",
        sets=(SceneFolder(folder=folder / "set"),),
        methods=with_naive((MethodChoice(method="guided", label="guided <b>"),)),
    )
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(asked, folder, here)
        write_report(result, folder, here)
    return result, folder


def tables(text: str) -> Iterator[list[list[str]]]:
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        yield [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


def test_the_tables_of_the_markdown_hold_the_rows(written: tuple[Result, Path]) -> None:
    result, folder = written
    found = list(tables((folder / "report.md").read_text()))
    main = next(table for table in found if table[0][:3] == ["method", "training", "RMSE"])
    rows = {row.method: row for row in result.sets[0].groups[0].rows}
    assert {line[0] for line in main[1:]} == {r"guided \<b\>", *BASELINES}
    for line in main[1:]:
        row = rows[line[0].replace("\\", "")]
        assert float(line[2].strip("*")) == pytest.approx(row.values["rmse"], abs=6e-5)
        assert float(line[3].strip("*")) == pytest.approx(row.values["cc"], abs=6e-5)
    least = min(row.values["rmse"] for row in rows.values())
    best = [line[0] for line in main[1:] if line[2].startswith("**")]
    assert best
    for name in best:
        assert rows[name.replace("\\", "")].values["rmse"] == pytest.approx(least, abs=6e-5)


def test_every_picture_of_the_markdown_is_there(written: tuple[Result, Path]) -> None:
    _, folder = written
    linked = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (folder / "report.md").read_text())
    assert len(linked) == 6  # gains, images, scatter, classes, boxes, pixels through time
    assert sum(name.endswith("-series.webp") for name in linked) == 1
    for name in linked:
        assert (folder / name).stat().st_size > 1000
    assert {f"pictures/{path.name}" for path in (folder / "pictures").iterdir()} == set(linked)


class _Strict(HTMLParser):
    """Tags close in order, and nothing is fetched from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "b")
        self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset"):
                self.sources.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_html_is_well_formed_and_refers_to_nothing_outside(
    written: tuple[Result, Path],
) -> None:
    text = (written[1] / "report.html").read_text()
    parser = _Strict()
    parser.feed(text)
    assert not parser.open
    assert all(one.startswith(("data:image/", "#")) for one in parser.sources)
    assert sum(one.startswith("data:image/") for one in parser.sources) == 6
    assert "url(" not in text
    assert "@import" not in text


def test_the_maps_say_how_they_are_made(written: tuple[Result, Path]) -> None:
    result, folder = written
    text = (folder / "report.md").read_text()
    assert "K-means maps of 5 classes" in text
    assert "K-means++ of seed 0 on at most 100,000 pixels" in text
    maps = next(
        table for table in tables(text) if table[0][1:] == ["OA", "precision", "recall", "F1"]
    )
    rows = {row.method: row for row in result.sets[0].groups[0].rows}
    assert len(maps) == len(rows) + 1
    for line in maps[1:]:
        values = rows[line[0].replace("\\", "")].values
        for cell, name in zip(line[1:], ("accuracy", "precision", "recall", "f1"), strict=True):
            assert float(cell.strip("*")) == pytest.approx(values[name], abs=6e-5)
    assert "5 classes of the truth's spectra, seed 0" in text


def test_the_csv_has_every_digit(written: tuple[Result, Path]) -> None:
    result, folder = written
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    for found, row in zip(rows, result.sets[0].groups[0].rows, strict=True):
        assert found["method"] == row.method
        assert float(found["rmse"]) == row.values["rmse"]


def cia(folder: Path, *, origin: str = CROP, split: str = "test", name: str = "cia") -> Path:
    """A set that says it is CIA; its files are small."""
    rng = np.random.default_rng(0)
    with written_whole(folder) as new:
        files = {}
        for role in (*FINE, *COARSE):
            files[role] = role
            np.save(new / role, rng.integers(500, 4000, (2, 40, 40)).astype(np.int16))
        SceneSet(
            name=name,
            bands=("red", "nir08"),
            ratio=20,
            coarse="pixels",
            patch_px=16,
            stride_px=16,
            min_known=0,
            centre=(0.2, 0.2),
            spread=(0.1, 0.1),
            origin=f"made up; {origin}",
            licence="none",
            scenes=(Scene(name="one", split=split, days=DAYS, files=files),),
        ).save(new)
    return folder


@pytest.mark.parametrize(
    ("change", "split", "published"),
    [
        ({}, "test", True),
        ({"origin": "rows 21 + 1792, columns 106 + 1280"}, "test", False),
        ({"origin": "rows 20 + 1780, columns 106 + 1280"}, "test", False),
        ({"split": "train"}, "train", False),
        ({"name": "cia-of-mine"}, "test", False),
    ],
    ids=["the paper's", "another corner", "another size", "another split", "another set"],
)
def test_published_numbers_stand_beside_the_papers_own_pixels_alone(
    change: dict[str, str], split: str, published: bool, tmp_path: Path
) -> None:
    choice = SceneFolder(folder=cia(tmp_path / "cia", **change), split=split)
    assert FolderSource(choice).as_published == published
    asked = Evaluation(name="x", sets=(choice,), methods=with_naive(()), pictures="none")
    with executor(scheduler="synchronous", device="cpu") as here:
        write_report(evaluate(asked, tmp_path, here), tmp_path, here)
    text = (tmp_path / "report.md").read_text()
    assert ("*SA-STF, published*" in text) == published
    if published:
        rows = [line for table in tables(text) for line in table if "published" in line[0]]
        assert len(rows) == len(PUBLISHED["cia"])
        assert rows[0][4:] == ["*.8924*", "*.8910*", "*.0538*"]
        assert not any("**" in cell for row in rows for cell in row)


def test_a_set_on_pixels_is_scored_on_its_own_pixels_alone(tmp_path: Path) -> None:
    # 40 pixels are two cells of 20; with cells of 16 eight pixels are added, which nobody scores.
    folder = cia(tmp_path / "cia")
    (folder / "set.json").write_text(
        (folder / "set.json").read_text().replace('"ratio": 20', '"ratio": 16')
    )
    source = FolderSource(SceneFolder(folder=folder))
    scene = source.read(source.keys[0])
    assert scene.block.fine_before.shape == (2, 48, 48)
    asked = Evaluation(
        name="x", sets=(SceneFolder(folder=folder),), methods=with_naive(()), pictures="none"
    )
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(asked, tmp_path, here)
    assert {row.pixels for row in result.sets[0].groups[0].rows} == {40 * 40}
