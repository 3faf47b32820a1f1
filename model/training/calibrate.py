"""Calibrate what a checkpoint says of its own errors, on worlds it was not trained on.

Predicts held-out examples as the fuser would, takes a few hundred pixels of each with their
features (model.uncertainty) and errors, and fits.  Pixels of an example are alike, so many examples
with few pixels are worth more than few with many.

Which worlds: any the network neither learned from nor was chosen on, which its errors on its own
would flatter.  The card says which.  On worlds of the training generator and another seed, the 90 %
interval holds on the other generator too; on those of the other generator nothing but the seed
need be new.  benchmarks/uncertainty.py tells, there and on the real sets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from model.block import Array
from model.card import locate, read_card, write_card
from model.network_fuser import NetworkFuser
from model.noise import noise_field
from model.proper_scores import SHARE, Z90, coverage_by_decile, covered, crps
from model.training.batch import collate, conditions_of, view_of
from model.training.config import DataConfig
from model.training.example import Example, Source
from model.training.mixed import InSlots
from model.training.patches import PatchSource
from model.training.sources import describe
from model.training.world_source import WorldSource
from model.uncertainty import FEATURES, Calibration, features, fit

PIXELS = 400
"""Of one example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Pixels of held-out examples; NaN in bands that are absent or unknown."""

    values: Array
    """(feature, band, pixel) as ``model.uncertainty.features``."""

    error: Array
    """(band, pixel) fused minus truth, reflectance."""


@torch.inference_mode()
def predict(fuser: NetworkFuser, frame: str, example: Example) -> tuple[Array, Array]:
    """(sample, band, y, x) reflectance of an example, the whole of it one window, and (band, y, x)
    where the diffusion starts.

    As ``fuser.fuse`` gives of a block with the same images; 0 in absent bands.
    """
    batch = collate([example]).to(fuser.device)
    view = view_of(batch, frame, fuser.network.config)
    conditions = conditions_of(batch, fuser.network.config)
    denoise = fuser.sampler.denoiser(fuser.network, view, conditions)

    def noise(number: int, step: int) -> torch.Tensor:
        where = (fuser.seed, (0, 0), *example.truth.shape)
        field = noise_field(*where, sample=number, step=step)
        return torch.from_numpy(field)[None].to(fuser.device)

    answers = [
        fuser.sampler.image(denoise, view, partial(noise, number))[0].cpu()
        for number in range(max(fuser.samples, 1))
    ]
    start = view.to_reflectance(view.start)[0].cpu().numpy()
    return np.stack([answer.numpy() for answer in answers]), start


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some examples of a source, of its first epoch."""

    source: Source
    indices: range


def measure(fuser: NetworkFuser, frame: str, parts: Iterable[Part]) -> Errors:
    """Features and errors of examples: ``PIXELS`` of each, at random where the truth is known."""
    taken = [
        pixels
        for part in parts
        for index in part.indices
        if (pixels := _pixels(fuser, frame, part.source.example(0, index), index)) is not None
    ]
    if not taken:
        raise ValueError("no example has a pixel whose truth is known; give other worlds or scenes")
    return joined(taken)


def joined(parts: Sequence[Errors]) -> Errors:
    """All their pixels; they hold the same bands."""
    return Errors(
        values=np.concatenate([one.values for one in parts], axis=-1),
        error=np.concatenate([one.error for one in parts], axis=-1),
    )


