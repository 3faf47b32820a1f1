"""Made-up surveys of input cubes, and plans drawn from them; nothing is fused."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np

from pipeline.job import Job, PairRules
from pipeline.plan import FuseTask, Plan, draw_plan
from pipeline.recipe import Recipe
from pipeline.store import Tables
from pipeline.survey import Survey
from tests.pipeline.test_job import make_job
from tests.synthetic import day

DAYS = 90
FILL = 2


def make_survey(*, tiles: int = 4, every: int = 5, seed: int = 0) -> Survey:
    """Fine images every ``every`` days from cloudless to none, coarse ones on most days."""
    noise = np.random.default_rng(seed)
    fine_days = tuple(day(number) for number in range(0, DAYS, every))
    coarse_days = tuple(day(number) for number in range(DAYS))
    clear = noise.choice([0, 0.3, 0.61, 0.8, 1], (len(fine_days), tiles)).astype(np.float32)
    sky = noise.choice([0, 0, 0.4, 1], (DAYS, tiles)).astype(np.float32)
    known = np.stack([sky[max(at - FILL, 0) : at + FILL + 1].max(0) for at in range(DAYS)])
    return Survey(
        fine_days=fine_days,
        fine_clear=clear,
        cloud_distance=noise.choice([100, 600, 1500], clear.shape).astype(np.float32),
        fine_done=np.ones(clear.shape, np.uint8),
        fine_prints={when: 1000 + at for at, when in enumerate(fine_days)},
        coarse_days=coarse_days,
        coarse_known=known,
        coarse_clear=sky,
        coarse_done=np.ones(DAYS, np.uint8),
        coarse_prints={when: 5000 + at for at, when in enumerate(coarse_days)},
    )


def make_recipe(*, halo: int = 0, sha: str = "one", series: bool = False, **changes: Any) -> Recipe:
    asked = {
        "start": day(20),
        "end": day(60),
        "rules": PairRules(min_clear=0.6, max_span_days=24, single_pair="ignore"),
        "coarse_fill_days": FILL,
    }
    job = make_job(**(asked | changes))
    return Recipe(
        job=job,
        bands=("red",),
        halo=halo,
        sha=sha,
        series=series,
        centre=(0.1,),
        spread=(0.2,),
    )


def make_tables(job: Job, made: Iterable[FuseTask] = ()) -> Tables:
    """The tables of a cube in which ``made`` has been carried out."""
    shape = (len(job.days), len(job.grid.tiles))
    status, hashes = np.zeros(shape, np.uint8), np.zeros(shape, np.uint64)
    for task in made:
        for when, identity in zip(task.days, task.hashes, strict=True):
            if when in job.days:
                status[job.days.index(when), task.tile] = task.status
                hashes[job.days.index(when), task.tile] = identity
    return Tables(days=job.days, arrays={"status": status, "plan_hash": hashes})


def fresh(survey: Survey, recipe: Recipe | None = None) -> Plan:
    recipe = recipe or make_recipe()
    return draw_plan(recipe, survey, make_tables(recipe.job))


def tile_days(tasks: Iterable[FuseTask]) -> dict[tuple[int, date], FuseTask]:
    return {(task.tile, when): task for task in tasks for when in task.days}


def identities(plan: Plan) -> Mapping[tuple[int, date], int]:
    return {
        (task.tile, when): identity
        for task in plan.tasks
        for when, identity in zip(task.days, task.hashes, strict=True)
    }


def known_until(survey: Survey, last: date) -> Survey:
    """The survey as it was when nothing after ``last`` had been seen."""
    fine = sum(when <= last for when in survey.fine_days)
    coarse = sum(when <= last for when in survey.coarse_days)
    sky = survey.coarse_clear[:coarse]
    known = [sky[max(at - FILL, 0) : at + FILL + 1].max(0) for at in range(coarse)]
    return replace(
        survey,
        fine_days=survey.fine_days[:fine],
        fine_clear=survey.fine_clear[:fine],
        cloud_distance=survey.cloud_distance[:fine],
        fine_done=survey.fine_done[:fine],
        fine_prints=_first(survey.fine_prints, fine),
        coarse_days=survey.coarse_days[:coarse],
        coarse_known=np.stack(known),
        coarse_clear=sky,
        coarse_done=survey.coarse_done[:coarse],
        coarse_prints=_first(survey.coarse_prints, coarse),
    )


def _first(prints: Mapping[date, int], count: int) -> dict[date, int]:
    return dict(list(prints.items())[:count])


@cache
def a_plan() -> Plan:
    return fresh(make_survey())


@cache
def a_young_plan() -> Plan:
    return fresh(known_until(make_survey(), day(56)))
