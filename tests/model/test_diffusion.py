import itertools

import numpy as np
import pytest
import torch

from model.diffusion import (
    SCHEDULES,
    Schedule,
    cosine,
    degrade,
    official,
    rddm,
    sample,
    sampling_steps,
    step_back,
)

T = 100


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param](T)


def test_a_step_back_from_the_true_image_lands_on_the_forward_path(schedule: Schedule) -> None:
    fine, coarse, noise = torch.rand(3, 1, 6, 8, 8, dtype=torch.float64)
    for t, t_prev in ((100, 99), (100, 50), (50, 1), (2, 1)):
        x = degrade(fine, coarse, noise, t, schedule)
        back = step_back(x, fine, coarse, t, t_prev, schedule)
        torch.testing.assert_close(back, degrade(fine, coarse, noise, t_prev, schedule))


def test_the_minus_printed_in_equation_4_leaves_the_forward_path() -> None:
    schedule = rddm(T)
    fine, coarse, noise = torch.rand(3, 1, 6, 8, 8, dtype=torch.float64)
    x = degrade(fine, coarse, noise, 100, schedule)
    keep = schedule.beta[50] / schedule.beta[100]
    residual = schedule.alpha[50] - keep * schedule.alpha[100]
    printed = keep * x + (1 - keep) * fine - residual * (coarse - fine)
    assert (printed - degrade(fine, coarse, noise, 50, schedule)).abs().max() > 0.1


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50, 100])
def test_sampling_an_oracle_walks_back_to_the_fine_image(steps: int) -> None:
    schedule = rddm(T)
    fine, coarse, noise = torch.rand(3, 1, 6, 8, 8, dtype=torch.float64)

    def oracle(x: torch.Tensor, t: int) -> torch.Tensor:
        torch.testing.assert_close(x, degrade(fine, coarse, noise, t, schedule))
        return fine

    grid = sampling_steps(T, steps)
    torch.testing.assert_close(sample(oracle, coarse, noise, grid, schedule), fine)


@pytest.mark.parametrize("steps", [1, 3, 5, 10, 20, 25, 50, 100])
def test_steps_go_from_the_last_level_to_the_clean_image(steps: int) -> None:
    grid = sampling_steps(T, steps)
    assert len(grid) == steps
    assert grid[0][0] == T
    assert grid[-1][1] == 0
    assert all(t > t_prev for t, t_prev in grid)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(grid))


def test_ten_steps_are_those_of_the_golden_set() -> None:
    assert [t - 1 for t, _ in sampling_steps(100, 10)] == [99, 89, 79, 69, 59, 49, 39, 29, 19, 9]


@pytest.mark.parametrize("steps", [0, 101])
def test_a_number_of_steps_off_the_schedule_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=rf"steps={steps} is not between 1 and the 100 levels"):
        sampling_steps(100, steps)


def test_closed_form_of_rddm_is_the_sum_of_its_increments() -> None:
    n = np.arange(1, T + 1)
    alpha = np.cumsum(2 * (T - n + 1) / (T * (T + 1)))
    beta = np.sqrt(np.cumsum(0.01 * 2 * n / (T * (T + 1))))
    np.testing.assert_allclose(rddm(T).alpha[1:], alpha, atol=1e-14)
    np.testing.assert_allclose(rddm(T).beta[1:], beta, atol=1e-14)
    assert rddm(T).alpha[-1] == pytest.approx(1)
    assert rddm(T).start_noise == pytest.approx(rddm(T).beta[-1])


def test_official_schedule_has_the_published_values() -> None:
    schedule = official(T)
    for t, alpha, beta in (
        (0, 5e-5, 0.01),
        (24, 0.031, 0.2469),
        (49, 0.1184, 0.472),
        (99, 0.397, 0.7978),
    ):
        assert schedule.alpha[t + 1] == pytest.approx(alpha, abs=6e-5)
        assert schedule.beta[t + 1] == pytest.approx(beta, abs=6e-5)
    assert schedule.start_noise == 1.0


@pytest.mark.parametrize(
    ("t", "signal", "noise"),
    [
        (0, 0.99968, 0.02513),
        (24, 0.92033, 0.39114),
        (49, 0.70274, 0.71145),
        (74, 0.37983, 0.92506),
        (98, 0.01558, 0.99988),
        (99, 0.00049, 1.0),
    ],
)
def test_cosine_schedule_has_the_published_values(t: int, signal: float, noise: float) -> None:
    schedule = cosine(100)
    assert 1 - schedule.alpha[t + 1] == pytest.approx(signal, abs=5e-6)
    assert schedule.beta[t + 1] == pytest.approx(noise, abs=5e-6)
    assert schedule.levels(t + 1, torch.empty(2)).number.tolist() == [t, t]


@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize(("steps", "eta"), [(5, 0.0), (50, 0.0), (10, 1.0), (7, 0.3), (100, 1.0)])
def test_sampling_from_noise_is_ddim_as_it_is_printed(steps: int, eta: float, clamp: bool) -> None:
    schedule = cosine(T)
    start, mean = 2 * torch.rand(2, 1, 6, 8, 8, dtype=torch.float64) - 1
    fresh = {t: torch.randn(1, 6, 8, 8, dtype=torch.float64) for t in range(T)}

    def network(x: torch.Tensor, t: int) -> torch.Tensor:
        return 1.2 * mean + (0.3 - 0.004 * t) * x.sin()

    kept = (1 - schedule.alpha) ** 2  # A_t, one place later than the authors count
    x, grid = start, [int(t) for t in np.linspace(-1, T - 1, steps + 1)][::-1]
    for t, s in itertools.pairwise(grid):
        clean = network(x, t + 1)
        clean = clean.clamp(-1, 1) if clamp else clean
        if s == -1:
            x = clean
            break
        now, then = kept[t + 1], kept[s + 1]
        noise = (x - now**0.5 * clean) / (1 - now) ** 0.5
        sigma = eta * ((1 - now / then) * (1 - then) / (1 - now)) ** 0.5
        x = then**0.5 * clean + (1 - then - sigma**2) ** 0.5 * noise + sigma * fresh[s + 1]
    zero = torch.zeros_like(start)
    made = sample(
        network,
        zero,
        start,
        sampling_steps(T, steps),
        schedule,
        eta=eta,
        fresh=fresh.__getitem__,
        clamp=clamp,
    )
    torch.testing.assert_close(made, x, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_noise_drawn_anew_leaves_its_deviation_as_it_was(schedule: Schedule, eta: float) -> None:
    fine, coarse = torch.rand(2, 1, 1, 300, 300, dtype=torch.float64)
    noise, fresh = torch.randn(2, 1, 1, 300, 300, dtype=torch.float64)
    x = degrade(fine, coarse, noise, 80, schedule)
    back = step_back(x, fine, coarse, 80, 40, schedule, eta=eta, fresh=fresh)
    without = degrade(fine, coarse, torch.zeros_like(noise), 40, schedule)
    assert (back - without).std().item() == pytest.approx(float(schedule.beta[40]), rel=0.01)


def test_degrading_takes_one_level_for_each_sample() -> None:
    schedule = rddm(T)
    fine, coarse, noise = torch.rand(3, 2, 6, 4, 4)
    both = degrade(fine, coarse, noise, torch.tensor([3, 70]), schedule)
    for index, t in enumerate((3, 70)):
        at = slice(index, index + 1)
        torch.testing.assert_close(both[at], degrade(fine[at], coarse[at], noise[at], t, schedule))
