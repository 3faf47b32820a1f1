import numpy as np
import pytest
from matplotlib import image

from pipeline.choose import views
from pipeline.cube import Status
from pipeline.job import JobError, PairRules
from pipeline.timeline import KINDS, _of_tile, plan_picture
from tests.pipeline.surveys import fresh, known_until, make_recipe, make_survey
from tests.synthetic import day

RULES = PairRules(min_clear=0.5, max_span_days=24, single_pair="mixed")


def test_what_is_drawn_is_what_is_planned() -> None:
    survey, recipe = known_until(make_survey(), day(56)), make_recipe(rules=RULES)
    plan = fresh(survey, recipe)
    names = list(KINDS)
    late = made = 0
    for view in views(recipe, survey):
        kind, provisional, choices = _of_tile(view)
        assert list(choices) == list(recipe.job.days)
        late += int(provisional.sum())
        made += sum(names[one].startswith(("fused", "from", "observed")) for one in kind)
    assert late == plan.counts["provisional"]
    assert made == sum(plan.counts[one.name.lower()] for one in (Status.FINAL, Status.PROVISIONAL))


@pytest.mark.parametrize(("start", "end"), [(20, 60), (20, 20)])
def test_a_plan_of_any_length_is_drawn(tmp_path, monkeypatch, start: int, end: int) -> None:
    survey = known_until(make_survey(), day(56))
    recipe = make_recipe(rules=RULES, start=day(start), end=day(end))
    monkeypatch.setattr("pipeline.timeline.tile_views", lambda job: views(recipe, survey))
    drawn = plan_picture(recipe.job, tmp_path / "deep" / "plan.png")
    seen = image.imread(drawn)
    assert min(seen.shape[:2]) > 300
    assert len(np.unique(seen.reshape(-1, seen.shape[2]), axis=0)) > 20


def test_the_tile_shown_must_be_there(tmp_path) -> None:
    job = make_recipe().job
    with pytest.raises(JobError, match="there is no tile 99; fields has the tiles 0 to"):
        plan_picture(job, tmp_path / "plan.png", tile=99)
