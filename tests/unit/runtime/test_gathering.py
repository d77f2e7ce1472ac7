"""Records gather as long as the last work took, within limits."""

from __future__ import annotations

from services.runtime.gathering import LONGEST_SECONDS, resting


def test_quick_work_is_followed_by_the_least_rest() -> None:
    assert resting(0.003, 0.0) == resting(0.003, 0.002) == 0.003


def test_work_that_takes_longer_is_followed_by_as_long_a_rest() -> None:
    assert resting(0.003, 0.015) == 0.015


def test_slow_work_adds_no_more_than_the_limit() -> None:
    assert resting(0.003, 2.0) == LONGEST_SECONDS


def test_who_asks_for_more_than_the_limit_gets_it() -> None:
    assert resting(0.2, 0.01) == 0.2
