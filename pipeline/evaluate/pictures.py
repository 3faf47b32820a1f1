"""The pictures of a report: which there are, of which scenes and methods, and their captions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from model.metrics.classes import CLASSES, SEED
from pipeline.evaluate.charts import draw_boxes, draw_gains
from pipeline.evaluate.choices import BASELINES
from pipeline.evaluate.document import PICTURES, Picture
from pipeline.evaluate.groups import Group
from pipeline.evaluate.panels import Shown, draw_classes, draw_images, draw_scatter
from pipeline.evaluate.result import Result, SetResult
from pipeline.evaluate.rows import FLOOR
from pipeline.evaluate.scored import ScoreTask
from pipeline.evaluate.series import draw_all_series
from pipeline.evaluate.shown import shown_methods
from pipeline.evaluate.store import slug
from pipeline.executor import Executor
from pipeline.progress import OnProgress, Progress


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
    "classes": f"K-means maps of the same scene: {CLASSES} classes of the truth's spectra, seed "
    f"{SEED}, and each prediction's by the same centres.",
}


def draw_all(
    result: Result, folder: Path, ex: Executor, on_progress: OnProgress | None = None
) -> Pictures:
    """Draw what the evaluation asks for into ``folder / PICTURES``."""
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
                path=PICTURES / f"{drawing.stem}-{kind}.webp",
                caption=_CAPTION[kind].format(scene=group.middle.answers[0].scene),
            )
            for kind in kinds
        ]
        if asked == "all" and any(row.box.count for row in group.rows):
            path = PICTURES / f"{drawing.stem}-boxes.webp"
            draw_boxes(group.rows, methods, folder / path)
            found.append(Picture(path=path, caption=_BOXES))
        pictures[one.name, group.name] = tuple(found)
    return Pictures(
        gains=_gains(result, methods, folder),
        groups=pictures,
        series=dict(draw_all_series(result, methods, folder)),
    )


_BOXES = (
    "RMSE over the changed pixels of each block of 1.5 km: box from quarter to quarter, white line "
    "the median, diamond the mean, whiskers to 1.5 times the box."
)


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
        _DRAW[kind](shown, folder / PICTURES / f"{drawing.stem}-{kind}.webp")
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
    path = PICTURES / "gains.webp"
    draw_gains(groups, shown, folder / path)
    return Picture(
        path=path,
        caption=f"RMSE of each method against {FLOOR} on every group, with the 95 % interval of "
        "a paired block bootstrap.",
    )
