"""Pictures of one scene: images with error maps, scatter plots, K-means maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.metrics import cc, classification, rmse
from pipeline.evaluate.days import told
from pipeline.evaluate.palette import CLASSES, ERRORS, drawn
from pipeline.evaluate.scored import ScoreTask, grounds_of
from pipeline.evaluate.sets import open_source
from pipeline.real_sets import Scene

FALSE_COLOURS = (("swir16", "nir08", "red"), ("nir08", "red", "green"))
"""The first that a scene has; else its last band in grey."""

SCATTERED = ("nir08", "red", "green", "blue", "swir16", "swir22")
"""The first of these that a scene has is plotted against the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A day of a scene and some methods' answers, cut to what is scored."""

    scene: Scene
    at: int
    """Place of the day on the time axis."""

    truth: Array
    """(band, y, x), NaN where nothing is scored."""

    answers: Mapping[str, Array]
    """By label, likewise."""

    @classmethod
    def of(cls, task: ScoreTask, labels: Sequence[str], folder: Path) -> Self:
        """The first day of a scene that has a pixel to score."""
        first = task.answers[0]
        scene = open_source(first.choice).read(first.scene)
        grounds = grounds_of(scene, task.answers, folder)
        at, use = grounds.days[0], grounds.scored[0]
        inside = scene.block.core or (slice(None), slice(None))
        by_label = {one.method.label: one for one in task.answers}
        return cls(
            scene=scene,
            at=at,
            truth=grounds.truth[0],
            answers={
                label: np.where(
                    use, by_label[label].answer(folder)[at][:, *inside], np.float32(np.nan)
                )
                for label in labels
            },
        )

    @property
    def bands(self) -> tuple[str, ...]:
        return self.scene.bands

    @property
    def references(self) -> tuple[Array, Array]:
        """(band, y, x) before and after."""
        inside = self.scene.block.core or (slice(None), slice(None))
        block = self.scene.block
        return block.fine_before[:, *inside], block.fine_after[:, *inside]

    @property
    def coarse(self) -> Array:
        """(band, y, x), each pixel its cell's."""
        block = self.scene.block
        pad = slice(COARSE_PAD, -COARSE_PAD)
        cells = block.coarse[self.at][:, pad, pad]
        inside = block.core or (slice(None), slice(None))
        return cells.repeat(block.ratio, 1).repeat(block.ratio, 2)[:, *inside]

    @property
    def known(self) -> tuple[tuple[str, Array], ...]:
        """The references with what they are called; a one-sided scene has a single one."""
        block, (before, after) = self.scene.block, self.references
        if block.day_before == block.day_after:
            return ((f"only reference, {told(block.day_before)}", before),)
        return (
            (f"before, {told(block.day_before)}", before),
            (f"after, {told(block.day_after)}", after),
        )


def draw_images(shown: Shown, path: Path) -> None:
    """References, coarse image and truth; below, what each method made of them, and how far off.

    The root mean square of the error over bands, on one scale.
    """
    colours = _Colours.of(shown)
    day = told(shown.scene.block.days[shown.at])
    first, *second = shown.known
    top = (first, (f"coarse, {day}", shown.coarse), (f"truth, {day}", shown.truth), *second)
    errors = {
        label: np.sqrt(np.mean((answer - shown.truth) ** 2, 0))
        for label, answer in shown.answers.items()
    }
    most = _most(list(errors.values()))
    tall = shown.truth.shape[1] / shown.truth.shape[2]
    with drawn(path, height_in=3 * (2.4 * tall + 0.25) + 0.5, photographs=True) as figure:
        grid = np.ravel(np.asarray(figure.subplots(3, 4, squeeze=False))).reshape(3, 4)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, (title, image) in zip(grid[0], top, strict=False):
            _image(axes, colours.shown(image), title)
        drawing = None
        for at, (label, answer) in enumerate(shown.answers.items()):
            _image(grid[1, at], colours.shown(answer), label)
            drawing = grid[2, at].imshow(
                errors[label], vmin=0, vmax=most, cmap=ERRORS, interpolation="nearest"
            )
            title = f"error, RMSE {rmse(answer, shown.truth):.4f}"
            grid[2, at].set_title(title)
        assert drawing is not None
        bar = figure.colorbar(
            drawing, ax=list(grid[2]), orientation="horizontal", aspect=50, shrink=0.5, pad=0.02
        )
        bar.set_label("error of reflectance, root mean square over bands")


