"""The pictures of a report: which there are, of which scenes and methods, and their captions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.worlds.spectra import BANDS
from pipeline.evaluate.answers import AnswerTask
from pipeline.evaluate.charts import PixelSeries, draw_boxes, draw_gains, draw_series
from pipeline.evaluate.choices import BASELINES
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.days import axis_of
from pipeline.evaluate.document import Picture
from pipeline.evaluate.panels import SCATTERED, Shown, draw_classes, draw_images, draw_scatter
from pipeline.evaluate.roughness import SeasonTask
from pipeline.evaluate.rows import FLOOR, Row
from pipeline.evaluate.run import Group, Result, SetResult
from pipeline.evaluate.scored import ScoreTask
from pipeline.evaluate.sets import open_source
from pipeline.evaluate.store import slug
from pipeline.executor import Executor
from pipeline.progress import OnProgress, Progress
from pipeline.real_sets import Scene

PLACE = Path("pictures")
SHOWN = 4
"""Methods in a picture of images; more would be too small to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What was drawn."""

    gains: Picture | None
    groups: Mapping[tuple[str, str], tuple[Picture, ...]]
    """By set and group."""

    series: Mapping[str, Picture]
    """By set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    """What is drawn of a scene, a task."""

    scene: ScoreTask
    labels: tuple[str, ...]
    stem: str
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return f"pictures of {self.scene.answers[0].set}, {self.scene.answers[0].scene}"


_DRAW = {"images": draw_images, "scatter": draw_scatter, "classes": draw_classes}
_CAPTION = {
    "images": "References, coarse image and truth of one scene, {scene}; below what four methods "
    "made of it, and how far each is off.",
    "scatter": "Prediction against truth of the same scene, one band; the line is equality.",
    "classes": "K-means maps of the same scene: classes of the truth's spectra, and each "
    "prediction's by the same centres.",
}


def draw_all(
    result: Result, folder: Path, ex: Executor, on_progress: OnProgress | None = None
) -> Pictures:
    """Draw what the evaluation asks for into ``folder / PLACE``."""
    asked = result.evaluation.pictures
    if asked == "none":
        return Pictures(gains=None, groups={}, series={})
    chosen = [
        (one, group)
        for one in result.sets
        for group in (one.groups if asked == "all" else _hardest(one))
        if group.rows
    ]
    kinds = tuple(_DRAW) if asked == "all" else ("images",)
    drawings = {
        (one.name, group.name): _Drawing(
            scene=group.middle,
            labels=shown_methods(group.rows, result.contenders),
            stem=slug(f"{one.name} {group.name}"),
            kinds=kinds,
        )
        for one, group in chosen
    }
    outcomes = ex.map(partial(_draw, folder=folder), drawings.values())
    for done, outcome in enumerate(outcomes, 1):
        if outcome.error is not None:
            raise RuntimeError(outcome.error)
        if on_progress is not None:
            on_progress(Progress(stage="draw", done=done, total=len(drawings)))
    methods = {one.label: one.choice.method for one in result.contenders}
    pictures = {}
    for one, group in chosen:
        drawing = drawings[one.name, group.name]
        found = [
            Picture(
                path=PLACE / f"{drawing.stem}-{kind}.webp",
                caption=_CAPTION[kind].format(scene=group.middle.answers[0].scene),
            )
            for kind in kinds
        ]
        if asked == "all" and any(row.box.count for row in group.rows):
            path = PLACE / f"{drawing.stem}-boxes.webp"
            draw_boxes(group.rows, methods, folder / path)
            found.append(Picture(path=path, caption=_BOXES))
        pictures[one.name, group.name] = tuple(found)
    return Pictures(
        gains=_gains(result, methods, folder),
        groups=pictures,
        series=dict(_series(result, methods, folder)),
    )


_BOXES = (
    "RMSE over the changed pixels of each block of 1.5 km: box from quarter to quarter, white line "
    "the median, diamond the mean, whiskers to 1.5 times the box."
)


def shown_methods(rows: Sequence[Row], contenders: Sequence[Contender]) -> tuple[str, ...]:
    """Whose images are shown: ``linear`` and the floor, the first learned method, the best of the
    others."""
    there = [row.method for row in sorted(rows, key=lambda row: row.values["rmse"])]
    learned = [one.label for one in contenders if one.card.weights is not None]
    naive = [label for label in ("linear", FLOOR) if label in there]
    first = [label for label in learned if label in there][:1]
    taken = {*naive, *first, *BASELINES}
    others = [label for label in there if label not in taken]
    more = [label for label in there if label not in {*naive, *first, *others}]
    filled = (others + more)[: SHOWN - len(naive) - len(first)]
    return (*naive, *filled, *first)


def _hardest(one: SetResult) -> list[Group]:
    """The group on which the floor is worst."""
    floors = {
        group.name: next(row.values["rmse"] for row in group.rows if row.method == FLOOR)
        for group in one.groups
        if group.rows
    }
    hardest = max(floors, key=lambda name: floors[name], default=None)
    return [group for group in one.groups if group.name == hardest]


def _draw(drawing: _Drawing, *, folder: Path) -> tuple[str, ...]:
    shown = Shown.of(drawing.scene, drawing.labels, folder)
    for kind in drawing.kinds:
        _DRAW[kind](shown, folder / PLACE / f"{drawing.stem}-{kind}.webp")
    return drawing.kinds


