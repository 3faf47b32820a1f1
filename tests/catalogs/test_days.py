"""The day of an item is the local solar day of its ground."""

from datetime import UTC, date, datetime, timedelta

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs import CatalogError, nominal_day


def make_item(
    when: datetime | None, west: float | None, *, name: str = "LC09", width: float = 2.0
) -> pystac.Item:
    """An item ``width`` degrees wide at 35 S; nowhere without ``west``."""
    geometry = box = None
    if west is not None:
        box = [west, -36.0, west + width, -34.0]
        ring = [[west, -36], [west + width, -36], [west + width, -34], [west, -34], [west, -36]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
    interval = {
        "start_datetime": "2023-05-02T00:00:00Z",
        "end_datetime": "2023-05-02T23:59:59Z",
    }
    return pystac.Item(name, geometry, box, when, {} if when else interval)


def utc(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2023, 5, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "west", "day"),
    [
        (utc(1, 23, 50), 145.0, 2),  # Coleambally: 9:34 in the morning
        (utc(2, 0, 10), 145.0, 2),
        (utc(1, 10), 10.0, 1),
        (utc(1, 18, 40), -123.0, 1),
        (utc(1, 20, 30), -157.0, 1),  # Hawaii
        (utc(1, 22, 10), 172.0, 2),  # New Zealand
        (utc(1, 21, 45), 177.9, 2),
        (utc(2, 0, 1), -122.0, 1),  # late in the afternoon
        (utc(1, 23, 59, 59), None, 1),  # nowhere: UTC
    ],
)
def test_a_scene_belongs_to_the_solar_day_of_its_ground(when, west, day) -> None:
    assert nominal_day(make_item(when, west)) == date(2023, 5, day)


@given(st.floats(-179, 177), st.integers(0, 364), st.floats(5.0, 19.0))
def test_all_that_is_seen_in_one_daylight_has_one_day(west, day, hour) -> None:
    ground = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=day, hours=hour, microseconds=1)
    item = make_item(ground - timedelta(hours=(west + 1) / 15), west)
    assert nominal_day(item) == ground.date()


def test_a_scene_across_the_antimeridian_has_one_day_however_it_is_drawn() -> None:
    when = utc(1, 21, 45)  # 9:44 on the 2nd at 179.7 E
    runs_on = make_item(when, 178.0, width=3.4)
    changes_sign = make_item(when, 178.0, width=-356.6)
    split = make_item(when, 178.0)
    split.geometry = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[178, -36], [180, -36], [180, -34], [178, -34], [178, -36]]],
            [[[-180, -36], [-178.6, -36], [-178.6, -34], [-180, -34], [-180, -36]]],
        ],
    }
    split.bbox = [-180, -36, 180, -34]
    box_only = make_item(when, None)
    box_only.bbox = [178.0, -36.0, -178.6, -34.0]
    for item in (runs_on, changes_sign, split, box_only):
        assert nominal_day(item) == date(2023, 5, 2)


def test_the_corner_that_closes_an_outline_does_not_draw_the_centre_to_it() -> None:
    # The centre is at 157.63 E, where Terra's pass falls on the UTC day before.
    tile = make_item(None, 156.63, name="MOD09GA.A2012001.h31v12.061")
    assert nominal_day(tile) == date(2012, 1, 2)


def test_an_image_of_the_whole_globe_has_the_utc_day() -> None:
    assert nominal_day(make_item(utc(1, 18), -180.0, width=360.0)) == date(2023, 5, 1)


@pytest.mark.parametrize("west", [-170.0, 0.0, 170.0])
def test_a_date_without_a_time_is_kept_everywhere(west) -> None:
    assert nominal_day(make_item(utc(2, 0), west)) == date(2023, 5, 2)
    assert nominal_day(make_item(None, west)) == date(2023, 5, 2)


@pytest.mark.parametrize(
    ("name", "west", "day"),
    [
        ("MOD09GA.A2023121.h29v12.061", 145.0, 1),  # passes at 00:40 UTC of the same date
        ("MYD09GA.A2023121.h29v12.061", 145.0, 1),
        ("MOD09GA.A2023121.h31v12.061", 172.0, 2),  # 22:40 UTC of the day before
        ("MYD09GA.A2023121.h31v12.061", 172.0, 1),  # 02:30 UTC of the same day
        ("MOD09GQ.A2023121.h03v07.061", -160.0, 1),
        ("MYD09GA.A2023121.h02v07.061", -168.0, 0),  # 01:30 UTC of the day after
        ("VNP09GA.A2023121.h02v07.002", -168.0, 0),
        ("VNP09GA.A2023121.h10v05.002", -90.0, 1),
        ("MCD43A4.A2023121.h31v12.061", 172.0, 1),  # of 16 days
        ("MOD09A1.A2023121.h31v12.061", 172.0, 1),  # of 8
    ],
)
def test_a_daily_tile_stands_for_the_local_day_of_the_pass_its_utc_day_holds(
    name, west, day
) -> None:
    expected = date(2023, 5, 1) + timedelta(days=day - 1)
    assert nominal_day(make_item(None, west, name=name)) == expected


@given(
    st.floats(-179, 177),
    st.sampled_from([("MOD", 10.5), ("MYD", 13.5), ("VNP", 13.5)]),
    st.integers(0, 3000),
)
def test_a_daily_tile_and_a_landsat_scene_of_one_daylight_meet(west, craft, number) -> None:
    platform, hour = craft
    ground = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(days=number)
    centre = west + 1
    landsat = make_item(ground + timedelta(hours=10.07 - centre / 15), west)
    passed = ground + timedelta(hours=hour - centre / 15)
    tile = make_item(None, west, name=f"{platform}09GA.A{passed:%Y%j}.h00v00.061")
    assert nominal_day(tile) == nominal_day(landsat) == ground.date()


def test_the_drift_of_terra_moves_the_line_over_australia() -> None:
    before = make_item(None, 145.0, name="MOD09GA.A2020121.h29v12.061")
    after = make_item(None, 145.0, name="MOD09GA.A2026121.h29v12.061")
    assert nominal_day(before) == date(2020, 4, 30)
    assert nominal_day(after) == date(2026, 5, 2)  # 8:45 is 23:00 UTC of the day before


def test_an_item_without_any_time_is_refused() -> None:
    item = make_item(utc(1, 1), 0.0)
    item.datetime = None
    with pytest.raises(CatalogError, match="neither datetime nor start_datetime"):
        nominal_day(item)
