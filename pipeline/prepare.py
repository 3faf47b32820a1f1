"""Before a run: find the items, check everything that can be checked, lay out the cubes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from catalogs import Role, by_name, check_items, common_bands, find, nominal_day
from pipeline import expected
from pipeline.chosen import NotChosenError, chosen_paths
from pipeline.cube import daily
from pipeline.geometry import LAYERS, tells_angles
from pipeline.ingest import Collected, Inputs, empty_day, freeze_inputs, open_inputs
from pipeline.job import Job, JobError, Source
from pipeline.local_store import clean
from pipeline.merge import merged
from pipeline.plan import draw_plan
from pipeline.progress import OnProgress, Progress
from pipeline.read import keep_logs_clean
from pipeline.recipe import check_method, digest, make_recipe, plan_path
from pipeline.room import check_room
from pipeline.store import ensure, read_days, read_tables, write_tables
from pipeline.survey import NotIngestedError, Survey

ROLES: tuple[Role, ...] = ("fine", "coarse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the catalogues hold for a job."""

    fine_items: int
    coarse_items: int

    new_days: tuple[date, ...]
    """Days whose images were not there in the last run."""

    changed_days: tuple[date, ...]
    """Days whose images are not those of the last run; they are read again."""


def prepare(job: Job, *, refresh: bool = False, on_progress: OnProgress | None = None) -> Prepared:
    """Search, check, freeze the list of items, and make or extend the cubes.

    Everything a user can cure is raised before anything is written, each a ValueError with one
    message: items, assets, bands, room on the disk, a cube of another region, and (unless
    ``refresh``) a cube whose finished tile-days would change, as far as that can be told without
    reading scenes.
    """
    keep_logs_clean()
    card = job.method.card()
    found = _find(job, on_progress)
    check_method(job, found.bands)
    known = _known(job)
    wanted = found if known is None else merged(job, known, found)
    check_room(
        job,
        wanted.bands,
        fine=wanted.fine.days,
        coarse=_axis(job, "coarse", wanted.coarse.days),
        sigma=card.sigma,
    )
    if job.cube.exists():
        clean(job.cube)
        ensure(job.cube, "fused", job.grid, read_days(job.cube), found.bands)
        if known is not None and not refresh:
            _refuse_stale(job, wanted)
    else:
        # What is frozen in them was measured for a cube that is gone.
        for frozen in (plan_path(job), *chosen_paths(job.inputs)):
            frozen.unlink(missing_ok=True)
    if known is None or _differ(known, wanted):
        freeze_inputs(job.inputs, wanted)
    expected.save(job.inputs, wanted, job.end)
    new, changed = zip(*(_lay_out(job, wanted, role) for role in ROLES), strict=True)
    ensure(job.cube, "fused", job.grid, job.days, wanted.bands, sigma=card.sigma)
    return Prepared(
        fine_items=len(wanted.fine.items),
        coarse_items=len(wanted.coarse.items),
        new_days=tuple(sorted(set().union(*new))),
        changed_days=tuple(sorted(set().union(*changed))),
    )


def _differ(known: Inputs, wanted: Inputs) -> bool:
    """In the images, or in what is told of the search: that of an old one is no news."""
    if any(fingerprints(known, role) != fingerprints(wanted, role) for role in ROLES):
        return True
    return (known.fine.notes, known.coarse.notes) != (wanted.fine.notes, wanted.coarse.notes)


def _find(job: Job, on_progress: OnProgress | None = None) -> Inputs:
    fine, coarse = _collect(job, on_progress)
    bands = common_bands(fine.specs.values(), coarse.specs.values())
    for name in job.dropped:
        for spec in fine.specs.values():
            if name not in spec.reject_if_asked:
                raise JobError(
                    f"`{name}: drop` needs QA words of the fine images that tell {name}, and "
                    f"{spec.name} has none; remove the line from the region file"
                )
    for collected in (fine, coarse):
        check_items(collected.items, collected.specs, bands)
        if job.brdf != "none":
            _check_angles(collected)
    return Inputs(
        grid=job.grid,
        bands=bands,
        drop=job.dropped,
        normal_sun=job.normal_sun,
        fine=fine,
        coarse=coarse,
    )


