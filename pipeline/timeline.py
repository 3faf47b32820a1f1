"""A picture of a plan: what images there are, what each day becomes, and from what.

Days run along x.  Above, the share of fine and of coarse pixels that were seen clear; in the
middle, what becomes of each tile on each day; below, the references of one tile.  It looks the
same for a month and for years, for one tile and for hundreds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from pipeline.choose import Choice, TileView
from pipeline.cube import daily
from pipeline.explain import check_tile, tile_views
from pipeline.job import Job
from pipeline.pairs import Gap

KINDS: Mapping[str, str] = {
    "fused from both sides": "#2b7bba",
    "from one side alone": "#8cc5e3",
    "observed only": "#5aae61",
    "failed: an image cannot be read": "#d7301f",
    Gap.NO_COARSE.value: "#4d4d4d",
    Gap.NONE_BEFORE.value: "#f7c873",
    Gap.NONE_AFTER.value: "#ee9a3a",
    Gap.TOO_FAR.value: "#b8651b",
}
"""What becomes of a tile-day, and its colour; blue and green is something, the rest is nothing."""

_KIND = {name: place for place, name in enumerate(KINDS)}
_GAPS = {gap: _KIND.get(gap.value, _KIND["observed only"]) for gap in Gap}
_CLEAR = LinearSegmentedColormap.from_list("clear", ["#e4e4e4", "#c9b27c", "#1b6e3c"])
_EVERY_DAY = 150
"""Days up to which each has its own lines to its references; of more, each run of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Days:
    """The plan as arrays over (tile, day) of the job."""

    days: tuple[date, ...]
    kind: NDArray[np.intp]
    """Place in ``KINDS``."""

    provisional: NDArray[np.bool_]
    choices: Mapping[date, Choice]
    """Of the tile whose references are shown."""