def draw_scatter(shown: Shown, path: Path) -> None:
    """Prediction against truth in one band, pixels counted in hexagons."""
    band = next(one for one in SCATTERED if one in shown.bands)
    at = shown.bands.index(band)
    known = np.isfinite(shown.truth[at])
    truth = shown.truth[at][known]
    values = [truth, *(answer[at][known] for answer in shown.answers.values())]
    low, high = np.percentile(np.concatenate(values), (0.2, 99.8))
    with drawn(path, height_in=3.0) as figure:
        grid = np.ravel(np.asarray(figure.subplots(1, len(shown.answers), sharey=True)))
        counts = max(truth.size / 400, 10)
        drawing = None
        for axes, (label, answer) in zip(grid, shown.answers.items(), strict=True):
            axes.set_facecolor("#f7f9fb")
            drawing = axes.hexbin(
                truth,
                answer[at][known],
                gridsize=48,
                extent=(low, high, low, high),
                norm=LogNorm(1, counts),
                cmap="viridis",
                linewidths=0,
                mincnt=1,
            )
            axes.plot((low, high), (low, high), color="#D55E00", linewidth=1)
            one = slice(at, at + 1)
            score = (
                f"RMSE {rmse(answer[one], shown.truth[one]):.4f}\n"
                f"CC {cc(answer[one], shown.truth[one]):.3f}"
            )
            axes.text(0.04, 0.96, score, transform=axes.transAxes, va="top", fontsize=8.5)
            axes.set(xlim=(low, high), ylim=(low, high), title=label, aspect="equal")
            axes.set_xlabel(f"truth, {band} reflectance")
        grid[0].set_ylabel("prediction")
        assert drawing is not None
        figure.colorbar(drawing, ax=list(grid), label="pixels", shrink=0.8, pad=0.01)


def draw_classes(shown: Shown, path: Path) -> None:
    """K-means maps: of the truth, and of each prediction by the truth's centres."""
    maps = {label: classification(a, shown.truth) for label, a in shown.answers.items()}
    tall = shown.truth.shape[1] / shown.truth.shape[2]
    colours = ListedColormap(["#ffffff", *CLASSES])
    how: dict[str, Any] = {"cmap": colours, "vmin": -1, "vmax": len(CLASSES) - 1}
    with drawn(path, height_in=1.9 * tall + 0.5) as figure:
        grid = np.ravel(np.asarray(figure.subplots(1, len(maps) + 1)))
        truth = next(iter(maps.values())).truth
        for axes, (title, image) in zip(
            grid,
            (
                ("truth", truth),
                *(
                    (f"{label}\nOA {one.accuracy:.3f}, F1 {one.f1:.3f}", one.predicted)
                    for label, one in maps.items()
                ),
            ),
            strict=True,
        ):
            axes.imshow(image, interpolation="nearest", **how)
            axes.set_title(title)
            axes.set_axis_off()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Colours:
    """Which bands are shown, and from where to where."""

    places: tuple[int, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def of(cls, shown: Shown) -> Self:
        found = next((bands for bands in FALSE_COLOURS if set(bands) <= set(shown.bands)), None)
        names = found or shown.bands[-1:]
        places = tuple(shown.bands.index(band) for band in names)
        images = np.stack([shown.truth, *shown.references])[:, list(places)]
        low, high = np.nanpercentile(images, (1, 99), axis=(0, 2, 3))
        return cls(places=places, low=low.astype(np.float32), high=high.astype(np.float32))

    def shown(self, image: Array) -> NDArray[np.float32]:
        """(y, x, 3), white where unknown."""
        low, high = (side[:, None, None] for side in (self.low, self.high))
        part = np.clip((image[list(self.places)] - low) / np.maximum(high - low, 1e-6), 0, 1)
        rgb = np.broadcast_to(part, (3, *part.shape[1:])).transpose(1, 2, 0)
        return np.where(np.isfinite(rgb), rgb, np.float32(1))


def _image(axes: Axes, image: NDArray[np.float32], title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()


def _most(errors: Sequence[NDArray[np.float32]]) -> float:
    """Where the scale of errors ends: a round number."""
    found = float(np.nanpercentile(np.stack(errors), 99))
    return max(np.ceil(found * 50) / 50, 0.02)
