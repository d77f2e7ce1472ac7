"""Records gather as long as the last work took, or as their rate calls for, within limits."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from services.runtime.gathering import (
    ENOUGH_BYTES,
    LONGEST_GATHER_SECONDS,
    LONGEST_SECONDS,
    SILENT_WAIT_MS,
    Gathering,
    resting,
)


def test_quick_work_is_followed_by_the_least_rest() -> None:
    assert resting(0.003, 0.0) == resting(0.003, 0.002) == 0.003


def test_work_that_takes_longer_is_followed_by_as_long_a_rest() -> None:
    assert resting(0.003, 0.015) == 0.015


def test_slow_work_adds_no_more_than_the_limit() -> None:
    assert resting(0.003, 2.0) == LONGEST_SECONDS


def test_who_asks_for_more_than_the_limit_gets_it() -> None:
    assert resting(0.2, 0.01) == 0.2


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def coming(records_a_second: float, *, least: float = 0.003, for_seconds: float = 10.0) -> Gathering:
    """After so many records a second, delivered every 20 ms."""
    clock = Clock()
    gathering = Gathering(least, clock)
    while clock.seconds < for_seconds:
        clock.seconds += 0.02
        gathering.delivered(round(records_a_second * 0.02))
    return gathering


def asked(gathering: Gathering) -> tuple[int, int]:
    """Least bytes and longest wait in ms that the next request asks for."""
    fetcher = SimpleNamespace()
    gathering.ask(fetcher)
    return fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms


def test_the_first_record_after_a_silence_is_asked_for_at_once() -> None:
    assert asked(Gathering(0.003)) == (1, SILENT_WAIT_MS)


def test_the_more_records_come_the_longer_the_broker_gathers() -> None:
    assert asked(coming(300)) == (ENOUGH_BYTES, 10)
    assert asked(coming(1500)) == (ENOUGH_BYTES, 50)


def test_the_broker_gathers_no_longer_than_the_limit() -> None:
    assert coming(1_000_000).seconds == LONGEST_GATHER_SECONDS


def test_few_records_gather_for_the_least_time() -> None:
    assert coming(50).seconds == 0.003


def test_who_asked_for_a_long_gathering_gets_it_while_records_come() -> None:
    assert coming(50, least=0.2).seconds == 0.2


def test_after_a_silence_the_next_record_waits_for_nothing_again() -> None:
    gathering = coming(3000)
    assert gathering.patience == pytest.approx(0.3, rel=0.01)
    gathering.delivered(0)
    assert asked(gathering) == (1, SILENT_WAIT_MS)
