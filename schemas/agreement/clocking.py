"""Planning a clock: when it warns and when it is due, from a start, with pauses, by the hours that it runs by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.agreement.clock_terms import Clock, FollowUp
from schemas.agreement.durations import say_duration
from schemas.agreement.open_time import OpenTime, Pause
from schemas.agreement.working_hours import ClockHours


class Planned(NamedTuple):
    """What a clock has before it, in UTC."""

    deadline: datetime
    warn_at: tuple[tuple[float, datetime], ...]
    """(share, instant), in order."""


def plan(
    open_time: OpenTime, start: datetime, within: timedelta, shares: Iterable[float], pauses: Iterable[Pause] = ()
) -> Planned:
    """`within` of open time from `start` on, and each share of it; pauses do not count. Raises NeverOpen.

    A deadline on the minute at which it closes is that minute, not the next opening.
    """
    breaks = sorted(pauses)
    return Planned(
        open_time.deadline(start, within, breaks),
        tuple((share, open_time.deadline(start, within * share, breaks)) for share in shares),
    )


def promise_in_words(clock: Clock, hours: ClockHours, step: FollowUp | None = None, number: int = 0) -> str:
    """What a clock promises, for the reasons of an event. step, number: of a cadence; without them its first one."""
    step = step or clock.step(0)
    title = f" ({clock.title})" if clock.title else ""
    by = f" by {' or '.join(step.channels)}" if step.channels else ""
    follows = f", follow-up {number}" if number else ""
    return (
        f"{clock.id}{title}{follows} promises one of {', '.join(clock.met_by)}{by} "
        f"within {say_duration(step.within)} of {hours.words}"
    )
