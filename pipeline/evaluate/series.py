"""Pixels through time, a picture of each set: of a season, of target days of one place, or, where
a set does not say which of its scenes are of one place, of one scene and its references."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.block import COARSE_PAD, Array
from model.worlds.spectra import BANDS
from pipeline.evaluate.answers import AnswerTask
from pipeline.evaluate.charts import PixelSeries, draw_series
from pipeline.evaluate.days import axis_of
from pipeline.evaluate.document import PICTURES, Picture
from pipeline.evaluate.panels import SCATTERED
from pipeline.evaluate.result import Result, SetResult
from pipeline.evaluate.roughness import SeasonTask
from pipeline.evaluate.scored import ScoreTask
from pipeline.evaluate.sets import open_source
from pipeline.evaluate.shown import shown_methods
from pipeline.evaluate.store import slug
from pipeline.real_sets import Scene


def draw_all_series(
    result: Result, methods: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, Picture]]:
    """A picture of each set with a scored scene, by its name, drawn below ``folder``."""
    for one in result.sets:
        labels = _in_series(one, result)
        if one.season is not None:
            path = PICTURES / f"{slug(one.name)}-series.webp"
            draw_series(_season_pixels(one.season, labels, folder), methods, folder / path)
            yield one.name, Picture(path=path, caption=_SEASON)
            continue
        line = set(open_source(one.choice).timeline)
        groups = [group for group in one.groups if group.rows]
        tasks = [
            task for group in groups for task in group.tasks if task.answers[0].scene in line
        ] or [group.middle for group in groups[:1]]
        path = PICTURES / f"{slug(one.name)}-series.webp"
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
                coarse=(days, season.coarse[:, at, row, col]),
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
    if not scenes:
        return ()
    days = sorted(scenes)
    bands = scenes[days[0]][0].bands
    band = next(one for one in SCATTERED if one in bands)
    at = bands.index(band)
    ends = scenes[days[0]][0].block.fine_before, scenes[days[-1]][0].block.fine_after
    seen = [*(scenes[day][0].truth[0, at] for day in days), *(image[at] for image in ends)]
    return tuple(
        _pixel(scenes, days, labels, folder, at, y, x, f"{band}, row {y}, column {x}")
        for y, x in _telling(np.stack(seen).std(0))
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
    cells: dict[int, float] = {}
    for block in blocks:
        images[block.day_before] = float(block.fine_before[at, y, x])
        images[block.day_after] = float(block.fine_after[at, y, x])
        cells[block.day_before] = float(block.coarse_before[at, row, col])
        cells[block.day_after] = float(block.coarse_after[at, row, col])
    cells |= {block.days[0]: float(block.coarse[0, at, row, col]) for block in blocks}
    known = sorted(day for day in images if day not in scenes)

    def values(numbers: Sequence[float]) -> Array:
        return np.array(numbers, np.float32)

    return PixelSeries(
        title=title,
        days=axis_of(days),
        truth=values([scenes[day][0].truth[0, at, y, x] for day in days]),
        coarse=(axis_of(sorted(cells)), values([cells[day] for day in sorted(cells)])),
        references=(axis_of(known), values([images[day] for day in known])),
        answers={
            label: values([scenes[day][1][label].answer(folder)[0, at, y, x] for day in days])
            for label in labels
        },
    )
