"""``guided`` as a method of its own: no training, no weights.  See ``model.guided``."""

import numpy as np
import torch

from model.block import Array, Block
from model.frame import Images, frame_of
from model.upsample import UPSAMPLE, fill_nearest, upsampling_of

FRAME = "guided"


@torch.inference_mode()
def predict_guided(block: Block) -> Array:
    """(time, band, y, x): linear in time plus the coarse anomaly along what is alike."""
    frame, up = frame_of(FRAME, contrast=False), UPSAMPLE[upsampling_of(FRAME)]

    def tensor(values: object) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]

    coarse = [block.coarse_before, block.coarse_after, *block.coarse]
    before, after, *days = (tensor(up(cells, block.ratio)) for cells in coarse)
    fine = [tensor(fill_nearest(one)) for one in (block.fine_before, block.fine_after)]
    present = torch.ones(1, len(block.bands), dtype=torch.bool)
    fused, guide = np.empty(block.shape, np.float32), None
    for index, (day, image) in enumerate(zip(block.days, days, strict=True)):
        view = frame.view(
            Images(fine[0], before, fine[1], after, image),
            None,
            torch.tensor([block.weight(day)]),
            tensor(block.centre),
            tensor(block.spread),
            block.ratio,
            present,
            guide,
            block.core,
            block.first_cell,
        )
        guide = view.guide
        fused[index] = view.base[0].numpy()
    return fused
