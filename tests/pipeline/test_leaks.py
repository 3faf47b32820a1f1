"""Nothing of a hidden date reaches a blind fusion: one audit, and every leak planted before it.

The audit knows nothing of how dates are hidden.  It takes a copy of what was read, puts other
pixels, other clouds and other surfaces in the place of every image that a target must not know,
and other measurements in the place of those taken on it, and asks for the same prediction, bit by
bit.
"""

import json
import shutil
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from model.card import CARD
from pipeline import choose
from pipeline.calibration import Line
from pipeline.coincidence import Coincidence, read_coincident, write_coincident
from pipeline.corrections import Corrections
from pipeline.cube import day_number
from pipeline.executor import executor
from pipeline.images import array_of, day_axis
from pipeline.ingest import open_inputs
from pipeline.job import Job, Method, PairRules
from pipeline.registration import Shift
from pipeline.run import ingest, locked, prepare, run_job
from pipeline.statistics import DayCounts
from pipeline.survey import Survey
from pipeline.validate import held_out
from pipeline.validate.answers import FILE, Answers
from pipeline.validate.asked import asked
from pipeline.validate.held_out import HeldOut, blind_images, fair
from pipeline.validate.hide import ONE_SIDED, Hide, LeakError, Region
from pipeline.validate.result import Validation
from pipeline.validate.seen import IN_SITE, Seen
from pipeline.validate.stage import BASELINES
from pipeline.validate.targets import Target, targets
from tests.model.makers import write_checkpoint
from tests.season import make_season
from tests.synthetic import day

METHODS = ("anomaly", "linear", "guided", "linear-series", "whittaker")
HIDDEN = 4
"""Fine images lie four days apart: a target goes with one on each side."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A region with clouds whose coarse images are moved and calibrated, ingested."""
    folder = tmp_path_factory.mktemp("leaks") / "files"
    season = make_season(folder, days=33, every=4, clear=(0.5, 0.9), rows=6, cols=6)
    rules = PairRules(min_clear=0.4, max_span_days=32)
    asked_for = season.job(
        start=day(0), end=day(32), rules=rules, calibrate="linear", coregister="shift"
    )
    with locked(asked_for), executor(scheduler="synchronous") as ex:
        prepare(asked_for)
        assert not ingest(asked_for, ex).errors
    fine = season.fine_days
    known = [coincidence(when, 0.01 * at, 0.9 + 0.02 * at) for at, when in enumerate(fine)]
    write_coincident(asked_for.inputs, known)
    return asked_for


def a_target(job: Job, hide: Hide = HIDDEN) -> Target:
    """The held-out date in the middle."""
    found = targets(Region(job), hide=[hide], extent="all")
    return next(one for one in found if one.day == day(16))


def prediction(job: Job, target: Target) -> list[np.ndarray]:
    """What each method makes of the same target of a region, by all that validation does."""
    region = Region(job)
    (found,) = [
        one
        for one in targets(region, hide=[target.hide], extent="all")
        if (one.day, one.tile) == (target.day, target.tile)
    ]
    _, images = blind_images(HeldOut.of(region, found, asked(job, METHODS)), "cpu")
    return [image.reflectance for image in images]


def spoilt(
    job: Job, folder: Path, days: Collection[date], coarse_days: Collection[date] = ()
) -> Job:
    """The region with other images on these days, as if they had been read so."""
    other = replace(job, cube=folder / "other.zarr")
    shutil.copytree(job.inputs, other.inputs, ignore=shutil.ignore_patterns("counts"))
    root = zarr.open_group(other.inputs / "fine.zarr", mode="r+")
    rng = np.random.default_rng(1)
    axis = day_axis(root)
    for when in days:
        at = axis.index(day_number(when))
        for band in open_inputs(job.inputs).bands:
            image = array_of(root, band)
            image[at] = rng.integers(0, 12000, image.shape[1:]).astype(np.int16)
        array_of(root, "clear")[at] = 1
        array_of(root, "surface")[at] = 7
        array_of(root, "clear_share")[at] = 1.0
        array_of(root, "cloud_distance")[at] = 1500.0
    coarse = zarr.open_group(other.inputs / "coarse.zarr", mode="r+")
    axis = day_axis(coarse)
    for when in coarse_days:
        at = axis.index(day_number(when))
        for band in open_inputs(job.inputs).bands:
            image = array_of(coarse, band)
            image[at] = rng.integers(0, 12000, image.shape[1:]).astype(np.int16)
        array_of(coarse, "clear")[at] = rng.random(image.shape[1:]) < 0.5
        array_of(coarse, "surface")[at] = 7
    measured = [one for one in read_coincident(job.inputs) if one.day not in days]
    write_coincident(other.inputs, [*measured, *(coincidence(when, 0.4, 1.5) for when in days)])
    return other


def coincidence(when: date, shift: float, gain: float) -> Coincidence:
    """What both sensors saw of a day; a region this small tells nothing of its own."""
    line = Line(gain=gain, bias=0.01, scatter=0.01, cells=4000, weight=1000.0)
    place = Shift(y=shift, x=-shift, sigma=0.05, likeness=0.9, cells=4000)
    return Coincidence(day=when, images="", shift=place, lines=(line, line))


