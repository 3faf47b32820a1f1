"""`daily30 predict`: what it teaches, and one message for each bad input."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from catalogs import BANDS as SIX
from model import metrics
from model.fuser import load_fuser
from tests.flows.test_cli import daily30
from tests.pipeline.plain_images import DAYS, Place, make_place, read, write
from tests.pipeline.scenes import box


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments of a prediction that works, to be spoilt."""

    place: Place
    folder: Path
    before: tuple[Path, ...]
    after: tuple[Path, ...]
    target: Path
    out: Path
    more: tuple[str, ...] = ()
    method: str = "anomaly"

    def run(self) -> tuple[int, str, str]:
        sides = [("--before", self.before), ("--after", self.after)]
        given = [one for name, pair in sides if pair for one in (name, *pair)]
        return daily30(
            "predict", *given, "--target", self.target, "--out", self.out, "--method", self.method,
            *self.more,
        )  # fmt: skip

    def with_fine(self, values: np.ndarray, where=None, **told) -> "Call":
        """Another fine image before."""
        path = self.folder / "other" / f"{DAYS[0]}.tif"
        told = {"bands": self.place.bands} | told
        write(path, values, where or self.place.fine_box, **told)
        return replace(self, before=(path, self.before[1]))

    def with_target(self, values: np.ndarray, where=None, **told) -> "Call":
        path = self.folder / "other" / f"{DAYS[1]}.tif"
        told = {"bands": self.place.bands} | told
        write(path, values, where or self.place.coarse_box, **told)
        return replace(self, target=path)


@pytest.fixture
def call(tmp_path: Path) -> Call:
    place = make_place(rows=4, cols=5)
    asked = place.write(tmp_path)
    assert asked.before
    assert asked.after
    return Call(
        place=place,
        folder=tmp_path,
        before=asked.before,
        after=asked.after,
        target=asked.target,
        out=tmp_path / "out.tif",
    )


def test_a_prediction_says_what_it_understood_and_where_it_went(call: Call) -> None:
    code, out, log = call.run()
    assert code == 0, log
    assert out.split() == [str(call.out)]
    assert "2023-05-13.tif: red, nir08; reflectance = number x 1" in log
    assert "the pixels of 2023-05-01.tif" in log or "the pixels of 2023-05-13.tif" in log
    assert "100.0% of the pixels have a value" in log


def test_help_teaches_by_an_example() -> None:
    code, text, _ = daily30("predict", "--help")
    assert code == 0
    assert "--before landsat/2023-05-01.tif modis/2023-05-01.tif" in text
    assert "--scale 0.0001" in text


def _dn(call: Call) -> Call:
    return call.with_fine((call.place.fine[0] * 1e4).astype(np.int16))


def _wrong_scale(call: Call) -> Call:
    return replace(call, more=("--scale", "0.0001"))


def _no_scale(call: Call) -> Call:
    return replace(call, more=("--fine-scale", "big"))


def _scale_of_nothing(call: Call) -> Call:
    return replace(call, more=("--fine-scale", "nan"))


def _other_grid(call: Call) -> Call:
    return call.with_fine(call.place.fine[0], box((32, 40), 480015.0, 5040000.0))


def _other_crs(call: Call) -> Call:
    where = call.place.fine_box
    return call.with_fine(
        call.place.fine[0], box((32, 40), where.affine.c, where.affine.f, crs="EPSG:32634")
    )


def _south_up(call: Call) -> Call:
    path = call.folder / "up" / f"{DAYS[0]}.tif"
    write(path, call.place.fine[0], call.place.fine_box, bands=call.place.bands)
    with rasterio.open(path, "r+") as file:
        file.transform = rasterio.Affine(30, 0, 480015, 0, 30, 5040015)
    return replace(call, before=(path, call.before[1]))


def _no_file(call: Call) -> Call:
    return replace(call, target=call.folder / "2023-05-13-gone.tif")


def _no_image(call: Call) -> Call:
    path = call.folder / "2023-05-13.txt"
    path.write_text("no image")
    return replace(call, target=path)


def _empty(call: Call) -> Call:
    return call.with_target(np.full_like(call.place.coarse[1], np.nan))


def _no_bands(call: Call) -> Call:
    return call.with_target(call.place.coarse[1], bands=())


def _no_common_band(call: Call) -> Call:
    return call.with_target(call.place.coarse[1], bands=("green", "swir16"))


def _too_many_names(call: Call) -> Call:
    return replace(call, more=("--bands", "red,nir08,green"))


def _named_twice(call: Call) -> Call:
    return replace(call, more=("--bands", "red,red"))


def _unnamed_for_a_network(call: Call) -> Call:
    call = call.with_fine(call.place.fine[0], bands=()).with_target(call.place.coarse[1], bands=())
    path = write(call.folder / f"c-{DAYS[0]}.tif", call.place.coarse[0], call.place.coarse_box)
    return replace(call, method="sa-stf", after=(), before=(call.before[0], path))


def _strange_for_a_network(call: Call) -> Call:
    return replace(call, method="sa-stf", more=("--bands", "red,thermal"))


