"""Perceptual loss in the features of VGG-16 with batch norm, in plain torch.

torchvision is not needed (its PyPI build wants CUDA): the trunk has the names of its state dict,
so a user's ``vgg16_bn-*.pth`` loads as it is.  As in the authors' code: bands are averaged to one
channel and repeated to three, ImageNet's mean and deviation are applied to values in -1..1, and
the taps are the last batch norms of blocks 1, 2 and 3.  There torchvision's ReLU works in place,
so what they keep of taps 1 and 2 is after the ReLU; tap 3 ends the trunk and is before it.
"""

import torch
from torch import Tensor, nn

from model.training.config import PerceptualConfig

CHANNELS = ((64, 64), (128, 128), (256, 256, 256))
"""Convolutions of the first three blocks; each is followed by batch norm and ReLU."""
TAPS = {5: 1.0, 12: 0.8, 21: 0.6}
"""Position in the trunk -> weight: the ReLUs that end blocks 1 and 2, the batch norm of 3."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILE = "vgg16_bn-6c64b313.pth"
LINK = f"https://download.pytorch.org/models/{FILE}"


class VggLoss(nn.Module):
    """Weighted mean squared distance of two images at the taps.  Nothing in it is trained."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for block in CHANNELS:
            for width in block:
                conv = nn.Conv2d(before, width, 3, padding=1)
                layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[: max(TAPS) + 1])
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            value = torch.tensor(values).reshape(1, 3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, truth: Tensor, present: Tensor) -> Tensor:
        """(batch,) of images (batch, band, y, x) in -1..1; bands not ``present`` are left out."""
        a, b = (self._grey(one, present) for one in (image, truth))
        distance = torch.zeros(len(image), device=image.device)
        for position, layer in enumerate(self.features):
            a, b = layer(a), layer(b)
            if position in TAPS:
                distance = distance + TAPS[position] * (a - b).square().mean((1, 2, 3))
        return distance

    def _grey(self, image: Tensor, present: Tensor) -> Tensor:
        share = present / present.sum(1, keepdim=True).clamp(min=1)
        grey = (image * share[:, :, None, None]).sum(1, keepdim=True)
        return (grey.expand(-1, 3, -1, -1) - self.mean) / self.deviation


def load_perceptual(
    config: PerceptualConfig, device: torch.device
) -> tuple[VggLoss | None, str | None]:
    """The loss, or None without weight or file; and what log and card shall say of it.

    Raises ValueError where the file is missing or not VGG-16-BN.
    """
    if not config.weight:
        return None, None
    if config.weights_file is None:
        return None, (
            f"perceptual loss: weight 0 instead of {config.weight}, for there is no weights_file; "
            f"get one from {LINK}"
        )
    file = config.weights_file
    cure = f"give loss.perceptual.weights_file torchvision's {FILE}, from {LINK}"
    if not file.is_file():
        raise ValueError(f"there is no file {file}; {cure}")
    loss = VggLoss()
    wanted = loss.state_dict()
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
        loss.load_state_dict({name: held[name] for name in wanted})
    except Exception as error:  # a broken pickle may raise anything at all
        # Not in torch's words, which advise to let the file run code.
        raise ValueError(
            f"{file} does not hold VGG-16-BN as torchvision names it; {cure}"
        ) from error
    return loss.to(device), f"perceptual loss: {config.weight} with {file.name}"
