"""A region's own weights by two commands."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import xarray as xr
import yaml
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError
from typer.testing import CliRunner

from catalogs import BANDS
from flows.cli import app
from flows.config import region_job
from flows.region_training import region_config, weights_folder
from flows.train_config import SHIPPED, read_training
from flows.train_region import TrainRegion, cut, find_training_images, train
from model.card import DEFAULT_CHECKPOINT, WEIGHTS, read_card
from model.sastf.config import NetworkConfig
from model.stfdiff.config import StfdiffConfig
from model.training.scenes import open_set
from pipeline.job import JobError
from tests.flows.conftest import SIDE, START, reflectance, write_image
from tests.flows.prefect_room import ROOT
from tests.model.makers import write_stfdiff
from tests.model.scene_sets import make_set

DAYS, EVERY = 25, 4


def daily30(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The region file of 25 cloudless days with a fine image every four."""
    folder = tmp_path_factory.mktemp("own")
    for name, every, metres in (("fine", EVERY, 30.0), ("coarse", 1, 480.0)):
        (folder / name).mkdir()
        for number in range(0, DAYS, every):
            stamp = START + timedelta(days=number)
            rows = SIDE if name == "fine" else SIDE // 16
            path = folder / name / f"{name}_{stamp:%Y%m%d}.tif"
            write_image(path, reflectance(number, rows), metres)
    code, text, told = daily30("catalog", folder, folder / "own", "--name", "own")
    assert code == 0, text + told
    return folder / "own" / "region.yaml"


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training file of a few steps."""
    content = yaml.safe_load((SHIPPED / "region.yaml").read_text())
    content |= {"epochs": 1, "batch": 2, "patch_px": 16, "save_every": 10, "log_every": 10}
    content["validation"] |= {"examples": 2, "patch_px": 16}
    path = tmp_path_factory.mktemp("training") / "few.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def trained(region: Path, training: Path) -> Path:
    code, text, told = daily30("train-region", region, "--training", training, "--workers", 1)
    assert code == 0, text + told
    weights = weights_folder(region_job(region))
    assert f"checkpoint: {weights}" in text
    assert "put `checkpoint: own-weights` into" in told
    return weights


def test_the_checkpoint_is_the_default_one_trained_on(trained: Path, region: Path) -> None:
    card, default = read_card(trained), read_card(DEFAULT_CHECKPOINT)
    assert card["bands"] == default["bands"]
    for key in ("frame", "sampling"):
        assert card[key] == default[key]
    assert NetworkConfig.from_dict(card["network"]) == NetworkConfig.from_dict(default["network"])
    assert len(card["training"]) == len(default["training"]) + 1
    assert "held out for validation 2023-05-" in card["training"][-1]["data"]
    known = card["training"][-1]["region"]
    assert known["name"] == "own"
    assert len(known["dates"]) < len(range(0, DAYS, EVERY))
    assert (trained / WEIGHTS).read_bytes() != (DEFAULT_CHECKPOINT / WEIGHTS).read_bytes()
    made = open_set(region.parent / "own.triplets")
    assert (made.patch_px, made.bands, made.coarse) == (96, BANDS, "cells")
    assert {scene.split for scene in made.scenes} == {"train", "validation", "test"}


def test_run_again_it_finds_everything_done(trained: Path, region: Path, training: Path) -> None:
    before = (trained / WEIGHTS).read_bytes(), (trained / WEIGHTS).stat().st_mtime_ns
    code, text, told = daily30("train-region", region, "--training", training, "--workers", 1)
    assert code == 0, text + told
    assert (trained / WEIGHTS).read_bytes() == before[0]
    (run,) = (region.parent / "own.training").iterdir()
    assert len((run / "validation.csv").read_text().splitlines()) > 1


def test_the_region_is_fused_with_its_own_weights(trained: Path, region: Path) -> None:
    own = region.with_name("fused.yaml")
    content = yaml.safe_load(region.read_text())
    content |= {"checkpoint": trained.name, "method": "sa-stf", "cube": "fused.zarr"}
    content |= {"start": START + timedelta(days=5), "end": START + timedelta(days=6)}
    own.write_text(yaml.safe_dump(content))
    code, text, told = daily30("fuse", own, "--workers", 1)
    assert code == 0, text + told
    with xr.open_zarr(region.parent / "fused.zarr") as cube:
        assert bool(((cube["quality"] & 4) != 0).all())
        truth = reflectance(5, SIDE)[3]
        assert float(abs(cube["nir08"][0].values - truth).mean()) < 0.01


def test_the_steps_of_the_flow_do_the_same(trained: Path, region: Path, training: Path) -> None:
    before = (trained / WEIGHTS).read_bytes()
    find_training_images.fn(str(region))
    hidden = (START + timedelta(days=8),)
    assert cut.fn(str(region), hidden, "synchronous") > 0
    run = TrainRegion(region=str(region), training=str(training), hidden=hidden, device="cpu")
    assert train.fn(run) == str(trained)
    assert "hidden from all 2023-05-09" in read_card(trained)["training"][-1]["data"]
    assert (trained / WEIGHTS).read_bytes() != before
    assert not [path for path in trained.parent.iterdir() if path.suffix in (".partial", ".old")]


def test_a_region_is_trained_with_the_network_of_its_start_or_of_the_file(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set", bands=("red", "nir08"), patch=32)
    config = read_training(Path("region"))
    own = region_config(config, tmp_path / "set", made, start=None)
    assert (own.network.bands, own.bands, own.start) == (2, ("red", "nir08"), None)
    assert (own.patch_px, own.validation.patch_px) == (32, 32)
    assert own.data[0].scenes == own.validation.data[0].scenes == tmp_path / "set"
    six = make_set(tmp_path / "six", bands=BANDS, patch=256, y=256, x=256)
    started = region_config(config, tmp_path / "six", six, start=DEFAULT_CHECKPOINT)
    default = read_card(DEFAULT_CHECKPOINT)
    assert started.network == NetworkConfig.from_dict(default["network"])
    assert started.sampling.kappa == default["sampling"]["kappa"]
    assert (started.bands, started.patch_px) == (BANDS, config.patch_px)
    stfdiff = write_stfdiff(tmp_path / "stfdiff")
    goes_on = region_config(config, tmp_path / "six", six, start=stfdiff)
    assert goes_on.network == StfdiffConfig(width=8)
    assert (goes_on.frame, goes_on.schedule.name) == ("plain", "cosine")
    assert (goes_on.sampling.eta, goes_on.sampling.clamp) == (1.0, True)


def test_what_does_not_fit_the_region_is_refused(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set", bands=("red", "lwir11"))
    config = read_training(Path("region"))
    with pytest.raises(JobError, match=r"the region has red, lwir11; .*--start none"):
        region_config(config, tmp_path / "set", made, start=DEFAULT_CHECKPOINT)
    with pytest.raises(JobError, match="names no `scenes: region`"):
        region_config(read_training(Path("quick")), tmp_path / "set", made, start=None)


def test_a_date_that_is_none_is_told(region: Path) -> None:
    code, _, told = daily30("train-region", region, "--hide", "2023-05-9")
    assert code == 2
    assert "write dates as 2023-05-24" in told


def test_no_task_stores_or_caches_its_results() -> None:
    for task in (find_training_images, cut, train):
        assert task.persist_result is False
        assert task.cache_policy is NO_CACHE


def test_the_deployment_asks_what_the_flow_takes() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (own,) = [one for one in deployments if one["entrypoint"].endswith(":train_region")]
    assert TrainRegion.model_validate(own["parameters"]["run"]).start == "default"
    assert own["concurrency_limit"]["limit"] == 1
    assert "schedules" not in own
    assert TrainRegion(region="a", hidden=("2023-05-09",)).hidden == (date(2023, 5, 9),)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="hiden"):
        TrainRegion.model_validate({"region": "a", "hiden": []})
