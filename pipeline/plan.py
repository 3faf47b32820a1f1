"""What is left to do on a cube: tasks by address, gaps with their reasons, stale tile-days."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from pipeline.choose import Choice, MadeFrom, TileView, views
from pipeline.cube import Status
from pipeline.job import Job
from pipeline.pairs import Gap
from pipeline.recipe import Recipe, make_recipe, plan_path, write_json
from pipeline.store import CubeError, Tables, read_tables
from pipeline.survey import NotIngestedError, Survey

PRODUCED = (Status.PROVISIONAL, Status.FINAL)


class StaleError(ValueError):
    """The cube holds finished tile-days that this run would make otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseTask:
    """The address of a tile and a run of its days that share references."""

    plan: str
    """Path of the ``plan.json`` whose recipe applies."""

    tile: int
    days: tuple[date, ...]

    before: tuple[date, ...]
    """The reference before all days, then dates before them that may fill holes of either."""

    after: tuple[date, ...]
    """The same after; both are empty where only the day's own observation is written."""

    series: tuple[date, ...] = ()
    """The fine images around the days, for a method that is given them."""

    gap: Gap | None
    """Why there is no bracket."""

    method: str
    """What fuses the days, for people; ``Recipe.used`` tells all of it."""

    status: Status
    """What the tile-days are once the task is done."""

    hashes: tuple[int, ...]
    """(time,) 64 bits that stand for all that determines the bytes of each tile-day."""

    coarse_valid: tuple[float, ...]
    """(time,) share of the tile's coarse cells seen clear."""

    @property
    def gap_class(self) -> int | None:
        """``chosen.gap_class`` of its days, or of one that the same makes; None without one."""
        made_from = MadeFrom(before=self.before, after=self.after)
        return made_from.gap_class(self.days[0])

    def __str__(self) -> str:
        period = " to ".join(str(day) for day in sorted({self.days[0], self.days[-1]}))
        return f"tile {self.tile}, {period}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A tile-day that gets no task: a gap, or an image that could not be read."""

    tile: int
    day: date
    status: Status
    coarse_valid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a run has to do, frozen."""

    path: Path
    recipe: Recipe
    tasks: tuple[FuseTask, ...]

    closed: tuple[Closed, ...]
    """Tile-days to mark without fusing anything; those marked already are not repeated."""

    stale: tuple[tuple[int, date], ...]
    """(tile, day) finished in the cube, but from other images, settings or weights."""

    done: int
    """Tile-days that are as they should be."""

    counts: Mapping[str, int]
    """Tile-days of the job by what they are once the plan is carried out."""

    @property
    def tile_days(self) -> int:
        """Tile-days that its tasks make."""
        return sum(len(task.days) for task in self.tasks)

    def refuse_stale(self) -> None:
        """Raise StaleError if anything finished would be made anew."""
        if not self.stale:
            return
        tiles: dict[int, list[date]] = {}
        for tile, day in self.stale:
            tiles.setdefault(tile, []).append(day)
        shown = [f"  tile {tile}: {_periods(days)}" for tile, days in sorted(tiles.items())[:20]]
        if len(tiles) > len(shown):
            shown.append(f"  and {len(tiles) - len(shown)} tiles more")
        raise StaleError(
            f"{len(self.stale)} finished tile-days of {self.recipe.job.cube} were made from other "
            "images, settings, weights or code than this run's:\n" + "\n".join(shown) + "\n"
            "Nothing was changed. Run with --refresh to make them again, or give this run "
            "another cube path"
        )

    def table(self) -> list[dict[str, Any]]:
        """One row a task, for people."""
        return [
            {
                "tile": task.tile,
                "first": task.days[0],
                "last": task.days[-1],
                "days": len(task.days),
                "before": task.before[0] if task.before else None,
                "after": task.after[0] if task.after else None,
                "status": task.gap.value if task.gap else task.status.name.lower(),
                **({"method": task.method} if self.recipe.job.method.among else {}),
            }
            for task in self.tasks
        ]

    def lines(self) -> list[str]:
        """The plan in a few lines."""
        total = sum(self.counts.values())
        lines = [
            f"{self.recipe.job.cube}: {total} tile-days, {self.done} done, "
            f"{self.tile_days} to make in {len(self.tasks)} tasks, {len(self.stale)} stale"
        ]
        lines += [f"  {name}: {count}" for name, count in sorted(self.counts.items())]
        return lines

    def save(self) -> None:
        """Write the plan to ``path``; ``Plan.load`` gives an equal one."""
        write_json(
            self.path,
            {
                "recipe": self.recipe.to_dict(),
                "tasks": [_task_to_dict(task) for task in self.tasks],
                "closed": [
                    asdict(closed) | {"day": closed.day.isoformat()} for closed in self.closed
                ],
                "stale": [[tile, day.isoformat()] for tile, day in self.stale],
                "done": self.done,
                "counts": dict(self.counts),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The plan that ``save`` wrote."""
        known = json.loads(Path(path).read_text())
        return cls(
            path=Path(path),
            recipe=Recipe.from_dict(known["recipe"]),
            tasks=tuple(_task_from_dict(str(path), task) for task in known["tasks"]),
            closed=tuple(
                Closed(
                    tile=closed["tile"],
                    day=date.fromisoformat(closed["day"]),
                    status=Status(closed["status"]),
                    coarse_valid=closed["coarse_valid"],
                )
                for closed in known["closed"]
            ),
            stale=tuple((tile, date.fromisoformat(day)) for tile, day in known["stale"]),
            done=known["done"],
            counts=known["counts"],
        )


