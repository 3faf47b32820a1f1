"""How good the methods are here: real fine dates are hidden, fused blind, and compared.

A date is held out on every tile that keeps references on both sides of it (or, where the region
file says ``pairs.single_pair: all``, on one).  While it is hidden
it is no reference, it fills no hole, and the region's statistics are taken without it.  The
truth is what the fine sensor saw clear that day; all methods are scored on the same pixels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.block import Array
from model.proper_scores import covered
from pipeline.choose import views
from pipeline.corrections import Corrections
from pipeline.executor import Executor, executor
from pipeline.fuse import fuser_for
from pipeline.ingest import open_inputs
from pipeline.job import Job, JobError, Method
from pipeline.recipe import Recipe, check_bands
from pipeline.references import BlockAddress, BlockInputs, read_block
from pipeline.statistics import count, statistics_of
from pipeline.survey import Survey

COVERAGE = "in 90 %"
"""Column of the summary: share of the pixels seen within the stated 90 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sums over pixels, from which every score follows; they add up over tiles and dates."""

    pixels: int = 0
    fused: float = 0.0
    seen: float = 0.0
    fused_squared: float = 0.0
    seen_squared: float = 0.0
    product: float = 0.0
    error_squared: float = 0.0

    stated: int = 0
    """Pixels whose uncertainty the method states,"""
    covered: int = 0
    """and of them, those seen within its 90 % interval."""

    @classmethod
    def of(
        cls,
        fused: NDArray[np.float32],
        seen: NDArray[np.float32],
        sigma: NDArray[np.float32] | None = None,
    ) -> Self:
        """Of two images' pixels, each (pixel,) without NaN."""
        a, b = fused.astype(np.float64), seen.astype(np.float64)
        within = None if sigma is None else covered(fused - seen, sigma)
        return cls(
            pixels=a.size,
            fused=float(a.sum()),
            seen=float(b.sum()),
            fused_squared=float((a * a).sum()),
            seen_squared=float((b * b).sum()),
            product=float((a * b).sum()),
            error_squared=float(((a - b) ** 2).sum()),
            stated=0 if within is None else within.size,
            covered=0 if within is None else int(within.sum()),
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(
            pixels=self.pixels + other.pixels,
            fused=self.fused + other.fused,
            seen=self.seen + other.seen,
            fused_squared=self.fused_squared + other.fused_squared,
            seen_squared=self.seen_squared + other.seen_squared,
            product=self.product + other.product,
            error_squared=self.error_squared + other.error_squared,
            stated=self.stated + other.stated,
            covered=self.covered + other.covered,
        )

    @property
    def rmse(self) -> float:
        """Root mean square error, reflectance."""
        return (self.error_squared / self.pixels) ** 0.5 if self.pixels else float("nan")

    @property
    def coverage(self) -> float:
        """Share of the pixels seen within the 90 % interval; NaN if the method states none."""
        return self.covered / self.stated if self.stated else float("nan")

    @property
    def bias(self) -> float:
        """Mean of fused minus seen, reflectance."""
        return (self.fused - self.seen) / self.pixels if self.pixels else float("nan")

    @property
    def cc(self) -> float:
        """Pearson's correlation; NaN where an image is flat."""
        if not self.pixels:
            return float("nan")
        covariance = self.product - self.fused * self.seen / self.pixels
        variances = (self.fused_squared - self.fused**2 / self.pixels) * (
            self.seen_squared - self.seen**2 / self.pixels
        )
        return covariance / variances**0.5 if variances > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A method on one band of one held-out date."""

    method: str
    date: date

    hide_days: int
    """Fine images up to this many days from the date were hidden too; 0: only the date's own."""

    band: str
    moments: Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class _HoldOut:
    """A held-out date on one tile: what to fuse, and by which methods."""

    job: Job
    address: BlockAddress
    hide_days: int
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    corrections: Corrections

    methods: tuple[tuple[Method, str, int], ...]
    """Each with the identity and the halo of its card."""

    def __str__(self) -> str:
        return f"held-out {self.address.days[0]} on tile {self.address.tile.index}"


def hold_out(
    job: Job,
    methods: Sequence[str],
    *,
    hide_days: Sequence[int] = (0,),
    ex: Executor | None = None,
) -> list[Score]:
    """Score methods on every fine date of the job's period that can be held out.

    Needs the scenes to have been read; writes nothing.  ``hide_days``: for each, also hide the
    fine images up to that many days before and after the date.  ``ex``: where to work, by
    default in this process.  Raises NotIngestedError, CheckpointError, and JobError where no
    date can be held out.
    """
    survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
    bands = open_inputs(job.inputs).bands
    described = []
    for name in methods:
        method = replace(job.method, name=name)
        card = method.card()
        check_bands(job, card, bands)
        described.append((method, card.sha, card.halo))
    tasks = list(_hold_outs(job, survey, bands, tuple(described), hide_days))
    if not tasks:
        raise JobError(
            f"no fine date from {job.start} to {job.end} keeps clear references on both sides "
            f"when it is hidden with those up to {min(hide_days)} days around it; allow a longer "
            "period, fewer hidden days, or a lower pairs.min_clear"
        )
    if ex is None:
        with executor(scheduler="synchronous") as here:
            return _scores(tasks, here, bands)
    return _scores(tasks, ex, bands)


def summary(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """One row a method, hidden days and band, over all dates' pixels; "mean": over bands."""
    pooled: dict[tuple[int, str], dict[str, list[Score]]] = {}
    for score in scores:
        bands = pooled.setdefault((score.hide_days, score.method), {})
        bands.setdefault(score.band, []).append(score)
    rows = []
    for (hidden, method), by_band in sorted(pooled.items()):
        of_method = []
        for band, parts in by_band.items():
            total = sum((part.moments for part in parts), Moments())
            of_method.append(
                {
                    "hide_days": hidden,
                    "method": method,
                    "band": band,
                    "dates": len({part.date for part in parts}),
                    "pixels": total.pixels,
                    "rmse": total.rmse,
                    "cc": total.cc,
                    "bias": total.bias,
                    COVERAGE: total.coverage,
                }
            )
        rows += [*of_method, _mean(of_method)]
    if all(np.isnan(row[COVERAGE]) for row in rows):  # no method states an uncertainty
        rows = [{name: row[name] for name in row if name != COVERAGE} for row in rows]
    return rows


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("rmse", "cc", "bias", COVERAGE)
    means = {name: float(np.mean([row[name] for row in rows])) for name in names}
    return {**rows[0], "band": "mean", **means}


def _hold_outs(
    job: Job,
    survey: Survey,
    bands: tuple[str, ...],
    methods: tuple[tuple[Method, str, int], ...],
    hide_days: Sequence[int],
) -> Iterator[_HoldOut]:
    halo = max(halo for _, _, halo in methods)
    every = count(job.inputs, bands, survey.fine_days)
    for hidden_days in hide_days:
        for day in (day for day in survey.fine_days if job.start <= day <= job.end):
            hidden = {other for other in survey.fine_days if abs((other - day).days) <= hidden_days}
            addresses = _addresses(job, survey.without(hidden), bands, halo, day)
            seen = survey.fine_clear[survey.fine_days.index(day)] > 0
            wanted = [address for address in addresses if seen[address.tile.index]]
            if not wanted:
                continue
            centre, spread = statistics_of(every - count(job.inputs, bands, hidden))
            corrections = Corrections.blind(job, bands, without=hidden)
            for address in wanted:
                yield _HoldOut(
                    job=job,
                    address=address,
                    hide_days=hidden_days,
                    centre=centre,
                    spread=spread,
                    corrections=corrections,
                    methods=methods,
                )


def _addresses(
    job: Job, survey: Survey, bands: tuple[str, ...], halo: int, day: date
) -> Iterator[BlockAddress]:
    """The block of each tile that has a bracket that day."""
    # Only the choice of dates is asked of this recipe, which no statistics enter.  Days fused from
    # one side are few and harder, and would blur what the others are worth.
    rules = job.rules
    if rules.single_pair == "mixed":
        rules = replace(rules, single_pair="ignore")
    alone = replace(job, start=day, end=day, rules=rules)
    recipe = Recipe(job=alone, bands=bands, halo=halo, sha="", centre=(), spread=())
    for view in views(recipe, survey):
        for choice in view.choices():
            if choice.gap is None:
                yield view.address(choice, halo=halo)


def _scores(tasks: Sequence[_HoldOut], ex: Executor, bands: Sequence[str]) -> list[Score]:
    # Outcomes come in any order, and sums of floats depend on theirs: add up in the tasks' own.
    places = {id(task): place for place, task in enumerate(tasks)}
    answers: list[list[list[Moments]]] = [[] for _ in tasks]
    for outcome in ex.map(partial(_compare, device=ex.device), tasks, gpu=True):
        if outcome.result is None:
            raise RuntimeError(outcome.error)
        answers[places[id(outcome.task)]] = outcome.result
    total: dict[tuple[str, date, int, str], Moments] = {}
    for task, answer in zip(tasks, answers, strict=True):
        for (method, _, _), of_bands in zip(task.methods, answer, strict=True):
            for band, moments in zip(bands, of_bands, strict=True):
                key = (method.name, task.address.days[0], task.hide_days, band)
                total[key] = total.get(key, Moments()) + moments
    return [
        Score(method=method, date=day, hide_days=hidden, band=band, moments=moments)
        for (method, day, hidden, band), moments in total.items()
        if moments.pixels
    ]


def _compare(task: _HoldOut, device: str) -> list[list[Moments]]:
    """Moments of each method and band on the pixels that were seen and that all methods fused."""
    job = task.job
    blocks: dict[int, BlockInputs] = {}
    answers: list[tuple[Array, Sequence[Array | None]]] = []
    for method, sha, halo in task.methods:
        if halo not in blocks:
            blocks[halo] = read_block(
                job.inputs,
                job.grid,
                replace(task.address, halo=halo),
                centre=task.centre,
                spread=task.spread,
                corrections=task.corrections,
            )
        inputs = blocks[halo]
        assert inputs.block is not None
        fused, sigma = fuser_for(method, sha, device).fuse(inputs.block)
        core = (0, slice(None), *inputs.core)
        stated = [None] * len(task.address.bands) if sigma is None else list(sigma[core])
        answers.append((fused[core], stated))
    inputs = blocks[task.methods[0][2]]
    seen = inputs.observed[0]
    known = [np.isfinite(reflectance).all(0) for reflectance, _ in answers]
    use = inputs.clear[0] & np.logical_and.reduce(known)
    return [
        [
            Moments.of(fused[use], truth[use], None if sigma is None else sigma[use])
            for fused, truth, sigma in zip(reflectance, seen, sigmas, strict=True)
        ]
        for reflectance, sigmas in answers
    ]
