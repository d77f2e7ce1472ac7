"""The pace of imports against a loop that is simulated: a queue with a fixed capacity, which may stop."""

from __future__ import annotations

from collections import deque

import pytest

from services.intake.imports.pacing import AT_MOST, GIVEN_UP_SECONDS, LONGEST_SECONDS, Pace

TICK = 0.005


class Loop:
    """Works so many leads a second, one after the other."""

    def __init__(self, per_second: float) -> None:
        self.per_second, self.waiting, self.free_at = per_second, deque[tuple[str, float]](), 0.0

    def step(self, now: float) -> list[str]:
        """Who arrives now."""
        arrived = []
        while self.per_second and self.waiting and self.free_at <= now:
            who, since = self.waiting[0]
            done_at = max(since, self.free_at) + 1 / self.per_second
            if done_at > now:
                break
            self.waiting.popleft()
            self.free_at = done_at
            arrived.append(who)
        return arrived


def play(pace: Pace, loop: Loop, seconds: float, begin: float = 0.0) -> tuple[int, float]:
    """(leads taken in, the longest that a fresh lead would have waited behind them after the first second)."""
    sent, longest, now = 0, 0.0, begin
    while now < begin + seconds:
        for who in loop.step(now):
            pace.arrived(who, now)
        for _ in range(pace.room(now)):
            sent += 1
            pace.sent(f"{begin}/{sent}", now)
            loop.waiting.append((f"{begin}/{sent}", now))
        if now > begin + 1 and loop.per_second:
            longest = max(longest, len(loop.waiting) / loop.per_second)
        now += TICK
    return sent, longest


@pytest.mark.parametrize("per_second", [30, 100, 500, 2000])
def test_whatever_the_loop_can_do_a_fresh_lead_waits_less_than_a_second(per_second: float) -> None:
    sent, longest = play(Pace(10.0), Loop(per_second), 60)
    assert longest < 1.0
    assert sent > min(per_second, 400) * 60 * 0.6, "and the import is not slower than it must be"


def test_a_loop_that_gets_slower_is_followed() -> None:
    pace, loop = Pace(10.0), Loop(1000)
    play(pace, loop, 20)
    assert pace.bound > 40
    loop.per_second = 40
    _, longest = play(pace, loop, 30, begin=20)
    assert longest <= AT_MOST / 40, "the first round has been sent already"
    assert play(pace, loop, 30, begin=50)[1] < 1.0


def test_the_floor_is_kept_in_a_loop_that_is_slow_but_lives() -> None:
    sent, _ = play(Pace(5.0), Loop(6), 60)
    assert sent >= 5 * 60 * 0.9


def test_a_loop_that_stands_still_is_not_filled_up() -> None:
    pace, loop = Pace(10.0), Loop(200)
    play(pace, loop, 10)
    loop.per_second = 0
    sent, _ = play(pace, loop, 120, begin=10)
    assert sent < 64 + 10 * 5 + 120 / 5 + 10
    loop.per_second, loop.free_at = 200, 130.0
    again, longest = play(pace, loop, 30, begin=130)
    assert longest < 1.5
    assert again > 1000


def test_who_never_arrives_is_given_up() -> None:
    pace = Pace(0.001)
    for number in range(4):
        pace.sent(str(number), 0.0)
    assert pace.room(1.0) == 0
    pace.sent("4", GIVEN_UP_SECONDS - 1)
    pace.arrived("4", GIVEN_UP_SECONDS - 1 + LONGEST_SECONDS / 2)
    assert pace.room(GIVEN_UP_SECONDS + 0.1) >= 4


def test_what_goes_nowhere_does_not_count() -> None:
    pace = Pace(0.001)
    for number in range(4):
        pace.sent(str(number), 0.0)
    for number in range(4):
        pace.left(str(number))
    assert pace.room(0.1) == 4
    assert not pace.arrived("0", 0.2)