def plan_picture(job: Job, out: Path, *, tile: int | None = None) -> Path:
    """Draw the plan of a job whose scenes were read.  Writes ``out`` (PNG) and returns it.

    ``tile``: whose references are shown; by default the one with most days fused, and of those
    the one with most from both sides.  Raises NotIngestedError, and JobError for a tile that is
    not there.
    """
    check_tile(job, tile)
    seen = list(tile_views(job))
    found = [_of_tile(view) for view in seen]
    both, alone = (_KIND[name] for name in ("fused from both sides", "from one side alone"))
    fused = [(int((kind <= alone).sum()), int((kind == both).sum())) for kind, _, _ in found]
    shown = max(range(len(seen)), key=fused.__getitem__) if tile is None else tile
    plan = _Days(
        days=job.days,
        kind=np.stack([kind for kind, _, _ in found]),
        provisional=np.stack([late for _, late, _ in found]),
        choices=found[shown][2],
    )
    rows = len(seen)
    height = float(np.clip(0.16 * rows, 0.8, 4.0))
    figure, axes = plt.subplots(
        4,
        1,
        figsize=(14, 4.4 + height),
        sharex=True,
        layout="constrained",
        height_ratios=(0.8, 0.8, height, 2.0),
    )
    first, last = _reach(plan, seen)
    _images(axes[0], seen, "fine", first, last)
    _images(axes[1], seen, "coarse", first, last)
    _tile_days(axes[2], plan)
    _pairs(axes[3], plan, seen[shown])
    axes[3].set_xlim(date2num(first) - 0.5, date2num(last) + 0.5)
    locator = AutoDateLocator(minticks=6, maxticks=14)
    axes[3].xaxis.set_major_locator(locator)
    axes[3].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    bar = figure.colorbar(axes[0].images[0], ax=axes[:2], aspect=8, pad=0.005, ticks=[0, 1])
    bar.ax.set_yticklabels(["cloud", "clear"], fontsize=8)
    figure.suptitle(_headline(job, plan), fontsize=11, x=0.01, ha="left")
    figure.legend(
        handles=_legend(plan), loc="outside lower center", ncols=5, fontsize=9, frameon=False
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    plt.close(figure)
    return out


def _of_tile(
    view: TileView,
) -> tuple[NDArray[np.intp], NDArray[np.bool_], dict[date, Choice]]:
    kinds, late, choices = [], [], {}
    for choice in view.choices():
        for day in choice.days:
            choices[day] = choice
            kinds.append(_kind(view, choice, day))
            made = kinds[-1] <= _KIND["observed only"]
            late.append(made and view.provisional(choice, day))
    return np.array(kinds), np.array(late), choices


def _kind(view: TileView, choice: Choice, day: date) -> int:
    if day in view.failed:
        return _KIND["failed: an image cannot be read"]
    if choice.gap is not None:
        return _KIND["observed only"] if view.kept(day) else _GAPS[choice.gap]
    return _KIND[
        "fused from both sides" if choice.before and choice.after else "from one side alone"
    ]


def _reach(plan: _Days, seen: Sequence[TileView]) -> tuple[date, date]:
    """The days of the plan, and before and after them the references it uses."""
    used = [
        day for choice in plan.choices.values() for day in (*choice.before[:1], *choice.after[:1])
    ]
    return min([plan.days[0], *used]), max([plan.days[-1], *used])


def _images(axes: Axes, seen: Sequence[TileView], role: str, first: date, last: date) -> None:
    """The clear share of each day, mean over the tiles, as a colour."""
    days = daily(first, last)
    of_tiles = [view.fine_clear if role == "fine" else view.coarse_known for view in seen]
    shares = np.array(
        [
            np.mean([shares[day] for shares in of_tiles]) if day in of_tiles[0] else np.nan
            for day in days
        ]
    )
    left = date2num(first) - 0.5
    axes.imshow(
        np.ma.masked_invalid(shares[None]),
        extent=(left, left + len(days), 0, 1),
        aspect="auto",
        cmap=_CLEAR,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_yticks([])
    name = "fine images" if role == "fine" else "coarse images,\nclouds filled"
    axes.set_ylabel(name, rotation=0, ha="right", va="center")


def _tile_days(axes: Axes, plan: _Days) -> None:
    rows, left = len(plan.kind), date2num(plan.days[0]) - 0.5
    extent = (left, left + len(plan.days), rows - 0.5, -0.5)
    colours = ListedColormap(list(KINDS.values()))
    norm = BoundaryNorm(np.arange(len(KINDS) + 1) - 0.5, len(KINDS))
    axes.imshow(
        plan.kind, extent=extent, aspect="auto", cmap=colours, norm=norm, interpolation="nearest"
    )
    axes.set_ylabel("tiles" if rows > 1 else "tile", rotation=0, ha="right", va="center")
    axes.set_yticks(range(rows) if rows <= 10 else [0, rows - 1])
    hatched = [
        Rectangle((left + start, tile - 0.5), stop - start, 1)
        for tile, late in enumerate(plan.provisional)
        for start, stop in np.flatnonzero(np.diff(late, prepend=False, append=False)).reshape(-1, 2)
    ]
    axes.add_collection(
        PatchCollection(hatched, facecolor="none", edgecolor="k", hatch="////", lw=0)
    )


def _pairs(axes: Axes, plan: _Days, view: TileView) -> None:
    """The images of a tile as dots, as high as they are clear, and the days below on the axis; a
    line goes from each day, or in a long plan from each run of days, to each of its references."""
    colours = list(KINDS.values())
    for choice in dict.fromkeys(plan.choices.values()):
        days = choice.days if len(plan.days) <= _EVERY_DAY else choice.days[:1]
        for day in days:
            for side in (one for one in (choice.before, choice.after) if one):
                axes.plot(
                    [date2num(day), date2num(side[0])],
                    [0, view.fine_clear[side[0]]],
                    color=colours[_kind(view, choice, day)],
                    lw=0.8,
                    alpha=0.7,
                )
    least = view.recipe.job.rules.min_clear
    size = 5 if len(plan.days) <= _EVERY_DAY else 3
    for good, mark, colour in ((True, "o", "k"), (False, "x", "0.55")):
        some = [(date2num(d), s) for d, s in view.fine_clear.items() if (s >= least) == good]
        axes.plot(*np.array(some or [(np.nan, 0)]).T, mark, color=colour, ms=size, zorder=3)
    axes.axhline(least, color="0.7", lw=0.8, ls=":")
    axes.set_ylim(-0.08, 1.08)
    axes.set_yticks([0, least, 1], ["days", f"{least:.0%} clear", "100% clear"], fontsize=9)
    axes.set_ylabel(f"references\nof tile {view.tile.index}", rotation=0, ha="right", va="center")


def _headline(job: Job, plan: _Days) -> str:
    share = np.bincount(plan.kind.ravel(), minlength=len(KINDS)) / plan.kind.size
    parts = [f"{name} {part:.0%}" for name, part in zip(KINDS, share, strict=True) if part >= 0.005]
    late = f", {plan.provisional.mean():.0%} provisional" if plan.provisional.any() else ""
    return f"{job.name}, {len(plan.days)} days of {len(plan.kind)} tiles\n{', '.join(parts)}{late}"


def _legend(plan: _Days) -> list[Patch]:
    there = set(np.unique(plan.kind).tolist())
    made = [
        Patch(color=colour, label=name)
        for place, (name, colour) in enumerate(KINDS.items())
        if place in there
    ]
    if plan.provisional.any():
        made.append(Patch(facecolor="w", edgecolor="k", hatch="////", label="provisional"))
    return made
