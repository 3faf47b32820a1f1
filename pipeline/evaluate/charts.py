"""Pictures of numbers: the gain over ``anomaly`` at a glance, box plots, pixel series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.days import SEASON, Days
from pipeline.evaluate.palette import COARSE, TRUTH, colour, drawn
from pipeline.evaluate.rows import FLOOR, Row

LEAST_SHOWN = 60.0
"""Per cent: what is worse than the floor by more is drawn at the edge, with its number."""


def draw_gains(groups: Mapping[str, Sequence[Row]], shown: Mapping[str, str], path: Path) -> None:
    """RMSE of some methods as a share of that of ``anomaly``, with the 95 % intervals.

    ``groups``: rows by what they are called; ``shown``: the method behind each label.
    """
    with drawn(path, height_in=max(0.36, 0.1 + 0.07 * len(shown)) * len(groups) + 1.1) as figure:
        axes = figure.subplots()
        lines = list(groups.items())
        for at, (_, rows) in enumerate(lines):
            axes.axhspan(at - 0.5, at + 0.5, color="#f4f7fa" if at % 2 else "white", zorder=0)
            floor = next((row.values["rmse"] for row in rows if row.method == FLOOR), np.nan)
            by_label = {row.method: row for row in rows}
            for place, (label, method) in enumerate(shown.items()):
                row = by_label.get(label)
                if row is None or not floor > 0:
                    continue
                y = at + (place - (len(shown) - 1) / 2) * 0.7 / max(len(shown), 1)
                gain = 100 * (row.values["rmse"] / floor - 1)
                ink = colour(method)
                if gain > LEAST_SHOWN:
                    text = f"{gain:+.0f} % →"
                    axes.text(LEAST_SHOWN, y, text, color=ink, ha="right", va="center", fontsize=7)
                    continue
                if row.gain is not None:
                    low, high = (100 * end / floor for end in (row.gain.low, row.gain.high))
                    axes.plot(np.clip((low, high), None, LEAST_SHOWN), (y, y), color=ink, lw=1.6)
                axes.plot(gain, y, "o", color=ink, ms=4.5, mec="white", mew=0.5)
        axes.axvline(0, color="#333333", lw=1)
        axes.set_yticks(range(len(lines)), [name for name, _ in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlim(right=LEAST_SHOWN)
        axes.set_xlabel(f"RMSE against {FLOOR}, per cent; to the left is better")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        handles = [
            axes.plot([], [], "o-", color=colour(method), label=label, ms=4.5, lw=1.6)[0]
            for label, method in shown.items()
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))


def draw_boxes(rows: Sequence[Row], methods: Mapping[str, str], path: Path) -> None:
    """RMSE of the changed pixels of every block, by method, the least median above."""
    rows = sorted((row for row in rows if row.box.count), key=lambda row: row.box.median)
    with drawn(path, height_in=0.27 * len(rows) + 0.9) as figure:
        axes = figure.subplots()
        stats = [
            {
                "med": row.box.median,
                "q1": row.box.lower_quartile,
                "q3": row.box.upper_quartile,
                "whislo": row.box.low,
                "whishi": row.box.high,
                "mean": row.box.mean,
                "fliers": row.box.outliers,
            }
            for row in rows
        ]
        boxes = axes.bxp(
            stats,
            orientation="horizontal",
            patch_artist=True,
            showmeans=True,
            widths=0.62,
            medianprops={"color": "white", "linewidth": 1.6},
            meanprops={"marker": "D", "markersize": 3.5, "mfc": "white", "mec": "#333333"},
            flierprops={"marker": ".", "markersize": 2.5, "mec": "#99a5b3"},
            whiskerprops={"color": "#8894a2"},
            capprops={"color": "#8894a2"},
        )
        for box, row in zip(boxes["boxes"], rows, strict=True):
            box.set(facecolor=colour(methods[row.method]), edgecolor="none", alpha=0.9)
        axes.set_yticks(range(1, len(rows) + 1), [row.method for row in rows])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("RMSE of reflectance, changed pixels of a block of 1.5 km")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSeries:
    """What one pixel went through, in one band."""

    title: str
    days: Days
    """(time,) ascending"""

    truth: NDArray[np.float32]
    """(time,) NaN unknown, as all that follow."""

    coarse: tuple[Days, NDArray[np.float32]]
    """Days and values of its cell."""

    references: tuple[Days, NDArray[np.float32]]
    """Days and values of the fine images that are known."""

    answers: Mapping[str, NDArray[np.float32]]
    """By label, (time,)"""


def draw_series(pixels: Sequence[PixelSeries], methods: Mapping[str, str], path: Path) -> None:
    """Fine images, coarse cells, and what the methods make of the days between, pixel by pixel."""
    with drawn(path, height_in=2.1 * len(pixels) + 0.5) as figure:
        grid = np.ravel(np.asarray(figure.subplots(len(pixels), 1, sharex=True)))
        for axes, one in zip(grid, pixels, strict=True):
            axes.plot(*one.coarse, "x", color=COARSE, ms=4, label="coarse cell")
            axes.plot(one.days, one.truth, "-", color=TRUTH, lw=2.4, alpha=0.25)
            axes.plot(one.days, one.truth, "o", color=TRUTH, ms=4, label="hidden truth")
            for label, values in one.answers.items():
                ink = colour(methods[label])
                axes.plot(one.days, values, ".-", color=ink, lw=1.3, ms=5, label=label)
            days, values = one.references
            if days.size:
                axes.plot(days, values, "s", mfc="white", mec=TRUTH, ms=5, label="known fine image")
            axes.set_title(one.title, loc="left")
            axes.set_ylabel("reflectance")
            axes.grid(axis="y")
        if not np.issubdtype(pixels[0].days.dtype, np.datetime64):
            grid[-1].set_xlabel(SEASON)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
