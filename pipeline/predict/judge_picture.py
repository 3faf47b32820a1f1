"""A judgement to look at: truth, prediction, where it errs, and each band as a cloud of points."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.predict.image import Float
from pipeline.predict.judge import Judgement
from pipeline.quicklook import picture_bands

LONGEST = 700
"""Pixels of the longer side of a panel."""

ACROSS = 3
"""Panels in a row."""


def draw_judgement(judgement: Judgement, out: Path) -> Path:
    """Write a PNG; the folder is made."""
    clouds = -(-len(judgement.bands) // ACROSS)
    height, width = judgement.truth.shape[1:]
    tall = 4.6 * min(max(height / width, 0.4), 2.5) + 0.4
    figure, axes = plt.subplots(
        1 + clouds,
        ACROSS,
        figsize=(14, tall + 4.6 * clouds),
        height_ratios=[tall, *[4.6] * clouds],
        layout="constrained",
        squeeze=False,
    )
    _images(figure, axes[0], judgement)
    for place, band in enumerate(judgement.bands):
        _cloud(axes[1 + place // ACROSS, place % ACROSS], judgement, place, band)
    for empty in axes[1:].flat[len(judgement.bands) :]:
        empty.set_axis_off()
    means = judgement.images[0].whole.means()
    figure.suptitle(
        f"{judgement.images[0].name}: RMSE {means['rmse']:.4f}, CC {means['cc']:.3f}, "
        f"SSIM {means['ssim']:.3f}, bias {means['bias']:+.4f}"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    plt.close(figure)
    return out


def _images(figure: Figure, axes: NDArray[np.object_], judgement: Judgement) -> None:
    step = -(-max(judgement.truth.shape[1:]) // LONGEST)
    truth, predicted = (one[:, ::step, ::step] for one in (judgement.truth, judgement.prediction))
    bands = picture_bands(judgement.bands)
    at = [judgement.bands.index(band) for band in bands]
    low, high = np.nanpercentile(truth[at], (1, 99))
    shown = "-".join(dict.fromkeys(bands))
    for one, image, title in (
        (axes[0], truth, f"truth, {shown}"),
        (axes[1], predicted, f"prediction, {shown}"),
    ):
        colours = np.clip((image[at] - low) / max(high - low, 1e-4), 0, 1) ** 0.8
        one.imshow(
            np.where(np.isfinite(colours), colours, 0.75).transpose(1, 2, 0),
            interpolation="nearest",
        )
        one.set_title(title)
    error = np.sqrt(np.mean((predicted - truth) ** 2, axis=0))
    top = float(np.nanpercentile(error, 99))
    drawn = axes[2].imshow(error, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
    axes[2].set_title("error: root mean square over bands")
    figure.colorbar(
        drawn, ax=axes[2], location="bottom", extend="max", shrink=0.8, fraction=0.05, pad=0.01
    )
    for one in axes:
        one.set_axis_off()


def _cloud(axes: Axes, judgement: Judgement, place: int, band: str) -> None:
    truth, predicted = (_known(one[place]) for one in (judgement.truth, judgement.prediction))
    low, high = np.percentile(np.concatenate([truth, predicted]), (0.1, 99.9))
    high = max(high, low + 0.01)
    axes.hexbin(
        truth, predicted, gridsize=80, bins="log", extent=(low, high, low, high), mincnt=1,
        cmap="viridis",
    )  # fmt: skip
    axes.plot([low, high], [low, high], color="tab:red", linewidth=1)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="truth", ylabel="prediction")
    axes.set_aspect("equal")
    one = judgement.images[0].whole.bands[place]
    axes.set_title(f"{band}: RMSE {one.rmse:.4f}, CC {one.cc:.3f}, bias {one.bias:+.4f}")


def _known(image: Float) -> Float:
    return image[np.isfinite(image)]
