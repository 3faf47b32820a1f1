"""The scores of held-out dates over the days that were hidden around them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from model.proper_scores import SHARE
from pipeline.evaluate.palette import colour, drawn
from pipeline.validate.hide import HIDE, Hide, in_order
from pipeline.validate.intervals import IntervalRow
from pipeline.validate.result import Validation
from pipeline.validate.table import FLOOR, Row

PANELS = (
    ("rmse", "RMSE, all pixels"),
    ("changed", "RMSE, changed pixels"),
    ("bias", "bias (fused - seen)"),
    ("edge", "edges (below 0: too smooth)"),
)


def draw(found: Validation, out: Path) -> Path:
    """Write ``out`` (PNG): four scores of each method by class, and below them, where it is known,
    how much of the truth the uncertainty holds; return it.

    The region's own method has a black edge.  The black line on a bar of ``RMSE, all pixels`` is
    the 95 % interval of the difference to ``anomaly``, laid around that method's RMSE: where it
    does not reach the height of ``anomaly``, the two differ beyond chance.
    """
    methods = list(dict.fromkeys(row.method for row in found.rows))
    classes = sorted({row.hide_days for row in found.rows}, key=in_order)
    more = 1 if found.intervals else 0
    with drawn(out, height_in=6.4 + 3.2 * more, width_in=12) as figure:
        axes = figure.subplots(2 + more, 2).ravel()
        for axis, (name, title) in zip(axes, PANELS, strict=False):
            for number, method in enumerate(methods):
                rows = [row for row in found.rows if row.method == method]
                _bars(axis, rows, classes, name, number, len(methods), own=method == found.method)
            axis.set_title(title)
            axis.set_xticks(range(len(classes)), [_tick(found.rows, one) for one in classes])
            axis.set_xlabel("days hidden around the date")
            axis.grid(axis="y")
            axis.set_axisbelow(True)
            if name in ("bias", "edge"):
                axis.axhline(0, color="0.4", lw=0.8)
        axes[0].set_ylabel("reflectance")
        if found.intervals:
            _held(axes[-2], found.intervals, "stated", "written", "truth in the 90 % interval")
            axes[-2].axhline(SHARE, color="black", lw=1)
            axes[-2].set_ylim(min(0.5, *(row.stated for row in found.intervals)), 1)
            score = "interval score (smaller is better)"
            _held(axes[-1], found.intervals, "score_stated", "score_written", score)
            axes[-1].legend(loc="upper left")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return out


def _bars(
    axis: Axes,
    rows: Sequence[Row],
    classes: Sequence[Hide],
    name: str,
    number: int,
    methods: int,
    *,
    own: bool,
) -> None:
    width = 0.84 / methods
    x = np.array([classes.index(row.hide_days) for row in rows]) + width * (number - methods / 2)
    heights = [getattr(row, name) for row in rows]
    edge = "black" if own else "none"
    color = colour(rows[0].method)
    axis.bar(
        x + width / 2, heights, 0.92 * width, color=color, edgecolor=edge, label=rows[0].method
    )
    if name != "rmse" or rows[0].method == FLOOR:
        return
    known = [(at, row) for at, row in zip(x, rows, strict=True) if row.gain is not None]
    for at, row in known:
        assert row.gain is not None
        ends = [row.rmse - row.gain.value + end for end in (row.gain.low, row.gain.high)]
        axis.plot([at + width / 2] * 2, ends, lw=1.4, color="black")


def _held(axis: Axes, rows: Sequence[IntervalRow], stated: str, written: str, title: str) -> None:
    for number, (name, word, color) in enumerate(
        ((stated, "as stated", "0.7"), (written, "as written", colour(rows[0].method)))
    ):
        x = np.arange(len(rows)) + 0.4 * (number - 0.5)
        axis.bar(x, [getattr(row, name) for row in rows], 0.38, color=color, label=word)
    ticks = [f"{HIDE[row.gap]}\nx {row.factor:.2f}" for row in rows]
    axis.set_xticks(range(len(rows)), ticks)
    axis.set_xlabel("days hidden around the date, and factor")
    axis.set_title(title)
    axis.grid(axis="y")
    axis.set_axisbelow(True)


def _tick(rows: Sequence[Row], hide: Hide) -> str:
    dates = next(row.dates for row in rows if row.hide_days == hide)
    return f"{hide}\n{dates} dates"
