"""Rows as tables of a document, the best of each column marked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluate.document import Cell, Table
from pipeline.evaluate.roughness import RoughRow
from pipeline.evaluate.rows import FLOOR, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric as a column."""

    head: str
    key: str
    show: Callable[[float], str]
    rank: Callable[[float], float]
    """Least is best."""


def plain(value: float) -> str:
    """.0312, with the sign of what is below 0; a dash for what is undefined."""
    if value != value:
        return "-"
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _signed(value: float) -> str:
    return plain(value) if value != value or value < 0 else f"+{plain(value)}"


def _ratio(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def _low(value: float) -> float:
    return value


def _high(value: float) -> float:
    return -value


RMSE = Column(head="RMSE", key="rmse", show=plain, rank=_low)
CHANGED = Column(head="changed", key="changed", show=plain, rank=_low)
COLUMNS = (
    RMSE,
    Column(head="CC", key="cc", show=plain, rank=_high),
    Column(head="SSIM", key="ssim", show=plain, rank=_high),
    Column(head="ERGAS", key="ergas", show=plain, rank=_low),
    Column(head="SAM", key="sam", show=plain, rank=_low),
    CHANGED,
    Column(head="bias", key="bias", show=_signed, rank=abs),
    Column(head="edge", key="edge", show=_signed, rank=abs),
    Column(head="LBP", key="lbp", show=_signed, rank=abs),
)
CLASSES = (
    Column(head="OA", key="accuracy", show=plain, rank=_high),
    Column(head="precision", key="precision", show=plain, rank=_high),
    Column(head="recall", key="recall", show=plain, rank=_high),
    Column(head="F1", key="f1", show=plain, rank=_high),
)


def marked(values: Sequence[float], column: Column) -> list[Cell]:
    """The cells of a column.  The best are marked: all that look the same, none undefined."""
    texts = [column.show(value) for value in values]
    known = [value for value in values if value == value]
    if not known:
        return [Cell(text=text) for text in texts]
    best = column.rank(min(known, key=column.rank))
    # A tie is one to the reader: two cells that show the same digits are both marked.
    shown = {t for t, v in zip(texts, values, strict=True) if v == v and column.rank(v) == best}
    shown |= {_turned(text) for text in shown} if column.rank is abs else set()
    return [Cell(text=text, best=text in shown) for text in texts]


def _turned(text: str) -> str:
    return text.translate(str.maketrans("+-", "-+"))


def group_table(rows: Sequence[Row], marks: Mapping[str, str]) -> Table:
    """All metrics of a group, the least RMSE first."""
    rows = by_rmse(rows)
    cells = [marked([row.values[column.key] for row in rows], column) for column in COLUMNS]
    head = ("method", "training", *(column.head for column in COLUMNS))
    return Table(
        head=(*head, f"gain over {FLOOR}, 95 %", "better"),
        rows=tuple(
            (
                Cell(text=row.method),
                Cell(text=marks.get(row.method, "") or "-"),
                *of_row,
                Cell(text=gain_text(row)),
                Cell(text=f"{row.better}/{row.scenes}"),
            )
            for row, *of_row in zip(rows, *cells, strict=True)
        ),
        texts=2,
    )


def by_rmse(rows: Sequence[Row]) -> list[Row]:
    """The best first; what could not be scored last, equals in their own order."""
    return sorted(rows, key=lambda row: _last_if_nan(row.values["rmse"]))


def _last_if_nan(value: float) -> float:
    return float("inf") if value != value else value


def gain_text(row: Row) -> str:
    """The gain of a row and its interval, or why there is none."""
    if row.method == FLOOR:
        return "0"
    if row.gain is None:
        return "too few blocks"
    return "{:+.4f} [{:+.4f}, {:+.4f}]".format(*row.gain)


def patch_table(
    rows: Sequence[Row],
    marks: Mapping[str, str],
    published: Mapping[str, Mapping[str, float]],
) -> Table:
    """Means over patches, as the papers give them, with their own numbers below where they
    compare; those take no part in what is best here."""
    rows = sorted(rows, key=lambda row: _last_if_nan(row.patches["rmse"]))
    columns = COLUMNS[:5]
    cells = [marked([row.patches[column.key] for row in rows], column) for column in columns]
    ours = [
        (Cell(text=row.method), Cell(text=marks.get(row.method, "") or "-"), *of_row)
        for row, *of_row in zip(rows, *cells, strict=True)
    ]
    theirs = [
        (
            Cell(text=name, quoted=True),
            Cell(text="in-site", quoted=True),
            *(
                Cell(text=c.show(known[c.key]) if c.key in known else "", quoted=True)
                for c in columns
            ),
        )
        for name, known in published.items()
    ]
    head = ("method", "training", *(column.head for column in columns))
    return Table(head=head, rows=(*ours, *theirs), texts=2)


def band_table(rows: Sequence[Row], bands: Sequence[str]) -> Table:
    """RMSE and bias of every band."""
    rows = by_rmse(rows)
    rmse = [marked([row.rmse_by_band[at] for row in rows], RMSE) for at in range(len(bands))]
    bias = Column(head="", key="", show=_signed, rank=abs)
    biases = [marked([row.bands.bands[at].bias for row in rows], bias) for at in range(len(bands))]
    return Table(
        head=("method", *(f"RMSE {band}" for band in bands), *(f"bias {band}" for band in bands)),
        rows=tuple(
            (Cell(text=row.method), *of_row)
            for row, *of_row in zip(rows, *rmse, *biases, strict=True)
        ),
    )


def class_table(rows: Sequence[Row]) -> Table:
    """How well K-means maps are repeated."""
    rows = sorted(rows, key=lambda row: _last_if_nan(-row.values["f1"]))
    cells = [marked([row.values[column.key] for row in rows], column) for column in CLASSES]
    return Table(
        head=("method", *(column.head for column in CLASSES)),
        rows=tuple(
            (Cell(text=row.method), *of_row) for row, *of_row in zip(rows, *cells, strict=True)
        ),
    )


ROUGHNESS = (
    Column(head="bends", key="bends", show=_ratio, rank=lambda value: abs(value - 1)),
    Column(head="steps", key="steps", show=plain, rank=_low),
    Column(head="jump at observed days", key="observed", show=_ratio, rank=_low),
    Column(head="jump at pair changes", key="pair", show=_ratio, rank=_low),
)


def rough_table(rows: Sequence[RoughRow]) -> Table:
    """How steady the days are, the least error of a step first."""
    rows = sorted(rows, key=lambda row: _last_if_nan(row.steps))
    cells = [marked([getattr(row, one.key) for row in rows], one) for one in ROUGHNESS]
    return Table(
        head=("method", *(column.head for column in ROUGHNESS)),
        rows=tuple(
            (Cell(text=row.method), *of_row) for row, *of_row in zip(rows, *cells, strict=True)
        ),
    )


def summary_table(
    groups: Mapping[tuple[str, str], Sequence[Row]], methods: Sequence[str], column: Column
) -> Table:
    """A row a group, a column a method; the best of each row marked."""
    body = []
    for (name, group), rows in groups.items():
        found = {row.method: row.values[column.key] for row in rows}
        cells = marked([found.get(method, float("nan")) for method in methods], column)
        body.append((Cell(text=f"{name}, {group}"), *cells))
    return Table(head=("set and group", *methods), rows=tuple(body))
