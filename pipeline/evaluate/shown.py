"""Which methods are shown in pictures, which hold but a few."""

from collections.abc import Sequence

from pipeline.evaluate.choices import BASELINES
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.rows import FLOOR, Row

SHOWN = 4
"""Methods in a picture of images; more would be too small to be seen."""


def shown_methods(rows: Sequence[Row], contenders: Sequence[Contender]) -> tuple[str, ...]:
    """Whose images are shown: ``linear`` and the floor, the first learned method, the best of the
    others."""
    there = [row.method for row in sorted(rows, key=lambda row: row.values["rmse"])]
    learned = [one.label for one in contenders if one.card.weights is not None]
    naive = [label for label in ("linear", FLOOR) if label in there]
    first = [label for label in learned if label in there][:1]
    taken = {*naive, *first, *BASELINES}
    others = [label for label in there if label not in taken]
    more = [label for label in there if label not in {*naive, *first, *others}]
    filled = (others + more)[: SHOWN - len(naive) - len(first)]
    return (*naive, *filled, *first)
