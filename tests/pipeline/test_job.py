from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.job import Job, JobError, Method, PairRules, Source
from pipeline.pairs import Bracket, Candidate, bracket
from tests.synthetic import day, make_grid


def make_job(**changes: object) -> Job:
    asked: dict[str, object] = {
        "name": "fields",
        "grid": make_grid(),
        "start": day(0),
        "end": day(9),
        "fine": Source(catalogs=("catalog.json",), collections=("landsat-c2-l2",)),
        "coarse": Source(catalogs=("catalog.json",), collections=("modis-09ga-061",)),
        "rules": PairRules(min_clear=0.5, max_span_days=16),
        "method": Method(name="linear", checkpoint=None, steps=3, seed=7),
        "coarse_fill_days": 3,
        "snow": "drop",
        "cube": Path("/data/fields.zarr"),
    }
    return Job(**(asked | changes))  # type: ignore[arg-type]


def test_a_job_survives_the_way_through_json() -> None:
    job = make_job()

    assert Job.from_dict(job.to_dict()) == job


def test_a_job_of_before_coarse_days_were_calmed_keeps_them_as_seen() -> None:
    known = make_job().to_dict()
    assert Job.from_dict(known).flicker == "calm"
    del known["flicker"]
    assert Job.from_dict(known).flicker == "keep"


def test_a_catalogue_named_twice_is_refused_without_its_key() -> None:
    twice = ("https://me:secret@stac.example.com?key=secret",) * 2
    with pytest.raises(JobError, match=r"https://stac.example.com, .* each once") as refused:
        Source(catalogs=twice, collections=("landsat-c2-l2",))
    assert "secret" not in str(refused.value)


def test_the_inputs_lie_beside_the_cube() -> None:
    assert make_job().inputs == Path("/data/fields.inputs")


def test_the_searched_period_holds_every_reference_and_what_fills_its_coarse_image() -> None:
    job = make_job()
    dates = [day(number) for number in range(-60, 80)]
    window = timedelta(days=job.coarse_fill_days)
    for target in job.days:
        for before in (date for date in dates if date < target):
            for after in (date for date in dates if date > target):
                candidates = [
                    Candidate(day=date, clear=1.0, cloud_distance=0.0) for date in (before, after)
                ]
                found = bracket(
                    target,
                    candidates,
                    max_span_days=16,
                    coarse_days=set(dates),
                    single_pair="mixed",
                )
                if isinstance(found, Bracket):
                    assert job.search_start <= min(found.dates) - window
                    assert max(found.dates) + window <= job.search_end


def test_the_search_box_holds_every_corner_of_the_grid() -> None:
    job = make_job()
    west, south, east, north = job.bbox
    corners = job.grid.fine.extent.to_crs("EPSG:4326").boundingbox

    assert west <= corners.left < corners.right <= east
    assert south <= corners.bottom < corners.top <= north
    assert east - west < 2 * (corners.right - corners.left)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": day(-1)}, "end 2023-04-30 is before start 2023-05-01"),
        ({"coarse_fill_days": -1}, "coarse_fill_days=-1 is negative; use 0"),
        ({"cube": Path("fields")}, "does not end in .zarr; call it fields.zarr"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_the_cure(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(JobError, match=message):
        make_job(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_clear": 0}, "min_clear=0 is no fraction"),
        ({"max_span_days": 1}, "leaves no day between two references"),
    ],
)
def test_rules_that_no_image_can_meet_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(JobError, match=message):
        PairRules(**changes)  # type: ignore[arg-type]


def test_the_card_knows_the_settings_of_the_method() -> None:
    method = Method(name="anomaly", checkpoint=None)

    assert method.card().name == "anomaly"
    assert method.card().sha != replace(method, name="linear").card().sha
