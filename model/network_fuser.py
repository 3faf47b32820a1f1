"""A network behind the model's door: a block of reflectance in, a block of reflectance out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from model import checkpoint as checkpoints
from model.block import Array, Block, Bool, Fused, Part
from model.card import PRECISIONS, calibration_of, describe, locate, method_of, read_card
from model.compiled import layout_of, step_of
from model.conditions import condition_vector
from model.diffusion import Noise
from model.frame import Frame, Images, frame_of
from model.guided import Guide
from model.network import Features, FusionNetwork
from model.noise import noise_field
from model.sampler import Sampler
from model.uncertainty import Calibration, KnownDay, features
from model.upsample import fill_nearest, matrix, upsampling_of
from model.windows import cut, hull, inside, merged, plan_windows

CPU_THREADS = 1
"""Parallel work is one process a core; one thread each gives the same bytes on any machine
of a kind, whatever its number of cores."""

WINDOWS_AT_ONCE = {"cpu": 2, "cuda": 64}
"""Windows of a block in one batch.  On a CPU torch convolves single small images in a slow way,
and many fall out of its cache.  Days are never batched: a resumed task may hold fewer of them, and
a batch of another size rounds otherwise."""

NOISE_THREADS = {"cpu": 1, "cuda": 4}
"""A GPU fuses faster than one core draws its noise."""


@dataclass(frozen=True, kw_only=True)
class NetworkFuser:
    """A ``model.Fuser`` that samples a network."""

    name: str
    bands: tuple[str, ...]
    slots: bool
    """Whether any of ``bands`` will do, by name; else a block holds all of them in their order."""
    halo: int
    sha: str
    network: FusionNetwork
    frame: Frame
    upsample: str
    """How coarse cells come to the fine grid, a key of ``model.upsample.UPSAMPLE``."""
    sampler: Sampler
    window: int
    overlap: int
    precision: str
    """One of ``model.card.PRECISIONS``."""
    seed: int
    samples: int
    """Draws of the diffusion; 0 is one, and no sigma."""
    calibration: Calibration | None
    """What turns a pixel's features, and the samples' deviation if there are several, to sigma."""
    device: torch.device
    windows_at_once: int
    compiled: Callable[..., Tensor] | None
    """``network.denoise`` as compiled (model.compiled); None: as it is."""
    layout: torch.memory_format
    """Of windows and weights in memory."""

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None,
        *,
        method: str | None = None,
        device: str,
        steps: int | None,
        seed: int,
        samples: int,
    ) -> Self:
        """Read a checkpoint, of any method if None; see ``model.fuser.load_fuser``."""
        method = method or method_of(read_card(locate(checkpoint)))
        card = describe(method, checkpoint, steps=steps, seed=seed, samples=samples)
        network, full = checkpoints.load(locate(checkpoint))
        where = torch.device(
            device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        )
        if where.type == "cpu":
            torch.set_num_threads(CPU_THREADS)
        sampling = full["sampling"]
        sampler = Sampler.of_card(sampling, steps=steps)
        network.to(where)
        step = step_of(network, sampler.steps)
        layout = layout_of(where, compiled=step is not None)
        network.to(memory_format=layout)  # type: ignore[call-overload]
        return cls(
            name=card.name,
            bands=tuple(full["bands"]),
            slots=card.slots,
            halo=card.halo,
            sha=card.sha,
            network=network,
            frame=frame_of(full["frame"], contrast=network.config.contrast),
            upsample=upsampling_of(full["frame"]),
            sampler=sampler,
            window=sampling["window_px"],
            overlap=sampling["overlap_px"],
            precision=sampling.get("precision", PRECISIONS[0]),
            seed=seed,
            samples=samples,
            calibration=calibration_of(locate(checkpoint), full, samples),
            device=where,
            windows_at_once=WINDOWS_AT_ONCE[where.type],
            compiled=step,
            layout=layout,
        )

    @torch.inference_mode()
    def fuse(self, block: Block) -> Fused:
        """Reflectance of the first sample, and sigma as ``model.card.describe`` says.

        The reflectance is not the samples' mean: asking for sigma would change the product, and
        the mean measures the same (README).  Raises ValueError for a block of other bands than
        the network's.
        """
        asked, answered = block, self._slots_of(block)
        present = np.zeros(len(self.bands), np.bool_)
        present[answered] = True
        fine = fill_nearest(asked.fine_before), fill_nearest(asked.fine_after)
        block = replace(asked, fine_before=fine[0], fine_after=fine[1]).in_bands(self.bands)
        images = Images(
            fine_before=self._to_device(block.fine_before),
            coarse_before=self._up(block.coarse_before, block.ratio),
            fine_after=self._to_device(block.fine_after),
            coarse_after=self._up(block.coarse_after, block.ratio),
            coarse=torch.empty(0),  # each day's own, below
        )
        shape = (images.fine_before.shape[2], images.fine_before.shape[3])
        # In one step a pixel depends on the windows that show it; in more, on their neighbours too.
        windows = plan_windows(
            shape,
            self.window,
            self.overlap,
            origin=block.origin,
            core=block.core if self.sampler.steps == 1 else None,
        )
        core, at = asked.around_core(0), asked.around_core(asked.ratio)  # sigma knows a margin
        shown = hull([at, *((window.y, window.x) for window in windows)])
        groups = [
            windows[first : first + self.windows_at_once]
            for first in range(0, len(windows), self.windows_at_once)
        ]
        noises = [self._noise(block, number) for number in range(max(self.samples, 1))]
        references: list[Any] = []
        guide: Guide | None = None
        fused = np.full(asked.shape, np.nan, np.float32)
        sigma = np.full_like(fused, np.nan) if self.samples > 1 or self.calibration else None
        unknown = ~asked.known()[:, *core]
        for index, day in enumerate(block.days):
            coarse = self._up(block.coarse[index], block.ratio)
            view = self.frame.view(
                images._replace(coarse=coarse),
                filled=self._filled(asked, index),
                weight=torch.tensor([block.weight(day)], device=self.device),
                centre=self._a_band(block.centre),
                spread=self._a_band(block.spread),
                ratio=block.ratio,
                present=self._a_band(present),
                guide=guide,
                inside=shown,
                first_cell=block.first_cell,
            )
            guide = view.guide
            if not references:  # what the network sees of them is the same on all days
                with self._precision():
                    references = [
                        self.network.encode_references(
                            *(cut(one, group, self.layout) for one in view.known[:4])
                        )
                        for group in groups
                    ]
            with self._precision():
                features = [
                    self.network.encode(cut(view.known.coarse, group, self.layout), known)
                    for group, known in zip(groups, references, strict=True)
                ]
            conditions = self._conditions(block, day, present)
            denoise = partial(self._denoise, features, conditions)
            images_of_day = []
            for noise in noises:
                image = self.sampler.image(merged(denoise, groups, self.layout), view, noise)
                images_of_day.append(image[0, answered][:, *at].cpu().numpy())
            samples = np.stack(images_of_day)
            answers = [(fused, samples[0])]
            if sigma is not None:
                start = view.to_reflectance(view.start)[0, answered][:, *at].cpu().numpy()
                answers.append((sigma, self._sigma(asked, index, samples, start, fine, at)))
            for whole, values in answers:
                values = values[:, *inside(core, at)]
                whole[index, :, *core] = np.where(unknown[index], np.nan, values)
        return Fused(fused, sigma)

    def _sigma(
        self,
        block: Block,
        index: int,
        samples: Array,
        start: Array,
        fine: tuple[Array, Array],
        at: Part,
    ) -> Array:
        """(band, y, x) of a day and the part ``at`` of the block, from the day's samples there
        (sample, band, y, x) and where they start (band, y, x), in the block's bands, and from its
        references ``fine``, filled."""
        deviation = samples.std(axis=0, ddof=1) if len(samples) > 1 else None
        if self.calibration is None:
            assert deviation is not None
            return np.asarray(deviation)
        day = KnownDay.of(block, index, fine=fine, at=at)
        values = features(day, samples[0], start, deviation)
        return self.calibration.sigma(values, block.bands)

    def _up(self, cells: Array, ratio: int) -> Tensor:
        """Coarse cells as ``_to_device`` gives fine images.  They are brought up on the device: as
        cells they are quickly there."""
        rows, cols = (
            torch.from_numpy(matrix(self.upsample, n, ratio)).to(self.device)
            for n in cells.shape[-2:]
        )
        known = torch.from_numpy(np.ascontiguousarray(fill_nearest(cells))).to(self.device)
        return self._at_least_a_window((rows @ known.double() @ cols.T).float()[None])

    def _slots_of(self, block: Block) -> list[int]:
        """Where each band of the block stands in the network."""
        fits = set(block.bands) <= set(self.bands) if self.slots else block.bands == self.bands
        if not fits:
            raise ValueError(
                f"the network is made for {'some of ' if self.slots else ''}the bands "
                f"{', '.join(self.bands)}, the block holds {', '.join(block.bands)}"
            )
        return [self.bands.index(band) for band in block.bands]

    def _a_band(self, values: Array | Bool) -> Tensor:
        """(band,) -> (1, band)"""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)[None]

    def _filled(self, block: Block, index: int) -> Tensor | None:
        """Where images were filled, for a network that is told."""
        if not self.network.config.filled:
            return None
        return self._to_device(block.filled(index)).float()

    def _denoise(
        self,
        features: list[Features],
        conditions: Tensor | None,
        x: Tensor,
        t: int,
        group: int,
    ) -> Tensor:
        if conditions is not None:
            conditions = conditions.expand(len(x), -1)
        with self._precision():
            levels = self.sampler.schedule.levels(t, x)
            step = self.compiled or self.network.denoise
            return step(x, features[group], levels, conditions).float()

    def _noise(self, block: Block, number: int) -> Noise:
        """Of a sample: where it starts is drawn once for all days, the rest as it is asked for."""
        shape = block.fine_before.shape
        threads = NOISE_THREADS[self.device.type]
        field = partial(
            noise_field, self.seed, block.origin, *shape, sample=number, threads=threads
        )
        start = field()
        return lambda step: self._to_device(field(step=step) if step else start)

    def _precision(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def _conditions(self, block: Block, day: int, present: Bool) -> Tensor | None:
        return condition_vector(
            self.network.config,
            torch.tensor([block.weight(day)], device=self.device),
            torch.tensor([day - block.day_before], device=self.device),
            torch.tensor([block.day_after - day], device=self.device),
            torch.tensor([block.ratio], device=self.device),
            self._a_band(present),
        )

    def _to_device(self, image: Array | Bool) -> Tensor:
        """(1, band, y, x) on the device; a side below a window mirrored to whole strides."""
        tensor = torch.from_numpy(np.ascontiguousarray(image))[None].to(self.device)
        return self._at_least_a_window(tensor)

    def _at_least_a_window(self, image: Tensor) -> Tensor:
        for dim in (-1, -2):
            if image.shape[dim] < self.window:  # one window as long; else windows lie inside
                image = reflect_to_multiple(image, dim, self.network.config.stride)
        return image.contiguous()


def reflect_to_multiple(image: Tensor, dim: int, stride: int) -> Tensor:
    """Lengthen ``dim`` to a multiple of ``stride`` by reflecting, as often as it takes."""
    length = image.shape[dim]
    wanted = -(-length // stride) * stride
    if wanted == length:
        return image
    period = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    index = torch.as_tensor(period[np.arange(wanted) % (2 * length)], device=image.device)
    return image.index_select(dim, index)
