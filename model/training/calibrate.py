"""Calibrate what a checkpoint says of its own errors, on worlds it was not trained on.

Predicts held-out examples as the fuser would, takes a few hundred pixels of each with their
features (model.uncertainty) and errors, and fits.  Pixels of an example are alike, so many examples
with few pixels are worth more than few with many.

Which worlds: those of the generator the network was trained on, of another seed.  The claim that
the 90 % interval holds on a generator it never saw is then tested, not fitted
(benchmarks/uncertainty.py), and the same is asked of the real sets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from model.block import Array
from model.card import locate, read_card, write_card
from model.diffusion import sample, sampling_steps
from model.noise import noise_field
from model.proper_scores import SHARE, Z90, coverage_by_decile, covered, crps
from model.sastf.fuser import SastfFuser
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
def predict(fuser: SastfFuser, frame: str, example: Example) -> Array:
    """(sample, band, y, x) reflectance of an example, the whole of it one window.

    As ``fuser.fuse`` gives of a block with the same images; 0 in absent bands.
    """
    network, schedule = fuser.network, fuser.schedule
    batch = collate([example]).to(fuser.device)
    view = view_of(batch, frame, network.config)
    known = network.encode_references(*view.known[:4])
    seen = network.encode(view.known.coarse, known)
    conditions = conditions_of(batch, network.config)

    def denoise(x: torch.Tensor, t: int) -> torch.Tensor:
        levels = [level.to(fuser.device).expand(1) for level in schedule.levels(t)]
        return view.hide(network.denoise(x, seen, (levels[0], levels[1]), conditions))

    answers = []
    for number in range(max(fuser.samples, 1)):
        noise = noise_field(fuser.seed, (0, 0), *example.truth.shape, sample=number)
        start = view.hide(torch.from_numpy(noise)[None].to(fuser.device))
        steps = sampling_steps(schedule.steps, fuser.steps)
        answer = sample(denoise, view.start, start, steps, schedule)
        answers.append(view.to_reflectance(torch.lerp(view.start, answer, fuser.kappa))[0].cpu())
    return np.stack([answer.numpy() for answer in answers])


def measure(
    fuser: SastfFuser, frame: str, source: Source, *, epoch: int = 0, share: float = 1.0
) -> Errors:
    """Features and errors of the first ``share`` of an epoch's examples, at least one.

    ``PIXELS`` of each, at random places where the truth is known.
    """
    parts = list(_parts(fuser, frame, source, epoch, max(round(share * len(source)), 1)))
    if not parts:
        raise ValueError("no example has a pixel whose truth is known; give other worlds")
    values, error = (np.concatenate(one, axis=-1) for one in zip(*parts, strict=True))
    return Errors(values=values, error=error)


def _parts(
    fuser: SastfFuser, frame: str, source: Source, epoch: int, count: int
) -> Iterator[tuple[Array, Array]]:
    for index in range(count):
        example = source.example(epoch, index)
        bands = np.flatnonzero(example.present)
        error = np.full_like(example.truth, np.nan)
        values = np.zeros((len(FEATURES), *example.truth.shape), np.float32)
        images = predict(fuser, frame, example)
        deviation = images.std(axis=0, ddof=1) if len(images) > 1 else None
        values[:, bands] = features(example, images[0], deviation, bands=bands.tolist())
        error[bands] = images[0, bands] - example.truth[bands]
        known = np.flatnonzero(np.isfinite(error[bands]).all(0).ravel())
        rng = np.random.default_rng([epoch, index])
        taken = rng.permutation(known)[:PIXELS]
        if taken.size:
            yield (
                values.reshape(len(FEATURES), len(error), -1)[..., taken],
                error.reshape(len(error), -1)[..., taken],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a calibration is worth on examples that it was not fitted to."""

    pixels: int
    coverage: float
    by_decile: tuple[float, ...]
    """From the smallest sigma to the largest."""
    crps: float
    crps_constant: float
    """Of the one sigma a band that covers 90 % of the examples fitted to."""

    def lines(self) -> list[str]:
        """For people."""
        deciles = " ".join(f"{share:.3f}" for share in self.by_decile)
        gain = 1 - self.crps / self.crps_constant
        return [
            f"{self.pixels} pixels of other examples: 90 % interval covers {self.coverage:.1%}",
            f"by decile of sigma: {deciles}",
            f"CRPS {self.crps:.5f}, {gain:.1%} below a constant sigma a band",
        ]


def calibrate(fuser: SastfFuser, frame: str, sources: Sequence[Source]) -> tuple[Calibration, Held]:
    """Fit to one epoch of all ``sources``, whose bands are the fuser's; try on another epoch.

    Examples of the second epoch come from the same worlds or scenes: what the intervals are worth
    on others is a benchmark's to say.
    """
    fitted = _joined([measure(fuser, frame, source) for source in sources])
    found = fit(fitted.values, fitted.error, bands=fuser.bands, samples=max(fuser.samples, 1))
    held = _joined([measure(fuser, frame, source, epoch=1, share=0.25) for source in sources])
    sigma = found.sigma(held.values, fuser.bands)
    constant = np.nanquantile(np.abs(fitted.error), SHARE, axis=1, keepdims=True) / Z90
    known = np.isfinite(held.error)
    error, sigma = held.error[known], sigma[known]
    level = np.broadcast_to(constant, known.shape)[known]
    return found, Held(
        pixels=int(known.any(0).sum()),
        coverage=float(covered(error, sigma).mean()),
        by_decile=tuple(coverage_by_decile(error, sigma).tolist()),
        crps=float(crps(error, sigma).mean()),
        crps_constant=float(crps(error, level).mean()),
    )


def calibrate_checkpoint(
    folder: Path,
    *,
    worlds: Sequence[Path] = (),
    scenes: Sequence[Path] = (),
    examples: int = 320,
    patch: int = 96,
    samples: int = 1,
    seed: int = 0,
    device: str = "auto",
) -> Held:
    """Calibrate a checkpoint and write the result into its card, under "uncertainty".

    ``worlds``: pools of the generator the network was trained on, of a seed it was not; ``scenes``:
    scene sets, of which the split ``validation`` is used.  A calibration for as many ``samples``
    is replaced, for others kept.  Raises CheckpointError, and ValueError for missing data.
    """
    if not (worlds or scenes):
        raise ValueError("nothing to calibrate on: give --worlds POOL, --scenes SET, or both")
    folder = locate(str(folder))
    plain = SastfFuser.load(folder, device=device, steps=None, seed=seed, samples=0)
    fuser = replace(plain, samples=samples)
    card = read_card(folder)
    endless = [WorldSource(one, seed=seed, examples=examples, patch=patch) for one in worlds]
    cut = [PatchSource(one, split="validation", patch=patch) for one in scenes]
    sources = [InSlots(one, fuser.bands) for one in (*endless, *cut)]
    found, held = calibrate(fuser, card["frame"], sources)
    data = [DataConfig(worlds=one) for one in worlds]
    data += [DataConfig(scenes=one, split="validation") for one in scenes]
    entry = found.to_dict() | {
        "data": describe(data),
        "examples": sum(map(len, sources)),
        "on other examples": asdict(held),
    }
    others = [one for one in card.get("uncertainty", ()) if one["samples"] != samples]
    card["uncertainty"] = sorted([*others, entry], key=lambda one: one["samples"])
    write_card(folder, card)
    return held


def _joined(parts: Sequence[Errors]) -> Errors:
    return Errors(
        values=np.concatenate([one.values for one in parts], axis=-1),
        error=np.concatenate([one.error for one in parts], axis=-1),
    )
