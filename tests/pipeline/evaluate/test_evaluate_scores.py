from dataclasses import dataclass, replace

import numpy as np
import pytest

from model.block import COARSE_PAD, Block, Fused
from model.classical.naive import day_of
from model.fuser import load_fuser
from pipeline.evaluate.direct import score
from pipeline.real_sets import Scene

BANDS = ("red", "nir08")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A ``Fuser`` whose answer is the truth and an error that is handed in."""

    answer: np.ndarray
    name: str = "told"
    bands: None = None
    halo: int = 0
    sha: str = ""

    def fuse(self, block: Block) -> Fused:
        return Fused(self.answer[None], None)


def make_scene(*, seed: int = 0, name: str = "scene", group: str = "group") -> Scene:
    """32 x 48 pixels in cells of 8; a tenth of the pixels of the first band changes by .2."""
    rng = np.random.default_rng(seed)

    def image(*shape: int) -> np.ndarray:
        return rng.uniform(0.1, 0.3, shape).astype(np.float32)

    cells = (2, 4 + 2 * COARSE_PAD, 6 + 2 * COARSE_PAD)
    block = Block(
        bands=BANDS,
        fine_before=image(2, 32, 48),
        fine_after=image(2, 32, 48),
        coarse_before=image(*cells),
        coarse_after=image(*cells),
        coarse=image(1, *cells),
        day_before=0,
        day_after=8,
        days=(2,),
        ratio=8,
        origin=(0, 0),
        centre=np.full(2, 0.2, np.float32),
        spread=np.full(2, 0.1, np.float32),
    )
    truth = day_of(block, 0).linear + rng.uniform(-0.01, 0.01, (2, 32, 48)).astype(np.float32)
    truth[0, ::5, ::2] += np.float32(0.2)
    return Scene(
        set="made",
        group=group,
        name=name,
        block=block,
        truth=truth[None],
        bands=BANDS,
        pixel_m=150.0,
    )


def test_a_row_holds_the_scores_by_their_definitions() -> None:
    scene = make_scene()
    error = np.random.default_rng(1).normal(0.01, 0.02, (2, 32, 48)).astype(np.float32)
    answer = scene.truth[0] + error
    answer[:, :3] = np.nan
    rows = {row.method: row for row in score([scene], {"told": Told(answer=answer)})}

    told, truth, wrong = (one[:, 3:].reshape(2, -1) for one in (answer, scene.truth[0], error))
    row = rows["told"]
    assert row.pixels == 29 * 48
    assert row.rmse_by_band == pytest.approx(np.sqrt((wrong.astype(float) ** 2).mean(1)), rel=1e-5)
    assert row.values["rmse"] == pytest.approx(np.mean(row.rmse_by_band))
    cc = [np.corrcoef(a, b)[0, 1] for a, b in zip(told, truth, strict=True)]
    assert [band.cc for band in row.bands.bands] == pytest.approx(cc, rel=1e-5)
    assert row.values["bias"] == pytest.approx(wrong.mean(), rel=1e-4)
    assert row.scenes == 1
    assert rows["anomaly"].pixels == row.pixels


def test_changed_pixels_are_the_top_tenth_of_what_time_alone_misses() -> None:
    scene = make_scene()
    error = np.zeros((2, 32, 48), np.float32)
    error[:, ::5, ::2] = 0.03  # 7 of 32 rows, half of the columns: just over a tenth changes
    rows = {
        row.method: row for row in score([scene], {"told": Told(answer=scene.truth[0] + error)})
    }
    assert rows["told"].values["changed"] == pytest.approx(0.03, rel=1e-4)
    quiet = replace(scene, truth=day_of(scene.block, 0).linear[None] + np.float32(0.04))
    rows = {row.method: row for row in score([quiet], {"told": Told(answer=quiet.truth[0])})}
    assert np.isnan(rows["told"].values["changed"])


def test_the_gain_is_taken_over_all_scenes_of_a_group_and_counted_by_scene() -> None:
    scenes = [make_scene(seed=seed, name=str(seed)) for seed in range(3)]
    floor = load_fuser("anomaly")
    linear = {"linear": load_fuser("linear")}
    row = next(row for row in score(scenes, linear) if row.method == "linear")
    pooled = {}
    for name, fuser in {"anomaly": floor, **linear}.items():
        errors = np.stack([fuser.fuse(one.block).reflectance[0] - one.truth[0] for one in scenes])
        pooled[name] = np.sqrt((errors.astype(float) ** 2).mean((0, 2, 3))).mean()
    assert row.gain is not None
    assert row.gain.value == pytest.approx(pooled["linear"] - pooled["anomaly"], rel=1e-5)
    assert row.gain.low < row.gain.value < row.gain.high
    assert (row.scenes, row.better) == (3, 3)


def test_the_bias_of_a_group_is_that_of_all_its_pixels() -> None:
    scenes = [make_scene(seed=seed, name=str(seed)) for seed in range(2)]
    few = scenes[1].truth.copy()
    few[:, :, 4:] = np.nan
    scenes[1] = replace(scenes[1], truth=few)
    linear = {"linear": load_fuser("linear")}
    row = next(row for row in score(scenes, linear) if row.method == "linear")
    errors = [day_of(one.block, 0).linear - one.truth[0] for one in scenes]
    every = np.concatenate([one[:, np.isfinite(one).all(0)] for one in errors], 1)
    assert row.values["bias"] == pytest.approx(every.mean(), rel=1e-4)


def test_groups_are_scored_apart_in_whatever_order_they_come() -> None:
    scenes = [make_scene(seed=seed, group="ab"[seed % 2]) for seed in range(4)]
    rows = score(scenes, {})
    assert [(row.group, row.method, row.scenes) for row in rows] == [
        ("a", "anomaly", 2),
        ("b", "anomaly", 2),
    ]
    assert rows[0] == score([scenes[0], scenes[2]], {})[0]


def test_a_pixel_that_one_method_leaves_out_is_scored_for_none() -> None:
    scene = make_scene()
    answer = scene.truth[0].copy()
    answer[1, 0, 0] = np.nan
    rows = score([scene], {"told": Told(answer=answer), "linear": load_fuser("linear")})
    assert {row.method: row.pixels for row in rows} == dict.fromkeys(
        ("anomaly", "told", "linear"), 32 * 48 - 1
    )
