"""Which dates of a region the weights of a method know, by their card."""

import json
from datetime import date
from pathlib import Path

import pytest

from model.card import CARD
from pipeline.job import Method
from pipeline.validate.seen import ADAPTED, IN_SITE, ZERO_SHOT, seen_by
from tests.model.makers import write_checkpoint
from tests.season import make_season
from tests.synthetic import day


@pytest.mark.parametrize(
    ("bbox", "before", "word", "known"),
    [
        ((-10.0, 30.0, 170.0, 50.0), ["worlds"], ADAPTED, {day(8), day(12)}),
        ((-10.0, 30.0, 170.0, 50.0), [], IN_SITE, {day(8), day(12)}),
        ((170.0, 30.0, -10.0, 50.0), ["worlds"], ZERO_SHOT, set()),
        ((-10.0, -50.0, 170.0, -30.0), [], ZERO_SHOT, set()),
        (None, ["worlds"], ZERO_SHOT, set()),
    ],
    ids=["here", "here alone", "the other side of the Earth", "the other hemisphere", "nowhere"],
)
def test_a_card_tells_which_dates_its_weights_know_of_a_region(
    tmp_path: Path,
    bbox: tuple[float, ...] | None,
    before: list[str],
    word: str,
    known: set[date],
) -> None:
    folder = write_checkpoint(tmp_path / "weights", trained=True)
    stages = [{"data": [{one: {"train, seed 1": 180}}]} for one in before]
    dates = [f"{day(8)}", f"{day(12)}"]
    region = [] if bbox is None else [{"region": {"name": "x", "bbox": bbox, "dates": dates}}]
    card = json.loads((folder / CARD).read_text()) | {"training": [*stages, *region]}
    (folder / CARD).write_text(json.dumps(card))
    season = make_season(tmp_path / "files", days=9)

    seen = seen_by(season.job(), Method(name="sa-stf", checkpoint=str(folder)))
    assert (seen.weights, seen.dates) == (word, known)
    assert seen_by(season.job(), Method(name="anomaly")).weights == ""
