"""`daily30 score`: its numbers are those of model.metrics, on the same pixels for all images."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from model import metrics
from tests.flows.test_cli import daily30
from tests.pipeline.plain_images import DAYS, Place, make_place, read, write
from tests.pipeline.scenes import box


@dataclass(frozen=True, kw_only=True)
class Call:
    place: Place
    folder: Path
    truth: Path
    prediction: Path
    more: tuple[object, ...] = ()

    def run(self, *more: object) -> tuple[int, str, str]:
        return daily30("score", self.truth, self.prediction, *self.more, *more)

    def json(self, *more: object) -> dict:
        code, out, log = self.run("--json", *more)
        assert code == 0, log
        return json.loads(out)


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Truth in int16 with its scale, prediction in float32; each has holes of its own."""
    place = make_place(rows=5, cols=6)
    asked = place.write(tmp_path)
    rng = np.random.default_rng(1)
    stored = np.rint(place.fine[1] * 1e4).astype(np.int16)
    stored[:, 2, 3] = -9999
    told = {"bands": place.bands, "scale": 1e-4, "nodata": -9999}
    truth = write(tmp_path / f"{DAYS[1]}.tif", stored, place.fine_box, **told)
    values = place.fine[1] + rng.normal(0, 0.02, place.fine[1].shape).astype(np.float32)
    values[1, 20, 20] = np.nan
    prediction = write(tmp_path / "mine.tif", values, place.fine_box, bands=place.bands)
    assert asked.before
    assert asked.after
    return Call(
        place=place,
        folder=tmp_path,
        truth=truth,
        prediction=prediction,
        more=("--before", asked.before[0], "--after", asked.after[0]),
    )


def test_the_numbers_are_those_of_the_metrics(call: Call) -> None:
    found = call.json("--ratio", 8, "--classes", 4)
    truth, mine = read(call.truth), read(call.prediction)
    truth[:, 20, 20] = np.nan
    wanted = metrics.score(mine, truth, ratio=1 / 8)
    ours = found["images"][0]
    assert ours["name"] == "mine.tif"
    means = dict(ours["whole"])
    by_band = means.pop("by_band")
    assert means == pytest.approx(wanted.means(), rel=1e-5, abs=1e-6)
    for band, one in zip(call.place.bands, wanted.bands, strict=True):
        assert by_band[band] == pytest.approx(one._asdict(), rel=1e-5, abs=1e-6)
    assert found["pixels"] == wanted.pixels == 40 * 48 - 2
    classes = metrics.classification(mine, truth, classes=4)
    assert ours["classes"]["f1"] == pytest.approx(classes.f1, abs=2e-3)
    assert ours["patches"] is None


def test_the_naive_baselines_stand_beside_on_the_same_pixels(call: Call) -> None:
    found = call.json()
    by_name = {one["name"]: one for one in found["images"]}
    assert list(by_name) == ["mine.tif", "copy-before", "copy-after", "mean", "linear"]
    before, after = call.place.fine[0], call.place.fine[2]
    truth = read(call.truth)
    truth[:, 20, 20] = np.nan
    images = {
        "copy-before": before,
        "copy-after": after,
        "mean": (before + after) / 2,
        "linear": (before + after) / 2,  # the 13th of May lies half way
    }
    for name, image in images.items():
        rmse = by_name[name]["whole"]["rmse"]
        assert rmse == pytest.approx(metrics.rmse(image, truth), rel=1e-5)
    large = metrics.changed(truth, images["linear"])
    assert found["changed_share"] == pytest.approx(large.sum() / found["pixels"], abs=2e-3)
    wanted = metrics.rmse(before, metrics.only(truth, large))
    assert by_name["copy-before"]["rmse_changed"] == pytest.approx(wanted, rel=1e-2)
    # Other days, another weight.
    other = call.json("--dates", "2023-05-01,2023-05-04,2023-05-25")
    linear = next(one for one in other["images"] if one["name"] == "linear")
    w = 3 / 24
    wanted = metrics.rmse((1 - w) * before + w * after, truth)
    assert linear["whole"]["rmse"] == pytest.approx(wanted, rel=1e-5)


def test_what_one_image_does_not_know_is_left_out_of_all(call: Call) -> None:
    values = call.place.fine[1].copy()
    values[0, 30:, :20] = np.nan
    other = call.folder / "other.tif"
    write(other, values, call.place.fine_box, bands=call.place.bands)
    found = call.json("--reference", other)
    truth = read(call.truth)
    truth[:, 20, 20] = truth[:, 30:, :20] = np.nan
    assert found["pixels"] == 40 * 48 - 2 - 200
    mine, theirs = found["images"][:2]
    assert (mine["name"], theirs["name"]) == ("mine.tif", "other.tif")
    assert theirs["whole"]["rmse"] < 1e-6
    wanted = metrics.rmse(read(call.prediction), truth)
    assert mine["whole"]["rmse"] == pytest.approx(wanted, rel=1e-5)


def test_the_tables_hold_bands_means_and_what_they_stand_on(call: Call) -> None:
    code, out, log = call.run("--reference", call.truth)
    assert code == 0, log
    bands, images, notes = out.split("\n\n")
    assert [line.split()[0] for line in bands.splitlines()] == ["band", *call.place.bands, "mean"]
    rows = [line.split()[0] for line in images.strip().splitlines()]
    wanted = ["image", "mine.tif", call.truth.name]
    assert rows == [*wanted, "copy-before", "copy-after", "mean", "linear"]
    perfect = images.strip().splitlines()[2].split()
    assert perfect[1:3] == ["0.0000", "1.0000"]
    assert "known in every image; ERGAS by 1/16, SAM in radians" in notes


