"""What should be there by the orbits seen, and is not."""

from datetime import UTC, date, datetime, time, timedelta

import pystac

from catalogs import by_name
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA
from pipeline.expected import lines, missing, save
from pipeline.grid import Grid
from pipeline.ingest import Collected, Inputs


def item(name: str, day: date, collection: str) -> pystac.Item:
    when = datetime.combine(day, time(), UTC)
    return pystac.Item(name, None, None, when, {}, collection=collection)


def test_a_lost_pass_and_a_lost_tile_are_named_and_nothing_else() -> None:
    start = date(2023, 5, 1)
    passes = [start + timedelta(days=16 * k) for k in range(5) if k != 2]
    others = [start + timedelta(days=8 + 16 * k) for k in range(4)]
    scenes = [item(f"LC08_L2SP_190028_{d:%Y%m%d}_02_T1", d, LANDSAT_C2_L2.name) for d in passes]
    scenes += [item(f"LC09_L2SP_190028_{d:%Y%m%d}_02_T1", d, LANDSAT_C2_L2.name) for d in others]
    (eight, nine) = missing(Collected(specs=by_name(LANDSAT_C2_L2), items=tuple(scenes)))
    assert eight.series == ("landsat-c2-l2", "LC08", "190")
    assert (eight.expected, eight.days) == (5, (start + timedelta(days=32),))
    assert (nine.expected, nine.days) == (4, ())
    days = [start + timedelta(days=k) for k in range(6) if k != 3]
    tiles = [item(f"MOD09GA.A{d:%Y%j}.h19v04.061.1", d, MOD09GA.name) for d in days]
    (tile,) = missing(Collected(specs=by_name(MOD09GA), items=tuple(tiles)))
    assert tile.days == (start + timedelta(days=3),)


def test_the_table_and_the_lines_say_it_for_people(tmp_path) -> None:
    days = [date(2023, 5, 1) + timedelta(days=k) for k in (0, 1, 3)]
    tiles = [item(f"MOD09GA.A{d:%Y%j}.h19v04.061.1", d, MOD09GA.name) for d in days]
    coarse = Collected(specs=by_name(MOD09GA), items=tuple(tiles))
    fine = Collected(specs=by_name(LANDSAT_C2_L2), items=(item("mine", days[0], "landsat-c2-l2"),))
    grid = Grid.from_bbox((14.0, 46.0, 14.01, 46.01))
    inputs = Inputs(grid=grid, bands=("red",), drop=(), fine=fine, coarse=coarse)
    assert list(lines(inputs)) == [
        "fine: newest image 2023-05-01",
        "coarse: newest image 2023-05-04, 1 of 4 expected are missing (expected.csv)",
    ]
    save(tmp_path, inputs)
    table = (tmp_path / "expected.csv").read_text(encoding="utf-8").splitlines()
    assert table[1:] == ["2023-05-03,coarse,modis-09ga-061,MOD09GA,h19v04"]
