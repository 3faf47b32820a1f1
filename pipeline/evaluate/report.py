"""The report of an evaluation: Markdown, HTML, and all numbers as CSV."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from model.metrics.classes import CLASSES, FITTED, SEED
from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Document,
    Element,
    Folded,
    Heading,
    Paragraph,
    Table,
)
from pipeline.evaluate.groups import Group
from pipeline.evaluate.html import page
from pipeline.evaluate.markdown import markdown
from pipeline.evaluate.numbers import roughness_csv, scores_csv
from pipeline.evaluate.pictures import Pictures, draw_all
from pipeline.evaluate.published import PUBLISHED, SOURCE
from pipeline.evaluate.result import Result, SetResult
from pipeline.evaluate.rows import FLOOR
from pipeline.evaluate.tables import (
    CHANGED,
    RMSE,
    band_table,
    class_table,
    group_table,
    patch_table,
    rough_table,
    summary_table,
)
from pipeline.executor import Executor
from pipeline.progress import OnProgress
from pipeline.version import software


def write_report(
    result: Result, folder: Path, ex: Executor, on_progress: OnProgress | None = None
) -> tuple[Path, ...]:
    """Write ``report.md`` with its pictures beside it, ``report.html`` with them inside,
    ``scores.csv`` and ``roughness.csv``; returns the four."""
    document = report(result, draw_all(result, folder, ex, on_progress))
    texts = {
        "report.md": markdown(document),
        "report.html": page(document, folder),
        "scores.csv": scores_csv(result),
        "roughness.csv": roughness_csv(result),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def report(result: Result, pictures: Pictures) -> Document:
    """All of it."""
    return Document(
        title=f"Evaluation {result.evaluation.name}",
        blocks=tuple(_blocks(result, pictures)),
    )


def summary_lines(result: Result) -> Iterator[str]:
    """For the terminal: the best three of each group and where ``anomaly`` stands."""
    for one in result.sets:
        for group in one.groups:
            best = sorted(group.rows, key=lambda row: row.values["rmse"])[:3]
            floor = next((row for row in group.rows if row.method == FLOOR), None)
            told = ", ".join(f"{row.method} {row.values['rmse']:.4f}" for row in best)
            end = "" if floor is None else f"; {FLOOR} {floor.values['rmse']:.4f}"
            yield f"{one.name}, {group.name}: {told}{end}"


def _blocks(result: Result, pictures: Pictures) -> Iterator[Element]:
    yield Paragraph(text=_intro(result))
    groups = {(one.name, group.name): group.rows for one in result.sets for group in one.groups}
    methods = [one.label for one in result.contenders]
    yield Heading(text="Summary", level=2)
    yield Paragraph(text="RMSE of reflectance, mean of the bands; the best of a row in bold.")
    yield summary_table(groups, methods, RMSE)
    yield Paragraph(text="The same of the changed pixels alone.")
    yield summary_table(groups, methods, CHANGED)
    if pictures.gains is not None:
        yield pictures.gains
    for one in result.sets:
        yield from _set(one, pictures)
    yield Heading(text="Time and memory", level=2)
    yield Paragraph(text=_COST)
    yield _cost_table(result)
    if result.errors:
        yield Heading(text="What failed", level=2)
        yield Bullets(texts=result.errors)
    yield Heading(text="How to read the columns", level=2)
    yield Bullets(texts=_NOTES)


def _intro(result: Result) -> str:
    count = sum(len(group.tasks) for one in result.sets for group in one.groups)
    return (
        f"{len(result.contenders)} methods on {count} scenes of {len(result.sets)} sets, by "
        f"{software()}. All methods of a scene are scored on the same pixels. What stands in "
        "`config.yaml` beside this report makes it again."
    )


def _set(one: SetResult, pictures: Pictures) -> Iterator[Element]:
    yield Heading(text=one.name, level=2)
    for note in dict.fromkeys(group.note for group in one.groups if group.note):
        yield Paragraph(text=note)
    if one.refused:
        yield Bullets(
            texts=tuple(f"{label} is not scored: {why}" for label, why in one.refused.items())
        )
    for group in one.groups:
        yield from _group(one, group)
        yield from pictures.groups.get((one.name, group.name), ())
    if one.roughness is not None:
        days = one.roughness.days
        yield Heading(text=f"{one.name}: from day to day", level=3)
        yield Paragraph(
            text=f"{len(days)} days, {days[0]} to {days[-1]} of the season, fused one after "
            f"another; what was seen clear on a day is kept. {_ROUGHNESS}"
        )
        yield rough_table(one.roughness.rows)
    if one.name in pictures.series:
        yield Heading(text=f"{one.name}: through time", level=3)
        yield pictures.series[one.name]


def _group(one: SetResult, group: Group) -> Iterator[Element]:
    yield Heading(text=f"{one.name}: {group.name}", level=3)
    if not group.rows:
        yield Paragraph(text="No pixel is known in the truth and answered by all methods.")
        return
    first = group.rows[0]
    yield Paragraph(
        text=f"{first.scenes} {'scene' if first.scenes == 1 else 'scenes'}, {first.pixels:,} "
        f"pixels of {group.pixel_m:g} m a band, cells of {group.ratio} pixels; bands "
        f"{', '.join(group.bands)}."
    )
    yield group_table(group.rows, one.marks)
    published = PUBLISHED.get(one.name, {}) if one.as_published else {}
    patches = patch_table(group.rows, one.marks, published)
    if published:
        yield Paragraph(text=f"Means over patches of 256 pixels; in italics: {SOURCE}.")
        yield patches
    else:
        yield Folded(title="Means over patches of 256 pixels", blocks=(patches,))
    yield Folded(title="By band", blocks=(band_table(group.rows, group.bands),))
    yield Folded(title=f"K-means maps of {CLASSES} classes", blocks=(class_table(group.rows),))


def _cost_table(result: Result) -> Table:
    """Each method's time per megapixel and its highest memory, set by set."""
    labels = [one.label for one in result.contenders]
    head: list[str] = ["method"]
    columns: list[list[str]] = []
    for one in result.sets:
        head += [f"{one.name}: s / Mpx", "MB"]
        speed, memory = [], []
        for label in labels:
            each = [cost for group in one.groups for cost in group.costs.get(label, ())]
            seconds = [cost["cpu_seconds"] / cost["pixels"] * 1e6 for cost in each]
            peaks = [cost["peak_mb"] for cost in each if cost["peak_mb"] is not None]
            # Of many scenes the first one pays for what is compiled then; the median does not.
            speed.append(f"{statistics.median(seconds):.2f}" if seconds else "-")
            memory.append(f"{max(peaks):.0f}" if peaks else "-")
        columns += [speed, memory]
    rows = zip(labels, *columns, strict=True)
    return Table(
        head=tuple(head), rows=tuple(tuple(Cell(text=text) for text in row) for row in rows)
    )


