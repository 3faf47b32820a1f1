"""Residual diffusion between a fine image and its known start, of the same day.

Images are (batch, band, y, x) float32 in the space of a ``model.frame``.  Schedules have
T + 1 entries; index 0 is the clean image.  (The authors count from 0 at the first noisy level:
their t is our t - 1.)

    paper   here       meaning
    F_1     fine       the image to recover
    C_1     coarse     where the diffusion starts: the coarse image, or a better first guess
    x_t     x          ``fine`` after t steps of degradation
    ᾱ_t     alpha[t]   share of the residual ``coarse - fine`` mixed in, 0 to 1
    β̄_t     beta[t]    standard deviation of the noise mixed in
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Denoiser = Callable[[Tensor, int], Tensor]
"""Predicts the fine image from ``x`` at step ``t``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How much residual and noise each of T levels holds."""

    name: str
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    start_noise: float
    """Standard deviation of the noise the reverse walk starts from."""

    @property
    def steps(self) -> int:
        """T, the number of noisy levels."""
        return len(self.alpha) - 1

    def levels(self, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """T * alphabar_t and T * betabar_t, as the network embeds them."""
        t = torch.as_tensor(t)
        return tuple(
            torch.as_tensor(self.steps * values, dtype=torch.float32)[t]
            for values in (self.alpha, self.beta)
        )  # type: ignore[return-value]


def official(steps: int = 100) -> Schedule:
    """The schedule of the authors' checkpoints: DDPM's linear betas, constants not rescaled.

    It ends at alpha .40, beta .80 for T = 100, yet their sampler starts from C1 + 1.0 noise.
    """
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, steps))
    return Schedule(
        name="official",
        alpha=np.concatenate([[0.0], 1 - np.sqrt(kept)]),
        beta=np.concatenate([[0.0], np.sqrt(1 - kept)]),
        start_noise=1.0,
    )


def rddm(steps: int = 100, sum_scale: float = 0.01) -> Schedule:
    """RDDM's decreasing residual and increasing noise (their experiment 2), in closed form.

    Ends exactly at alpha = 1, so that x_T = coarse + sqrt(sum_scale) noise, as the paper's text
    says of SA-STF too.
    """
    n = np.arange(steps + 1.0)
    total = steps * (steps + 1)
    return Schedule(
        name="rddm",
        alpha=n * (2 * steps - n + 1) / total,
        beta=np.sqrt(sum_scale * n * (n + 1) / total),
        start_noise=float(np.sqrt(sum_scale)),
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {"official": official, "rddm": rddm}


def schedule_of(name: str, levels: int, sum_scale: float | None) -> Schedule:
    """The schedule a card names; ``sum_scale`` is None for those that have none."""
    options = {} if sum_scale is None else {"sum_scale": sum_scale}
    return SCHEDULES[name](levels, **options)


def degrade(
    fine: Tensor, coarse: Tensor, noise: Tensor, t: int | Tensor, schedule: Schedule
) -> Tensor:
    """The forward path: ``fine`` after ``t`` steps; ``t`` one number or one a sample."""
    at = torch.as_tensor(t, device="cpu")
    alpha, beta = (
        torch.as_tensor(values, dtype=fine.dtype)[at].reshape(-1, 1, 1, 1).to(fine.device)
        for values in (schedule.alpha, schedule.beta)
    )
    return fine + alpha * (coarse - fine) + beta * noise


def step_back(
    x: Tensor, fine_hat: Tensor, coarse: Tensor, t: int, t_prev: int, schedule: Schedule
) -> Tensor:
    """Take one deterministic reverse step from ``t`` to ``t_prev`` (Eq. 4).

    Exact when ``fine_hat`` is the true fine image: the result is then what ``degrade`` gives at
    ``t_prev`` for the same noise.  The residual enters with a plus sign; the supplement prints a
    minus in Eq. 4, against its own Eqs. 1-3.
    """
    if t_prev == 0:
        return fine_hat
    keep = float(schedule.beta[t_prev] / schedule.beta[t])
    residual = float(schedule.alpha[t_prev]) - keep * float(schedule.alpha[t])
    return keep * x + (1 - keep) * fine_hat + residual * (coarse - fine_hat)


def sampling_steps(total: int, steps: int) -> list[tuple[int, int]]:
    """``steps`` pairs (t, t_prev) from ``total`` down to 0, evenly spaced (RDDM's grid)."""
    if not 1 <= steps <= total:
        raise ValueError(f"steps={steps} is not between 1 and the {total} levels of the schedule")
    grid = [int(t) + 1 for t in np.linspace(-1, total - 1, steps + 1)]
    return [(grid[i], grid[i - 1]) for i in range(steps, 0, -1)]


def sample(
    denoise: Denoiser,
    coarse: Tensor,
    noise: Tensor,
    steps: list[tuple[int, int]],
    schedule: Schedule,
) -> Tensor:
    """Recover the fine image, from the coarse image and noise down to step 0.

    The network is seen only through ``denoise`` and the noise is handed in, so the same loop
    serves one window, a tiled block and a test's oracle.
    """
    x = coarse + schedule.start_noise * noise
    for t, t_prev in steps:
        x = step_back(x, denoise(x, t), coarse, t, t_prev, schedule)
    return x