def test_without_references_nothing_is_said_of_change(call: Call) -> None:
    alone = replace(call, more=())
    found = alone.json()
    assert [one["name"] for one in found["images"]] == ["mine.tif"]
    assert found["changed_share"] is None
    assert found["images"][0]["rmse_changed"] is None
    # One side: change is told by its copy.
    found = replace(call, more=call.more[:2]).json()
    assert [one["name"] for one in found["images"]] == ["mine.tif", "copy-before"]
    assert found["changed_share"] > 0


def test_large_images_are_scored_by_patches_too(tmp_path: Path) -> None:
    place = make_place(rows=20, cols=33)
    told = {"bands": place.bands}
    truth = write(tmp_path / "truth.tif", place.fine[1], place.fine_box, **told)
    mine = write(tmp_path / "mine.tif", place.fine[2], place.fine_box, **told)
    found = json.loads(daily30("score", truth, mine, "--json")[1])
    wanted = metrics.score_patches(place.fine[2], place.fine[1])
    patches = found["images"][0]["patches"]
    assert patches["ssim"] == pytest.approx(wanted.mean.ssim)
    assert patches["rmse"] != found["images"][0]["whole"]["rmse"]
    assert "mine.tif, patches" in daily30("score", truth, mine)[1]


def test_a_picture_shows_images_errors_and_clouds(call: Call) -> None:
    picture = call.folder / "new" / "score.png"
    code, _, log = call.run("--picture", picture)
    assert code == 0, log
    assert f"picture: {picture}" in log
    shape = matplotlib.image.imread(picture).shape
    assert shape[0] > 500
    assert shape[1] > 1000


def _other_grid(call: Call) -> Call:
    path = call.folder / "other.tif"
    write(path, call.place.fine[1], box((40, 48), 480045.0, 5040015.0), bands=call.place.bands)
    return replace(call, prediction=path)


def _other_bands(call: Call) -> Call:
    path = call.folder / "other.tif"
    write(path, call.place.fine[1], call.place.fine_box, bands=("green", "blue"))
    return replace(call, prediction=path)


def _unnamed(call: Call) -> Call:
    path = write(call.folder / "other.tif", call.place.fine[1], call.place.fine_box)
    return replace(call, prediction=path)


def _dn(call: Call) -> Call:
    path = call.folder / "other.tif"
    write(path, call.place.fine[1] * 1e4, call.place.fine_box, bands=call.place.bands)
    return replace(call, truth=path)


def _undated(call: Call) -> Call:
    return replace(call, truth=call.truth.rename(call.folder / "truth.tif"))


def _exchanged(call: Call) -> Call:
    before, after = call.more[1], call.more[3]
    return replace(call, more=("--before", after, "--after", before))


def _nothing_common(call: Call) -> Call:
    values = np.where(np.arange(48) < 24, call.place.fine[1], np.nan)
    mine = write(call.folder / "a.tif", values, call.place.fine_box, bands=call.place.bands)
    values = np.where(np.arange(48) >= 24, call.place.fine[1], np.nan)
    truth = write(call.folder / "b.tif", values, call.place.fine_box, bands=call.place.bands)
    return replace(call, truth=truth, prediction=mine, more=())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_grid, r"two grids: 40 x 48 .*\(480015, 5040015\).*\(480045, 5040015\).*gdalwarp"),
        (_other_bands, "no band in common .*green, blue"),
        (_unnamed, "band1, band2; name them by --bands"),
        (_dn, r"other\.tif: its values reach .*--truth-scale 0\.0001"),
        (_undated, r"truth\.tif .* do not tell all of them: state --dates"),
        (_exchanged, "not in order: before 2023-05-25"),
        (_nothing_common, "no pixel is known in every band"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_input_is_one_message_with_its_cure(
    call: Call, spoil: Callable[[Call], Call], said: str
) -> None:
    code, out, log = spoil(call).run()
    assert code == 2, log
    assert not out
    assert re.search(said, log.strip().splitlines()[-1]), log


def test_help_teaches_by_an_example() -> None:
    code, text, _ = daily30("score", "--help")
    assert code == 0
    assert "daily30 score landsat/2023-05-13.tif 2023-05-13.tif" in text


def test_kranj_is_scored_in_its_own_numbers(shared_data: Path) -> None:
    folder = shared_data / "imagefusion-kranj" / "landsat_unfilled"
    fine = {path.name[:7]: path for path in folder.glob("*.tif")}
    code, out, log = daily30(
        "score",
        *(fine["2020077"], fine["2020068"], "--after", fine["2020093"], "--json"),
        *("--before", fine["2020068"], "--scale", "0.0001"),
        *("--bands", "blue,green,red,nir08,swir16,swir22"),
    )
    assert code == 0, log
    found = json.loads(out)
    assert math.isclose(
        found["images"][0]["whole"]["rmse"], found["images"][1]["whole"]["rmse"]
    )  # the copy of the image before
    assert found["images"][0]["whole"]["rmse"] < 0.05