_COST = (
    "Seconds of processor time per million pixels of all bands, median of a set's scenes, and the "
    "highest memory, in 10^6 bytes, that answering took beside the images and the loaded method; "
    "measured in the runs that made the answers."
)

_ROUGHNESS = (
    "Bends: root mean square of the second differences in time over that of the truth; above 1 a "
    "series flickers, below 1 it is smoother than the ground was. Steps: RMSE of the change from "
    "one day to the next. Jumps: how many times that error is larger into and out of days with a "
    "fine image, and where the references change, than in the two steps on each side; 1 does not "
    "show, the goal is at most 1.5."
)

_NOTES = (
    "RMSE, bias (prediction minus truth) and changed are of all pixels of the group's scenes "
    "together, means over bands; the other columns are means over scenes.",
    "changed: RMSE of the pixels in the top tenth of |truth - linear| that also exceed .05 there.",
    "SSIM with a data range of 1; ERGAS with 1/16 as in the papers (for the physical one multiply "
    "by 16 over the cells' pixels); SAM in radians.",
    "edge and LBP: Roberts' edge strength and local binary patterns against the truth's; 0 is the "
    "truth's own texture, below it the prediction is smoother.",
    f"K-means maps: {CLASSES} classes of the truth's spectra, scene by scene, from centres drawn "
    f"by K-means++ of seed {SEED} on at most {FITTED:,} pixels; a prediction's pixels go to the "
    "nearest of the same centres. OA: share of pixels that keep their class; precision, recall and "
    "F1 are means over classes. The papers do not say how many classes they take: their F1 does "
    "not compare.",
    "gain: RMSE less that of anomaly with its 95 % interval, a paired bootstrap over blocks of "
    "1.5 km; negative is better. better: scenes with an RMSE below that of anomaly.",
    "training: zero-shot, the weights never saw the set; adapted, they went on with its training "
    "split; in-site, that split is all they saw. Weights that saw what is scored are refused.",
    "bold: the best of its column, all that show the same digits.",
)