def _pixels(fuser: NetworkFuser, frame: str, example: Example, index: int) -> Errors | None:
    bands = np.flatnonzero(example.present)
    error = np.full_like(example.truth, np.nan)
    values = np.zeros((len(FEATURES), *example.truth.shape), np.float32)
    images, start = predict(fuser, frame, example)
    deviation = images.std(axis=0, ddof=1) if len(images) > 1 else None
    values[:, bands] = features(example, images[0], start, deviation, bands=bands.tolist())
    error[bands] = images[0, bands] - example.truth[bands]
    known = np.flatnonzero(np.isfinite(error[bands]).all(0).ravel())
    taken = np.random.default_rng(index).permutation(known)[:PIXELS]
    if not taken.size:
        return None
    return Errors(
        values=values.reshape(len(FEATURES), len(error), -1)[..., taken],
        error=error.reshape(len(error), -1)[..., taken],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a calibration is worth on worlds or scenes that it was not fitted to.

    Each half of them stated by a fit to the other half.
    """

    pixels: int
    factors: tuple[float, ...]
    """(band,) by which sigma was widened so that 90 % are covered there."""
    coverage: float
    by_decile: tuple[float, ...]
    """From the smallest sigma to the largest."""
    crps: float
    crps_constant: float
    """Of the one sigma a band that covers 90 % of all."""

    def lines(self) -> list[str]:
        """For people."""
        deciles = " ".join(f"{share:.3f}" for share in self.by_decile)
        gain = 1 - self.crps / self.crps_constant
        return [
            f"{self.pixels} pixels, each half stated by a fit to the other: the 90 % interval "
            f"covers {self.coverage:.1%}",
            f"by decile of sigma: {deciles}",
            f"CRPS {self.crps:.5f}, {gain:.1%} below a constant sigma a band",
            f"widened by {' '.join(f'{factor:.2f}' for factor in self.factors)}, band by band",
        ]


def calibrate(first: Errors, second: Errors, bands: tuple[str, ...]) -> tuple[Calibration, Held]:
    """Fit to both halves, widened by what a fit to one half lacks on the other.

    Pixels of a world are alike, so a fit covers its own worlds better than others: the halves must
    share no world and no scene.  Cross-conformal: the factor of a band is that with which 90 % of
    all pixels are covered by the half they are not in.
    """
    both = joined([first, second])
    crossed = np.concatenate(
        [
            fit(second.values, second.error, bands=bands).sigma(first.values, bands),
            fit(first.values, first.error, bands=bands).sigma(second.values, bands),
        ],
        axis=-1,
    )
    size = np.abs(both.error)
    factors = np.nanquantile(size / crossed, SHARE, axis=1) / Z90
    constant = np.broadcast_to(np.nanquantile(size, SHARE, axis=1)[:, None] / Z90, size.shape)
    known = np.isfinite(size)
    error, sigma = both.error[known], (crossed * factors[:, None])[known]
    return fit(both.values, both.error, bands=bands).widened(factors), Held(
        pixels=int(known.any(0).sum()),
        factors=tuple(factors.tolist()),
        coverage=float(covered(error, sigma).mean()),
        by_decile=tuple(coverage_by_decile(error, sigma).tolist()),
        crps=float(crps(error, sigma).mean()),
        crps_constant=float(crps(error, constant[known]).mean()),
    )


def calibrate_checkpoint(
    folder: Path,
    *,
    worlds: Sequence[Path] = (),
    scenes: Sequence[Path] = (),
    examples: int = 480,
    patch: int = 96,
    samples: int = 1,
    seed: int = 0,
    device: str = "auto",
) -> Held:
    """Calibrate a checkpoint and write the result into its card, under "uncertainty".

    ``worlds``: pools of the generator the network was trained on, of a seed it was not, with
    ``examples`` drawn from each; ``scenes``: scene sets, of which the split ``validation`` is used.
    A calibration for as many ``samples`` is replaced, for others kept.  Raises CheckpointError, and
    ValueError for missing data.
    """
    if not (worlds or scenes):
        raise ValueError("nothing to calibrate on: give --worlds POOL, --scenes SET, or both")
    if patch % 16:
        raise ValueError(f"--patch {patch} is no multiple of 16; use {patch // 16 * 16}")
    folder = locate(str(folder))
    plain = NetworkFuser.load(folder, device=device, steps=None, seed=seed, samples=0)
    fuser = replace(plain, samples=samples)
    card = read_card(folder)
    halves: tuple[list[Part], list[Part]] = ([], [])
    for pool in worlds:
        for half, parts in enumerate(halves):
            drawn = WorldSource(pool, seed=seed, examples=max(examples // 2, 1), patch=patch)
            if len(drawn.folders) < 2:
                raise ValueError(f"{pool} holds one world, but calibrating takes two or more")
            drawn.folders = drawn.folders[half::2]
            parts.append(Part(source=InSlots(drawn, fuser.bands), indices=range(len(drawn))))
    for scene in scenes:
        cut = InSlots(PatchSource(scene, split="validation", patch=patch), fuser.bands)
        middle = len(cut) // 2
        for parts, indices in zip(halves, (range(middle), range(middle, len(cut))), strict=True):
            parts.append(Part(source=cut, indices=indices))
    first, second = (measure(fuser, card["frame"], parts) for parts in halves)
    found, held = calibrate(first, second, fuser.bands)
    data = [DataConfig(worlds=one) for one in worlds]
    data += [DataConfig(scenes=one, split="validation") for one in scenes]
    entry = replace(found, samples=max(samples, 1)).to_dict() | {
        "data": describe(data),
        "examples": sum(len(part.indices) for parts in halves for part in parts),
        "held out": asdict(held),
    }
    others = [one for one in card.get("uncertainty", ()) if one["samples"] != samples]
    card["uncertainty"] = sorted([*others, entry], key=lambda one: one["samples"])
    write_card(folder, card)
    return held