def differs(job: Job, folder: Path, hide: Hide = HIDDEN) -> bool:
    """The audit: whether hidden images reach the prediction."""
    target = a_target(job, hide)
    coarse_days = [day(number) for number in range(17, 33)] if hide == ONE_SIDED else []
    other = spoilt(job, folder, target.hidden, coarse_days)
    pairs = zip(prediction(job, target), prediction(other, target), strict=True)
    return any(not np.array_equal(one, two, equal_nan=True) for one, two in pairs)


def test_no_hidden_image_reaches_a_prediction(job: Job, tmp_path: Path) -> None:
    target = a_target(job)
    assert target.hidden == {day(12), day(16), day(20)}
    assert len(target.address.before) + len(target.address.after) > 2, "nothing fills holes"
    assert any(np.isfinite(image).any() for image in prediction(job, target))
    assert not differs(job, tmp_path)


def test_no_later_image_of_either_sensor_reaches_a_one_sided_prediction(
    job: Job, tmp_path: Path
) -> None:
    target = a_target(job, ONE_SIDED)
    assert target.hidden == {day(number) for number in (16, 20, 24, 28, 32)}
    assert len(target.address.before) > 1, "nothing fills holes"
    assert not target.address.after
    assert max(target.address.series) == day(12)
    assert any(np.isfinite(image).any() for image in prediction(job, target))
    assert not differs(job, tmp_path, ONE_SIDED)


def test_a_one_sided_target_that_knows_a_later_day_cannot_be_built(job: Job) -> None:
    target = a_target(job, ONE_SIDED)
    for until in (None, day(17)):
        with pytest.raises(LeakError, match="on its morning no later day is known"):
            replace(target, address=replace(target.address, until=until))
    # As if the image had come since the dates were listed.
    address = replace(target.address, series=(*target.address.series, day(20)))
    with pytest.raises(LeakError, match="on its morning no later day is known"):
        replace(target, address=address, hidden=target.hidden - {day(20)})


def test_a_later_coarse_image_that_fills_a_cloud_is_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = held_out.read_block

    def leaky(inputs: Path, grid: Any, where: Any, **known: Any) -> Any:
        return read(inputs, grid, replace(where, until=None), **known)

    monkeypatch.setattr(held_out, "read_block", leaky)
    assert differs(job, tmp_path, ONE_SIDED)


def cut_off(job: Job, folder: Path, days: Collection[date]) -> Job:
    """The region as if no coarse image of these days had come."""
    other = replace(job, cube=folder / "cut.zarr")
    shutil.copytree(job.inputs, other.inputs)
    root = zarr.open_group(other.inputs / "coarse.zarr", mode="r+")
    axis = day_axis(root)
    for when in days:
        for name in ("clear", "fingerprint", "done"):
            array_of(root, name)[axis.index(day_number(when))] = 0
    return other


def test_what_a_morning_knows_of_cells_is_what_a_record_that_ends_there_tells(
    job: Job, tmp_path: Path
) -> None:
    region, filled_otherwise = Region(job), False
    for number in (3, 16, 17, 31):
        last = day(number)
        ended = cut_off(job, tmp_path / str(number), [day(one) for one in range(number + 1, 33)])
        wanted = Region(ended).survey
        found = region.survey_of(last, ONE_SIDED, ())
        upto = len(found.coarse_days)
        assert found.coarse_days[-1] == last
        np.testing.assert_array_equal(found.coarse_known, wanted.coarse_known[:upto])
        np.testing.assert_array_equal(found.coarse_clear, wanted.coarse_clear[:upto])
        assert found.coarse_prints == wanted.coarse_prints
        assert max(found.fine_days) <= last
        filled_otherwise |= not np.array_equal(
            found.coarse_known, region.survey.coarse_known[:upto]
        )
    assert filled_otherwise


