"""Pictures of a run: a target day beside its truth, and what single pixels went through."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from model.block import COARSE_PAD
from model.fuser import load_fuser
from pipeline.choose import views
from pipeline.cube import unpack
from pipeline.images import array_of, day_axis, open_input, read_array
from pipeline.job import Job
from pipeline.quality import Quality
from pipeline.recipe import make_recipe
from pipeline.references import read_block
from pipeline.simulate.truth import open_truth
from pipeline.store import open_cube
from pipeline.survey import Survey

FALSE_COLOUR = ("swir16", "nir08", "red")
"""Water is black, bare ground pink, crops green."""

BRIGHTEST = 0.45
"""Reflectance shown as white."""

LARGEST_ERROR = 0.15
EDGE_PX = 8

SERIES = (("flooded", "tab:blue"), ("harvested", "tab:brown"))
"""Labels of the truth whose pixels are followed through the period."""

Image = NDArray[np.float32]
"""(band, y, x) reflectance of the whole region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPanels:
    """What the picture of a target day shows, each on the region's fine grid."""

    day: date
    before: Image
    after: Image
    coarse: Image
    anomaly: Image
    spans: tuple[str, str]
    """From when to when the tiles' references are, before and after."""


def picture(job: Job, truth: Path, out: Path) -> Path:
    """Draw the most flooded fused day of a sample's cube beside its truth, and two pixels.

    Above: coarse image, both references, fused, truth; below: errors of the fused image and of
    ``anomaly``, the strongest naive method, on one scale, and the near infrared of a flooded and
    a harvested pixel through the whole period.  Writes ``out`` (PNG) and returns it.
    """
    cube = open_cube(job.cube)
    real = open_truth(truth).sel(y=cube.y, x=cube.x)
    day = flood_day(job, cube, real)
    panels = _panels(job, day)
    fused, true = (_image(source, day, FALSE_COLOUR) for source in (cube, real))
    bands = make_recipe(job).bands
    whole_truth = _image(real, day, bands)
    order = [bands.index(name) for name in FALSE_COLOUR]

    figure = plt.figure(figsize=(17, 7.4), layout="constrained")
    above, below = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(1, 1.02))))
    span_before, span_after = panels.spans
    top = (
        (f"MODIS, {day} (480 m, clouds filled)", panels.coarse[order]),
        (f"Landsat before, {span_before}", panels.before[order]),
        (f"Landsat after, {span_after}", panels.after[order]),
        (f"{job.method.name}, {day} (30 m)", fused),
        (f"truth, {day}", true),
    )
    for axes, (title, image) in zip(above.subplots(1, 5), top, strict=True):
        _show(axes, image, title)
    # Where the day was observed there is nothing to compare.
    observed = ((cube.quality.sel(time=str(day)).squeeze() & int(Quality.FUSED)) == 0).values
    whole_truth[:, observed] = np.nan
    errors = (
        (f"error of {job.method.name}", _image(cube, day, bands) - whole_truth),
        ("error of anomaly", panels.anomaly - whole_truth),
    )
    left, *right = below.subplots(1, 4, width_ratios=(1, 1, 1.5, 1.5))
    for axes, (title, error) in zip((left, right[0]), errors, strict=True):
        _show_error(axes, error, title)
    for axes, (label, color) in zip(right[1:], SERIES, strict=True):
        _series(axes, job, cube, real, label, color)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)
    plt.close(figure)
    return out


def flood_day(job: Job, cube: xr.Dataset, real: xr.Dataset) -> date:
    """The day with most water on dry ground that was fused, far from its references at best."""
    common = np.intersect1d(cube.time.values, real.time.values)
    common = common[(common >= np.datetime64(job.start)) & (common <= np.datetime64(job.end))]
    quality = cube.quality.sel(time=common)
    made = (quality & int(Quality.FUSED)) != 0
    fused = made.mean(("y", "x")).values
    wet = real.flooded.sel(time=common).mean(("y", "x")).values
    age = (
        cube.ref_age.sel(time=common)
        .where((quality & int(Quality.FUSED)) != 0)
        .mean(("y", "x"))
        .values
    )
    best = int(np.argmax(wet * (fused > 0.9) * np.nan_to_num(age) + 1e-6 * fused))
    return date.fromisoformat(np.datetime_as_string(common[best], "D"))


