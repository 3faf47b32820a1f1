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
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Denoiser = Callable[[Tensor, int], Tensor]
"""Predicts the fine image from ``x`` at step ``t``."""

Noise = Callable[[int], Tensor]
"""Standard normal noise for the step that ends at a level; another for each."""


class Levels(NamedTuple):
    """A level of each sample as a network embeds it, (batch,) each."""

    residual: Tensor
    """T * alphabar_t"""
    noise: Tensor
    """T * betabar_t"""
    number: Tensor
    """t - 1, from 0 at the first noisy level."""


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

    def levels(self, t: int | Tensor, like: Tensor) -> Levels:
        """Level ``t``, one number or one a sample, for a batch as ``like`` and on its device."""
        at = torch.as_tensor(t).expand(len(like))
        values = (
            torch.as_tensor(self.steps * self.alpha, dtype=torch.float32)[at],
            torch.as_tensor(self.steps * self.beta, dtype=torch.float32)[at],
            (at - 1).float(),
        )
        return Levels(*(value.to(like.device) for value in values))


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


def cosine(steps: int = 100) -> Schedule:
    """STFDiff's: the cosine schedule of Nichol and Dhariwal (2021), to noise alone at the end.

    x_t = sqrt(A_t) fine + sqrt(1 - A_t) noise is the residual diffusion of this module with
    alphabar_t = 1 - sqrt(A_t), betabar_t = sqrt(1 - A_t), from a start of 0.
    """
    angle = (np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2
    signal = np.cos(angle) ** 2
    kept = np.cumprod(1 - np.minimum(1 - signal[1:] / signal[:-1], 0.999))
    return Schedule(
        name="cosine",
        alpha=np.concatenate([[0.0], 1 - np.sqrt(kept)]),
        beta=np.concatenate([[0.0], np.sqrt(1 - kept)]),
        start_noise=1.0,
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "official": official,
    "rddm": rddm,
    "cosine": cosine,
}


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
    x: Tensor,
    fine_hat: Tensor,
    coarse: Tensor,
    t: int,
    t_prev: int,
    schedule: Schedule,
    *,
    eta: float = 0.0,
    fresh: Tensor | None = None,
) -> Tensor:
    """Take a reverse step from ``t`` to ``t_prev``: deterministic (Eq. 4), or DDIM's of ``eta``.

    Exact when ``fine_hat`` is the true fine image: the result is then what ``degrade`` gives at
    ``t_prev``, for the same noise, or with ``eta`` for one of the same deviation in which some of
    it is replaced by ``fresh`` noise; all that an ancestral step replaces at 1.  The residual
    enters with a plus sign; the supplement prints a minus in Eq. 4, against its own Eqs. 1-3.
    """
    if t_prev == 0:
        return fine_hat
    a, b = 1 - schedule.alpha, schedule.beta
    keep = float(b[t_prev] / b[t])
    replaced = eta**2 * (1 - float(a[t] / a[t_prev] * keep) ** 2)
    keep *= (1 - replaced) ** 0.5
    residual = float(schedule.alpha[t_prev]) - keep * float(schedule.alpha[t])
    stepped = keep * x + (1 - keep) * fine_hat + residual * (coarse - fine_hat)
    return stepped if fresh is None else stepped + float(b[t_prev]) * replaced**0.5 * fresh


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
    *,
    eta: float = 0.0,
    fresh: Noise | None = None,
    clamp: bool = False,
) -> Tensor:
    """Recover the fine image, from the coarse image and noise down to step 0.

    The network is seen only through ``denoise`` and all noise is handed in, so the same loop
    serves one window, a tiled block and a test's oracle.  ``fresh`` is asked where ``eta`` is not
    0; ``clamp`` keeps every answer of the network in -1..1.
    """
    x = coarse + schedule.start_noise * noise
    for t, t_prev in steps:
        clean = denoise(x, t)
        if clamp:
            clean = clean.clamp(-1, 1)
        more = None
        if eta and t_prev:
            assert fresh is not None
            more = fresh(t_prev)
        x = step_back(x, clean, coarse, t, t_prev, schedule, eta=eta, fresh=more)
    return x
