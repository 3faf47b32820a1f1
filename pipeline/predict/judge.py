"""How near images are to the truth: every metric, beside the naive baselines, on the same pixels.

Whole images are held at once: six bands of 2500 x 2500 pixels take a few GB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.metrics import (
    RATIO,
    Classification,
    Scores,
    changed,
    classification,
    only,
    rmse,
    score,
    score_patches,
)
from model.metrics.scores import PATCH_PX
from pipeline.predict.image import Float, ImageError, PlainImage, open_image
from pipeline.predict.inputs import PredictError, Scale
from pipeline.predict.lattice import same_grid

Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is compared, and what the user says of the files."""

    truth: Path
    prediction: Path
    references: tuple[Path, ...] = ()
    """Other images of the day, scored beside."""

    before: Path | None = None
    """Fine images around the day: what the naive baselines are made of."""

    after: Path | None = None
    bands: tuple[str, ...] | None = None
    truth_scale: Scale | None = None
    scale: Scale | None = None
    """Of all files but the truth; None: as the files say."""

    dates: tuple[date, ...] | None = None
    """Of before, truth and after, as given; None: as the names say."""

    ratio: int = round(1 / RATIO)
    """Fine pixels along a coarse cell, of ERGAS."""

    classes: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An image beside the truth."""

    name: str
    whole: Scores
    patches: Scores | None
    """Mean over patches of 256 pixels; None of an image that is no larger."""

    classes: Classification

    changed: float
    """RMSE of the changed pixels, mean over bands; NaN where it is not known what changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All images on the same pixels."""

    bands: tuple[str, ...]
    images: tuple[Judged, ...]
    """The prediction first."""

    pixels: int
    """That are known in every image."""

    share: float
    """Of the image."""

    changed: float
    """Share of those pixels that are not what time alone predicts (``model.metrics.changed``); NaN
    where no reference was given."""

    ratio: int
    truth: Float
    """(band, y, x), NaN where any image is unknown."""

    prediction: Float


def judge(question: Question) -> Judgement:
    """Score the prediction and what stands beside it.

    Pixels that are unknown in any band of any of the images are left out of all.  What changed is
    told by ``linear``, else by the first of the references.  ImageError or PredictError, with the
    cure, for files of two grids, without common bands or days, or without a common pixel.
    """
    truth = _open(question, question.truth)
    named = {question.prediction.name: _open(question, question.prediction)}
    for path in question.references:
        named[_free(path.name, named)] = _open(question, path)
    around = {
        side: _open(question, path)
        for side, path in (("before", question.before), ("after", question.after))
        if path is not None
    }
    every = [truth, *named.values(), *around.values()]
    bands = _check(every)

    def values(image: PlainImage) -> Float:
        height, width = image.shape
        return image.in_bands(bands).read(slice(0, height), slice(0, width))

    truth_values = values(truth)
    images = {name: values(image) for name, image in named.items()}
    ends = {side: values(image) for side, image in around.items()}
    weight = _weight(question, truth, around) if len(ends) == 2 else None
    images |= _baselines(ends, weight)
    known = np.logical_and.reduce(
        [np.isfinite(one).all(0) for one in (truth_values, *images.values())]
    )
    if not known.any():
        raise PredictError(
            f"no pixel is known in every band of {', '.join(one.path.name for one in every)}; is "
            "their nodata right?"
        )
    scored = only(truth_values, known)
    large = _changed(scored, images, question)
    first = next(iter(images.values()))
    return Judgement(
        bands=bands,
        images=tuple(
            _judged(name, image, scored, large, question) for name, image in images.items()
        ),
        pixels=int(known.sum()),
        share=float(known.mean()),
        changed=float("nan") if large is None else float(large.sum() / known.sum()),
        ratio=question.ratio,
        truth=scored.astype(np.float32),
        prediction=only(first, known).astype(np.float32),
    )


def _open(question: Question, path: Path) -> PlainImage:
    own = path == question.truth
    return open_image(
        path,
        bands=question.bands,
        scale=question.truth_scale if own and question.truth_scale else question.scale,
        scale_option="--truth-scale" if own else "--scale",
    )


def _free(name: str, taken: dict[str, PlainImage]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def _check(images: Sequence[PlainImage]) -> tuple[str, ...]:
    """The common bands of images of one grid."""
    truth = images[0]
    for image in images[1:]:
        if not same_grid(truth.box, image.box):
            raise ImageError(
                f"{truth.path} and {image.path} have two grids: {truth.where()}; {image.where()}. "
                "Warp the truth's neighbour to its grid (gdalwarp -t_srs -te -ts), or score what "
                "was predicted there"
            )
        if image.named != truth.named or (not image.named and len(image.bands) != len(truth.bands)):
            raise ImageError(
                f"{truth.path} has the layers {', '.join(truth.bands)}, {image.path} "
                f"{', '.join(image.bands)}; name them by --bands, e.g. --bands red,nir08"
            )
    bands = tuple(band for band in truth.bands if all(band in one.bands for one in images))
    if not bands:
        told = "; ".join(f"{one.path.name}: {', '.join(one.bands)}" for one in images)
        raise ImageError(f"the images have no band in common ({told}); name them by --bands")
    return bands


def _weight(question: Question, truth: PlainImage, around: dict[str, PlainImage]) -> float:
    """Share of the later image in the linear interpolation at the truth's day."""
    days = question.dates or (around["before"].day, truth.day, around["after"].day)
    if len(days) != 3 or any(day is None for day in days):
        raise PredictError(
            "the linear baseline needs the days of before, truth and after; the names of "
            f"{around['before'].path.name}, {truth.path.name} and {around['after'].path.name} do "
            "not tell all of them: state --dates 2023-05-01,2023-05-13,2023-05-25"
        )
    first, day, last = (one.toordinal() for one in days if one is not None)
    if not first <= day <= last or first == last:
        raise PredictError(
            f"the days are not in order: before {days[0]}, truth {days[1]}, after {days[2]}; were "
            "--before and --after exchanged, or is --dates wrong?"
        )
    return (day - first) / (last - first)


def _baselines(ends: dict[str, Float], weight: float | None) -> dict[str, Float]:
    found = {f"copy-{side}": image for side, image in ends.items()}
    if weight is not None:
        before, after = ends["before"], ends["after"]
        found["mean"] = (np.float32(0.5) * (before + after)).astype(np.float32)
        found["linear"] = ((1 - weight) * before + weight * after).astype(np.float32)
    return found


def _changed(
    truth: NDArray[np.float64], images: dict[str, Float], question: Question
) -> Bool | None:
    for name in ("linear", "copy-before", "copy-after"):
        if name in images:
            return changed(truth, images[name])
    if question.references:
        return changed(truth, list(images.values())[1])
    return None


def _judged(
    name: str,
    image: Float,
    truth: NDArray[np.float64],
    large: Bool | None,
    question: Question,
) -> Judged:
    ratio = 1 / question.ratio
    beyond = max(truth.shape[1:]) > PATCH_PX
    return Judged(
        name=name,
        whole=score(image, truth, ratio=ratio),
        patches=score_patches(image, truth, ratio=ratio) if beyond else None,
        classes=classification(image, truth, classes=question.classes, seed=question.seed),
        changed=float("nan") if large is None else rmse(image, only(truth, large)),
    )