def _gains(result: Result, methods: Mapping[str, str], folder: Path) -> Picture | None:
    groups = {
        f"{one.name}, {group.name}": group.rows
        for one in result.sets
        for group in one.groups
        if group.rows
    }
    if not groups:
        return None
    told = {label: method for label, method in methods.items() if method not in BASELINES}
    shown = {**told, **{label: label for label in ("linear",) if label in methods}}
    path = PLACE / "gains.webp"
    draw_gains(groups, shown, folder / path)
    return Picture(
        path=path,
        caption=f"RMSE of each method against {FLOOR} on every group, with the 95 % interval of "
        "a paired block bootstrap.",
    )


def _series(
    result: Result, methods: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, Picture]]:
    for one in result.sets:
        labels = _in_series(one, result)
        if one.season is not None:
            path = PLACE / f"{slug(one.name)}-series.webp"
            draw_series(_season_pixels(one.season, labels, folder), methods, folder / path)
            yield one.name, Picture(path=path, caption=_SEASON)
            continue
        line = set(open_source(one.choice).timeline)
        tasks = [
            task
            for group in one.groups
            if group.rows
            for task in group.tasks
            if task.answers[0].scene in line
        ]
        if len(tasks) < 3:
            continue
        path = PLACE / f"{slug(one.name)}-series.webp"
        pixels = _pixels(tasks, labels, folder)
        if pixels:
            draw_series(pixels, methods, folder / path)
            yield (
                one.name,
                Picture(
                    path=path,
                    caption="Pixels through time: what the hidden fine images saw, the coarse "
                    "cell, and what methods made of the days.",
                ),
            )


_SEASON = (
    "Pixels day by day: the truth, what the fine sensor saw, the coarse cell, and what methods "
    "made of every day."
)


def _in_series(one: SetResult, result: Result) -> tuple[str, ...]:
    """The methods of the first group's images but ``linear``, which time makes a plain line."""
    rows = next((group.rows for group in one.groups if group.rows), ())
    return shown_methods(rows, result.contenders)[1:]


def _season_pixels(
    task: SeasonTask, labels: Sequence[str], folder: Path
) -> tuple[PixelSeries, ...]:
    """Without the methods of ``labels`` that failed on one of its days."""
    season = task.season
    at = BANDS.index(SCATTERED[0])
    answers = {
        label: season.kept(fused)[:, at] for label, fused in task.fused(folder) if label in labels
    }
    truth, days = season.truth[:, at], axis_of(season.days)
    found = []
    for y, x in _telling(truth.std(0)):
        row, col = (place // season.ratio + COARSE_PAD for place in (y, x))
        found.append(
            PixelSeries(
                title=f"{BANDS[at]}, row {y}, column {x}",
                days=days,
                truth=truth[:, y, x],
                coarse=season.coarse[:, at, row, col],
                references=(days, season.seen[:, at, y, x]),
                answers={label: fused[:, y, x] for label, fused in answers.items()},
            )
        )
    return tuple(found)


def _telling(change: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """(y, x) of a pixel that changes more than 99 in 100 do, one of nine in ten, and a middling
    one; ``change``: (y, x), NaN unknown."""
    known = np.isfinite(change)
    for share in (0.99, 0.9, 0.5) if known.any() else ():
        wanted = np.quantile(change[known], share)
        place = np.argmin(np.where(known, np.abs(change - wanted), np.inf))
        y, x = np.unravel_index(int(place), change.shape)
        yield int(y), int(x)


def _pixels(
    tasks: Sequence[ScoreTask], labels: Sequence[str], folder: Path
) -> tuple[PixelSeries, ...]:
    """Of target days of one place; none where no pixel is known on all of them."""
    scenes: dict[int, tuple[Scene, Mapping[str, AnswerTask]]] = {}
    for task in tasks:
        first = task.answers[0]
        scene = open_source(first.choice).read(first.scene)
        by_label = {one.method.label: one for one in task.answers}
        if set(labels) <= by_label.keys():
            scenes.setdefault(scene.block.days[0], (scene, by_label))
    days = sorted(scenes)
    bands = scenes[days[0]][0].bands
    band = next(one for one in SCATTERED if one in bands)
    at = bands.index(band)
    truth = np.stack([scenes[day][0].truth[0, at] for day in days])
    return tuple(
        _pixel(scenes, days, labels, folder, at, y, x, f"{band}, row {y}, column {x}")
        for y, x in _telling(truth.std(0))
    )


def _pixel(
    scenes: Mapping[int, tuple[Scene, Mapping[str, AnswerTask]]],
    days: Sequence[int],
    labels: Sequence[str],
    folder: Path,
    at: int,
    y: int,
    x: int,
    title: str,
) -> PixelSeries:
    blocks = [scenes[day][0].block for day in days]
    row, col = (place // blocks[0].ratio + COARSE_PAD for place in (y, x))
    images: dict[int, float] = {}
    for block in blocks:
        images[block.day_before] = float(block.fine_before[at, y, x])
        images[block.day_after] = float(block.fine_after[at, y, x])
    known = sorted(day for day in images if day not in scenes)

    def values(numbers: Sequence[float]) -> Array:
        return np.array(numbers, np.float32)

    return PixelSeries(
        title=title,
        days=axis_of(days),
        truth=values([scenes[day][0].truth[0, at, y, x] for day in days]),
        coarse=values([block.coarse[0, at, row, col] for block in blocks]),
        references=(axis_of(known), values([images[day] for day in known])),
        answers={
            label: values([scenes[day][1][label].answer(folder)[0, at, y, x] for day in days])
            for label in labels
        },
    )
