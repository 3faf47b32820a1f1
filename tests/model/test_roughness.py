"""Roughness in time, against loops over days and pixels."""

from itertools import product

import numpy as np
import pytest

from model.metrics.roughness import jump, roughness


def make_pair(*, holes: bool = True, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 0.5, (9, 2, 4, 5)).cumsum(0) / 9
    fused = truth + 0.02 * rng.standard_normal(truth.shape)
    if holes:
        fused[2, 1, 0, 0] = truth[5, 0, 3, 1] = np.nan
        fused[:, :, 2, 2] = np.nan
    return fused.astype(np.float32), truth.astype(np.float32)


def rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")


def known(fused: np.ndarray, truth: np.ndarray, days: range, y: int, x: int) -> bool:
    return all(np.isfinite(one[day, :, y, x]).all() for one in (fused, truth) for day in days)


def test_bends_and_steps_are_what_loops_find() -> None:
    fused, truth = make_pair()
    found = roughness(fused, truth)
    for band in range(2):
        bends: dict[str, list[float]] = {"fused": [], "truth": []}
        steps = []
        for day, y, x in product(range(9), range(4), range(5)):
            if day < 8 and known(fused, truth, range(day, day + 2), y, x):
                step = [float(a[day + 1, band, y, x]) - a[day, band, y, x] for a in (fused, truth)]
                steps.append(step[0] - step[1])
            if day < 7 and known(fused, truth, range(day, day + 3), y, x):
                for name, a in (("fused", fused), ("truth", truth)):
                    one, two, three = (float(a[day + by, band, y, x]) for by in range(3))
                    bends[name].append(one - 2 * two + three)
        assert found.bends[band] == pytest.approx(rms(bends["fused"]) / rms(bends["truth"]))
        assert found.steps[band] == pytest.approx(rms(steps))


def test_a_jump_is_what_loops_find() -> None:
    fused, truth = make_pair()
    fused[4:] += 0.2
    near = [1, 2, 4, 5]
    for band, found in enumerate(jump(fused, truth, {3})):
        wrong: dict[int, list[float]] = {}
        for step, y, x in product(range(8), range(4), range(5)):
            if known(fused, truth, range(step, step + 2), y, x):
                ours, true = (
                    float(a[step + 1, band, y, x] - a[step, band, y, x]) for a in (fused, truth)
                )
                wrong.setdefault(step, []).append(ours - true)
        beside = rms([one for step in near for one in wrong[step]])
        assert found == pytest.approx(rms(wrong[3]) / beside, rel=1e-5)
        assert found > 3


def test_the_first_step_has_its_neighbours_after_it() -> None:
    fused, truth = make_pair(holes=False)
    wrong = np.diff(fused.astype(float) - truth, axis=0)
    beside = np.sqrt((wrong[1:3] ** 2).mean((0, 2, 3)))
    expected = np.sqrt((wrong[0] ** 2).mean((1, 2))) / beside
    assert jump(fused, truth, {0}) == pytest.approx(tuple(expected))


def test_the_truth_itself_is_as_rough_as_it_is_and_flicker_shows() -> None:
    _, truth = make_pair(holes=False)
    itself = roughness(truth, truth)
    assert itself.bends == pytest.approx((1, 1))
    assert itself.steps == pytest.approx((0, 0))
    flicker = truth + 0.2 * (-1.0) ** np.arange(9).reshape(-1, 1, 1, 1)
    assert min(roughness(flicker, truth).bends) > 2
    still = np.broadcast_to(truth[:1], truth.shape)
    assert roughness(still, truth).bends == (0, 0)


def test_without_anything_to_compare_it_is_unknown() -> None:
    _, truth = make_pair(holes=False)
    assert np.isnan(roughness(np.full_like(truth, np.nan), truth).bends).all()
    assert np.isnan(jump(truth, truth, ())).all()
