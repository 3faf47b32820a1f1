"""Why a day is made from the images it is made from: candidates, what each costs, the outcome."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

from pipeline.choose import Choice, MadeFrom, TileView, views
from pipeline.chosen import read_chosen
from pipeline.ingest import open_inputs
from pipeline.job import Job, JobError, PairRules
from pipeline.pairs import Candidate, Gap, season
from pipeline.recipe import Recipe
from pipeline.survey import Survey


def explain_day(job: Job, day: date, *, tile: int | None = None) -> list[str]:
    """Lines for people: the candidates of one ``tile``, or all tiles grouped by their answer.

    Raises NotIngestedError, and JobError for a tile that is not there.
    """
    check_tile(job, tile)
    seen = tile_views(job)
    if len(job.grid.tiles) == 1:
        tile = 0
    beside = (
        []
        if job.start <= day <= job.end
        else [f"{day} is no day of {job.name}, {job.start} to {job.end}; if it were:"]
    )
    if tile is not None:
        view = next(view for view in seen if view.tile.index == tile)
        return [*beside, *_in_full(view, day)]
    return [*beside, *_summed_up(list(seen), day)]


def check_tile(job: Job, tile: int | None) -> None:
    """Raise JobError for a tile that is not there."""
    last = len(job.grid.tiles) - 1
    if tile is not None and not 0 <= tile <= last:
        raise JobError(f"there is no tile {tile}; {job.name} has the tiles 0 to {last}")


def tile_views(job: Job) -> Iterator[TileView]:
    """The survey of a job as each of its tiles sees it; no statistics enter what is chosen."""
    card = job.method.card()
    recipe = Recipe(
        job=job,
        bands=open_inputs(job.inputs).bands,
        halo=card.halo,
        sha=card.sha,
        series=card.series,
        centre=(),
        spread=(),
        picks=() if (found := read_chosen(job)) is None else found.picks,
    )
    return views(recipe, Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days))


def outcome(view: TileView, day: date) -> str:
    """What becomes of the day, in half a line."""
    made_from = view.chosen(day)
    if day in view.failed:
        return "failed: the day's fine image cannot be read"
    late = view.provisional(Choice(days=(day,), made_from=made_from), day)
    ending = f"; provisional, images after {view.horizon} may change it" if late else ""
    if made_from.gap is not None:
        return f"not fused: {made_from.gap.value}{ending}"
    used = view.recipe.used(made_from.gap_class(day))
    by = f" by {used.name}" if view.recipe.job.method.among else ""
    if used.sigma_factor != 1:
        ending = f", uncertainty x {used.sigma_factor:.2f}{ending}"
    dates = [side[0] for side in (made_from.before, made_from.after) if side]
    if len(dates) == 1:
        return f"fused{by} from {dates[0]} alone{ending}"
    return f"fused{by} from {dates[0]} and {dates[1]}{ending}"


def _summed_up(seen: Sequence[TileView], day: date) -> Iterator[str]:
    groups: dict[str, list[TileView]] = {}
    for view in seen:
        groups.setdefault(outcome(view, day), []).append(view)
    yield f"{day}, {len(seen)} tiles:"
    for answer, group in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        yield f"{len(group):5d}  {answer}"
        yield f"       tile{'s'[: len(group) > 1]} {_spans([view.tile.index for view in group])}"
        made_from = group[0].images.chosen(day)
        for word, side in (("before", made_from.before), ("after", made_from.after)):
            if side:
                yield f"       {word} {side[0]}: {_ranges(group, side[0], day)}"
    yield "daily30 explain REGION.yaml DATE --tile N lists the candidates of a tile"


def _ranges(group: Sequence[TileView], reference: date, day: date) -> str:
    found = [view.candidate(reference) for view in group]
    clear = _from_to([f"{share:.0%}" for share in sorted(one.clear for one in found)])
    cost = _from_to([f"{days:.1f}" for days in sorted(one.cost(day) for one in found)])
    away = abs((reference - day).days)
    return f"{away} day{'s'[: away > 1]}, {clear} clear, cost {cost}"


def _from_to(told: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys((told[0], told[-1])))


def _in_full(view: TileView, day: date) -> Iterator[str]:
    tile, made_from, job = view.tile, view.chosen(day), view.recipe.job
    yield f"tile {tile.index} (row {tile.row}, column {tile.col}), {day}: {outcome(view, day)}"
    if made_from.gap is not None:
        yield f"  {_cure(made_from.gap, view, day)}"
    if (own := view.fine_clear.get(day, 0.0)) > 0:
        kept = "kept as observed" if view.kept(day) else "not used (pairs.observed: fuse)"
        yield f"  fine image of the day: {own:.0%} clear, {kept}"
    yield f"  coarse cells known that day: {view.coarse_known.get(day, 0.0):.0%}"
    reach = timedelta(days=job.rules.max_span_days)
    near = [
        view.candidate(other)
        for other, share in view.fine_clear.items()
        if share and other != day and abs(other - day) <= reach
    ]
    for word, side in (
        ("before", [one for one in near if one.day < day]),
        ("after", [one for one in near if one.day > day]),
    ):
        yield from _table(word, side, view, made_from, day)
    yield "  cost in days of distance; the least is taken, of a pair the sum (pipeline/pairs.py)"


def _table(
    word: str, side: Sequence[Candidate], view: TileView, made_from: MadeFrom, day: date
) -> Iterator[str]:
    if not side:
        span = view.recipe.job.rules.max_span_days
        yield f"  {word}: no image with a clear pixel within {span} days"
        return
    yield f"  {word:<10} days   clear         from clouds       season    cost"
    for one in sorted(side, key=lambda one: one.cost(day)):
        days = abs((one.day - day).days)
        verdict = _verdict(one, view, made_from, day)
        yield (
            f"  {one.day} {days:4d}   {one.clear:4.0%} {one.cloud:+6.1f}   "
            f"{one.cloud_distance:5.0f} m {one.near_cloud:+5.1f}   {season(days):+7d}  "
            f"{one.cost(day):6.1f}  {verdict}"
        )


def _verdict(one: Candidate, view: TileView, made_from: MadeFrom, day: date) -> str:
    for side in (made_from.before, made_from.after):
        if one.day in side:
            return "fills holes" if side.index(one.day) else "reference"
    least, known = view.recipe.job.rules.min_clear, view.coarse_known.get(one.day, 0.0)
    if one.clear < least:
        return f"{one.clear:.0%} clear, a reference needs {least:.0%}"
    if known < least:
        return f"coarse cells known {known:.0%}, a reference needs {least:.0%}"
    sides = [side for side in (made_from.before, made_from.after) if side]
    if len(sides) == 2 and one.cost(day) < view.candidate(sides[one.day > day][0]).cost(day):
        return "costs less, but is too far from those of the other side"
    return "fit, costs more" if sides else "fit"


def _cure(gap: Gap, view: TileView, day: date) -> str:
    rules = view.recipe.job.rules
    fit = [one.day for one in view.images.references]
    match gap:
        case Gap.NO_COARSE:
            return "no coarse cell of the tile is known that day or near enough to fill it"
        case Gap.NONE_BEFORE | Gap.NONE_AFTER if not fit:
            return "of the references there is none at all; lower pairs.min_clear"
        case Gap.NONE_BEFORE:
            return f"of the references the first is {fit[0]}; {_one_sided(rules, fit[0], day)}"
        case Gap.NONE_AFTER:
            return (
                f"of the references the last is {fit[-1]}; wait for the next image, or "
                f"{_one_sided(rules, fit[-1], day)}"
            )
        case Gap.TOO_FAR:
            before = max(other for other in fit if other < day)
            after = min(other for other in fit if other > day)
            return (
                f"{before} and {after} are {(after - before).days} days apart, more than "
                f"pairs.max_span_days = {rules.max_span_days}"
            )
        case Gap.OBSERVED:
            return f"at least {rules.min_clear:.0%} are clear and pairs.observed is skip"


def _one_sided(rules: PairRules, reference: date, day: date) -> str:
    if rules.single_pair == "ignore":
        return (
            "fuse such days from one side with pairs.single_pair: mixed, or lower pairs.min_clear"
        )
    away, reach = abs((reference - day).days), rules.max_span_days // 2
    return (
        f"lower pairs.min_clear: it is {away} days away, and a single reference may be {reach}, "
        "half of pairs.max_span_days"
    )


def _spans(numbers: Iterable[int]) -> str:
    """Numbers as 0 to 5, 8."""
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        ends = [number for _, number in run]
        parts.append(" to ".join(str(end) for end in sorted({ends[0], ends[-1]})))
    return ", ".join(parts)