def _panels(job: Job, day: date) -> DayPanels:
    """Mosaic of what each tile was given that day."""
    recipe = make_recipe(job)
    centre, spread = recipe.statistics
    survey = Survey.of(job.inputs, job.grid, coarse_fill_days=job.coarse_fill_days)
    empty = np.full((len(recipe.bands), *job.grid.shape), np.nan, np.float32)
    before, after, coarse, anomaly = (empty.copy() for _ in range(4))
    dates: list[tuple[date, date]] = []
    for view in views(recipe, survey):
        choice = next(one for one in view.choices() if day in one.days)
        if choice.gap is not None:
            continue
        address = replace(view.address(choice, halo=0), days=(day,))
        inputs = read_block(
            job.inputs,
            job.grid,
            address,
            centre=centre,
            spread=spread,
            corrections=recipe.corrections,
        )
        block = inputs.block
        assert block is not None
        at = (slice(None), view.tile.y, view.tile.x)
        before[at], after[at] = block.fine_before, block.fine_after
        rows, cols = job.grid.coarse_window(view.tile.y, view.tile.x)
        cells = block.coarse[0][:, COARSE_PAD:-COARSE_PAD, COARSE_PAD:-COARSE_PAD]
        assert cells.shape[1:] == (rows.stop - rows.start, cols.stop - cols.start)
        coarse[at] = cells.repeat(job.grid.ratio, 1).repeat(job.grid.ratio, 2)
        anomaly[at] = load_fuser("anomaly").fuse(block).reflectance[0]
        first, last = choice.before or choice.after, choice.after or choice.before
        dates.append((first[0], last[0]))
    if not dates:
        raise ValueError(f"no tile of {job.cube} was fused on {day}: there is nothing to show")
    firsts, lasts = zip(*dates, strict=True)
    return DayPanels(
        day=day,
        before=before,
        after=after,
        coarse=coarse,
        anomaly=anomaly,
        spans=(_span(firsts), _span(lasts)),
    )


def _span(days: tuple[date, ...]) -> str:
    return " to ".join(f"{day:%m-%d}" for day in sorted({min(days), max(days)}))


def _image(source: xr.Dataset, day: date, bands: tuple[str, ...]) -> Image:
    one = source[list(bands)].sel(time=str(day)).squeeze()
    return np.stack([one[name].values for name in bands]).astype(np.float32)


def _show(axes: Axes, image: Image, title: str) -> None:
    shown = np.clip(image / BRIGHTEST, 0, 1).transpose(1, 2, 0)
    axes.imshow(np.where(np.isfinite(shown), shown, 1.0), interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _show_error(axes: Axes, error: Image, title: str) -> None:
    size = np.sqrt(np.mean(error**2, axis=0))
    rmse = float(np.sqrt(np.nanmean(error**2, axis=(1, 2))).mean())
    axes.imshow(size, vmin=0, vmax=LARGEST_ERROR, cmap="magma", interpolation="nearest")
    axes.set_title(f"{title}: RMSE {rmse:.4f} that day", fontsize=10)
    axes.set_axis_off()


def _series(
    axes: Axes, job: Job, cube: xr.Dataset, real: xr.Dataset, label: str, color: str
) -> None:
    """Near infrared of a pixel that carries ``label`` for some of the period.

    Of those, one that changes more than nine in ten do, away from the region's edge.
    """
    days = cube.time.values
    inside = real.sel(time=days)
    labelled = inside[label].any("time").values
    if label != "flooded":
        labelled &= ~inside.flooded.any("time").values
    labelled[:EDGE_PX], labelled[-EDGE_PX:] = False, False
    labelled[:, :EDGE_PX], labelled[:, -EDGE_PX:] = False, False
    axes.set_title(f"near infrared of a {label} pixel: there is none", fontsize=10)
    if not labelled.any():
        return
    change = inside.nir08.std("time").values
    wanted = np.quantile(change[labelled], 0.9)
    place = np.argmin(np.where(labelled, np.abs(change - wanted), np.inf))
    y, x = np.unravel_index(int(place), change.shape)
    at = {"y": int(y), "x": int(x)}
    axes.plot(days, inside.nir08.isel(at), color="0.6", lw=4, label="truth")
    axes.plot(days, cube.nir08.isel(at), color=color, lw=1.6, label=job.method.name)
    ratio = job.grid.ratio
    coarse_days, coarse = _input_series(job, "coarse", int(y) // ratio, int(x) // ratio)
    axes.plot(coarse_days, coarse, "x", color="0.35", ms=4, label="MODIS cell")
    fine_days, fine = _input_series(job, "fine", int(y), int(x))
    axes.plot(fine_days, fine, "o", color="k", ms=5, label="Landsat, clear")
    axes.set_xlim(days[0], days[-1])
    axes.set_ylim(0, 0.6)
    axes.set_title(f"near infrared of a {label} pixel (row {y}, column {x})", fontsize=10)
    axes.tick_params(axis="x", rotation=30, labelsize=8)
    axes.legend(fontsize=8, loc="upper right", ncols=2)


def _input_series(job: Job, role: str, y: int, x: int) -> tuple[NDArray[np.datetime64], Image]:
    root = open_input(job.inputs, role)
    days = np.array(day_axis(root), "datetime64[D]")
    values = unpack(read_array(root, "nir08", (slice(None), y, x)))
    seen = np.isfinite(values) & (np.asarray(array_of(root, "clear")[:, y, x]) != 0)
    return days[seen], values[seen]
