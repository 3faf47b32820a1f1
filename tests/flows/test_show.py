"""Progress says days, tiles and the time left, on a terminal and in a log alike."""

import io
from dataclasses import dataclass
from datetime import date

import pytest
from rich.console import Console

from flows import show


@dataclass(frozen=True, kw_only=True)
class Event:
    """The fields of ``pipeline.run.Progress``."""

    stage: str = "fuse"
    done: int
    total: int = 10
    days_done: int = 0
    days_total: int = 5
    tile: int | None = None
    day: date | None = None
    what: str = ""
    error: str | None = None


def written(events: list[Event], *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with show.progress(console) as on_progress:
        for event in events:
            on_progress(event)  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_log_gets_the_first_and_the_last_line_of_a_stage_and_no_control_codes() -> None:
    text = written([Event(done=done) for done in range(11)], terminal=False)
    assert text.splitlines() == [
        "fuse: 0/10 tile-days, 0/5 days",
        "fuse: 10/10 tile-days, 0/5 days",
    ]


def test_a_log_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 600.0])
    monkeypatch.setattr(show.time, "monotonic", lambda: next(clock))
    text = written(
        [Event(done=0), Event(done=2, days_done=1, tile=3, day=date(2023, 5, 4))], terminal=False
    )
    # 2 of 10 took a minute, so the other 8 take four.
    assert text.splitlines()[-1] == (
        "fuse: 2/10 tile-days, 1/5 days, tile 3, 2023-05-04, about 4 min 0 s left"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_of_a_tile_is_told_when_it_happens(terminal: bool) -> None:
    text = written([Event(done=1, error="item [a] is gone"), Event(done=10)], terminal=terminal)
    assert "item [a] is gone" in text


def test_a_terminal_gets_bars_with_days_and_tiles() -> None:
    text = written([Event(done=10, days_done=5, tile=8)], terminal=True)
    assert "10/10" in text
    assert "5/5 days, tile 8" in text


def test_a_table_shows_numbers_with_four_digits_and_unknown_ones_as_a_dash() -> None:
    console = Console(file=io.StringIO(), width=80)
    show.table(console, [{"method": "linear", "rmse": 0.01234, "cc": float("nan")}])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0.0123" in text
    assert text.split()[-1] == "-"
