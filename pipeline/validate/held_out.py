"""Fuse a held-out date blind by several methods and compare them: a task, run by any worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from model.block import Array
from model.classical.naive import day_of
from pipeline.executor import Executor
from pipeline.fuse import fuser_for
from pipeline.job import Job
from pipeline.progress import OnProgress, Progress
from pipeline.references import BlockInputs, read_block
from pipeline.validate.answers import Answers
from pipeline.validate.asked import Asked
from pipeline.validate.hide import Blind, Region
from pipeline.validate.seen import Seen, seen_by
from pipeline.validate.sums import Sums
from pipeline.validate.table import Answered
from pipeline.validate.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The address of some methods' answers for one target."""

    job: Job
    target: Target
    blind: Blind
    methods: tuple[Asked, ...]

    @classmethod
    def of(cls, region: Region, target: Target, methods: Sequence[Asked]) -> Self:
        """With what is known of the region while the target's dates are hidden."""
        blind = region.without(target.hidden)
        return cls(job=region.job, target=target, blind=blind, methods=tuple(methods))

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A method's answer on the tile: (band, y, x) reflectance and what it states of its error."""

    reflectance: Array
    sigma: Array | None


def answered(
    region: Region,
    wanted: Sequence[Asked],
    held_out: Sequence[Target],
    ex: Executor,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Answered], list[str]]:
    """The answers of each method to all targets that it may be scored on, and what failed."""
    knows = {one.name: seen_by(region.job, one.method) for one in wanted}
    pairs = [(target, fair(target, wanted, knows)) for target in held_out]
    answers = Answers.of(region.job)
    errors = _answer(region, pairs, answers, ex, on_progress)
    answers.settle()
    by_method: dict[str, Answered] = {
        one.name: [
            (target, sums)
            for target, methods in pairs
            if one in methods and (sums := answers.get(target, one)) is not None
        ]
        for one in wanted
    }
    return by_method, errors


def fair(target: Target, methods: Sequence[Asked], knows: Mapping[str, Seen]) -> tuple[Asked, ...]:
    """The methods whose weights have seen nothing of what is hidden."""
    return tuple(one for one in methods if not knows[one.name].dates & target.hidden)


def _answer(
    region: Region,
    wanted: Sequence[tuple[Target, Sequence[Asked]]],
    answers: Answers,
    ex: Executor,
    on_progress: OnProgress | None = None,
) -> list[str]:
    """Have the targets answered that ``answers`` lacks, and keep each as it comes; the errors."""
    tasks: list[HeldOut] = []
    under_way: set[tuple[str, str]] = set()
    for target, methods in wanted:
        # Classes that hide the same dates share their answers.
        missing = tuple(
            one
            for one in methods
            if answers.get(target, one) is None and one.answer_to(target) not in under_way
        )
        if missing:
            under_way |= {one.answer_to(target) for one in missing}
            tasks.append(HeldOut.of(region, target, missing))
    errors: list[str] = []
    work = partial(compare, device=ex.device)
    for done, outcome in enumerate(ex.map(work, tasks, gpu=True), 1):
        target = outcome.task.target
        if outcome.result is None:
            errors.append(str(outcome.error))
        else:
            for one, sums in zip(outcome.task.methods, outcome.result, strict=True):
                answers.add(target, one, sums)
        if on_progress is not None:
            on_progress(
                Progress(
                    stage="validate",
                    done=done,
                    total=len(tasks),
                    day=target.day,
                    tile=target.tile,
                    error=outcome.error,
                )
            )
    return errors


def compare(task: HeldOut, device: str) -> list[Sums]:
    """Sums of each method on the pixels that were seen and that all methods can answer."""
    inputs, images = blind_images(task, device)
    assert inputs.block is not None
    core = inputs.core
    truth = inputs.observed[0]
    scored = inputs.clear[0] & inputs.block.known()[0][core]
    linear = day_of(inputs.block, 0).linear[(slice(None), *core)]
    step = task.job.grid.fine.resolution
    for one, image in zip(task.methods, images, strict=True):
        if not np.isfinite(image.reflectance[:, scored]).all():
            raise ValueError(
                f"{one.name} left pixels unanswered that the references and coarse images know; "
                "methods are scored on the same pixels, so none may choose its own"
            )
    return [
        Sums.of(
            image.reflectance,
            image.sigma,
            truth,
            linear,
            scored,
            pixel_m=(abs(step.x) * abs(step.y)) ** 0.5,
        )
        for image in images
    ]


def blind_images(task: HeldOut, device: str) -> tuple[BlockInputs, list[Image]]:
    """What each method makes of the target, which it has not seen; and the inputs, truth in them.

    Each method reads the block with the halo that it wants, and the series, as in a run.
    """
    blocks: dict[tuple[int, bool], BlockInputs] = {}
    images = []
    for one in task.methods:
        wants = one.halo, one.series
        if wants not in blocks:
            address = task.target.address
            series = address.series if one.series else ()
            blocks[wants] = read_block(
                task.job.inputs,
                task.job.grid,
                replace(address, halo=one.halo, series=series),
                centre=task.blind.centre,
                spread=task.blind.spread,
                corrections=task.blind.corrections,
            )
        inputs = blocks[wants]
        assert inputs.block is not None
        fused, sigma = fuser_for(one.method, one.sha, device).fuse(inputs.block)
        core = (0, slice(None), *inputs.core)
        images.append(Image(reflectance=fused[core], sigma=None if sigma is None else sigma[core]))
    return inputs, images
