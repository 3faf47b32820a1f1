"""The plot of held-out scores, as a person reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pipeline.evaluate import palette
from pipeline.validate import plot
from pipeline.validate.hide import HIDE
from pipeline.validate.result import Validation
from pipeline.validate.table import Row


def row(hide: object, method: str) -> Row:
    scores = dict.fromkeys(("rmse", "changed", "cc", "bias", "edge", "lbp", "coverage"), 0.04)
    return Row(
        hide_days=hide,
        method=method,
        weights="",
        dates=14,
        tiles=8,
        gap_days=8.0,
        pixels=5000,
        gain=None,
        **scores,
    )


def test_the_names_of_neighbouring_classes_do_not_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps: list[float] = []

    @contextmanager
    def measured(out: Path, **size: float) -> Iterator[Figure]:
        with palette.drawn(out, **size) as figure:
            yield figure
            figure.canvas.draw()
            for axis in figure.axes:
                boxes = [one.get_window_extent() for one in axis.get_xticklabels()]
                gaps.extend(right.x0 - left.x1 for left, right in pairwise(boxes))

    monkeypatch.setattr(plot, "drawn", measured)
    methods = ("sa-stf", "linear", "anomaly", "linear-series", "whittaker")
    rows = tuple(row(hide, method) for hide in HIDE for method in methods)
    found = Validation(rows=rows, extent="sample", method="sa-stf", until="", software="")
    assert plot.draw(found, tmp_path / "scores.png").stat().st_size > 5000
    assert len(gaps) == 4 * (len(HIDE) - 1)
    assert min(gaps) > 3  # pixels
