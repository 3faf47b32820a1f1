"""How everything in a report looks: one colour a method, everywhere, told apart by everyone.

Colours are those of Okabe and Ito (2008), made for all kinds of colour vision; the naive methods
are greys, for they are the ground the others stand on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

WIDTH_IN = 10.0
DPI = 90

ERRORS = "magma"
CLASSES = ("#332288", "#117733", "#DDCC77", "#CC6677", "#88CCEE")
"""Of K-means maps, darkest class first (Tol 2021, muted)."""

TRUTH, COARSE = "#000000", "#999999"

_BY_METHOD: Mapping[str, str] = {
    "auto": "#009E73",
    "sa-stf": "#D55E00",
    "stfdiff": "#CC79A7",
    "guided": "#E69F00",
    "starfm": "#56B4E9",
    "estarfm": "#0072B2",
    "fsdaf": "#44AA99",
    "fit-fc": "#117733",
    "whittaker": "#882255",
    "linear-series": "#AA4499",
    "anomaly": "#333333",
    "linear": "#777777",
}
_NAIVE = "#AAAAAA"

_LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "normal",
    "axes.labelsize": 9,
    "axes.edgecolor": "#8894a2",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#e3e8ee",
    "xtick.color": "#5d6b7d",
    "ytick.color": "#5d6b7d",
    "xtick.labelcolor": "#1c2430",
    "ytick.labelcolor": "#1c2430",
    "text.color": "#1c2430",
    "axes.labelcolor": "#1c2430",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def colour(method: str) -> str:
    """Of a method's name (not its label)."""
    return _BY_METHOD.get(method, _NAIVE)


@contextmanager
def drawn(
    path: Path, *, height_in: float, width_in: float = WIDTH_IN, photographs: bool = False
) -> Iterator[Figure]:
    """A figure that is written to ``path``, PNG or WebP, at the end of the ``with`` block."""
    with plt.rc_context(_LOOK):
        figure = plt.figure(figsize=(width_in, height_in), layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        how: dict[str, Any] = {}
        if path.suffix == ".webp":
            # Photographs are a fifth of what they are as PNG, charts a third without any loss.
            how = {"method": 6, **({"quality": 75} if photographs else {"lossless": True})}
        figure.savefig(path, dpi=DPI, pil_kwargs=how)
        plt.close(figure)
