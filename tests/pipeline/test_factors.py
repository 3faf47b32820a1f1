"""How many dates a factor of uncertainty is believed for, and whose a class without dates takes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.chosen import CLASSES, Pick, Used
from pipeline.executor import executor
from pipeline.job import Job, PairRules
from pipeline.run import ingest, prepare
from pipeline.validate.choice import choosing, report_periods
from pipeline.validate.hide import HIDE, Region
from pipeline.validate.ratios import AS_STATED, FACTORS, Ratios
from pipeline.validate.sums import Sums
from pipeline.validate.targets import Target
from pipeline.validate.widen import widened
from tests.season import make_season
from tests.synthetic import day


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A season whose scenes have been read."""
    files = tmp_path_factory.mktemp("factors") / "files"
    season = make_season(files, days=55, every=4, clear=(0.9, 1), cols=4)
    rules = PairRules(min_clear=0.4, max_span_days=48)
    job = season.job(start=day(4), end=day(54), rules=rules)
    prepare(job)
    with executor(scheduler="synchronous") as ex:
        assert not ingest(job, ex).errors
    return job


def sums(factor: float, seed: int, *, side: int = 16) -> Sums:
    """Of a method whose errors are so many times what it states."""
    rng = np.random.default_rng(seed)
    truth = rng.random((2, side, side), np.float32)
    sigma = np.full(truth.shape, 0.01, np.float32)
    error = factor * sigma * rng.standard_normal(truth.shape).astype(np.float32)
    everywhere = np.ones((side, side), bool)
    return Sums.of(truth + error, sigma, truth, truth, everywhere, pixel_m=30.0)


def pick(name: str = "sa-stf") -> Pick:
    return Pick(used=Used(name=name, sha=name, halo=0, series=False))


def choosers(job: Job, hide: object) -> list[Target]:
    """A target a date."""
    found = choosing(Region(job), report_periods(job), "all")
    return [one for one in found if one.hide == hide]


def factor_of(answers: Sequence[tuple[Target, Sums]], place: int = 0) -> float:
    picks = widened([pick()] * CLASSES, {"sa-stf": answers}, stating={"sa-stf"})
    return picks[place].used.sigma_factor


@pytest.mark.parametrize(("truth", "prior"), [(2.0, 1), (0.6, 4)], ids=["wider", "narrower"])
def test_a_few_dates_are_believed_in_part(read: Job, truth: float, prior: int) -> None:
    listed = choosers(read, 0)
    assert len(listed) > 3
    for count in (1, 2, len(listed)):
        answers = [(one, sums(truth, at, side=64)) for at, one in enumerate(listed[:count])]
        wanted = truth ** (count / (count + prior))
        assert factor_of(answers) == pytest.approx(wanted, rel=0.035)
        assert factor_of(answers[::-1]) == factor_of(answers)
    # A date of few pixels more is hardly one.
    answers = [(listed[0], sums(truth, 0, side=64)), (listed[1], sums(truth, 1, side=4))]
    assert factor_of(answers) == pytest.approx(truth ** (1 / (1 + prior)), rel=0.035)


def test_a_class_without_dates_takes_the_factor_next_to_it_of_the_same_method(read: Job) -> None:
    short = choosers(read, 0)
    listed = {
        0: short,
        2: [replace(one, hide=HIDE[2]) for one in short],
        4: choosers(read, HIDE[4]),
    }
    answers = {
        "sa-stf": [
            (replace(one, hide=HIDE[place]), sums(factor, at))
            for place, factor in ((0, 2), (2, 5), (4, 7))
            for at, one in enumerate(listed[place])
        ],
        "linear": [],
    }
    found = widened([pick()] * CLASSES, answers, stating={"sa-stf"})
    zero, one, two, three, last = (each.used.sigma_factor for each in found)
    assert 1 < zero < two == one == three < last
    assert "that of reference 17 to 32 days away" in found[1].factor_why
    other = widened(
        [pick(name) for name in ("linear", "sa-stf", "linear", "linear", "linear")],
        answers,
        stating={"sa-stf"},
    )
    assert {each.used.sigma_factor for each in other} == {1}
    assert "no held-out date can measure it" in other[1].factor_why
    assert other[0] == pick("linear")


def test_what_holds_ninety_percent_already_stays_as_it_is(read: Job) -> None:
    answers = [(one, sums(1, at, side=64)) for at, one in enumerate(choosers(read, 0))]
    assert FACTORS[AS_STATED] == 1
    assert factor_of(answers) == pytest.approx(1, abs=0.03)
    assert Ratios.none().stated == 0
