"""The curves of a training run, drawn from its CSV files."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from model.card import NETWORKS

BASELINES = {"linear": "tab:gray", "anomaly": "tab:orange"}
PARTS = ("reconstruction", "perceptual", "time", "consistency")
"""Parts of the loss, drawn where they are not 0."""


def plot_training(folder: Path, out: Path) -> Path:
    """Draw ``train.csv`` and ``validation.csv`` of ``folder``: losses by step, RMSE by step and
    set beside the baselines.  A run that was stopped early has shorter curves."""
    losses = pd.read_csv(folder / "train.csv")
    scores = pd.read_csv(folder / "validation.csv")
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    _losses(axes[0], losses)
    _scores(axes[1], scores)
    figure.savefig(out, dpi=120)
    plt.close(figure)
    return out


def _losses(axes: Axes, losses: pd.DataFrame) -> None:
    axes.plot(losses["step"], losses["loss"], color="black", linewidth=0.6, alpha=0.4)
    smooth = losses["loss"].rolling(max(1, len(losses) // 50), min_periods=1).mean()
    axes.plot(losses["step"], smooth, color="black", label="loss")
    for part in PARTS:
        if losses[part].any() and not losses[part].equals(losses["loss"]):
            axes.plot(losses["step"], losses[part], linewidth=0.8, label=part)
    if (losses["loss"] > 0).all():
        axes.set_yscale("log")
    axes.set(xlabel="step", title="Loss")
    axes.legend()


def _scores(axes: Axes, scores: pd.DataFrame) -> None:
    for number, (name, rows) in enumerate(scores.groupby("set", sort=False)):
        style = ("-", "--", ":", "-.")[number % 4]
        for method, colour in {**dict.fromkeys(NETWORKS, "tab:blue"), **BASELINES}.items():
            own = rows[rows["method"] == method]
            if own.empty:  # the other network's
                continue
            axes.plot(
                own["step"],
                own["rmse"],
                color=colour,
                linestyle=style,
                marker="." if method in NETWORKS else None,
                label=f"{method}, {name}",
            )
    axes.set(xlabel="step", ylabel="reflectance", title="Validation RMSE, mean of the bands")
    if not scores.empty:
        axes.legend(fontsize="small")
