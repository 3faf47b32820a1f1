"""What should be there by the orbits seen, and is not."""

from datetime import UTC, date, datetime, time, timedelta

import pystac
import pytest

from catalogs import by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline.expected import days, lines, save, series
from pipeline.grid import Grid
from pipeline.ingest import Collected, Inputs


def item(name: str, day: date, collection: str) -> pystac.Item:
    when = datetime.combine(day, time(), UTC)
    return pystac.Item(name, None, None, when, {}, collection=collection)


LATER = date(2024, 5, 1)


def landsat(craft: str, day: date) -> pystac.Item:
    return item(f"{craft}_L2SP_190028_{day:%Y%m%d}_02_T1", day, LANDSAT_C2_L2.name)


def modis(day: date) -> pystac.Item:
    return item(f"MOD09GA.A{day:%Y%j}.h19v04.061.1", day, MOD09GA.name)


def test_a_lost_pass_and_a_lost_tile_are_named_and_nothing_else() -> None:
    start = date(2023, 5, 1)
    passes = [start + timedelta(days=16 * k) for k in range(5) if k != 2]
    others = [start + timedelta(days=8 + 16 * k) for k in range(4)]
    scenes = [landsat("LC08", day) for day in passes] + [landsat("LC09", day) for day in others]
    (eight, nine) = series(
        Collected(specs=by_name(LANDSAT_C2_L2), items=tuple(scenes)), passes[-1], LATER
    )
    assert (eight.name, nine.name) == ("LC08 190", "LC09 190")
    assert eight.expected - eight.found == {start + timedelta(days=32)}
    assert (len(eight.expected), nine.expected) == (5, nine.found)
    tiles = tuple(modis(start + timedelta(days=k)) for k in range(6) if k != 3)
    found = series(Collected(specs=by_name(MOD09GA), items=tiles), start, LATER)
    assert [(row.day.day, row.missing) for row in days(found) if row.missing] == [
        (4, ("MOD09GA h19v04",))
    ]


@pytest.mark.parametrize(
    ("end", "today", "missing"),
    [
        (date(2023, 5, 9), LATER, [4, 5, 6, 7, 8, 9]),  # to the end of the period
        (date(2023, 5, 9), date(2023, 5, 9), [4, 5]),  # not what no archive has yet
        (date(2023, 5, 9), date(2023, 5, 3), []),
    ],
)
def test_images_lost_at_the_end_are_missing_but_not_those_of_the_future(
    end: date, today: date, missing: list[int]
) -> None:
    tiles = tuple(modis(date(2023, 5, day)) for day in (1, 2, 3))
    found = days(series(Collected(specs=by_name(MOD09GA), items=tiles), end, today))
    assert [row.day.day for row in found if row.missing] == missing


def test_nothing_is_expected_of_a_craft_that_has_ended() -> None:
    scenes = tuple(landsat(craft, date(2023, 12, 28)) for craft in ("LE07", "LC08"))
    found = series(
        Collected(specs=by_name(LANDSAT_C2_L2), items=scenes), date(2024, 3, 1), date(2025, 1, 1)
    )
    assert {one.name: len(one.expected) for one in found} == {"LC08 190": 5, "LE07 190": 2}


def test_the_table_and_the_lines_say_it_for_people(tmp_path) -> None:
    seen = [date(2023, 5, 1) + timedelta(days=k) for k in (0, 1, 3)]
    coarse = Collected(specs=by_name(MOD09GA), items=tuple(map(modis, seen)))
    fine = Collected(specs=by_name(LANDSAT_C2_L2), items=(item("mine", seen[0], "landsat-c2-l2"),))
    grid = Grid.from_bbox((14.0, 46.0, 14.01, 46.01))
    inputs = Inputs(grid=grid, bands=("red",), drop=(), fine=fine, coarse=coarse)
    assert list(lines(inputs, seen[-1], LATER)) == [
        "fine: newest image 2023-05-01",
        "coarse: newest image 2023-05-04, 1 of 4 expected are missing (expected.csv)",
    ]
    save(tmp_path, inputs, seen[-1], LATER)
    table = (tmp_path / "expected.csv").read_text(encoding="utf-8").splitlines()
    assert table == [
        "day,images,expected,found,missing",
        "2023-05-01,coarse,1,1,",
        "2023-05-02,coarse,1,1,",
        "2023-05-03,coarse,1,0,MOD09GA h19v04",
        "2023-05-04,coarse,1,1,",
    ]
