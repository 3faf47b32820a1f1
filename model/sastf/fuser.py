"""SA-STF behind the model's door: a block of reflectance in, a block of reflectance out."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from model import checkpoint as checkpoints
from model.block import Array, Block
from model.card import describe, locate
from model.diffusion import SCHEDULES, Schedule, sample, sampling_steps
from model.frame import FRAMES, Frame, Images
from model.noise import noise_field
from model.sastf.network import Features, Network, References
from model.upsample import fill_nearest, smooth
from model.windows import merged, plan_windows

CPU_THREADS = 1
"""Parallel work is one process a core; one thread each gives the same bytes on any machine
of a kind, whatever its number of cores."""

DAYS_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Target days in one batch.  More on a CPU only falls out of its cache."""


@dataclass(frozen=True, kw_only=True)
class SastfFuser:
    """A ``model.Fuser`` that samples an SA-STF network."""

    name: str
    bands: tuple[str, ...]
    halo: int
    sha: str
    network: Network
    frame: Frame
    schedule: Schedule
    steps: int
    window: int
    overlap: int
    seed: int
    device: torch.device
    days_at_once: int

    @classmethod
    def load(
        cls, checkpoint: str | Path | None, *, device: str, steps: int | None, seed: int
    ) -> Self:
        """Read a checkpoint; see ``model.fuser.load_fuser``."""
        card = describe("sa-stf", checkpoint, steps=steps, seed=seed)
        network, full = checkpoints.load(locate(checkpoint))
        where = torch.device(
            device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        )
        if where.type == "cpu":
            torch.set_num_threads(CPU_THREADS)
        sampling = full["sampling"]
        return cls(
            name=card.name,
            bands=tuple(full["bands"]),
            halo=card.halo,
            sha=card.sha,
            network=network.to(where),
            frame=FRAMES[full["frame"]],
            schedule=SCHEDULES[sampling["schedule"]](sampling["levels"]),
            steps=steps or sampling["steps"],
            window=sampling["window_px"],
            overlap=sampling["overlap_px"],
            seed=seed,
            device=where,
            days_at_once=DAYS_AT_ONCE[where.type],
        )

    @torch.inference_mode()
    def fuse(self, block: Block) -> Array:
        """(time, band, y, x) reflectance, NaN where ``block.known()`` is false."""
        fine = [
            self._to_device(fill_nearest(image)[None])
            for image in (block.fine_before, block.fine_after)
        ]
        coarse = [
            self._to_device(smooth(image, block.ratio)[None])
            for image in (block.coarse_before, block.coarse_after)
        ]
        padded = fine[0].shape[-2:]
        windows = plan_windows((padded[0], padded[1]), self.window, self.overlap)
        noise = self._to_device(
            noise_field(self.seed, block.origin, *block.fine_before.shape)[None]
        )
        references: dict[int, References] = {}
        fused = np.empty(block.shape, np.float32)
        for first in range(0, len(block.days), self.days_at_once):
            days = slice(first, first + self.days_at_once)
            weight = torch.tensor([block.weight(day) for day in block.days[days]])
            count = len(weight)
            view = self.frame.view(
                Images(
                    fine[0].expand(count, -1, -1, -1),
                    coarse[0].expand(count, -1, -1, -1),
                    fine[1].expand(count, -1, -1, -1),
                    coarse[1].expand(count, -1, -1, -1),
                    self._to_device(smooth(block.coarse[days], block.ratio)),
                ),
                weight.to(self.device),
                torch.as_tensor(block.centre, device=self.device).expand(count, -1),
                torch.as_tensor(block.spread, device=self.device).expand(count, -1),
                block.ratio,
            )
            features = []
            for index, window in enumerate(windows):
                at = (..., window.y, window.x)
                if index not in references:
                    known = view.known
                    references[index] = self.network.encode_references(
                        known.fine_before[:1][at],
                        known.coarse_before[:1][at],
                        known.fine_after[:1][at],
                        known.coarse_after[:1][at],
                    )
                features.append(
                    self.network.encode(view.known.coarse[at], repeat(references[index], count))
                )
            denoise = partial(self._denoise, features, self._dates(block, days, weight))
            answer = sample(
                merged(denoise, windows, (padded[0], padded[1])),
                view.start,
                noise.expand(count, -1, -1, -1),
                sampling_steps(self.schedule.steps, self.steps),
                self.schedule,
            )
            fused[days] = view.to_reflectance(answer)[..., : block.shape[2], : block.shape[3]].cpu()
        return np.where(block.known()[:, None], fused, np.float32(np.nan))

    def _denoise(
        self, features: list[Features], dates: Tensor | None, x: Tensor, t: int, index: int
    ) -> Tensor:
        levels = tuple(
            level.to(self.device).expand(x.shape[0]) for level in self.schedule.levels(t)
        )
        return self.network.denoise(x, features[index], (levels[0], levels[1]), dates)

    def _dates(self, block: Block, days: slice, weight: Tensor) -> Tensor | None:
        if not self.network.config.dated:
            return None
        targets = torch.tensor(block.days[days])
        return date_vector(weight, targets - block.day_before, block.day_after - targets).to(
            self.device
        )

    def _to_device(self, images: Array) -> Tensor:
        """To the device, in whole strides of the network; the rest is repeated reflection."""
        tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        stride = self.network.config.stride
        for dim in (-1, -2):
            tensor = reflect_to_multiple(tensor, dim, stride)
        return tensor.contiguous()


def date_vector(weight: Tensor, days_before: Tensor, days_after: Tensor) -> Tensor:
    """(batch, 3): w and the logarithms of both spans, about -1 to 1."""
    spans = [torch.log1p(days.float().abs()) / math.log(64) for days in (days_before, days_after)]
    return torch.stack([2 * weight - 1, *spans], dim=1)


def reflect_to_multiple(image: Tensor, dim: int, stride: int) -> Tensor:
    """Lengthen ``dim`` to a multiple of ``stride`` by reflecting, as often as it takes."""
    length = image.shape[dim]
    wanted = -(-length // stride) * stride
    if wanted == length:
        return image
    period = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    index = torch.as_tensor(period[np.arange(wanted) % (2 * length)], device=image.device)
    return image.index_select(dim, index)


def repeat(references: References, count: int) -> References:
    """The same references for ``count`` days, without copying."""
    return References(
        *(
            type(encoded)(
                tuple(level.expand(count, -1, -1, -1) for level in encoded.levels),  # type: ignore[arg-type]
                encoded.raw.expand(count, -1, -1, -1),
                encoded.deep.expand(count, -1, -1, -1),
            )
            for encoded in references
        )
    )