def make_plan(job: Job) -> Plan:
    """What is left to do, from the masks of the input cubes and the tables of the cube.

    Reads no reflectance (save once, for the region's statistics) and imports no torch.  Raises
    NotIngestedError before the scenes were read.
    """
    survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
    try:
        tables = read_tables(job.cube)
    except CubeError as error:
        raise NotIngestedError(str(error)) from error
    return draw_plan(make_recipe(job), survey, tables)


def draw_plan(recipe: Recipe, survey: Survey, tables: Tables) -> Plan:
    """Compare what each tile-day should be made from with what the cube says it was made from."""
    drawing = _Drawing(recipe, tables)
    clear = dict(zip(survey.coarse_days, survey.coarse_clear, strict=True))
    for view in views(recipe, survey):
        for choice in view.choices():
            valid = [
                float(clear[day][view.tile.index]) if day in clear else 0.0 for day in choice.days
            ]
            drawing.add(view, choice, valid)
    return drawing.plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class _TileDay:
    """What a tile-day should become, and from which of its days' images."""

    day: date
    status: Status
    identity: int
    coarse_valid: float


class _Drawing:
    """A plan in the making: tile-days go in, tasks come out."""

    def __init__(self, recipe: Recipe, tables: Tables) -> None:
        self.recipe = recipe
        self.path = plan_path(recipe.job)
        self.status = tables.arrays["status"]
        self.hashes = tables.arrays["plan_hash"]
        self.time = {day: place for place, day in enumerate(tables.days)}
        self.tasks: list[FuseTask] = []
        self.closed: list[Closed] = []
        self.stale: list[tuple[int, date]] = []
        self.done = 0
        self.counts: Counter[str] = Counter()

    def add(self, view: TileView, choice: Choice, coarse_valid: Sequence[float]) -> None:
        """Sort the days of a choice into done, closed, and tasks."""
        todo = []
        for day, valid in zip(choice.days, coarse_valid, strict=True):
            wanted = _wanted(view, choice, day, valid)
            self.counts[wanted.status.name.lower()] += 1
            if self._is_open(view.tile.index, wanted):
                todo.append(wanted)
        for status, group in groupby(todo, key=lambda wanted: wanted.status):
            method = view.used(choice).name
            self.tasks.append(self._task(view.tile.index, choice, method, status, list(group)))

    def _is_open(self, tile: int, wanted: _TileDay) -> bool:
        """Whether a task must make the tile-day; everything else is noted here."""
        at = self.time.get(wanted.day)
        found = Status.EMPTY if at is None else Status(int(self.status[at, tile]))
        same = at is not None and int(self.hashes[at, tile]) == wanted.identity
        if wanted.status in PRODUCED and found in PRODUCED and same:
            self.done += 1
            return False
        if self._is_stale(found, 0 if at is None else int(self.hashes[at, tile])):
            self.stale.append((tile, wanted.day))
        if wanted.status in PRODUCED:
            return True
        if found is wanted.status:
            self.done += wanted.status is not Status.FAILED
            return False
        if wanted.status is not Status.FAILED and found is not Status.EMPTY and found < 10:
            return True  # a gap where something was written: the task empties it
        self.closed.append(
            Closed(
                tile=tile,
                day=wanted.day,
                status=wanted.status,
                coarse_valid=wanted.coarse_valid,
            )
        )
        return False

    def _is_stale(self, found: Status, was: int) -> bool:
        """Finished, or provisional by another recipe: what only waits for images may change."""
        if found is Status.FINAL:
            return True
        return found is Status.PROVISIONAL and was >> 32 not in self.recipe.codes

    def _task(
        self,
        tile: int,
        choice: Choice,
        method: str,
        status: Status,
        tile_days: Sequence[_TileDay],
    ) -> FuseTask:
        return FuseTask(
            plan=str(self.path),
            tile=tile,
            days=tuple(wanted.day for wanted in tile_days),
            before=choice.before,
            after=choice.after,
            series=choice.series,
            gap=choice.gap,
            method=method,
            status=status,
            hashes=tuple(wanted.identity for wanted in tile_days),
            coarse_valid=tuple(wanted.coarse_valid for wanted in tile_days),
        )

    def plan(self) -> Plan:
        """The plan; tasks in the order of their days, so that whole days are done early."""
        return Plan(
            path=self.path,
            recipe=self.recipe,
            tasks=tuple(sorted(self.tasks, key=lambda task: (task.days[0], task.tile))),
            closed=tuple(self.closed),
            stale=tuple(self.stale),
            done=self.done,
            counts=dict(self.counts),
        )


