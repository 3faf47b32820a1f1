import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from model.proper_scores import Z90, coverage_by_decile, covered, crps, interval_score


@pytest.mark.parametrize(("error", "sigma"), [(0.0, 1.0), (0.7, 0.2), (-3.0, 1.5), (0.01, 0.04)])
def test_crps_is_the_integral_it_stands_for(error: float, sigma: float) -> None:
    # The forecast lies at `error` from the truth, which is 0.
    left = quad(lambda x: ndtr((x - error) / sigma) ** 2, error - 12 * sigma, 0)[0]
    right = quad(lambda x: (1 - ndtr((x - error) / sigma)) ** 2, 0, error + 12 * sigma)[0]
    assert crps(np.array(error), np.array(sigma)) == pytest.approx(left + right, rel=1e-6)


def test_the_interval_score_is_width_and_twenty_times_the_miss() -> None:
    error = np.array([0.0, 0.5, -2.0])
    wanted = 2 * Z90 + 20 * np.array([0.0, 0.0, 2.0 - Z90])
    np.testing.assert_allclose(interval_score(error, np.ones(3)), wanted)
    np.testing.assert_array_equal(covered(error, np.ones(3)), [True, True, False])


@pytest.mark.parametrize("score", [crps, interval_score])
def test_no_other_sigma_scores_better_than_the_true_one(score) -> None:
    rng = np.random.default_rng(0)
    sigma = np.exp(rng.normal(-4, 0.7, 200_000))
    error = sigma * rng.standard_normal(sigma.size)
    best = score(error, sigma).mean()
    for other in (0.8 * sigma, 1.25 * sigma, np.full_like(sigma, np.sqrt(np.mean(error**2)))):
        assert score(error, other).mean() > 1.005 * best


def test_deciles_tell_a_true_sigma_from_a_constant_and_from_a_shuffled_one() -> None:
    rng = np.random.default_rng(1)
    sigma = np.exp(rng.normal(-4, 0.7, (3, 40_000)))
    error = sigma * rng.standard_normal(sigma.shape)
    assert np.abs(coverage_by_decile(error, sigma) - 0.9).max() < 0.02
    shuffled = rng.permuted(sigma.ravel()).reshape(sigma.shape)
    assert np.abs(coverage_by_decile(error, shuffled) - 0.9).max() > 0.1
    constant = np.full_like(sigma, np.quantile(np.abs(error), 0.9) / Z90)
    assert np.abs(coverage_by_decile(error, constant) - 0.9).max() < 0.02
