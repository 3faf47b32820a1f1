"""The items of the last run and those found now, as one list.

What was read stays: a catalogue that forgets a scene, a shorter period, and a catalogue that has
the same product in another form (COGs of bands, or one HDF file) take nothing away.  Days of
which nothing was read take what is found now: the old form may be where nobody answers any more.
What the region file skips goes.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pystac

from catalogs import CollectionSpec, Role, by_name, difference, product_of, same_image
from pipeline.ingest import Collected, Inputs
from pipeline.job import Job, JobError
from pipeline.local_store import finish_swap
from pipeline.store import read_tables


def merged(job: Job, known: Inputs, found: Inputs) -> Inputs:
    """The items found, and the known ones of days for which nothing is found any more.

    JobError where the two do not belong together: another grid, other bands, a product less.
    """
    if known.grid.to_dict() != found.grid.to_dict() or known.bands != found.bands:
        raise JobError(
            f"the inputs in {job.inputs} are of another grid or other bands; give the region "
            f"another cube path, or remove {job.inputs} and {job.cube}"
        )
    _check_products(job, "fine", known.fine, found.fine)
    _check_products(job, "coarse", known.coarse, found.coarse)
    return replace(
        found,
        fine=_merge(_without(known.fine, job.skip), found.fine, _read(job, "fine")),
        coarse=_merge(_without(known.coarse, job.skip), found.coarse, _read(job, "coarse")),
    )


def _without(collected: Collected, skip: tuple[str, ...]) -> Collected:
    return replace(collected, items=tuple(i for i in collected.items if i.id not in skip))


def _check_products(job: Job, role: str, old: Collected, new: Collected) -> None:
    there = set(map(_product, new.specs.values()))
    if gone := sorted(name for name, spec in old.specs.items() if _product(spec) not in there):
        raise JobError(
            f"the {role} images in {job.inputs} are of {' and '.join(old.specs)}, this run "
            f"asks for {' and '.join(new.specs)}; name {' and '.join(gone)} too, or "
            f"give the region another cube path"
        )


def _product(spec: CollectionSpec) -> str:
    product = product_of(spec)
    return product.name if product else spec.name


def _read(job: Job, role: Role) -> set[date]:
    """Days of which anything was read."""
    path = job.inputs / f"{role}.zarr"
    finish_swap(path)  # of a run that was killed
    if not path.exists():
        return set()
    tables = read_tables(path)
    done = tables.arrays["done"].tolist()
    return {day for day, tiles in zip(tables.days, done, strict=True) if any(tiles)}


def _merge(old: Collected, new: Collected, read: set[date]) -> Collected:
    by_day = dict(old.by_day)
    for day, items in new.by_day.items():
        before = old.by_day[day] if day in read and day in old.by_day else ()
        by_day[day] = tuple(sorted((_kept(item, before) for item in items), key=lambda i: i.id))
    items = tuple(item for day in sorted(by_day) for item in by_day[day])
    specs: Mapping[str, CollectionSpec] = {**new.specs, **old.specs}
    used = {item.collection_id for item in items}
    return replace(
        new,
        specs=by_name(*(spec for name, spec in specs.items() if name in used)),
        items=items,
        notes=(*new.notes, *_changes(old, items)),
    )


def _kept(item: pystac.Item, before: tuple[pystac.Item, ...]) -> pystac.Item:
    """``item``, or the same image of the last run where that has it in another form."""
    return next(
        (
            one
            for one in before
            if one.collection_id != item.collection_id and same_image(one, item)
        ),
        item,
    )


def _changes(old: Collected, items: tuple[pystac.Item, ...]) -> tuple[str, ...]:
    before = {(item.collection_id, item.id): item for item in old.items}
    pairs = ((item, before.get((item.collection_id, item.id))) for item in items)
    told = ((item.id, difference(one, item)) for item, one in pairs if one and one is not item)
    return tuple(f"changed: item {name}: {what}" for name, what in told if what)
