"""Scores of held-out dates, against what the files say."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from model.card import CLASSICAL_HALO
from pipeline.executor import executor
from pipeline.job import Job, JobError, PairRules
from pipeline.progress import Progress
from pipeline.run import cube_status, ingest, locked, prepare, run_job
from pipeline.statistics import region_statistics
from pipeline.store import read_attrs
from pipeline.survey import NotIngestedError
from pipeline.validate import Moments
from pipeline.validate.answers import FILE, Answers
from pipeline.validate.asked import asked
from pipeline.validate.held_out import answered
from pipeline.validate.hide import HIDE_DAYS, Hide, LeakError, Region
from pipeline.validate.result import ATTRIBUTE, Validation
from pipeline.validate.stage import BASELINES, refuse_nothing, validate
from pipeline.validate.table import Answered
from pipeline.validate.targets import SAMPLE_DATES, SAMPLE_TILES, targets
from tests.season import Season, make_season, write_image
from tests.synthetic import Float, day


def make_read(
    folder: Path, *, clear: tuple[float, float] = (1, 1), days: int = 17
) -> tuple[Season, Job]:
    """A season of cloudless images by default, and a job over all of it, ingested."""
    season = make_season(folder / "files", days=days, every=4, clear=clear, cols=4)
    rules = PairRules(min_clear=0.4, max_span_days=16)
    job = season.job(start=day(0), end=day(days - 1), rules=rules)
    read(job)
    return season, job


def read(job: Job) -> None:
    with locked(job), executor(scheduler="synchronous") as ex:
        prepare(job)
        assert not ingest(job, ex).errors


def image(season: Season, number: int) -> Float:
    import rasterio

    with rasterio.open(season.image("fine", day(number))) as file:
        values = file.read().astype(np.float64) * 1e-4
    return np.where(values < 0, np.nan, values)


def hold_out(
    job: Job, methods: Sequence[str], *, hide: Sequence[Hide] = (0,)
) -> dict[str, Answered]:
    """The answers of methods, worked out in this process."""
    region = Region(job)
    with executor(scheduler="synchronous") as ex:
        held_out = targets(region, hide=hide, extent="all")
        found, errors = answered(region, asked(job, methods), held_out, ex)
    assert not errors
    return found


def rows_of(job: Job, methods: Sequence[str], **changes: Any) -> Validation:
    with executor(scheduler="synchronous") as ex:
        found = validate(job, ex, methods=methods, **changes)
    assert not found.errors
    return found


def dates(answers: dict[str, Answered]) -> set[date]:
    return {target.day for found in answers.values() for target, _ in found}


def of(answers: dict[str, Answered], method: str, number: int, band: int = 0) -> Moments:
    found = [sums for target, sums in answers[method] if target.day == day(number)]
    return sum((sums.moments[band] for sums in found), Moments())


def test_scores_are_those_of_the_plain_formulas_on_the_files(tmp_path: Path) -> None:
    season, job = make_read(tmp_path)
    scores = hold_out(job, ["copy-before", "linear"])

    assert dates(scores) == {day(4), day(8), day(12)}
    for number in (4, 8, 12):
        seen = image(season, number)[0].ravel()
        before, after = (image(season, number + by)[0].ravel() for by in (-4, 4))
        for method, fused in (("copy-before", before), ("linear", (before + after) / 2)):
            moments = of(scores, method, number)
            assert moments.pixels == seen.size
            assert moments.rmse == pytest.approx(np.sqrt(np.mean((fused - seen) ** 2)), rel=1e-5)
            assert moments.bias == pytest.approx(np.mean(fused - seen), abs=1e-7)
            assert moments.cc == pytest.approx(np.corrcoef(fused, seen)[0, 1], rel=1e-5)


def test_hiding_neighbours_widens_the_bracket(tmp_path: Path) -> None:
    season, job = make_read(tmp_path)
    scores = hold_out(job, ["copy-before"], hide=[4])

    # Of 0, 4, 8, 12, 16 only 8 keeps references when its neighbours at 4 days go too.
    assert dates(scores) == {day(8)}
    fused, seen = image(season, 0)[0], image(season, 8)[0]
    assert of(scores, "copy-before", 8).rmse == pytest.approx(
        np.sqrt(np.mean((fused - seen) ** 2)), rel=1e-5
    )


def test_a_hidden_image_reaches_the_scores_only_as_the_truth(tmp_path: Path) -> None:
    # With holes in all images fillers are at work; another image on the held-out date, seen
    # where the first one was, must leave the fused side of the score as it is.
    season, job = make_read(tmp_path, clear=(0.5, 0.9))
    first = hold_out(job, ["anomaly"])
    number = 8
    original = image(season, number)
    write_image(season.image("fine", day(number)), original * 0.5, season.grid.fine)
    other = replace(job, cube=tmp_path / "other" / "cube.zarr")
    read(other)
    second = hold_out(other, ["anomaly"])

    for band in range(len(season.bands)):
        one, two = of(first, "anomaly", number, band), of(second, "anomaly", number, band)
        assert one.pixels == two.pixels > 50
        assert two.fused == one.fused
        assert two.fused_squared == one.fused_squared
        assert two.seen == pytest.approx(one.seen / 2, rel=1e-3)
    assert of(first, "anomaly", 4).fused != of(second, "anomaly", 4).fused


def test_a_hidden_image_is_left_out_of_the_statistics(tmp_path: Path) -> None:
    _, job = make_read(tmp_path)
    region = Region(job)
    blind = region.without({day(4), day(8)})

    kept = region_statistics(job.inputs, region.bands, without={day(4), day(8)})
    np.testing.assert_array_equal([blind.centre, blind.spread], kept)
    everything = region.without(())
    assert not np.array_equal(blind.centre, everything.centre)


def test_a_target_made_from_a_hidden_date_cannot_be_built(tmp_path: Path) -> None:
    _, job = make_read(tmp_path)
    (target,) = targets(Region(job), hide=[4], extent="all")

    for leaked in (target.address.before, target.address.after):
        with pytest.raises(LeakError, match="held-out 2023-05-09 on tile 0: 2023-05"):
            replace(target, hidden=target.hidden | set(leaked))
    with pytest.raises(LeakError, match="2023-05-09"):
        replace(target, hidden=target.hidden - {target.day})


def test_the_references_of_a_hidden_class_may_lie_farther_apart_by_what_is_hidden(
    tmp_path: Path,
) -> None:
    _, job = make_read(tmp_path)
    narrow = replace(job, rules=replace(job.rules, max_span_days=8))

    (target,) = targets(Region(narrow), hide=[4], extent="all")
    assert (target.day, target.gap_days) == (day(8), 8)
    assert {one.gap_days for one in targets(Region(narrow), hide=[0], extent="all")} == {4}


def test_all_methods_are_scored_on_the_same_pixels(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, clear=(0.5, 0.9))
    scores = hold_out(job, ["copy-before", "anomaly", "delta"])
    pixels = [[sums.pixels for _, sums in found] for found in scores.values()]

    assert pixels[0]
    assert pixels[0] == pixels[1] == pixels[2]


def test_rows_pool_dates_and_average_bands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)  # the region is one block wide
    season, job = make_read(tmp_path)
    scores = hold_out(job, ["mean"])
    rows = {row.method: row for row in rows_of(job, ["mean"], hide=[0]).rows}

    assert rows.keys() == {"mean", *BASELINES}
    by_band = []
    for band in range(len(season.bands)):
        parts = [of(scores, "mean", number, band) for number in (4, 8, 12)]
        by_band.append(np.sqrt(np.mean([part.rmse**2 for part in parts])))
    assert rows["mean"].rmse == pytest.approx(np.mean(by_band))
    assert (rows["mean"].dates, rows["mean"].tiles, rows["mean"].gap_days) == (3, 3, 4)
    assert rows["anomaly"].gain is not None
    assert tuple(rows["anomaly"].gain) == (0, 0, 0)
    gain = rows["mean"].gain
    assert gain is not None
    assert gain.value == pytest.approx(rows["mean"].rmse - rows["anomaly"].rmse)


def test_the_changed_pixels_are_those_of_the_largest_error_of_linear(tmp_path: Path) -> None:
    _, job = make_read(tmp_path)
    rows = {row.method: row for row in rows_of(job, ["copy-before"], hide=[0]).rows}

    assert rows["linear"].changed > 1.5 * rows["linear"].rmse


def test_what_was_answered_is_kept_through_a_kill_and_not_asked_again(tmp_path: Path) -> None:
    _, job = make_read(tmp_path)
    first = rows_of(job, ["mean"])
    path = job.inputs / FILE
    whole = path.read_bytes()
    *_, last = whole.splitlines()
    path.write_bytes(whole[: -len(last) // 2])  # killed while it wrote the last line

    told: list[Progress] = []
    again = rows_of(job, ["mean"], on_progress=told.append)
    assert again.to_dict() == first.to_dict()
    assert path.read_bytes() == whole
    assert [(one.stage, one.done, one.total) for one in told] == [("validate", 1, 1)]
    path.write_bytes(b"".join(reversed(whole.splitlines(keepends=True))))  # others were first
    rows_of(job, ["mean"], on_progress=told.append)
    assert path.read_bytes() == whole
    assert len(told) == 1
    assert all(json.loads(line) for line in path.read_text().splitlines())
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(
        JobError, match=r"validation\.jsonl, line 1, is no answer .*remove the file"
    ):
        Answers.of(job)


def test_an_image_that_is_read_anew_is_asked_anew(tmp_path: Path) -> None:
    season, job = make_read(tmp_path)
    before = {one.day: one.key for one in targets(Region(job), hide=[0], extent="all")}
    write_image(season.image("fine", day(4)), image(season, 4) * 0.5, season.grid.fine)
    item = next((season.folder / "fine").rglob("*2023-05-05*.json"))
    known = json.loads(item.read_text())
    known["properties"]["updated"] = "2023-06-01T00:00:00Z"
    item.write_text(json.dumps(known))
    read(job)
    after = {one.day: one.key for one in targets(Region(job), hide=[0], extent="all")}

    # 4 is held out itself and a reference of 8; 12 is made from 8 and 16.
    assert {when for when, key in before.items() if key != after[when]} == {day(4), day(8)}


def test_a_sample_is_bounded_and_a_later_image_moves_little_of_it(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files", days=81, every=4, clear=(1, 1), rows=8, cols=7)
    rules = PairRules(min_clear=0.4, max_span_days=16)
    job = season.job(start=day(0), end=day(80), rules=rules)
    read(job)
    region = Region(job)
    sample = targets(region, hide=HIDE_DAYS, extent="sample")
    everything = targets(region, hide=HIDE_DAYS, extent="all")

    assert {one.key for one in sample} < {one.key for one in everything}
    assert {one.hide for one in sample} == {0, 8, 16, 32}
    for hidden in HIDE_DAYS:
        days = [one.day for one in sample if one.hide == hidden]
        assert len(set(days)) <= SAMPLE_DATES
        assert max(days.count(one) for one in days) <= SAMPLE_TILES
    shorter = targets(Region(replace(job, end=day(75))), hide=[0], extent="sample")
    kept = {one.day for one in shorter} & {one.day for one in sample if one.hide == 0}
    assert len(kept) >= SAMPLE_DATES - 1


def test_rows_survive_the_attributes_of_a_cube(tmp_path: Path) -> None:
    _, job = make_read(tmp_path)
    found = rows_of(job, ["mean"])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))

    again = Validation.from_dict(told)
    assert again.to_dict() == found.to_dict()
    assert [row.method for row in again.rows] == [row.method for row in found.rows]


def test_moments_add_up_like_the_pixels(rng_pixels: tuple[Float, Float]) -> None:
    fused, seen = rng_pixels
    sigma = np.full_like(fused, 0.2)
    whole = Moments.of(fused, seen, sigma)
    parts = Moments.of(fused[:30], seen[:30], sigma[:30])
    parts += Moments.of(fused[30:], seen[30:], sigma[30:])

    assert (parts.pixels, parts.stated, parts.covered) == (100, 100, whole.covered)
    assert 0 < whole.coverage < 1
    assert parts.coverage == whole.coverage
    error = fused.astype(np.float64) - seen
    by_hand = (error**2).mean() ** 0.5, np.corrcoef(fused, seen)[0, 1], error.mean()
    for one in (whole, parts):
        assert (one.rmse, one.cc, one.bias) == pytest.approx(by_hand)
    assert np.isnan(Moments().rmse)


@pytest.fixture
def rng_pixels() -> tuple[Float, Float]:
    noise = np.random.default_rng(3)
    return noise.random(100, np.float32), noise.random(100, np.float32)


def test_no_date_to_hold_out_is_said_with_the_cure(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, days=9)
    found = rows_of(job, ["linear"], hide=[4])

    assert not found.rows
    with pytest.raises(
        JobError, match=r"no fine date .* to 2023-05-09 keeps the clear .*4 days around hidden"
    ):
        refuse_nothing(job, found, [4])


def test_a_region_that_was_not_read_cannot_be_validated(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files", days=9)

    with pytest.raises(NotIngestedError, match="it reads the scenes"):
        Region(season.job())


def test_published_methods_are_scored_beside_the_naive(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, clear=(0.5, 0.9))
    rows = rows_of(job, [*CLASSICAL_HALO], hide=[0]).rows

    assert {row.method for row in rows} == {*CLASSICAL_HALO, *BASELINES}
    assert len({row.pixels for row in rows}) == 1
    assert all(np.isfinite(row.rmse) for row in rows)


def test_a_run_tells_how_good_it_is_in_the_cube_and_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.validate.sums.BLOCK_M", 120.0)
    season = make_season(tmp_path / "files", days=33, every=4)
    job = season.job(validation="sample", start=day(8), end=day(20))
    told: list[Progress] = []
    summary = run_job(job, scheduler="synchronous", on_progress=told.append)

    stages = list(dict.fromkeys(one.stage for one in told))
    assert stages == ["search", "ingest", "validate", "plan", "fuse", "publish"]
    assert summary.ok, summary.errors
    known = read_attrs(job.cube)[ATTRIBUTE]
    rows = {(row["hide_days"], row["method"]) for row in known["rows"]}
    assert {(hidden, method) for hidden in (0, 8) for method in BASELINES} <= rows
    assert (known["extent"], known["method"], known["until"]) == ("sample", "anomaly", f"{day(32)}")
    (line,) = [line for line in cube_status(job.cube).lines() if "own date hidden, " in line]
    assert line in summary.lines()
    assert all(name in line for name in BASELINES)
    report = job.cube.with_suffix(".validation.html").read_text()
    assert ">linear<" in report
    picture = imread(job.cube.with_suffix(".validation.png"))
    assert picture.shape[1] > 1000
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
    assert "Pixels through time" in report
    assert job.cube.with_suffix(".pixels.png").stat().st_size > 10_000

    told.clear()
    run_job(job, scheduler="synchronous", on_progress=told.append)
    assert not [one for one in told if one.stage in ("validate", "fuse")]
    assert read_attrs(job.cube)[ATTRIBUTE] == known


def test_what_fails_in_a_validation_is_told_and_the_days_are_fused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    season = make_season(tmp_path / "files", days=17, every=4)
    job = season.job(validation="all")
    monkeypatch.setattr("pipeline.validate.held_out.blind_images", lambda *_: 1 / 0)
    summary = run_job(job, scheduler="synchronous")

    assert not summary.ok
    assert summary.fused.tile_days
    assert "held-out 2023-05-" in summary.errors[0]
    assert "ZeroDivisionError" in summary.errors[0]
