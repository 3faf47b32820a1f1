"""A method that is to answer on held-out dates."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.job import Job, Method
from pipeline.validate.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A method that is to answer."""

    method: Method
    sha: str
    halo: int
    series: bool
    sigma: bool
    """As its card says."""

    @property
    def name(self) -> str:
        return self.method.name

    def answer_to(self, target: Target) -> tuple[str, str]:
        """The name of its answer: that of all the target is made from, and its own."""
        return (target.series_key if self.series else target.key), self.sha


def asked(job: Job, names: Iterable[str]) -> tuple[Asked, ...]:
    """The methods by these names, each once, with the job's settings.  Raises CheckpointError."""
    found = []
    for name in dict.fromkeys(names):
        method = job.method.by_name(name)
        card = method.card()
        found.append(
            Asked(
                method=method,
                sha=card.sha,
                halo=card.halo,
                series=card.series,
                sigma=card.sigma,
            )
        )
    return tuple(found)