def _no_pair(call: Call) -> Call:
    return replace(call, before=(), after=())


def _exchanged(call: Call) -> Call:
    return replace(call, before=call.after, after=call.before)


def _too_few_days(call: Call) -> Call:
    return replace(call, more=("--dates", "2023-05-01,2023-05-13"))


def _no_day(call: Call) -> Call:
    return replace(call, more=("--dates", "2023-05-01,13.5.,2023-05-25"))


def _undated(call: Call) -> Call:
    return replace(call, target=call.target.rename(call.folder / "target.tif"))


def _no_crs(call: Call) -> Call:
    return call.with_target(call.place.coarse[1], replace_crs(call.place.coarse_box))


def _other_size(call: Call) -> Call:
    return replace(call, more=("--same-pixels",))


def _elsewhere(call: Call) -> Call:
    return call.with_target(call.place.coarse[1], box((4, 5), 600015.0, 5040015.0, pixel=240.0))


def _taken(call: Call) -> Call:
    call.out.write_bytes(b"")
    return call


def _an_input(call: Call) -> Call:
    return replace(call, out=call.target, more=("--overwrite",))


def _no_tif(call: Call) -> Call:
    return replace(call, out=call.folder / "out.png")


def _no_folder(call: Call) -> Call:
    return replace(call, out=call.folder / "nowhere" / "out.tif")


def _no_method(call: Call) -> Call:
    return replace(call, method="magic")


def _of_a_series(call: Call) -> Call:
    return replace(call, method="whittaker")


def _no_checkpoint(call: Call) -> Call:
    return replace(call, method="sa-stf", more=("--checkpoint", str(call.folder)))


def _no_weights_of_its_own(call: Call) -> Call:
    return replace(call, method="stfdiff")


