"""What a network is told beside the images, as numbers of about -1 to 1."""

import math

import torch
from torch import Tensor

from model.shape import NetworkShape


def condition_vector(
    config: NetworkShape,
    weight: Tensor,
    days_before: Tensor,
    days_after: Tensor,
    ratio: Tensor,
    present: Tensor,
) -> Tensor | None:
    """(batch, number) float32 in the order of ``config.condition_inputs``; None without any.

    ``weight`` of the later reference, days from the target to either reference (whatever their
    sign) and ``ratio`` are (batch,); ``present`` is (batch, band), which bands there are.
    """
    numbers = {
        "dates": torch.stack([2 * weight - 1, log_days(days_before), log_days(days_after)], dim=1),
        "ratio": torch.log2(ratio.float())[:, None] / 4,
        "bands": present.float(),
    }
    chosen = [numbers[name] for name in config.conditions]
    return torch.cat(chosen, dim=1) if chosen else None


def log_days(days: Tensor) -> Tensor:
    """0 for a target on the day of its reference, 1 for one 63 days away."""
    return torch.log1p(days.float().abs()) / math.log(64)
