from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from catalogs import BANDS
from flows.cli import app
from model.training.patches import PatchSource
from model.training.scenes import SceneSetError, mapped, open_set, unpack
from pipeline.cube import day_number
from pipeline.sets.files import SetError
from pipeline.sets.importing import import_set
from pipeline.sets.tables import AHB, CIA, LGC, SETS, BenchmarkSet
from tests.pipeline.benchmark_files import (
    bil,
    bsq,
    by_folder,
    cia_name,
    flat_name,
    lgc_name,
    tiff,
    write_files,
)

TINY = BenchmarkSet(
    name="tiny",
    size=(70, 60),
    crop=(48, 32),
    corner=(20, 10),
    full=10_000,
    raw={"fine": "bil", "coarse": "bsq"},
    ratio=20,
    splits={
        "train": ((date(2001, 1, 1), date(2001, 1, 9), date(2001, 1, 17)),),
        "test": ((date(2001, 2, 2), date(2001, 2, 10), date(2001, 2, 18)),),
    },
    origin="nowhere",
    licence="none",
)


def numbers(role: str, day: date, size: tuple[int, int] = TINY.size) -> np.ndarray:
    """(band, y, x) smooth in space, each band at its own level; a few out of range."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    level = 400 * (1 + np.arange(6)).reshape(-1, 1, 1) + (7 if role == "fine" else 0)
    image = level + 3 * y + 2 * x + day.day
    image[:, 30, 15], image[:, 31, 16] = -28672, 12_000
    return image.astype("<i2")


@pytest.mark.parametrize(
    ("name", "fine", "coarse"),
    [
        (cia_name, bil, bsq),
        (lgc_name, bsq, bsq),
        (lgc_name, bil, bsq),
        (flat_name, tiff, tiff),
        (by_folder, tiff, tiff),
    ],
    ids=["cia", "lgc by band", "lgc by line", "tiff", "tiff in dated folders"],
)
def test_every_distribution_gives_the_same_crop_of_the_same_numbers(
    tmp_path: Path,
    name: Callable[[str, date], str],
    fine: Callable[[Path, np.ndarray], None],
    coarse: Callable[[Path, np.ndarray], None],
) -> None:
    folder = write_files(tmp_path / "files", TINY, name, {"fine": fine, "coarse": coarse}, numbers)
    made = import_set(TINY, folder, tmp_path / "set")
    assert made == open_set(tmp_path / "set")
    assert (made.bands, made.coarse, made.ratio) == (BANDS, "pixels", 20)
    (train,), (test,) = made.split("train"), made.split("test")
    for scene, triplet in ((train, TINY.splits["train"][0]), (test, TINY.splits["test"][0])):
        before, target, after = triplet
        assert scene.days == tuple(map(day_number, triplet))
        for roles, day in (
            (("fine_before", "coarse_before"), before),
            (("truth", "coarse"), target),
            (("fine_after", "coarse_after"), after),
        ):
            for file, role in zip(roles, ("fine", "coarse"), strict=True):
                wanted = np.clip(numbers(role, day)[:, 20:68, 10:42], 0, 10_000) / 1e4
                found = unpack(mapped(tmp_path / "set", scene.files[file]))
                np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_statistics_are_those_of_the_fine_training_images(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "a", TINY, flat_name, {"fine": tiff, "coarse": tiff}, numbers)
    plain = import_set(TINY, folder, tmp_path / "set")

    def other(role: str, day: date) -> np.ndarray:
        training = role == "fine" and day.month == 1
        return numbers(role, day) if training else np.zeros((6, *TINY.size), "<i2")

    folder = write_files(tmp_path / "b", TINY, flat_name, {"fine": tiff, "coarse": tiff}, other)
    assert import_set(TINY, folder, tmp_path / "other").centre == plain.centre
    crop = np.stack([numbers("fine", d)[:, 20:68:16, 10:42:16] for d in TINY.splits["train"][0]])
    np.testing.assert_allclose(plain.centre, np.median(crop, axis=(0, 2, 3)) / 1e4, atol=1e-6)
    assert min(plain.spread) == 0.01


def test_eight_bits_are_reflectance_of_255(tmp_path: Path) -> None:
    spec = BenchmarkSet(
        name="bits",
        size=(32, 32),
        crop=(32, 32),
        corner=(0, 0),
        full=255,
        raw={},
        ratio=16,
        splits={"train": TINY.splits["train"]},
        origin="nowhere",
        licence="none",
    )
    ramp = np.arange(6 * 32 * 32, dtype=np.uint8).reshape(6, 32, 32)
    files = write_files(
        tmp_path / "files", spec, flat_name, {"fine": tiff, "coarse": tiff}, lambda *_: ramp
    )
    made = import_set(spec, files, tmp_path / "set")
    truth = unpack(mapped(tmp_path / "set", made.scenes[0].files["truth"]))
    np.testing.assert_allclose(truth, ramp / 255, atol=0.51e-4)


def test_what_is_missing_is_named_by_role_and_date(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", TINY, cia_name, {"fine": bil, "coarse": bsq}, numbers)
    (folder / cia_name("coarse", date(2001, 1, 9))).unlink()
    (folder / cia_name("fine", date(2001, 2, 2))).unlink()
    with pytest.raises(
        SetError, match="lacks 2 of the 12 images of TINY: fine 2001-02-02, coarse 2001-01-09"
    ):
        import_set(TINY, folder, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    with pytest.raises(SetError, match=r"there is no folder .*nowhere"):
        import_set(TINY, tmp_path / "nowhere", tmp_path / "set")


def test_two_files_of_a_date_are_not_chosen_from_by_chance(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", TINY, lgc_name, {"fine": bsq, "coarse": bsq}, numbers)
    day = date(2001, 1, 9)
    other = (folder / lgc_name("coarse", day)).with_name(f"MCD43A4_{day:%Y%m%d}.int")
    other.write_bytes(b"another product")
    assert import_set(TINY, folder, tmp_path / "set")  # MOD09GA is the papers'
    other.with_name(f"MOD09GA_A{day:%Y%j}_copy.int").write_bytes(b"")
    with pytest.raises(SetError, match="2 files may be the coarse image of 2001-01-09"):
        import_set(TINY, folder, tmp_path / "set")


def test_a_file_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "raw", TINY, lgc_name, {"fine": bsq, "coarse": bsq}, numbers)
    (folder / lgc_name("fine", date(2001, 1, 1))).write_bytes(b"cut off")
    with pytest.raises(SetError, match=f"7 bytes .* has {70 * 60 * 6 * 2}"):
        import_set(TINY, folder, tmp_path / "set")
    tiffs = write_files(
        tmp_path / "tiffs",
        TINY,
        flat_name,
        {"fine": tiff, "coarse": tiff},
        lambda role, day: numbers(role, day, (50, 60)),
    )
    with pytest.raises(SetError, match="50 x 60 pixels; the crop of 48 x 32 from row 20"):
        import_set(TINY, tiffs, tmp_path / "set")
    assert import_set(TINY, tiffs, tmp_path / "set", corner=(2, 0))


def _sparse(spec: BenchmarkSet, folder: Path, name: Callable[[str, date], str]) -> Path:
    """Files of the right length that take no room, all one; they are read as zeros."""
    folder.mkdir()
    with (folder / "zeros.hole").open("wb") as file:
        file.truncate(2 * len(spec.bands) * spec.size[0] * spec.size[1])
    for role in ("fine", "coarse"):
        for day in spec.days:
            path = folder / name(role, day)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(folder / "zeros.hole")
    return folder


@pytest.mark.parametrize(
    ("spec", "name", "counts"),
    [(CIA, cia_name, (1287, 117)), (LGC, lgc_name, (2527, 361))],
    ids=["cia", "lgc"],
)
def test_the_papers_patches_come_out_of_files_of_the_right_shape(
    tmp_path: Path,
    spec: BenchmarkSet,
    name: Callable[[str, date], str],
    counts: tuple[int, int],
) -> None:
    folder = _sparse(spec, tmp_path / "files", name)
    done = CliRunner().invoke(app, ["sets", "import", spec.name, f"{folder}", f"{tmp_path}/set"])
    assert done.exit_code == 0, done.output
    sources = [PatchSource(tmp_path / "set", split=split) for split in ("train", "test")]
    assert tuple(map(len, sources)) == counts
    assert tuple(spec.patches(split) for split in ("train", "test")) == counts
    assert f"{counts[0]} patches" in done.stderr
    example = sources[0].example(0, counts[0] - 1)
    assert example.truth.shape == (6, 256, 256)
    assert not example.filled.any()


@pytest.mark.parametrize("spec", SETS.values(), ids=SETS)
def test_no_test_target_is_an_image_of_training_and_the_crop_fits(spec: BenchmarkSet) -> None:
    (test,) = spec.splits["test"]
    training = {day for triplet in spec.splits["train"] for day in triplet}
    assert not {*test} & training
    assert all(a < b < c for part in spec.splits.values() for a, b, c in part)
    assert all(c + s <= n for c, s, n in zip(spec.corner, spec.crop, spec.size, strict=True))
    assert len(spec.splits["train"]) == {"cia": 11, "lgc": 7, "ahb": 8}[spec.name]
    assert AHB.patches("test") == 323


@pytest.mark.parametrize(("spec", "left"), [(CIA, 9), (LGC, 5), (AHB, 6)], ids=SETS)
def test_a_validation_date_is_nowhere_in_training(spec: BenchmarkSet, left: int) -> None:
    chosen_on = spec.with_validation()
    ((_, target, _),) = chosen_on.splits["validation"]
    assert len(chosen_on.splits["train"]) == left
    assert all(target not in triplet for triplet in chosen_on.splits["train"])
    assert chosen_on.splits["test"] == spec.splits["test"]
    assert target not in spec.splits["test"][0]


def test_the_command_teaches(tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["sets", "import", *arguments])
        assert done.exit_code == 2
        return done.stderr

    assert "no set 'cai'; there are cia, lgc, ahb" in told("cai", "a", "b")
    assert "--corner '40' must be a row and a column" in told("lgc", "a", "b", "--corner", "40")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    folder = write_files(
        tmp_path / "files", TINY, flat_name, {"fine": tiff, "coarse": tiff}, numbers
    )
    with pytest.raises(SceneSetError, match="is no scene set"):
        import_set(TINY, folder, tmp_path / "out")
