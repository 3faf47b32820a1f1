"""The benchmarks measure what they say; their figures are for people to look at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import fusion, loading, methods, scene, uncertainty, windows
from benchmarks.windows import Layout
from model.block import Series
from model.card import METHODS
from tests.model.makers import make_block


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_jump_is_the_mean_difference_across_each_border() -> None:
    field = np.zeros((2, 4, 40), np.float32)
    field[:, :, 16:] = 3
    field[0, :, 20:] += 1
    assert windows.jump(field, {16}, 2) == 3
    assert windows.jump(field, {16, 20, 30}, 2) == pytest.approx(3 + 0.5)
    assert windows.jump(field, {2}, 1) == 0


def test_a_real_scene_with_a_series_of_its_dates_is_cut_and_told_in_the_bands_of_weights() -> None:
    block = make_block(y=64, x=96, days=(2,), bands=("green", "red", "nir08"))
    scene = replace(block, series=Series.of([(0, block.fine_before), (8, block.fine_after)]))
    region = windows.in_bands(windows.between(scene, block.fine_after), windows.BANDS)
    assert region.shape == (1, len(windows.BANDS), 64, 96)
    assert windows.part(region, slice(0, 32), slice(32, 96)).shape[2:] == (32, 64)


def test_a_tile_alone_costs_the_windows_that_show_it() -> None:
    # On a lattice of 96, tiles of 512 meet 6 or 7 windows of 128 along an axis: 6.5 by mean.
    layout = Layout(name="", window=128, overlap=32, halo=144, tile=192)
    assert windows.computed_per_kept(layout, 512) == pytest.approx((6.5 * 128 / 512) ** 2)


def test_seams_vanish_where_the_halo_holds_every_window_of_the_tile_and_not_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(windows, "SIDE", 288)
    words = "--checkpoint random --scene smooth --window 64 --overlap 16 --tile 144 --no-centre"
    monkeypatch.setattr("sys.argv", ["windows", *words.split(), "--halo", "16", "--halo", "96"])
    windows.main()
    narrow, wide = (line.split() for line in capsys.readouterr().out.splitlines()[-2:])
    assert float(narrow[9]) > 1.02 > float(wide[9]) > 0.98
    assert float(wide[10]) < 1e-4


def test_the_table_of_speeds_has_every_way_and_what_it_gains(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fusion, "MATRIX_SIDE", {"cpu": 64})
    words = "--width 16 --window 16 --batch 1 --direct 2 --repeats 1"
    monkeypatch.setattr("sys.argv", ["fusion", *words.split()])
    fusion.main()
    text = capsys.readouterr().out
    assert text.count("batch 1") == 4 + 4
    assert "encoded once, not in each of 50 steps" in text


def test_every_method_is_timed_and_equal_to_its_loop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(methods, "SMALL", 48)
    monkeypatch.setattr(methods, "PIXELS", 4)
    words = "--side 48 --bands 1 --repeats 1"
    monkeypatch.setattr("sys.argv", ["methods", *words.split()])
    methods.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = [row for row in rows if row[:1] and row[0] in METHODS]
    assert [row[0] for row in rows] == list(methods.ORDER)
    assert {row[0] for row in rows} == set(METHODS)
    for name, *_, loop, ratio, apart in rows:
        assert float(loop) > 0, name
        assert float(ratio) > 1, name
        assert float(apart) < 1e-6, name


def test_the_tiles_of_a_scene_cover_it_and_are_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(scene.shapes_of(100, (64, 64))) == [(64, 64), (64, 36), (36, 64), (36, 36)]
    assert list(scene.shapes_of(100, (50, 100))) == [(50, 100), (50, 100)]
    words = "--side 48 --tile 32 --processes 2"
    monkeypatch.setattr("sys.argv", ["scene", *words.split()])
    scene.main()
    text = capsys.readouterr().out
    assert "48 x 48 pixels, 6 bands, 4 tiles of 32" in text
    assert " million pixels a second" in text
    assert " convolutions of " in text


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--samples", "7"), "samples=7: the card of .* is calibrated for 1"),
        (("--checkpoint", "nowhere"), "nowhere is not a checkpoint"),
    ],
)
def test_weights_whose_uncertainty_cannot_be_scored_are_one_message(
    option: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["uncertainty", "--fit", "pool", "--worlds", "pool", *option])
    with pytest.raises(SystemExit, match=words):
        uncertainty.main()


def test_a_folder_that_is_no_scene_set_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["loading", "--scenes", "wrong"])
    with pytest.raises(SystemExit):
        loading.main()
    assert "--scenes: wrong is no scene set" in capsys.readouterr().err
