"""The curves of a run, as CSV files that a resumed run goes on writing.

train.csv        losses: the same bytes whether or not a run was interrupted
validation.csv   scores of network and baselines after every epoch; likewise
speed.csv        time of a step, and the share of it that waited for data
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

TRAIN = (
    "epoch",
    "step",
    "loss",
    "reconstruction",
    "perceptual",
    "time",
    "consistency",
    "rate",
    "time_weight",
)
VALIDATION = ("epoch", "step", "set", "method", "rmse", "rmse_changed")
SPEED = ("epoch", "step", "seconds_a_step", "examples_a_second", "wait_share")


class Log:
    """One CSV file whose rows each belong to a step."""

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        """Go on after ``step``: rows of later ones are dropped, they will come again."""
        self.path, self.columns = path, tuple(columns)
        kept = [row for row in read(path) if int(row["step"]) <= step] if step else []
        beside = path.with_name(f"{path.name}.partial")
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
        beside.rename(path)

    def add(self, row: Mapping[str, object]) -> None:
        """Append a row; numbers with seven digits."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(
                {key: _text(value) for key, value in row.items()}
            )


def read(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log; a last one that was cut off by a kill is left out."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(whole.splitlines()))


def _text(value: object) -> object:
    return f"{value:.7g}" if isinstance(value, float) else value