def replace_crs(where):
    """The grid without its CRS."""
    return type(where)(where.shape, where.affine, None)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_dn, r"2023-05-01\.tif: its values reach .* tells no scale; .*--fine-scale 0\.0001"),
        (_wrong_scale, r"with scale 0\.0001 and offset 0 its values reach .*no reflectance"),
        (_no_scale, "--fine-scale 'big' is no scale; write 0.0001"),
        (_scale_of_nothing, "--fine-scale 'nan' is no scale; write 0.0001"),
        (_other_grid, r"two grids: .* from \(480015, 5040000\).*gdalwarp"),
        (_other_crs, r"two grids: .*EPSG:32634.*EPSG:32633"),
        (_south_up, "rotated or south-up; .*gdalwarp"),
        (_no_file, r"2023-05-13-gone\.tif cannot be read"),
        (_no_image, r"2023-05-13\.txt cannot be read"),
        (_empty, r"2023-05-13\.tif holds no known value"),
        (_no_bands, r"layers red, nir08, .* band1, band2; say which is which by --bands"),
        (_no_common_band, r"no band in common .*green, swir16"),
        (_too_many_names, "has 2 layers, but 3 are named"),
        (_named_twice, "red, red; name each band once"),
        (_unnamed_for_a_network, "sa-stf has to know which layer is which band"),
        (_strange_for_a_network, "sa-stf does not know thermal; leave it out by -"),
        (_no_pair, "give --before FINE COARSE, --after FINE COARSE, or both"),
        (_exchanged, "not in order: before 2023-05-25, .*exchanged"),
        (_too_few_days, "--dates tells 2 days; give 3, of before, target, after"),
        (_no_day, r"'13\.5\.' is no date"),
        (_undated, "the day of target is not in the file's name, .*--dates"),
        (_no_crs, r"2023-05-13\.tif has no CRS.*--same-pixels.*gdal_edit"),
        (_other_size, r"--same-pixels: .* has 4 x 5 pixels"),
        (_elsewhere, r"shows nothing of where the fine images are: it lies at 16\.\d+"),
        (_taken, r"out\.tif exists; .*--overwrite"),
        (_an_input, "is one of the inputs"),
        (_no_tif, r"is no \.tif"),
        (_no_folder, "there is no folder"),
        (_no_method, "no method 'magic'"),
        (_of_a_series, "whittaker is made from all clear fine images of a season"),
        (_no_checkpoint, "is not a checkpoint"),
        (_no_weights_of_its_own, r"no weights of stfdiff come .* or --checkpoint of the command"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_input_is_one_message_with_its_cure_and_no_file(
    call: Call, spoil: Callable[[Call], Call], said: str
) -> None:
    spoilt = spoil(call)
    there = set(call.folder.rglob("*"))
    code, out, log = spoilt.run()
    assert code == 2, log
    assert not out
    message = log.strip().splitlines()[-1]
    assert message.startswith("Error: ")

    assert re.search(said, message), message
    assert set(call.folder.rglob("*")) == there


def test_layers_are_left_out_and_the_coarse_ones_named_in_another_order(call: Call) -> None:
    place = call.place
    fine = np.concatenate([place.fine[0][:1] * 0 + 0.1, place.fine[0]])
    spare = np.concatenate([place.coarse[1][::-1], place.coarse[1][:1] * 0 + 0.3])
    call = call.with_fine(fine.astype("f4"), bands=()).with_target(spare.astype("f4"), bands=())
    coarse = np.concatenate([place.coarse[0][::-1], place.coarse[0][:1] * 0 + 0.3]).astype("f4")
    path = write(call.folder / f"c-{DAYS[0]}.tif", coarse, place.coarse_box)
    call = replace(
        call,
        before=(call.before[0], path),
        after=(),
        more=("--bands", "-,red,nir", "--coarse-bands", "nir,red,-"),
    )
    code, _, log = call.run()
    assert code == 0, log

    wanted = load_fuser("anomaly").fuse(place.block(sides="before")).reflectance[0]
    assert read(call.out) == pytest.approx(wanted, abs=1e-6)
    with rasterio.open(call.out) as file:
        assert file.descriptions == ("red", "nir08")


def test_a_fill_value_that_no_tag_tells_is_unknown(call: Call) -> None:
    values = call.place.fine[0].copy()
    values[:, 3, 4] = -9999
    code, _, log = call.with_fine(values).run()
    assert code == 0, log
    unknown = np.isnan(read(call.out)).all(0)
    assert unknown[3, 4]
    assert unknown.sum() == 1


def test_one_reference_needs_no_days_from_a_method_that_asks_for_none(call: Call) -> None:
    undated = replace(call, after=(), target=call.target.rename(call.folder / "target.tif"))
    assert undated.run()[0] == 0
    code, _, log = replace(undated, method="sa-stf", more=("--overwrite",)).run()
    assert code == 2
    assert "sa-stf needs it" in log


def test_ctrl_c_ends_with_one_line_and_leaves_nothing(call: Call) -> None:
    place = make_place(rows=40, cols=40)
    asked = place.write(call.folder / "large")
    assert asked.before
    there = sorted(call.folder.rglob("*"))
    command = [
        *(sys.executable, "-m", "flows.cli", "predict", "--method", "fsdaf"),
        *("--before", *map(str, asked.before), "--target", str(asked.target)),
        *("--out", str(call.out)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("predict")  # the first tile is begun
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert log.strip().splitlines()[-1] == f"Stopped; {call.out} was not written."
    assert sorted(call.folder.rglob("*")) == there


def test_shenzhen_is_predicted_better_than_copied(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "shenzhen-etm-mod09"
    fine = [folder / f"L7{name}_SZ_B432_30m.tif" for name in ("2000306", "2002311")]
    coarse = [folder / f"MOD09_{name}_SZ_B214_250m.tif" for name in ("2000306", "2002311")]
    out = tmp_path / "out.tif"
    asked = ("predict", "--before", fine[0], coarse[0], "--target", coarse[1], "--out", out)
    known = ("--method", "guided", "--scale", "0.0001", "--bands", "nir,red,green")
    code, _, log = daily30(*asked, *known, "--same-pixels")
    assert code == 0, log
    assert "a smooth copy of pixels 8.33 fine pixels large" in log  # 250 m on 30 m
    predicted, truth, before = read(out), read(fine[1]) * 1e-4, read(fine[0]) * 1e-4
    assert metrics.rmse(predicted, truth) < 0.032 < 0.039 < metrics.rmse(before, truth)
    with rasterio.open(out) as file, rasterio.open(fine[1]) as like:
        assert (file.crs, file.transform, file.shape) == (like.crs, like.transform, like.shape)
        assert (file.dtypes[0], file.nodata) == ("int16", 32767)
    # The transforms of its MODIS files are off by 167 m; who does not know is told.
    code, _, log = daily30(*asked, *known, "--overwrite")
    assert code == 0, log
    assert "if they match one to one, say --same-pixels" in log
    assert metrics.rmse(read(out), truth) > metrics.rmse(predicted, truth)


def test_kranj_is_predicted_from_both_sides_in_its_own_numbers(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "imagefusion-kranj"
    fine = {p.name[:7]: p for p in (folder / "landsat_unfilled").glob("*.tif")}
    coarse = {p.name[:7]: p for p in (folder / "modis").glob("*.tif")}
    code, out, log = daily30(
        "predict",
        *("--before", fine["2020068"], coarse["2020068"]),
        *("--after", fine["2020093"], coarse["2020093"]),
        *("--target", coarse["2020077"], "--out", tmp_path / "out.tif"),
        *("--fine-scale", "0.0001", "--bands", ",".join(SIX)),
    )
    assert code == 0, log
    assert "a bilinear copy of pixels 15.4" in log  # 463 m on 30 m
    assert [Path(line).name for line in out.split()] == ["out.tif", "out.sigma.tif"]
    predicted, truth = read(tmp_path / "out.tif"), read(fine["2020077"]) * 1e-4
    before = read(fine["2020068"]) * 1e-4
    assert metrics.rmse(predicted, truth) < metrics.rmse(before, truth)
    # Landsat's numbers are reflectance x 10000 in float32: so are the prediction's.
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.dtypes[0] == "float32"
        assert 500 < np.nanmedian(file.read(4)) < 5000
