from dataclasses import replace

import numpy as np
import pytest

from pipeline.choose import TileView
from pipeline.explain import _in_full, _summed_up, outcome
from pipeline.job import PairRules
from pipeline.pairs import SCORE
from tests.pipeline.surveys import make_recipe
from tests.synthetic import day

COARSE = {day(n): 1.0 for n in range(100)}


def make_view(fine, *, coarse=COARSE, away=None, horizon=90, tile=0, **rules) -> TileView:
    asked = {"min_clear": 0.6, "max_span_days": 20, "single_pair": "ignore"}
    recipe = make_recipe(rules=PairRules(**(asked | rules)))
    shares = {day(n): share for n, share in sorted(fine.items())}
    return TileView(
        recipe=recipe,
        tile=recipe.job.grid.tiles[tile],
        fine_clear=shares,
        cloud_distance={one: (away or {}).get(one, SCORE.cloud_reach_m) for one in shares},
        coarse_known=coarse,
        whole=frozenset(),
        unread=frozenset(),
        unmeasured=frozenset(),
        failed=frozenset(),
        horizon=day(horizon),
        fine_states={},
        coarse_states={},
    )


def told(view: TileView, target: int) -> str:
    return "\n".join(_in_full(view, day(target)))


def test_the_candidates_of_each_side_stand_in_the_order_of_their_cost_with_its_parts() -> None:
    view = make_view(
        {2: 0.9, 4: 0.31, 6: 0.7, 15: 0.4, 10: 0.4, 18: 0.8, 17: 0.9},
        coarse={**COARSE, day(17): 0.2},
        away={day(6): 300.0},
    )
    lines = list(_in_full(view, day(10)))
    dates = [line.split()[0] for line in lines if line.startswith("  2023")]
    cost = [view.candidate(one).cost(day(10)) for one in view.fine_clear if one < day(10)]
    assert [d for d in dates if d < str(day(10))] == [
        str(one)
        for _, one in sorted(
            zip(cost, [one for one in view.fine_clear if one < day(10)], strict=True)
        )
    ]
    text = "\n".join(lines)
    assert f"fused from {day(2)} and {day(18)}" in text
    assert f"{day(6)}    4    70%   +1.2     300 m  +3.2        +0     8.5" in text
    assert "31% clear, a reference needs 60%" not in text, "it fills holes"
    assert "fine image of the day: 40% clear, kept as observed" in text
    assert text.count("fills holes") == 4


def test_what_is_not_fit_says_what_it_lacks() -> None:
    view = make_view({0: 1.0, 4: 0.31, 6: 1.0, 18: 1.0}, coarse={**COARSE, day(6): 0.2})
    view = replace(view, whole=frozenset(view.fine_clear))
    text = told(view, 10)
    assert "31% clear, a reference needs 60%" in text
    assert "coarse cells known 20%, a reference needs 60%" in text


@pytest.mark.parametrize(
    ("fine", "target", "reason"),
    [
        ((10, 40), 105, "no coarse image"),
        ((10, 40), 3, f"the first is {day(10)}"),
        ((10, 40), 50, f"the last is {day(40)}; wait for the next image"),
        ((10, 40), 20, "30 days apart, more than pairs.max_span_days = 20"),
        ((), 20, "there is none at all"),
    ],
)
def test_a_gap_says_why_and_what_would_help(fine, target: int, reason: str) -> None:
    assert reason in told(make_view(dict.fromkeys(fine, 1.0)), target)


def test_a_cure_that_is_taken_already_is_not_told_again() -> None:
    cure = "single_pair: mixed"
    assert cure in told(make_view({10: 1.0}), 30)
    text = told(make_view({10: 1.0}, single_pair="mixed"), 30)
    assert cure not in text
    assert "it is 20 days away, and a single reference may be 10" in text


def test_one_side_alone_and_a_day_that_needs_no_fusion_are_told() -> None:
    alone = make_view({10: 1.0}, single_pair="mixed", horizon=12)
    assert outcome(alone, day(12)) == (
        f"fused from {day(10)} alone; provisional, images after {day(12)} may change it"
    )
    skipped = make_view({10: 0.7, 14: 1.0}, observed="skip")
    assert "at least 60% are clear and pairs.observed is skip" in told(skipped, 10)
    fused = make_view({10: 0.7, 12: 1.0, 8: 1.0}, observed="fuse")
    assert "70% clear, not used (pairs.observed: fuse)" in told(fused, 10)


def test_tiles_are_told_together_by_their_answer() -> None:
    usual = [make_view({8: 1.0, 12: 0.9 - tile / 10}, tile=tile) for tile in (0, 1, 3)]
    other = make_view({8: 1.0}, tile=2)
    lines = list(_summed_up([*usual, other], day(10)))
    assert lines[0] == f"{day(10)}, 4 tiles:"
    assert lines[1].split(maxsplit=1)[0] == "3"
    assert f"fused from {day(8)} and {day(12)}" in lines[1]
    assert lines[2].strip() == "tiles 0 to 1, 3"
    assert "2 days, 100% clear, cost 2.0" in lines[3]
    assert "2 days, 60% to 90% clear" in lines[4]
    assert "not fused: no clear reference after" in lines[5]
    assert len(lines) <= 8


def test_a_summary_grows_with_the_answers_not_with_the_tiles() -> None:
    views = [make_view({8: 1.0, 12: float(np.clip(t / 4, 0.6, 1))}, tile=t) for t in range(4)]
    assert len(list(_summed_up(views * 100, day(10)))) < 8