def _check_angles(collected: Collected) -> None:
    """Refuse images as seen of which not one tells its angles."""
    for name, spec in collected.specs.items():
        own = [item for item in collected.items if item.collection_id == name]
        if own and not spec.nbar and not any(tells_angles(item, spec) for item in own):
            layers = [spec.angles[layer].asset for layer in LAYERS if layer in spec.angles]
            raise JobError(
                f"`brdf: c-factor` needs the angles of sun and view, and no item of {name} tells "
                f"them (in assets: {', '.join(layers) or 'none known'}); give items that do, or "
                "take the line out of the region file"
            )


def _collect(job: Job, on_progress: OnProgress | None) -> Iterator[Collected]:
    """The fine and the coarse images, searched a collection after the other."""
    sources: dict[Role, Source] = {"fine": job.fine, "coarse": job.coarse}
    searches = sum(len(source.collections) for source in sources.values())
    over = 0  # searches

    def on_month(done: int, months: int) -> None:
        if on_progress:
            on_progress(
                Progress(stage="search", done=over * months + done, total=searches * months)
            )

    for role, source in sources.items():
        found = []
        for name in source.collections:
            asked = role, job.place, job.search_start, job.search_end
            one = find(source.catalogs, name, *asked, skip=job.skip, on_month=on_month)
            found.append(one)
            over += 1
        items = [item for one in found for item in one.items]
        yield Collected(
            specs=by_name(*(spec for one in found for spec in one.specs)),
            items=tuple(sorted(items, key=lambda item: (nominal_day(item), item.id))),
            notes=tuple(line for one in found for line in one.lines()),
        )


def items_of(job: Job) -> Inputs:
    """The items frozen beside the cube, or, before any run, those the catalogues have."""
    return _known(job) or _find(job)


def _known(job: Job) -> Inputs | None:
    """The items of the last run."""
    try:
        return open_inputs(job.inputs)
    except FileNotFoundError:
        return None


def fingerprints(inputs: Inputs, role: Role) -> dict[date, int]:
    """64 bits, never 0, for each day with images: they change when what is read of them does."""
    collected = inputs.fine if role == "fine" else inputs.coarse
    settings = [inputs.drop if role == "fine" else None, inputs.normal_sun]
    return {
        day: int.from_bytes(digest([collected.fingerprint(day), settings], 8), "big") or 1
        for day in collected.days
    }


def _refuse_stale(job: Job, wanted: Inputs) -> None:
    """Compare the cube with the items found, without reading any of them."""
    try:
        survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
    except NotIngestedError:
        return
    survey = replace(
        survey,
        fine_prints=fingerprints(wanted, "fine"),
        coarse_prints=fingerprints(wanted, "coarse"),
    )
    survey = survey.without(set(survey.fine_days) - set(survey.fine_prints))
    try:
        recipe = make_recipe(job)
    except NotChosenError:
        return  # auto picks when the images are read; the plan is then compared with the cube
    draw_plan(recipe, survey, read_tables(job.cube)).refuse_stale()


def _lay_out(job: Job, inputs: Inputs, role: Role) -> tuple[set[date], set[date]]:
    """Make or extend an input cube; the days that are new in it, and those to be read again.

    Days of which all items are skipped are emptied, and count as changed.
    """
    path = job.inputs / f"{role}.zarr"
    prints = fingerprints(inputs, role)
    ensure(path, role, job.grid, _axis(job, role, sorted(prints)), inputs.bands)
    clean(path)
    tables = read_tables(path)
    old = dict(zip(tables.days, tables.arrays["fingerprint"].tolist(), strict=True))
    new = {day for day in prints if not old[day]}
    changed = {day for day in old if old[day] and old[day] != prints.get(day, 0)}
    # First not done, then the new name: a kill between the two leaves a day to be read again.
    for tile in range(tables.arrays["done"].shape[1]) if changed else ():
        write_tables(path, {"done": 0}, days=sorted(changed), tile=tile)
    for day in sorted(changed - prints.keys()):
        empty_day(job.inputs, role, job.grid, day)
    if days := sorted(new | changed):
        values = np.array([prints.get(day, 0) for day in days], np.uint64)
        write_tables(path, {"fingerprint": values}, days=days)
    return new, changed


def _axis(job: Job, role: Role, days: Sequence[date]) -> Sequence[date]:
    if role == "fine":
        return days
    return daily(min(days[0], job.start), max(days[-1], job.end))
