"""Scores of held-out dates, against what the files say."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from model.card import CLASSICAL_HALO
from pipeline.executor import executor
from pipeline.job import Job, JobError, PairRules
from pipeline.run import ingest, locked, prepare
from pipeline.survey import NotIngestedError
from pipeline.validate import Moments, Score, hold_out, summary
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


def of(scores: Sequence[Score], method: str, number: int, band: str = "red") -> Moments:
    (found,) = [
        one.moments
        for one in scores
        if (one.method, one.date, one.band) == (method, day(number), band)
    ]
    return found


def test_scores_are_those_of_the_plain_formulas_on_the_files(tmp_path: Path) -> None:
    season, job = make_read(tmp_path)
    scores = hold_out(job, ["copy-before", "linear"])

    assert {one.date for one in scores} == {day(4), day(8), day(12)}
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
    scores = hold_out(job, ["copy-before"], hide_days=[4])

    # Of 0, 4, 8, 12, 16 only 8 keeps references when its neighbours at 4 days go too.
    assert {one.date for one in scores} == {day(8)}
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

    for band in season.bands:
        one, two = of(first, "anomaly", number, band), of(second, "anomaly", number, band)
        assert one.pixels == two.pixels > 50
        assert two.fused == one.fused
        assert two.fused_squared == one.fused_squared
        assert two.seen == pytest.approx(one.seen / 2, rel=1e-3)
    assert of(first, "anomaly", 4).fused != of(second, "anomaly", 4).fused


def test_a_hidden_image_is_left_out_of_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, job = make_read(tmp_path)
    asked = []
    from pipeline import validate

    measure = validate.count

    def record(inputs: Path, bands: Sequence[str], days: Collection[date]) -> object:
        asked.append(set(days))
        return measure(inputs, bands, days)

    monkeypatch.setattr(validate, "count", record)
    hold_out(job, ["linear"], hide_days=[0, 4])

    every, *hidden = asked
    assert every > {day(4), day(8), day(12)}
    assert hidden == [{day(4)}, {day(8)}, {day(12)}, {day(4), day(8), day(12)}]


def test_all_methods_are_scored_on_the_same_pixels(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, clear=(0.5, 0.9))
    scores = hold_out(job, ["copy-before", "anomaly", "delta"])
    pixels: dict[object, set[int]] = {}
    for one in scores:
        pixels.setdefault((one.date, one.band), set()).add(one.moments.pixels)

    assert pixels
    assert all(len(counts) == 1 for counts in pixels.values())


def test_the_summary_pools_dates_and_averages_bands(tmp_path: Path) -> None:
    season, job = make_read(tmp_path)
    scores = hold_out(job, ["linear", "mean"])
    rows = {(row["method"], row["band"]): row for row in summary(scores)}

    parts = [one.moments for one in scores if (one.method, one.band) == ("linear", "red")]
    assert rows["linear", "red"]["rmse"] == pytest.approx(
        np.sqrt(np.mean([part.rmse**2 for part in parts]))
    )
    assert rows["linear", "red"]["dates"] == 3
    for name in ("rmse", "cc", "bias"):
        assert rows["mean", "mean"][name] == pytest.approx(
            np.mean([rows["mean", band][name] for band in season.bands])
        )


def test_moments_add_up_like_the_pixels(rng_pixels: tuple[Float, Float]) -> None:
    fused, seen = rng_pixels
    whole = Moments.of(fused, seen)
    parts = Moments.of(fused[:30], seen[:30]) + Moments.of(fused[30:], seen[30:])

    assert parts.pixels == whole.pixels
    assert (parts.rmse, parts.cc, parts.bias) == pytest.approx((whole.rmse, whole.cc, whole.bias))
    assert np.isnan(Moments().rmse)


@pytest.fixture
def rng_pixels() -> tuple[Float, Float]:
    noise = np.random.default_rng(3)
    return noise.random(100, np.float32), noise.random(100, np.float32)


def test_no_date_to_hold_out_is_said_with_the_cure(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, days=9)

    with pytest.raises(JobError, match="no fine date from 2023-05-01 to 2023-05-09 keeps clear"):
        hold_out(job, ["linear"], hide_days=[4])


def test_a_region_that_was_not_read_cannot_be_validated(tmp_path: Path) -> None:
    season = make_season(tmp_path / "files", days=9)

    with pytest.raises(NotIngestedError, match="it reads the scenes"):
        hold_out(season.job(), ["linear"])


def test_published_methods_are_scored_beside_the_naive(tmp_path: Path) -> None:
    _, job = make_read(tmp_path, clear=(0.5, 0.9))
    methods = ["linear", *CLASSICAL_HALO]
    rows = {row["method"]: row for row in summary(hold_out(job, methods)) if row["band"] == "mean"}

    assert rows.keys() == set(methods)
    assert len({row["pixels"] for row in rows.values()}) == 1
    assert all(np.isfinite(row["rmse"]) for row in rows.values())
