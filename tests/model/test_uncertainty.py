import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.block import Block
from model.card import CheckpointError, describe, read_card, write_card
from model.fuser import load_fuser
from model.network_fuser import NetworkFuser
from model.proper_scores import coverage_by_decile, covered
from model.training.calibrate import Errors, calibrate, calibrate_checkpoint, predict
from model.training.example import Example
from model.training.pool import make
from model.uncertainty import FEATURES, Calibration, KnownDay, features, fit
from tests.model.makers import make_block, make_calibration, write_checkpoint, write_stfdiff


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("plain"), trained=True)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint(tmp_path_factory.mktemp("calibrated"), trained=True)
    write_card(folder, read_card(folder) | {"uncertainty": [make_calibration().to_dict()]})
    return folder


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def load(folder: Path, samples: int = 1) -> NetworkFuser:
    fuser = load_fuser("sa-stf", folder, device="cpu", samples=samples)
    assert isinstance(fuser, NetworkFuser)
    return fuser


def example_of(block: Block, index: int) -> Example:
    day = KnownDay.of(block, index)
    shared = {name: getattr(day, name) for name in KnownDay.__dataclass_fields__}
    return Example(
        **shared,
        truth=np.zeros_like(block.fine_before),
        centre=block.centre,
        present=np.ones(len(block.bands), np.bool_),
    )


# Features


def test_a_pixels_features_depend_on_half_a_cell_around_it() -> None:
    block = make_block(y=96, x=96, days=(3,))
    day = KnownDay.of(block, 0)
    fused = day.fine_before + np.float32(0.01)
    other = replace(day, fine_before=day.fine_before.copy())
    other.fine_before[:, :40] += 0.3
    moved = np.abs(features(other, fused, fused) - features(day, fused, fused)) > 1e-4
    assert moved[:, :, :40].any()
    assert not moved[:, :, 48:].any()


def test_features_of_some_bands_are_those_of_a_block_that_holds_no_others() -> None:
    day = KnownDay.of(make_block(days=(3,)), 0)
    fused = day.fine_after
    kept = [1, 3]
    names = ("fine_before", "coarse_before", "fine_after", "coarse_after", "coarse", "spread")
    alone = replace(day, **{name: getattr(day, name)[kept] for name in names})
    start, deviation = day.fine_before, day.coarse
    np.testing.assert_array_equal(
        features(day, fused, start, deviation, bands=kept),
        features(alone, fused[kept], start[kept], deviation[kept]),
    )


def test_a_one_sided_day_and_unknown_pixels_have_finite_features() -> None:
    block = make_block(days=(9,), span=(4, 4))
    block.fine_before[:, 5:20, 5] = np.nan
    block.coarse[0, :, 4, 4] = np.nan
    same = replace(block, fine_after=block.fine_before, coarse_after=block.coarse_before)
    values = features(KnownDay.of(same, 0), *np.zeros((2, *same.shape[1:]), np.float32))
    assert np.isfinite(values).all()
    assert (values[FEATURES.index("one-sided")] == 1).all()
    assert (values[FEATURES.index("fine filled"), :, 5:20, 5] == 1).all()
    np.testing.assert_allclose(values[FEATURES.index("change")], np.log(0.02), rtol=1e-5)


# The fit


