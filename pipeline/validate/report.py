"""The report of a validation: ``NAME.validation.html`` and its picture beside the cube."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipeline.chosen import gap_name
from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Document,
    Element,
    Heading,
    Paragraph,
    Picture,
    Table,
)
from pipeline.evaluate.html import page
from pipeline.pixel_series import draw as draw_pixels
from pipeline.pixel_series import of_cube
from pipeline.validate.hide import class_name
from pipeline.validate.plot import draw
from pipeline.validate.result import HELD, Validation, report_path
from pipeline.validate.table import FLOOR, Row

COLUMNS = ("rmse", "changed", "cc", "bias", "edge", "lbp", "coverage")


def write_report(found: Validation, cube: Path) -> Path:
    """Write report and pictures; the report's path."""
    path = report_path(cube)
    picture = draw(found, path.with_suffix(".png")) if found.rows else None
    pixels = draw_pixels(of_cube(cube), cube.with_suffix(".pixels.png"), "fused or observed")
    blocks = tuple(_blocks(found, picture, pixels))
    document = Document(title=f"How good {cube.stem} is", blocks=blocks)
    path.write_text(page(document, path.parent), encoding="utf-8")
    return path


def tables(found: Validation) -> Iterator[Table]:
    """A table a class of hidden days, the best of each column marked."""
    for hide, group in groupby(found.rows, key=lambda row: row.hide_days):
        rows = list(group)
        best = {name: _best(rows, name) for name in COLUMNS if name != "coverage"}
        yield Table(
            head=("method", "weights", *COLUMNS, f"- {FLOOR}"),
            rows=tuple(_cells(row, best) for row in rows),
            texts=2,
            caption=f"{class_name(hide)}: {rows[0].dates} dates on {rows[0].tiles} tiles, "
            f"{rows[0].pixels:,} pixels; the nearer reference is {rows[0].gap_days:g} days away "
            "(median)",
        )


def _blocks(found: Validation, picture: Path | None, pixels: Path | None) -> Iterator[Element]:
    yield Paragraph(
        text="Real fine dates were hidden, with all fine images within so many days of them, "
        "or, one-sided, with all later images of both sensors, as on their own morning; fused "
        f"blind, and compared with what was seen ({found.extent} of the dates; images up to "
        f"{found.until}; {found.software}). Reflectance, means of the bands. `changed`: RMSE "
        "where the truth is not what time alone predicts. `edge`, `lbp`: below 0 the fusion is "
        f"smoother than the truth. `- {FLOOR}`: RMSE less that of `{FLOOR}`, 95 % interval."
    )
    if picture is not None:
        yield Picture(path=Path(picture.name), caption="Scores by the days that were hidden")
    yield Heading(text="Scores", level=2)
    yield from tables(found)
    for note in found.notes:
        yield Paragraph(text=note)
    yield from _uncertainty(found)
    if found.choice:
        yield Heading(text="What held-out dates chose", level=2)
        yield Bullets(texts=found.choice)
    if pixels is not None:
        yield Heading(text="Pixels through time", level=2)
        yield Picture(
            path=Path(pixels.name),
            caption="Pixels of a tile, from the most to the least changing: is there flicker, a "
            "jump where an image was seen, a cloud that no mask found?",
        )
    if not found.rows:
        yield Paragraph(text="No fine date has clear references on both sides of it.")


def _uncertainty(found: Validation) -> Iterator[Element]:
    if not found.intervals:
        return
    yield Heading(text="Uncertainty", level=2)
    yield Paragraph(
        text="Share of the truth within the 90 % interval, as the method states it and as the cube "
        "has it, multiplied by a factor; on dates that the factors were not measured on. `score`: "
        "the width of the interval and 20 times what lies beyond it, smaller is better."
    )
    head = ("reference", "method", "dates", "factor", "stated", "written", "score", "written")
    yield Table(
        head=head,
        rows=tuple(
            tuple(
                Cell(text=text)
                for text in (
                    gap_name(row.gap),
                    row.method,
                    f"{row.dates}",
                    f"{row.factor:.2f}",
                    f"{row.stated:.3f}",
                    f"{row.written:.3f}",
                    f"{row.score_stated:.4f}",
                    f"{row.score_written:.4f}",
                )
            )
            for row in found.intervals
        ),
        texts=2,
        caption=HELD,
    )


def _best(rows: list[Row], name: str) -> float:
    values = [getattr(row, name) for row in rows]
    known = [value for value in values if value == value]
    if name == "cc":
        return max(known, default=float("nan"))
    return min(known, key=abs, default=float("nan"))


def _cells(row: Row, best: dict[str, float]) -> tuple[Cell, ...]:
    gain = f"[{row.gain.low:+.4f}, {row.gain.high:+.4f}]" if row.gain else ""
    scores = (
        Cell(text=_number(name, getattr(row, name)), best=getattr(row, name) == best.get(name))
        for name in COLUMNS
    )
    return (Cell(text=row.method), Cell(text=row.weights), *scores, Cell(text=gain))


def _number(name: str, value: float) -> str:
    if value != value:
        return ""
    if name in ("edge", "lbp"):
        return f"{value:+.3f}"
    return f"{value:+.4f}" if name == "bias" else f"{value:.4f}"