def test_a_day_that_only_later_coarse_images_show_is_no_one_sided_target(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouded = cut_off(job, tmp_path, [day(14), day(15), day(16)])

    def asked_about(one: Job) -> set[date]:
        return {found.day for found in targets(Region(one), hide=[ONE_SIDED], extent="all")}

    assert day(16) in asked_about(job)
    assert day(16) not in asked_about(clouded)
    late = cut_off(job, tmp_path / "late", [day(number) for number in range(20)])
    assert min(asked_about(late)) > day(20)
    monkeypatch.setattr(Survey, "until", lambda self, *_: self)
    assert day(16) in asked_about(clouded)


def test_the_audit_sees_what_a_prediction_is_made_from(job: Job, tmp_path: Path) -> None:
    target = a_target(job)
    other = spoilt(job, tmp_path, {target.address.before[0]})
    pairs = zip(prediction(job, target), prediction(other, target), strict=True)
    assert all(not np.array_equal(one, two, equal_nan=True) for one, two in pairs)


def test_a_hidden_reference_is_refused_and_without_the_guard_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = a_target(job)
    without = Survey.without
    nearest = {when: when != target.day for when in target.hidden}

    def leaky(self: Survey, days: Iterable[date]) -> Survey:
        return without(self, {when for when in days if not nearest.get(when)})

    monkeypatch.setattr(Survey, "without", leaky)
    with pytest.raises(LeakError, match="is hidden"):
        a_target(job)
    monkeypatch.setattr(Target, "__post_init__", lambda self: None)
    assert differs(job, tmp_path)


def test_a_hidden_date_that_fills_holes_is_refused_and_without_the_guard_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = choose.fillers

    def leaky(*known: Any, **rules: Any) -> Any:
        before, after = fill(*known, **rules)
        planted = (day(12),) if known[1] == day(16) else ()
        return (*before[:1], *planted, *before[1:]), after

    monkeypatch.setattr(choose, "fillers", leaky)
    with pytest.raises(LeakError, match="2023-05-13"):
        a_target(job)
    monkeypatch.setattr(Target, "__post_init__", lambda self: None)
    assert differs(job, tmp_path)


def test_a_hidden_date_in_the_series_is_refused_and_without_the_guard_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose.Images.chosen

    def leaky(self: choose.Images, when: date) -> choose.MadeFrom:
        made = chosen(self, when)
        return replace(made, series=tuple(sorted({*made.series, when})))

    monkeypatch.setattr(choose.Images, "chosen", leaky)
    with pytest.raises(LeakError, match="2023-05"):
        a_target(job)
    monkeypatch.setattr(Target, "__post_init__", lambda self: None)
    assert differs(job, tmp_path)


def test_a_leak_through_the_regions_statistics_is_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DayCounts, "of", lambda *_: 0)
    assert differs(job, tmp_path)


@pytest.mark.parametrize("what", ["calibrate", "coregister"])
def test_a_leak_through_what_both_sensors_saw_is_seen(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    blind = Corrections.blind

    def leaky(job: Job, bands: Any, *, without: Collection[date]) -> Corrections:
        right, wrong = blind(job, bands, without=without), blind(job, bands, without=())
        if what == "calibrate":
            return replace(right, lines=wrong.lines)
        return replace(right, moves=wrong.moves, move=wrong.move)

    monkeypatch.setattr(Corrections, "blind", leaky)
    assert differs(job, tmp_path)


def test_weights_are_not_scored_on_a_target_of_which_they_saw_a_hidden_date(
    job: Job, tmp_path: Path
) -> None:
    target, methods = a_target(job), asked(job, METHODS)
    nothing = {one.name: Seen(weights="") for one in methods}
    assert fair(target, methods, nothing) == methods
    for when in target.hidden:
        known = nothing | {"guided": Seen(weights=IN_SITE, dates=frozenset({when}))}
        assert {one.name for one in methods} - {
            one.name for one in fair(target, methods, known)
        } == {"guided"}
    far = nothing | {"guided": Seen(weights=IN_SITE, dates=frozenset({day(4)}))}
    assert fair(target, methods, far) == methods


def test_a_run_scores_weights_on_no_target_of_which_their_card_names_a_hidden_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    season = make_season(tmp_path / "files", days=17, every=4, clear=(1, 1), rows=3, cols=4)
    folder = write_checkpoint(tmp_path / "weights", trained=True, bands=season.bands)
    rules = PairRules(min_clear=0.4, max_span_days=16)
    asked_for = season.job(
        start=day(4),
        end=day(8),
        rules=rules,
        method=Method(name="sa-stf", checkpoint=str(folder)),
        validation="all",
    )

    def scored(trained_on: Collection[date]) -> tuple[set[date], str]:
        """The dates that a run asked the weights about, and what it calls the weights."""
        named = {"name": "x", "bbox": asked_for.bbox, "dates": [f"{one}" for one in trained_on]}
        card = json.loads((folder / CARD).read_text())
        (folder / CARD).write_text(json.dumps(card | {"training": [{"region": named}]}))
        (asked_for.inputs / FILE).unlink(missing_ok=True)
        assert run_job(asked_for, scheduler="synchronous", refresh=True).ok
        own, *others = asked(asked_for, ["sa-stf", *BASELINES])
        answers = Answers.of(asked_for)
        widest = max(one.halo for one in (own, *others))
        found = targets(Region(asked_for, widest), hide=[0], extent="all")
        known = Validation.read(asked_for.inputs)
        assert known is not None
        (row,) = [one for one in known.rows if (one.method, one.hide_days) == ("sa-stf", 0)]
        asked_about = {one.day for one in found if answers.get(one, own) is not None}
        assert row.dates == len(asked_about)
        return asked_about, row.weights

    assert scored([day(0)]) == ({day(4), day(8)}, IN_SITE)
    assert scored([day(0), day(8)]) == ({day(4)}, IN_SITE)
    monkeypatch.setattr(held_out, "fair", lambda target, methods, knows: tuple(methods))
    assert scored([day(0), day(8)]) == ({day(4), day(8)}, IN_SITE), "the leak is planted"
