"""``guided`` as a method of its own: no training, no weights.  See ``model.guided``."""

from dataclasses import dataclass

import numpy as np
import torch

from model.block import Block, Fused
from model.card import describe
from model.frame import Images, frame_of
from model.upsample import UPSAMPLE, fill_nearest, upsampling_of

FRAME = "guided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedFuser:
    """A ``model.Fuser``: linear in time plus the coarse anomaly along what is alike."""

    name: str = FRAME
    bands: None = None

    @property
    def halo(self) -> int:
        """As ``model.card.describe`` says."""
        return describe(FRAME).halo

    @property
    def sha(self) -> str:
        """As ``model.card.describe`` says."""
        return describe(FRAME).sha

    @torch.inference_mode()
    def fuse(self, block: Block) -> Fused:
        """(time, band, y, x) reflectance, NaN where ``block.known()`` is false; no sigma."""
        frame, up = frame_of(FRAME, contrast=False), UPSAMPLE[upsampling_of(FRAME)]

        def tensor(values: object) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]

        coarse = [block.coarse_before, block.coarse_after, *block.coarse]
        before, after, *days = (tensor(up(cells, block.ratio)) for cells in coarse)
        fine = [tensor(fill_nearest(one)) for one in (block.fine_before, block.fine_after)]
        present = torch.ones(1, len(block.bands), dtype=torch.bool)
        fused, guide = np.empty(block.shape, np.float32), None
        for index, (day, image) in enumerate(zip(block.days, days, strict=True)):
            images = Images(fine[0], before, fine[1], after, image)
            weight = torch.tensor([block.weight(day)])
            view = frame.view(
                images,
                None,
                weight,
                tensor(block.centre),
                tensor(block.spread),
                block.ratio,
                present,
                guide,
            )
            guide = view.guide
            fused[index] = view.base[0].numpy()
        return Fused(np.where(block.known()[:, None], fused, np.float32(np.nan)), None)
