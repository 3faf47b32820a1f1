"""A comparison as a table to read and as one to compute with."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from model.training.ablation import METRICS, Score

Reference = Mapping[str, Sequence[float]]

HEADS = {"cc": "CC", "ssim": "SSIM", "ergas": "ERGAS", "rmse": "RMSE", "sam": "SAM"}


def table_rows(scores: Sequence[Score], reference: Reference) -> list[dict[str, str]]:
    """One row a score, as text: metrics in the paper's order, cost, then the paper's own numbers
    for the rows it has."""
    rows = []
    for one in scores:
        row = {"row": one.row}
        row |= {HEADS[name]: f"{getattr(one, name):.4f}" for name in METRICS}
        row["RMSE / anomaly"] = f"{one.rmse / one.anomaly:.3f}"
        row["RMSE changed"] = f"{one.rmse_changed:.4f}"
        row["parameters"] = f"{one.parameters:,}" if one.parameters else ""
        row["minutes"] = "" if one.minutes is None else f"{one.minutes:.1f}"
        if reference:
            printed = reference.get(one.row, [None] * len(METRICS))
            for name, value in zip(METRICS, printed, strict=True):
                row[f"paper {HEADS[name]}"] = "" if value is None else f"{value:.4f}"
        rows.append(row)
    return rows


def by_set(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each validation set."""
    names = dict.fromkeys(one.set for one in scores)
    return {name: [one for one in scores if one.set == name] for name in names}


def notes(scores: Sequence[Score], reference: Reference) -> list[str]:
    """What has to be said beside a table."""
    said = [
        "Metrics are means over the held-out examples (model.metrics; ERGAS with 1/16, SAM in "
        "radians); `changed` are the pixels 0.05 or more from `linear`. The last weights of each "
        "row are scored, none is picked."
    ]
    for name, part in by_set(scores).items():
        if len({one.anomaly for one in part}) > 1:
            said.append(
                f"`anomaly` is not the same for all rows of {name}: a seed draws other examples, a "
                "frame may bring coarse cells to the fine grid in another way. Naive methods are "
                "shown as the first row saw them."
            )
    if reference:
        said.append(
            "The paper's columns are its LGC table: other data, size and training; they show its "
            "order, not a target here. Which parts each row has is our reading of it; RDDM is the "
            "Taylor row without TE-Block1."
        )
    return said


def write_tables(
    out: Path, scores: Sequence[Score], reference: Reference, *, title: str, described: str
) -> None:
    """Write ``ablation.md`` and ``ablation.csv`` (all digits, one row a set and row)."""
    parts = [f"# {title}", described]
    for name, part in by_set(scores).items():
        rows = table_rows(part, reference)
        heads = list(rows[0])
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *(list(r.values()) for r in rows)]
        parts.append(f"## {name}")
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    parts += notes(scores, reference)
    (out / "ablation.md").write_text("\n\n".join(parts) + "\n")
    names = [field.name for field in fields(Score)]
    paper = [f"paper_{name}" for name in METRICS] if reference else []
    with (out / "ablation.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, *paper])
        for one in scores:
            printed = reference.get(one.row, [""] * len(paper)) if reference else []
            values = asdict(one)
            writer.writerow([*(values[name] for name in names), *printed])
