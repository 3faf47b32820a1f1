"""Networks of the bands that a real set has, not of six."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.real_training import report, scratch_config, trained
from model.fuser import load_fuser
from pipeline.evaluate.direct import score
from tests.model.scene_sets import make_set
from tests.pipeline.test_real_training_sets import make_scene


@pytest.mark.parametrize("bands", [("nir08",), ("green", "red", "nir08")], ids=["one", "three"])
def test_a_network_of_the_sets_own_bands_trains_and_is_scored(
    bands: tuple[str, ...], tmp_path: Path
) -> None:
    made = make_set(tmp_path / "set", bands=bands, splits=("train", "test"))
    config = scratch_config(made, tmp_path / "set", steps=2)
    assert config.epochs * (config.examples_per_epoch or 0) == 2 * config.batch
    fuser = trained(config, tmp_path, "cpu")
    assert fuser.bands == bands

    scenes = [make_scene((3, 7, 3), cells=(3, 5), ratio=16, bands=bands)]
    assert np.isfinite(fuser.fuse(scenes[0].block).reflectance).all()
    table = list(report(made, score(scenes, {"ours": fuser, "copy": load_fuser("linear")})))
    assert {line.split(" | ")[0].strip("| ") for line in table[4:]} == {"ours", "copy", "anomaly"}
