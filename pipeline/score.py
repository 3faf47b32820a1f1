"""The finished cube of the sample against its truth, beside every naive method.

The only reader of the truth.  All methods are scored on the same pixels: those the cube says
were fused, on the days it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from model.card import CLASSICAL_HALO, METHODS, NETWORKS, SERIES_HALO, describe
from model.fuser import load_fuser
from pipeline.choose import views
from pipeline.chunk_cache import read_day
from pipeline.corrections import Corrections
from pipeline.cube import day_number, unpack
from pipeline.executor import Executor
from pipeline.images import array_of, day_axis
from pipeline.job import Job
from pipeline.quality import Quality
from pipeline.recipe import Recipe, make_recipe
from pipeline.references import BlockAddress, read_block
from pipeline.simulate.truth import LABELS
from pipeline.store import open_product
from pipeline.survey import Survey
from pipeline.validate.moments import Moments

CLASSES = ("all", *LABELS)
"""All fused pixels, those under the flood, those cut within the past days: the truth's labels."""

BASELINES = tuple(
    name for name in METHODS if name not in (*NETWORKS, *CLASSICAL_HALO, *SERIES_HALO)
)
"""The published methods and those on the fine series are left to ``validate``: they would take
longer than the fusion itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """A tile and a run of days to compare."""

    job: Job
    address: BlockAddress
    truth: Path
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    corrections: Corrections

    def __str__(self) -> str:
        return f"scoring tile {self.address.tile.index}, {self.address.days[0]}"


def score(job: Job, truth: Path, ex: Executor) -> list[dict[str, Any]]:
    """One row a method: RMSE of each class (mean over bands), and CC and bias of all.

    The first row is the method of the cube, the naive ones follow.
    """
    recipe = make_recipe(job)
    centre, spread = recipe.statistics
    tasks = [
        _Comparison(
            job=job,
            address=address,
            truth=truth,
            centre=centre,
            spread=spread,
            corrections=recipe.corrections,
        )
        for address in _addresses(recipe)
    ]
    names = _names(job)
    total = _nothing(len(names), len(recipe.bands))
    # In the tasks' order: the sums are floats, and the table must not depend on who was first.
    answers: dict[int, Any] = {}
    places = {id(task): place for place, task in enumerate(tasks)}
    for outcome in ex.map(_compare, tasks):
        if outcome.result is None:
            raise RuntimeError(outcome.error)
        answers[places[id(outcome.task)]] = outcome.result
    for place in range(len(tasks)):
        total = _added(total, answers[place])
    return [_row(name, by_class) for name, by_class in zip(names, total, strict=True)]


def _names(job: Job) -> list[str]:
    """The cube's own method first, then the naive ones."""
    return [job.method.name, *(name for name in BASELINES if name != job.method.name)]


def _addresses(recipe: Recipe) -> list[BlockAddress]:
    # One block for all: with the widest halo that one of the methods wants to see.
    halo = max(describe(name).halo for name in BASELINES)
    survey = Survey.of(
        recipe.job.inputs, recipe.job.grid, coarse_fill_days=recipe.job.coarse_fill_days
    )
    return [
        view.address(choice, halo=halo)
        for view in views(recipe, survey)
        for choice in view.choices()
        if choice.gap is None
    ]


Sums = list[list[list[Moments]]]
"""By method, class and band."""


def _nothing(methods: int, bands: int) -> Sums:
    return [[[Moments()] * bands for _ in CLASSES] for _ in range(methods)]


def _added(a: Sums, b: Sums) -> Sums:
    return [
        [[p + q for p, q in zip(x, y, strict=True)] for x, y in zip(m, n, strict=True)]
        for m, n in zip(a, b, strict=True)
    ]


def _compare(task: _Comparison) -> Sums:
    """Sums over the fused pixels of a tile's days, each method on the same ones."""
    address, job = task.address, task.job
    y, x = address.tile.y, address.tile.x
    inputs = read_block(
        job.inputs,
        job.grid,
        address,
        centre=task.centre,
        spread=task.spread,
        corrections=task.corrections,
    )
    assert inputs.block is not None
    answers = {name: load_fuser(name).fuse(inputs.block).reflectance for name in _names(job)[1:]}
    cube, truth = open_product(job.cube), zarr.open_group(task.truth, mode="r")
    cube_days, truth_days = day_axis(cube), day_axis(truth)
    window = _window(truth, job, y, x)
    bands = len(address.bands)
    sums = _nothing(len(answers) + 1, bands)
    for index, day in enumerate(address.days):
        at, at_truth = (days.index(day_number(day)) for days in (cube_days, truth_days))
        fused = (read_day(array_of(cube, "quality"), at, (y, x)) & Quality.FUSED.value) != 0
        own, real = (
            np.stack([unpack(read_day(array_of(root, b), place, where)) for b in address.bands])
            for root, place, where in ((cube, at, (y, x)), (truth, at_truth, window))
        )
        images = [own, *(answer[index][:, *inputs.core] for answer in answers.values())]
        everywhere = np.logical_and.reduce([np.isfinite(image).all(0) for image in images])
        labels = [read_day(array_of(truth, label), at_truth, window) != 0 for label in LABELS]
        for place, where in enumerate([np.ones_like(fused), *labels]):
            use = fused & everywhere & where
            for number, image in enumerate(images):
                for band in range(bands):
                    sums[number][place][band] += Moments.of(image[band][use], real[band][use])
    return sums


def _window(truth: zarr.Group, job: Job, y: slice, x: slice) -> tuple[slice, slice]:
    """Where a window of the job's grid lies in the truth, whose grid may be larger."""
    found = []
    for name, side in (("y", y), ("x", x)):
        centres = np.asarray(array_of(truth, name)[:])
        own = job.grid.fine.coords[name].values[side]
        start = int(np.abs(centres - own[0]).argmin())
        if not np.array_equal(centres[start : start + own.size], own):
            raise ValueError(
                f"the truth does not hold {name} {own[0]} to {own[-1]} of {job.name}; "
                "score a region within the sample's, on the sample's grid"
            )
        found.append(slice(start, start + own.size))
    return found[0], found[1]


def _row(name: str, by_class: Sequence[Sequence[Moments]]) -> dict[str, Any]:
    def mean(values: Sequence[Moments], what: str) -> float:
        return float(np.mean([getattr(one, what) for one in values]))

    row: dict[str, Any] = {"method": name}
    row |= {
        f"RMSE {kind}": mean(sums, "rmse") for kind, sums in zip(CLASSES, by_class, strict=True)
    }
    row |= {"CC all": mean(by_class[0], "cc"), "bias all": mean(by_class[0], "bias")}
    return row
