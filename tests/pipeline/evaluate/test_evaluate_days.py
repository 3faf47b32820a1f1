from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluate.days import axis_of, told
from pipeline.evaluate.panels import Shown
from tests.pipeline.evaluate.test_evaluate_scores import make_scene


@pytest.mark.parametrize(
    ("day", "words"), [(0, "day 0 of the season"), (934, "1972-07-23"), (11787, "2002-04-10")]
)
def test_a_day_without_a_calendar_has_no_date(day: int, words: str) -> None:
    assert told(day) == words


def test_an_axis_has_dates_or_the_days_of_a_season() -> None:
    np.testing.assert_array_equal(axis_of([11787]), np.array(["2002-04-10"], "M8[D]"))
    assert axis_of([0, 64]).tolist() == [0, 64]
    assert axis_of(range(3)).dtype.kind == "i"


def test_a_single_reference_is_shown_once() -> None:
    scene = make_scene()
    shown = Shown(scene=scene, at=0, truth=scene.truth[0], answers={})
    assert [name for name, _ in shown.known] == [
        "before, day 0 of the season",
        "after, day 8 of the season",
    ]
    block = replace(scene.block, day_after=0, fine_after=scene.block.fine_before)
    (only,) = replace(shown, scene=replace(scene, block=block)).known
    assert only[0] == "only reference, day 0 of the season"
    np.testing.assert_array_equal(only[1], scene.block.fine_before)
