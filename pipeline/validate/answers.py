"""What methods answered on held-out dates, kept beside the cube: killing a run loses nothing.

``validation.jsonl`` in the folder of the inputs, a line an answer, written by the driver alone as
each comes.  A line that a kill cut short is dropped; any other that is no answer is a JobError.
"""

import json
from pathlib import Path

from pipeline.job import Job, JobError
from pipeline.validate.asked import Asked
from pipeline.validate.sums import Sums
from pipeline.validate.targets import Target

FILE = "validation.jsonl"


class Answers:
    """The answers of all runs on a region."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[tuple[str, str], Sums] = {}
        if not path.exists():
            return
        *lines, cut = path.read_bytes().split(b"\n")
        if cut:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - len(cut))
        for number, line in enumerate(lines, 1):
            try:
                known = json.loads(line)
                self._known[known["target"], known["method"]] = Sums.from_dict(known["sums"])
            except (ValueError, KeyError, TypeError) as error:
                raise JobError(
                    f"{path}, line {number}, is no answer on a held-out date ({error}); remove "
                    "the file, and all dates are asked again"
                ) from error

    @classmethod
    def of(cls, job: Job) -> "Answers":
        """Those of a region's cube."""
        return cls(job.inputs / FILE)

    def get(self, target: Target, method: Asked) -> Sums | None:
        """None while it has not been given."""
        return self._known.get(method.answer_to(target))

    def settle(self) -> None:
        """Order the file by name, so that it does not tell who was first; replaced as a whole."""
        lines = sorted(self.path.read_bytes().splitlines(keepends=True)) if self._known else []
        if lines and b"".join(lines) != self.path.read_bytes():
            beside = self.path.with_suffix(".partial")
            beside.write_bytes(b"".join(lines))
            beside.replace(self.path)

    def add(self, target: Target, method: Asked, sums: Sums) -> None:
        """Keep an answer, in memory and on disk."""
        key, sha = method.answer_to(target)
        line = json.dumps({"target": key, "method": sha, "sums": sums.to_dict()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._known[key, sha] = sums
