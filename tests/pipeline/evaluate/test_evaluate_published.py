"""CIA, LGC and AHB from a user's folder to the report: published numbers beside ours."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from model.training.scenes import open_set, unpack
from pipeline.evaluate.choices import Evaluation, MethodChoice, SceneFolder, with_naive
from pipeline.evaluate.document import Table
from pipeline.evaluate.pictures import Pictures
from pipeline.evaluate.report import report
from pipeline.evaluate.run import evaluate
from pipeline.executor import executor
from pipeline.sets.importing import import_set
from pipeline.sets.tables import AHB, CIA, LGC, BenchmarkSet
from tests.pipeline.benchmark_files import (
    bil,
    bsq,
    cia_name,
    flat_name,
    lgc_name,
    tiff,
    write_files,
)

CROP = 64

PAPER = {
    "cia": {
        "SA-STF": ("", "", ".8924", ".8910", ".0538"),
        "ESTARFM": ("", "", ".8885", ".9293", ".0611"),
    },
    "lgc": {
        "SA-STF": (".0169", ".9360", ".9440", ".6751", ".0531"),
        "STFMamba": (".0174", ".9284", "", "", ".0565"),
    },
    "ahb": {"SA-STF": (".0283", ".8729", ".8962", "", "")},
}
"""RMSE, CC, SSIM, ERGAS, SAM of the SA-STF paper, by hand from its tables."""


def small(spec: BenchmarkSet) -> BenchmarkSet:
    """The set with its dates and files, but a few pixels of it."""
    height, width = CROP + spec.corner[0] + 6, CROP + spec.corner[1] + 2
    return replace(spec, size=(height, width), crop=(CROP, CROP))


def fields(full: int, size: tuple[int, int]) -> Callable[[str, date], np.ndarray]:
    """Numbers of 0 to ``full``: fields, that grow with the days; coarse ones in blocks of 16."""

    def image(role: str, day: date) -> np.ndarray:
        rng = np.random.default_rng(0)
        look = rng.uniform(0.1, 0.4, (6, size[0] // 8 + 1, size[1] // 8 + 1))
        growth = rng.uniform(-0.3, 0.3, look.shape[1:]) * (day.toordinal() % 90) / 90
        seen = (look * (1 + growth)).repeat(8, 1).repeat(8, 2)[:, : size[0], : size[1]]
        if role == "coarse":
            seen = seen[:, ::16, ::16].repeat(16, 1).repeat(16, 2)[:, : size[0], : size[1]]
        return np.rint(seen * full).astype(np.uint8 if full == 255 else "<i2")

    return image


@pytest.mark.parametrize(
    ("spec", "name", "write"),
    [
        (CIA, cia_name, {"fine": bil, "coarse": bsq}),
        (LGC, lgc_name, {"fine": bil, "coarse": bsq}),
        (AHB, flat_name, {"fine": tiff, "coarse": tiff}),
    ],
    ids=["cia", "lgc", "ahb"],
)
def test_files_as_they_are_distributed_end_beside_the_published_numbers(
    spec: BenchmarkSet,
    name: Callable[[str, date], str],
    write: Mapping[str, Callable[[Path, np.ndarray], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = small(spec)
    monkeypatch.setattr("pipeline.evaluate.scene_folder.SETS", {spec.name: tiny})
    folder = write_files(tmp_path / "files", tiny, name, write, fields(spec.full, tiny.size))
    import_set(tiny, folder, tmp_path / "set")
    asked = Evaluation(
        name="x",
        sets=(SceneFolder(folder=tmp_path / "set"),),
        methods=with_naive((MethodChoice(method="guided", label="guided"),)),
        pictures="none",
    )
    with executor(scheduler="synchronous", device="cpu") as here:
        result = evaluate(asked, tmp_path / "out", here)
    assert not result.errors
    ((group,),) = [one.groups for one in result.sets]
    document = report(result, Pictures(gains=None, groups={}, series={}))
    (table,) = [
        block
        for block in document.blocks
        if isinstance(block, Table) and any(row[0].quoted for row in block.rows)
    ]
    assert table.head == ("method", "training", "RMSE", "CC", "SSIM", "ERGAS", "SAM")
    quoted = {row[0].text: row[1:] for row in table.rows if row[0].quoted}
    assert quoted.keys() == {f"{one}, published" for one in PAPER[spec.name]}
    for method, values in PAPER[spec.name].items():
        training, *cells = quoted[f"{method}, published"]
        assert training.text == "in-site"
        assert tuple(cell.text for cell in cells) == values
        assert all(cell.quoted and not cell.best for cell in cells)

    # Beside them stand our means over the paper's patches: here one, the whole crop.
    ours = {row[0].text: row for row in table.rows if not row[0].quoted}
    assert ours.keys() == {row.method for row in group.rows}
    scenes = open_set(tmp_path / "set")
    (scene,) = scenes.split("test")
    truth, before = (
        unpack(np.load(tmp_path / "set" / f"{scene.files[role]}.npy"))
        for role in ("truth", "fine_before")
    )
    rmse = np.sqrt(((before - truth).astype(float) ** 2).mean((1, 2))).mean()
    assert float(ours["copy-before"][2].text) == pytest.approx(rmse, abs=6e-5)