def made_errors(count: int = 30_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, Gaussian errors and the standard deviation they were drawn with."""
    rng = np.random.default_rng(2)
    values = rng.normal(-1, 0.8, (len(FEATURES), 2, count)).astype(np.float32)
    values[15:18] = values[15:18] > 0.5  # marks, rarely set
    sigma = np.exp(-5 + 0.4 * values[0] + 0.25 * values[12] + 0.5 * values[15])
    return values, (sigma * rng.standard_normal(sigma.shape)).astype(np.float32), sigma


def test_fitting_finds_the_sigma_that_errors_were_drawn_with() -> None:
    values, error, sigma = made_errors()
    error[1, ::7] = np.nan
    found = fit(values, error, bands=("red", "nir08")).sigma(values, ("red", "nir08"))
    assert np.median(np.abs(np.log(found / sigma))) < 0.04
    np.testing.assert_allclose(covered(error[0], found[0]).mean(), 0.9, atol=0.002)
    assert np.abs(coverage_by_decile(error[0], found[0]) - 0.9).max() < 0.03


def test_bands_are_answered_for_by_name_and_nothing_runs_away_outside_the_fitted_range() -> None:
    values, error, _ = made_errors(5000)
    calibration = fit(values, error, bands=("red", "nir08"))
    both = calibration.sigma(values, ("red", "nir08"))
    np.testing.assert_array_equal(calibration.sigma(values[:, 1:], ("nir08",)), both[1:])
    wild = calibration.sigma(np.full_like(values, 1e6), ("red", "nir08"))
    assert (wild <= both.max()).all()


def test_a_calibration_is_widened_by_what_a_half_lacks_on_the_other() -> None:
    values, error, _ = made_errors(20_000)
    half = Errors(values=values[..., :10_000], error=error[..., :10_000])
    loud = Errors(values=values[..., 10_000:], error=3 * error[..., 10_000:])
    found, held = calibrate(half, loud, ("red", "nir08"))
    assert held.coverage == pytest.approx(0.9, abs=1e-3)
    assert min(held.factors) > 1.15  # a fit to the quiet half is far too sure of the loud one
    both = fit(values, np.concatenate([half.error, loud.error], 1), bands=("red", "nir08"))
    np.testing.assert_allclose(
        found.sigma(values, found.bands),
        both.sigma(values, found.bands) * np.array(held.factors, np.float32)[:, None],
        rtol=1e-4,
    )


def test_too_few_pixels_to_calibrate_are_refused() -> None:
    values, error, _ = made_errors(500)
    with pytest.raises(ValueError, match="500 pixels of red have a known error, 1900 are needed"):
        fit(values, error, bands=("red", "nir08"))


def test_a_calibration_survives_the_way_through_the_card() -> None:
    values, error, _ = made_errors(5000)
    calibration = fit(values, error, bands=("red", "nir08"), samples=4)
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert again.to_dict() == calibration.to_dict()
    np.testing.assert_allclose(
        again.sigma(values, again.bands), calibration.sigma(values, again.bands), rtol=1e-3
    )
    known = calibration.to_dict() | {"paired": ["change"]}
    with pytest.raises(ValueError, match="other features than this version"):
        Calibration.from_dict(known)


# The fuser


def test_sigma_is_stated_exactly_where_there_is_reflectance_which_it_does_not_change(
    plain: Path, calibrated: Path
) -> None:
    block = make_block()
    block.fine_before[:, 5, 5] = np.nan
    fused, none = load(plain).fuse(block)
    same, sigma = load(calibrated).fuse(block)
    assert none is None
    assert sigma is not None
    np.testing.assert_array_equal(same, fused)
    np.testing.assert_array_equal(np.isfinite(sigma), np.isfinite(fused))
    assert np.nanmin(sigma) > 0
    assert load(calibrated, samples=0).fuse(block).sigma is None


def test_sigma_is_what_the_calibration_says_of_the_image_and_of_where_it_started(
    plain: Path,
) -> None:
    made = make_calibration()
    slope = made.slope.copy()
    slope[:, FEATURES.index("network")] = 0.5
    fuser = replace(load(plain), calibration=replace(made, slope=slope))
    block = make_block(y=64, x=64, days=(2,))
    fused, sigma = fuser.fuse(block)
    images, start = predict(fuser, "anomaly", example_of(block, 0))
    changed = np.abs(images[0] - start)
    assert changed.max() > 10 * changed.min()
    values = features(KnownDay.of(block, 0), fused[0], start)
    assert fuser.calibration is not None
    assert sigma is not None
    np.testing.assert_allclose(
        sigma[0], fuser.calibration.sigma(values, block.bands), rtol=1e-4, atol=1e-7
    )


def test_several_samples_deviate_by_what_they_are_when_drawn_one_by_one(plain: Path) -> None:
    block = make_block(y=64, x=64, days=(2,))
    fuser = load(plain, samples=3)
    fused, sigma = fuser.fuse(block)
    alone, start = predict(fuser, "anomaly", example_of(block, 0))
    nothing = replace(fuser, sampler=replace(fuser.sampler, kappa=0.0))  # of what it would change
    np.testing.assert_allclose(nothing.fuse(block).reflectance[0], start, atol=1e-6)
    assert alone.shape == (3, 6, 64, 64)
    assert sigma is not None
    np.testing.assert_allclose(fused[0], alone[0], atol=1e-6)
    np.testing.assert_array_equal(fused, load(plain).fuse(block).reflectance)
    np.testing.assert_allclose(sigma[0], alone.std(0, ddof=1), atol=1e-6)
    assert sigma.mean() > 1e-5


def test_an_example_is_predicted_as_stfdiff_fuses_it_with_noise_in_every_step(
    tmp_path: Path,
) -> None:
    block = make_block(y=64, x=64, days=(2,))
    fuser = load_fuser("stfdiff", write_stfdiff(tmp_path, frame="anomaly", clamp=False), samples=2)
    assert isinstance(fuser, NetworkFuser)
    fused, sigma = fuser.fuse(block)
    alone, _ = predict(fuser, "anomaly", example_of(block, 0))
    assert sigma is not None
    np.testing.assert_allclose(fused[0], alone[0], atol=1e-5)
    np.testing.assert_allclose(sigma[0], alone.std(0, ddof=1), atol=1e-5)


def test_a_day_states_the_same_sigma_whatever_days_are_fused_with_it(calibrated: Path) -> None:
    fuser, block = load(calibrated), make_block(days=(1, 2, 5))
    alone = replace(block, days=(2,), coarse=block.coarse[1:2])
    together, single = fuser.fuse(block).sigma, fuser.fuse(alone).sigma
    assert together is not None
    assert single is not None
    np.testing.assert_array_equal(together[1:2], single)


def test_identity_holds_samples_and_calibration_only_where_sigma_is_stated(
    plain: Path, calibrated: Path, tmp_path: Path
) -> None:
    def card(folder: Path, samples: int):
        return describe("sa-stf", folder, samples=samples)

    assert card(plain, 0) == card(plain, 1)
    assert [card(plain, samples).sigma for samples in (0, 1, 2)] == [False, False, True]
    assert [card(calibrated, samples).sigma for samples in (0, 1)] == [False, True]
    other = write_checkpoint(tmp_path, trained=True)
    wider = replace(make_calibration(), intercept=np.full(6, -3.0, np.float32))
    write_card(other, read_card(other) | {"uncertainty": [wider.to_dict()]})
    found = [card(plain, 0), card(plain, 2), card(plain, 3), card(calibrated, 1), card(other, 1)]
    assert len({one.sha for one in found}) == 5
    assert card(calibrated, 0).sha == card(plain, 0).sha
    with pytest.raises(CheckpointError, match=r"samples=4: the card of .* is calibrated for 1"):
        card(calibrated, 4)


# The command's body


def test_calibrating_writes_the_card_and_nothing_else(tmp_path: Path) -> None:
    for index in range(2):
        make(index, out=tmp_path / "pool", seed=3, generator="train")
    folder = write_checkpoint(tmp_path / "weights", trained=False)
    before = read_card(folder)
    with pytest.raises(ValueError, match="nothing to calibrate on: give --worlds POOL"):
        calibrate_checkpoint(folder)
    with pytest.raises(ValueError, match="--patch 50 is no multiple of 16; use 48"):
        calibrate_checkpoint(folder, worlds=[tmp_path / "pool"], patch=50)
    held = calibrate_checkpoint(
        folder, worlds=[tmp_path / "pool"], examples=24, patch=48, device="cpu"
    )
    after = read_card(folder)
    entry = after.pop("uncertainty")[0]
    assert after == before
    assert entry["data"][0]["worlds"] == {"train, seed 3": 2}
    assert 0.5 < held.coverage < 1
    assert len(held.by_decile) == 10
    sigma = load(folder).fuse(make_block(days=(2,))).sigma
    assert sigma is not None
    assert np.isfinite(sigma).all()
