"""The command line: quick to teach, one message for bad input, exit codes that mean something."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from flows.cli import app
from tests.model.makers import write_checkpoint, write_stfdiff

COMMANDS = (
    *("demo", "fuse", "plan", "explain", "status", "export", "catalog", "validate", "ablate"),
    *("predict", "score"),
    "weights",
)


def daily30(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def edit(region: Path, **changes: object) -> None:
    region.write_text(yaml.safe_dump(yaml.safe_load(region.read_text()) | changes))


def produced(folder: Path) -> list[Path]:
    """What a run leaves behind: cubes, inputs, locks."""
    return [path for path in folder.iterdir() if path.suffix in {".zarr", ".inputs", ".lock"}]


def test_help_names_every_command_and_the_way_to_start() -> None:
    code, text, _ = daily30("--help")
    assert code == 0
    assert all(re.search(rf"\b{command}\b", text) for command in COMMANDS)
    assert "Start here" in text
    assert "Exit codes" in text


@pytest.mark.parametrize("command", [*COMMANDS[:-1], ("weights", "info")], ids=str)
def test_every_command_explains_itself(command: str | tuple[str, str]) -> None:
    code, text, _ = daily30(*((command,) if isinstance(command, str) else command), "--help")
    assert code == 0
    assert "Usage" in text


def _unknown_key(region: Path) -> None:
    edit(region, min_claer=0.5)


def _end_before_start(region: Path) -> None:
    edit(region, start="2023-05-09", end="2023-05-01")


def _elsewhere(region: Path) -> None:
    known = yaml.safe_load(region.read_text())
    grid = {key: value for key, value in known["grid"].items() if key != "bounds_m"}
    edit(region, bbox=[10.0, 50.0, 10.1, 50.1], grid=grid | {"crs": "auto"})


def _other_period(region: Path) -> None:
    edit(region, start="2010-05-01", end="2010-05-05")


def _unknown_collection(region: Path) -> None:
    edit(region, fine="sentinel-9")


def _unknown_method(region: Path) -> None:
    edit(region, method="magic")


def _no_checkpoint(region: Path) -> None:
    edit(region, method="sa-stf", checkpoint="nowhere")


def _no_weights_of_its_own(region: Path) -> None:
    edit(region, method="stfdiff")


def _weights_of_another_network(region: Path) -> None:
    write_checkpoint(region.parent / "weights", trained=False)
    edit(region, method="stfdiff", checkpoint="weights")


def _other_bands(region: Path) -> None:
    write_checkpoint(region.parent / "thermal", trained=False, bands=("nir08", "lwir11"))
    edit(region, method="sa-stf", checkpoint="thermal")


def _tile_off_the_ratio(region: Path) -> None:
    known = yaml.safe_load(region.read_text())
    edit(region, grid=known["grid"] | {"tile_px": 50})


def _no_catalogue(region: Path) -> None:
    edit(region, catalog="nowhere/catalog.json")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_unknown_key, "unknown key min_claer; did you mean|unknown key min_claer; known here"),
        (_end_before_start, "end 2023-05-01 is before start 2023-05-09"),
        (_elsewhere, "small-fine|fine"),
        (_other_period, "2010"),
        (_unknown_collection, "sentinel-9"),
        (_unknown_method, "no method 'magic'"),
        (_no_checkpoint, "nowhere.* is not a checkpoint"),
        (_no_weights_of_its_own, "no weights of stfdiff come with daily30. Train some"),
        (_weights_of_another_network, "is a checkpoint of sa-stf, and the method asked for is"),
        (_other_bands, "nir08.*lwir11|lwir11"),
        (_tile_off_the_ratio, "tile.*50.*(48|64)"),
        (_no_catalogue, "nowhere/catalog.json"),
    ],
)
@pytest.mark.parametrize("command", ["fuse", "plan"])
def test_bad_input_is_one_message_with_exit_code_2_and_leaves_nothing(
    command: str, spoil: Callable[[Path], None], words: str, region: Path
) -> None:
    spoil(region)
    code, text, error = daily30(command, region)
    assert code == 2, (text, error)
    assert re.search(words, error)
    assert error.count("Error:") == 1
    assert "Traceback" not in error
    assert not text
    assert [path for path in produced(region.parent) if path.suffix != ".lock"] == []


def test_a_missing_file_is_named_and_costs_its_own_day_alone(region: Path) -> None:
    gone = region.parent.parent / "fine" / "fine_20230507.tif"
    gone.unlink()
    code, said, error = daily30("fuse", region)
    assert code == 1, said + error
    assert f"{gone}" in said + error
    assert "fine image of 2023-05-07" in said + error
    cube = next(path for path in region.parent.iterdir() if path.suffix == ".zarr")
    code, said, _ = daily30("status", cube)
    assert "4 failed" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fuse", "nowhere.yaml"), "there is no region file nowhere.yaml"),
        (("status", "nowhere.zarr"), "nowhere.zarr"),
        (("export", "a.zarr", "2023-05-24", "--out", "a.tif"), "there is no cube at a.zarr"),
        (("export", "a.zarr", "24.5.2023", "--out", "a.tif"), "'24.5.2023' is no date"),
        (("weights", "info", "nowhere"), "nowhere is not a checkpoint"),
        (("catalog", "nowhere"), "nowhere"),
        (("explain", "nowhere.yaml", "someday"), "'someday' is no date; write it as 2023-05-24"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_missing_file_is_one_message_with_exit_code_2(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, error = daily30(*arguments)
    assert code == 2
    assert words in error
    assert error.count("Error:") == 1
    assert not text
    assert not list(tmp_path.iterdir())


def test_weights_info_prints_the_card(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "weights", trained=False, bands=("red", "nir08"))
    code, text, _ = daily30("weights", "info", folder)
    assert code == 0
    path, _, card = text.partition("\n")
    assert path == f"{folder}"
    assert yaml.safe_load(card) == json.loads((folder / "card.json").read_text())


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, region: Path) -> None:
    def broken(_: Path) -> None:
        raise ZeroDivisionError("ours to mend")

    monkeypatch.setattr("flows.config.region_job", broken)
    with pytest.raises(ZeroDivisionError):
        daily30("fuse", region)


def test_asked_for_the_traceback_of_bad_input_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no region file"):
        daily30("--traceback", "fuse", tmp_path / "nowhere.yaml")


def test_a_region_goes_from_images_to_a_cube_and_is_told_about(region: Path) -> None:
    code, text, error = daily30("plan", region)
    assert code == 0, error
    assert "2023-05-02" in text

    code, _, error = daily30("fuse", region, "--workers", "1")
    assert code == 0, error
    assert "fuse:" in error
    with xr.open_zarr(region.parent / "small.zarr") as cube:
        assert float(cube["nir08"].isel(time=3).notnull().mean()) == 1.0

    code, text, _ = daily30("explain", region, "2023-05-03")
    assert code == 0
    assert "2023-05-01" in text
    assert "2023-05-07" in text

    code, text, _ = daily30("status", region.parent / "small.zarr")
    assert code == 0
    assert "tile-days: " in text

    day = region.parent / "day.tif"
    export = ("export", region.parent / "small.zarr", "2023-05-03", "--out", day)
    code, text, error = daily30(*export, "--quality")
    assert code == 0, error
    assert text.splitlines() == [f"{day}", f"{day.with_name('day.quality.tif')}"]
    assert "2023-05-03: 100.0% of the region's pixels; tiles: 4 provisional" in error
    code, _, error = daily30(*export)
    assert (code, "--overwrite" in error) == (2, True)

    code, text, error = daily30("validate", region, "--methods", "linear,mean", "--workers", "1")
    assert code == 0, error
    assert "linear" in text
    assert "mean" in text

    edit(region, seed=0, method="mean")
    code, text, error = daily30("fuse", region, "--workers", "1")
    assert code == 2
    assert "--refresh" in error
    # Days that are stale keep nobody from asking how good the other method would be.
    code, text, error = daily30("validate", region, "--workers", "1", "--sample")
    assert code == 0, error
    assert "report: " in text
    assert (region.parent / "small.validation.html").exists()


def test_stfdiff_fuses_a_region_with_weights_of_its_own(region: Path) -> None:
    write_stfdiff(region.parent / "weights", slots=True)
    edit(region, method="stfdiff", checkpoint="weights")
    code, _, error = daily30("fuse", region, "--workers", "1")
    assert code == 0, error
    with xr.open_zarr(region.parent / "small.zarr") as cube:
        assert float(cube["nir08"].isel(time=3).notnull().mean()) == 1.0
        assert "STFDiff" in cube.attrs["references"]
    code, text, error = daily30("validate", region, "--methods", "stfdiff,mean", "--workers", "1")
    assert code == 0, error
    assert "stfdiff" in text


def test_ctrl_c_says_that_a_rerun_goes_on_and_exits_with_130(region: Path) -> None:
    code = "from flows.cli import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "fuse", str(region), "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A build in the background of a shell inherits an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert running.stderr is not None
        seen = ""
        while "ingest:" not in seen:  # the workers are at work
            line = running.stderr.readline()
            assert line, f"the run ended before it could be interrupted: {seen}"
            seen += line
        os.killpg(running.pid, signal.SIGINT)
        _, rest = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert running.returncode == 130, seen + rest
    assert "the same command goes on from here" in " ".join(rest.split())
    time.sleep(0.5)
    assert daily30("fuse", region, "--workers", "1")[0] == 0