def _wanted(view: TileView, choice: Choice, day: date, coarse_valid: float) -> _TileDay:
    if day in view.failed:
        # The day's own image cannot be read: better nothing than a fusion over an observation.
        status, identity = Status.FAILED, 0
    elif choice.gap is not None and not view.kept(day):
        status, identity = Status(choice.gap.status), 0
    else:
        late = view.provisional(choice, day)
        status = Status.PROVISIONAL if late else Status.FINAL
        identity = view.identity(choice, day, provisional=late)
    return _TileDay(day=day, status=status, identity=identity, coarse_valid=coarse_valid)


def _periods(days: Sequence[date]) -> str:
    """Days as periods: 2023-05-01 to 2023-05-04, 2023-05-09."""
    parts = []
    for _, run in groupby(enumerate(sorted(days)), lambda pair: pair[1].toordinal() - pair[0]):
        period = [day for _, day in run]
        parts.append(" to ".join(str(day) for day in sorted({period[0], period[-1]})))
    return ", ".join(parts)


def _task_to_dict(task: FuseTask) -> dict[str, Any]:
    return {
        "tile": task.tile,
        "days": [day.isoformat() for day in task.days],
        "before": [day.isoformat() for day in task.before],
        "after": [day.isoformat() for day in task.after],
        "series": [day.isoformat() for day in task.series],
        "gap": task.gap,
        "method": task.method,
        "status": int(task.status),
        "hashes": list(task.hashes),
        "coarse_valid": list(task.coarse_valid),
    }


def _task_from_dict(plan: str, known: Mapping[str, Any]) -> FuseTask:
    def dates(name: str) -> tuple[date, ...]:
        return tuple(date.fromisoformat(day) for day in known[name])

    return FuseTask(
        plan=plan,
        tile=known["tile"],
        days=dates("days"),
        before=dates("before"),
        after=dates("after"),
        series=dates("series"),
        gap=None if known["gap"] is None else Gap(known["gap"]),
        method=known["method"],
        status=Status(known["status"]),
        hashes=tuple(known["hashes"]),
        coarse_valid=tuple(known["coarse_valid"]),
    )
